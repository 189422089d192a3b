//! Interfaces of the open platform: their numbers in Haier's description, and their paths.

/// One interface; the operation that has a breaker of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Endpoint {
    Token,
    Products,
    Prices,
    Stock,
    Logistics,
    Balance,
}

/// Where some deployments serve tokens when the default path answers 404.
pub(super) const OTHER_TOKEN_PATH: &str = "/oauth2/token";

impl Endpoint {
    /// In the order of their numbers, which is the order of the enum.
    pub(super) const ALL: [Self; 6] =
        [Self::Token, Self::Products, Self::Prices, Self::Stock, Self::Logistics, Self::Balance];

    /// Its number in Haier's description, the label of metrics.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Token => "H0",
            Self::Products => "H1",
            Self::Prices => "H2",
            Self::Stock => "H3",
            Self::Logistics => "H4",
            Self::Balance => "H5",
        }
    }

    pub(super) const fn path(self) -> &'static str {
        match self {
            Self::Token => "/oauth2/auth",
            Self::Products => {
                "/yilihuo/jsh-service-goods-mall-search/api/product-info/procurable-products-out/\
                 check-procurable-products"
            }
            Self::Prices => {
                "/yilihuo/jsh-service-goods-price/api/goods-price/price-daily-sales/price-query/pt-out-list-price"
            }
            Self::Stock => "/yilihuo/jsh-service-stock-mall/api/page/stock/get-available-stock-open",
            Self::Logistics => {
                "/yilihuo/ylh-cloud-service-stock/api/page/stock/logistics/sass/\
                 get-thirdparty-logistics-info-by-order-code-auth"
            }
            Self::Balance => {
                "/yilihuo/jsh-service-finance-mall/api/page/account/account-balance-manager/\
                 get-payer-account-balance-by-customer-code"
            }
        }
    }
}
