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
    YlhToken,
    CreateOrder,
    CancelOrder,
    RescheduleOrder,
    Photos,
    CourierNumbers,
}

impl Endpoint {
    pub(super) const ALL: [Self; 12] = [
        Self::Token,
        Self::Products,
        Self::Prices,
        Self::Stock,
        Self::Logistics,
        Self::Balance,
        Self::YlhToken,
        Self::CreateOrder,
        Self::CancelOrder,
        Self::RescheduleOrder,
        Self::Photos,
        Self::CourierNumbers,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Token => "H0",
            Self::Products => "H1",
            Self::Prices => "H2",
            Self::Stock => "H3",
            Self::Logistics => "H4",
            Self::Balance => "H5",
            Self::YlhToken => "Y0",
            Self::CreateOrder => "Y1",
            Self::CancelOrder => "Y2",
            Self::RescheduleOrder => "Y3",
            Self::Photos => "Y4",
            Self::CourierNumbers => "Y5",
        }
    }

    pub(super) fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|endpoint| endpoint.name() == name)
    }

    pub(super) fn system(self) -> System {
        match self {
            Self::Token | Self::Products | Self::Prices | Self::Stock | Self::Logistics | Self::Balance => {
                System::Openplat
            }
            Self::YlhToken
            | Self::CreateOrder
            | Self::CancelOrder
            | Self::RescheduleOrder
            | Self::Photos
            | Self::CourierNumbers => System::Ylh,
        }
    }

    /// Whether it hands tokens out rather than asking for one.
    pub(super) fn is_token(self) -> bool {
        matches!(self, Self::Token | Self::YlhToken)
    }

    /// Whether a call does something that a caller who hangs up does not undo.
    pub(super) fn changes_the_world(self) -> bool {
        matches!(self, Self::CreateOrder | Self::CancelOrder | Self::RescheduleOrder)
    }

    /// Every path it is served at: those of the order system under the suffix of each environment.
    pub(super) fn paths(self) -> Vec<String> {
        let suffixes: &[&str] = if self.system() == System::Ylh { &["", "-dev", "-pre"] } else { &[""] };
        let patterns = self.path_patterns().iter();
        patterns.flat_map(|path| suffixes.iter().map(|suffix| path.replace("{s}", suffix))).collect()
    }

    fn path_patterns(self) -> &'static [&'static str] {
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
            Self::YlhToken => &["/ylh-cloud-mgt-auth{s}/oauth/token"],
            Self::CreateOrder => {
                &["/ylh-cloud-service-jst-order{s}/api/page/hmm/retailorder/receive-hmm-retail-order"]
            }
            Self::CancelOrder => {
                &["/ylh-cloud-service-jst-order{s}/api/page/hmm/retailorder/cancel-hmm-retail-order"]
            }
            Self::RescheduleOrder => {
                &["/ylh-cloud-service-order{s}/api/page/retailorder/hmm/update-distribution-time"]
            }
            Self::Photos => {
                &["/ylh-cloud-service-order{s}/api/page/retailorder/search/get-retail-order-delivery-img"]
            }
            Self::CourierNumbers => &[
                "/ylh-cloud-service-stock{s}/api/composite/stock/logistics/get-store-logistics-by-order-code",
            ],
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
