//! The supplier's endpoints: which system they belong to and where they are served.

use std::fmt;

/// A system with a throttle of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum System {
    Openplat,
    Ylh,
}

impl System {
    pub(super) const ALL: [Self; 2] = [Self::Openplat, Self::Ylh];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Openplat => "openplat",
            Self::Ylh => "ylh",
        }
    }
}

/// One endpoint, named as in the interface description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    Token,
    Products,
    Prices,
    Stock,
    Logistics,
    Balance,
}

impl Endpoint {
    pub(super) const ALL: [Self; 6] =
        [Self::Token, Self::Products, Self::Prices, Self::Stock, Self::Logistics, Self::Balance];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Token => "H0",
            Self::Products => "H1",
            Self::Prices => "H2",
            Self::Stock => "H3",
            Self::Logistics => "H4",
            Self::Balance => "H5",
        }
    }

    pub(super) fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|endpoint| endpoint.name() == name)
    }

    pub(super) fn system(self) -> System {
        System::Openplat
    }

    pub(super) fn paths(self) -> &'static [&'static str] {
        match self {
            Self::Token => &["/oauth2/auth", "/oauth2/token"],
            Self::Products => &[
                "/yilihuo/jsh-service-goods-mall-search/api/product-info/procurable-products-out/check-procurable-products",
            ],
            Self::Prices => &[
                "/yilihuo/jsh-service-goods-price/api/goods-price/price-daily-sales/price-query/pt-out-list-price",
            ],
            Self::Stock => &["/yilihuo/jsh-service-stock-mall/api/page/stock/get-available-stock-open"],
            Self::Logistics => &[
                "/yilihuo/ylh-cloud-service-stock/api/page/stock/logistics/sass/get-thirdparty-logistics-info-by-order-code-auth",
            ],
            Self::Balance => &[
                "/yilihuo/jsh-service-finance-mall/api/page/account/account-balance-manager/get-payer-account-balance-by-customer-code",
            ],
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
