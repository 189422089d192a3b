//! What was changed about the catalogue by hand, all changes together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use tokio::sync::{Mutex, MutexGuard};

/// A price field that can be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum PriceField {
    SupplyPrice,
    InvoicePrice,
    MarketPrice,
    StockRebatePolicy,
    RebateMoney,
    IsSales,
    Reason,
}

impl PriceField {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::SupplyPrice => "supplyPrice",
            Self::InvoicePrice => "invoicePrice",
            Self::MarketPrice => "marketPrice",
            Self::StockRebatePolicy => "stockRebatePolicy",
            Self::RebateMoney => "rebateMoney",
            Self::IsSales => "isSales",
            Self::Reason => "reason",
        }
    }

    pub(super) fn is_money(self) -> bool {
        matches!(self, Self::SupplyPrice | Self::InvoicePrice | Self::MarketPrice | Self::RebateMoney)
    }
}

/// The price fields set for one product; `null` takes a field out of the answer.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct PriceChange(pub(super) BTreeMap<PriceField, Given>);

/// A value as it was given: the text of a number or of a string, or nothing for `null`.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub(super) struct Given(pub(super) Option<String>);

impl PriceChange {
    /// The outer `None`: not set by hand.
    pub(super) fn get(&self, field: PriceField) -> Option<Option<&str>> {
        self.0.get(&field).map(|given| given.0.as_deref())
    }

    pub(super) fn text(&self, field: PriceField) -> Option<&str> {
        self.get(field).flatten()
    }
}

impl<'de> Deserialize<'de> for Given {
    // From the raw text, since a number read as a float would lose its digits.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        match raw.get().as_bytes().first() {
            Some(b'n') => Ok(Self(None)),
            Some(b'"') => serde_json::from_str(raw.get()).map(Self).map_err(D::Error::custom),
            Some(b'-' | b'0'..=b'9') => Ok(Self(Some(raw.get().to_owned()))),
            _ => Err(D::Error::custom(format!("{} is neither a number nor a text nor null", raw.get()))),
        }
    }
}

/// All changes.
#[derive(Clone, Debug, Default)]
pub(super) struct Changes {
    pub(super) prices: BTreeMap<String, PriceChange>,
    pub(super) stock: BTreeMap<String, u64>,
    pub(super) withdrawn: BTreeSet<String>,
    pub(super) added: u64,
}

/// The changes in force.
#[derive(Default)]
pub(super) struct ChangeBook {
    current: RwLock<Arc<Changes>>,
    // Held from reading to keeping, so that two changes at once are both kept, in one order.
    changing: Mutex<()>,
}

impl ChangeBook {
    pub(super) fn current(&self) -> Arc<Changes> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Nobody else changes anything until the guard goes.
    pub(super) async fn change(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().await
    }

    pub(super) fn replace(&self, changes: Changes) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(changes);
    }
}
