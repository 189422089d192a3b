//! Upstream accounts that are stored: what may be shown of them, and how they are looked for.

use chrono::{DateTime, Utc};

use super::accounts::{AccountDraft, Field};

/// Most characters of a name.
pub const MAX_NAME_CHARS: usize = 64;
/// Names of accounts that are not stored.
pub const RESERVED_NAMES: [&str; 2] = ["environment", "sandbox"];

/// The table in which a secret is sealed; with the account's id and the field's path its place.
pub const TABLE: &str = "haier_configs";

/// A secret that is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SecretAge {
    /// Which.
    pub field: Field,
    /// Since when.
    pub set_at: DateTime<Utc>,
}

/// A stored account, without its secrets.
#[derive(Debug, Clone)]
pub struct HaierConfig {
    /// Time-ordered id.
    pub id: i64,
    /// Unique name.
    pub name: String,
    /// Its settings as they were given; of its secrets only which are there.
    pub draft: AccountDraft,
    /// Secrets that are set, in the order of fields.
    pub secrets: Vec<SecretAge>,
    /// Whether it is the one in use.
    pub active: bool,
    /// Raised by every change.
    pub version: i64,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was changed last.
    pub updated_at: DateTime<Utc>,
}

impl HaierConfig {
    /// Changes with every change, and is another one for another account of the same name.
    #[must_use]
    pub fn etag(&self) -> String {
        format!("{:x}-{:x}", self.id, self.version)
    }
}

/// Which accounts to list; `None` matches everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct HaierConfigFilter {
    /// Only the active one, or only the others.
    pub active: Option<bool>,
    /// Made then or later.
    pub created_after: Option<DateTime<Utc>>,
    /// Made before.
    pub created_before: Option<DateTime<Utc>>,
    /// Part of the name, case ignored.
    pub query: Option<String>,
}

/// A change of a stored account.
#[derive(Debug, Clone, Default)]
pub struct HaierConfigChange {
    /// The values that fields get; one that is not here is taken away.
    pub draft: AccountDraft,
    /// The fields to change.
    pub fields: Vec<Field>,
    /// Whether the part at the order system goes as a whole, with its secrets, before the values are set.
    pub remove_ylh: bool,
    /// Hosts of one of Haier's environments, in place of those that are not among `fields`.
    pub preset: Option<super::accounts::Preset>,
    /// Somebody says that the changed account leads to the same place and customer: its orders go with it.
    pub same_place: bool,
}

/// What came of a change.
#[derive(Debug, Clone)]
pub struct ChangedHaierConfig {
    /// The account's name.
    pub name: String,
    /// The account as it is stored now. `None`: it is not stored.
    pub stored: Option<HaierConfig>,
    /// Orders that were bound to where it leads now.
    pub rebound_orders: usize,
}

impl HaierConfigChange {
    /// Whether nothing is to be changed but what orders are bound to.
    #[must_use]
    pub const fn is_only_same_place(&self) -> bool {
        self.same_place && self.fields.is_empty() && self.preset.is_none() && !self.remove_ylh
    }
}
