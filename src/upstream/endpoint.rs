//! Interfaces of Haier's two systems: their numbers in Haier's description, their paths, and what a call to them does.

use crate::domain::pauses::PauseTarget;

/// One of Haier's systems.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum System {
    /// Catalogue, prices, stock.
    OpenPlatform,
    /// Orders.
    OrderSystem,
}

/// Interfaces of one system; each is an operation that has a breaker of its own.
pub(super) const PER_SYSTEM: usize = 6;

impl System {
    pub(super) const fn name(self) -> &'static str {
        self.target().as_str()
    }

    /// What an operator pauses to hold all of it back.
    pub(super) const fn target(self) -> PauseTarget {
        match self {
            Self::OpenPlatform => PauseTarget::OpenPlatform,
            Self::OrderSystem => PauseTarget::OrderSystem,
        }
    }

    /// Its interfaces, each at its index.
    pub(super) const fn endpoints(self) -> [Endpoint; PER_SYSTEM] {
        use Endpoint::*;
        match self {
            Self::OpenPlatform => [Token, Products, Prices, Stock, Logistics, Balance],
            Self::OrderSystem => {
                [YlhToken, CreateOrder, CancelOrder, RescheduleOrder, DeliveryPhotos, CourierNumbers]
            }
        }
    }

    /// The interface that serves its tokens.
    pub(super) const fn token(self) -> Endpoint {
        match self {
            Self::OpenPlatform => Endpoint::Token,
            Self::OrderSystem => Endpoint::YlhToken,
        }
    }
}

/// One interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    DeliveryPhotos,
    CourierNumbers,
}

/// What a call does at Haier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// Nothing: it may be repeated freely.
    Read,
    /// It changes the world: repeated only where it was provably not carried out.
    Change,
}

/// Where some deployments of the open platform serve tokens when the default path answers 404.
pub(super) const OTHER_TOKEN_PATH: &str = "/oauth2/token";

impl Endpoint {
    /// Whether it serves tokens.
    pub(super) const fn is_token(self) -> bool {
        matches!(self, Self::Token | Self::YlhToken)
    }

    /// Its place among those of its system.
    pub(super) const fn index(self) -> usize {
        self as usize % PER_SYSTEM
    }

    pub(super) const fn effect(self) -> Effect {
        match self {
            Self::CreateOrder | Self::CancelOrder | Self::RescheduleOrder => Effect::Change,
            _ => Effect::Read,
        }
    }

    /// Whether a pause of this target holds it back.
    pub(super) fn is_held_by(self, target: PauseTarget) -> bool {
        match target {
            PauseTarget::OpenPlatform => (self as usize) < PER_SYSTEM,
            PauseTarget::OrderSystem => (self as usize) >= PER_SYSTEM,
            PauseTarget::OrderPush => self == Self::CreateOrder,
        }
    }

    /// Its number in Haier's description, the label of metrics.
    pub(super) const fn name(self) -> &'static str {
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
            Self::DeliveryPhotos => "Y4",
            Self::CourierNumbers => "Y5",
        }
    }

    /// Its path; `{s}` stands for the suffix of the account's service names. Those of tokens are the account's own.
    pub(super) const fn path(self) -> &'static str {
        match self {
            Self::Token | Self::YlhToken => "",
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
            Self::CreateOrder => {
                "/ylh-cloud-service-jst-order{s}/api/page/hmm/retailorder/receive-hmm-retail-order"
            }
            Self::CancelOrder => {
                "/ylh-cloud-service-jst-order{s}/api/page/hmm/retailorder/cancel-hmm-retail-order"
            }
            Self::RescheduleOrder => {
                "/ylh-cloud-service-order{s}/api/page/retailorder/hmm/update-distribution-time"
            }
            Self::DeliveryPhotos => {
                "/ylh-cloud-service-order{s}/api/page/retailorder/search/get-retail-order-delivery-img"
            }
            Self::CourierNumbers => {
                "/ylh-cloud-service-stock{s}/api/composite/stock/logistics/get-store-logistics-by-order-code"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_interface_stands_at_its_index_and_is_held_by_its_systems_pause() {
        for system in [System::OpenPlatform, System::OrderSystem] {
            let endpoints = system.endpoints();
            assert_eq!(endpoints[0], system.token());
            for (index, endpoint) in endpoints.into_iter().enumerate() {
                assert_eq!(endpoint.index(), index);
                assert!(endpoint.name().ends_with(&index.to_string()));
                let held = PauseTarget::ALL.into_iter().filter(|target| endpoint.is_held_by(*target));
                let push = (endpoint == Endpoint::CreateOrder).then_some(PauseTarget::OrderPush);
                assert!(held.eq([system.target()].into_iter().chain(push)), "{endpoint:?}");
            }
        }
    }
}
