//! What was changed about the catalogue by hand, kept in memory and, when asked for, in a file that survives a restart.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::{fs, io};

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use tokio::sync::Mutex;

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
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Changes {
    pub(super) prices: BTreeMap<String, PriceChange>,
    pub(super) withdrawn: BTreeSet<String>,
    pub(super) added: u64,
}

/// The changes in force and where they are kept.
pub(super) struct ChangeBook {
    current: RwLock<Arc<Changes>>,
    file: Option<PathBuf>,
    // Held from reading to writing, so that two changes at once are both kept.
    writing: Mutex<()>,
}

impl ChangeBook {
    /// Reads the file when there is one already.
    pub(super) fn open(file: Option<PathBuf>) -> io::Result<Self> {
        let changes = match file.as_deref().map(fs::read) {
            None => Changes::default(),
            Some(Err(error)) if error.kind() == io::ErrorKind::NotFound => Changes::default(),
            Some(Err(error)) => return Err(error),
            Some(Ok(bytes)) => serde_json::from_slice(&bytes)?,
        };
        Ok(Self { current: RwLock::new(Arc::new(changes)), file, writing: Mutex::new(()) })
    }

    pub(super) fn current(&self) -> Arc<Changes> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Applies a change in full or not at all; on disk before it is seen.
    pub(super) async fn update<T, E: From<io::Error>>(
        &self,
        change: impl FnOnce(&mut Changes) -> Result<T, E>,
    ) -> Result<T, E> {
        let _writing = self.writing.lock().await;
        let mut changes = Changes::clone(&self.current());
        let outcome = change(&mut changes)?;
        if let Some(file) = self.file.clone() {
            let bytes = serde_json::to_vec_pretty(&changes).map_err(io::Error::from)?;
            tokio::task::spawn_blocking(move || replace(&file, &bytes)).await.map_err(io::Error::other)??;
        }
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(changes);
        Ok(outcome)
    }
}

// A reader never sees half a file: it is written beside and moved over the old one.
fn replace(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut beside = file.as_os_str().to_owned();
    beside.push(".new");
    fs::write(&beside, bytes)?;
    fs::rename(&beside, file)
}
