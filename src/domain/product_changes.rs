//! The feed of products: what changed, when, and which run found it. Also how a product's price and stock came about.

use chrono::{DateTime, Utc};

use super::{
    products::{Product, ProductCode},
    words::words,
};

words! {
    /// What an entry of the feed tells.
    pub enum ChangeKind {
        /// An empty store was loaded; one entry for all of it.
        Loaded = "LOADED";
        /// A product that was not stored before, with all that is known of it.
        New = "NEW";
        /// Fields of a product changed.
        Changed = "CHANGED";
        /// The catalogue no longer holds the product.
        Delisted = "DELISTED";
        /// The catalogue holds the product again; maybe with changed fields.
        Returned = "RETURNED";
    }
}

/// One field's change. Money and rates are exact decimals, lists are JSON, yes and no are `true` and `false`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldChange {
    /// The field, as the API names it.
    pub field: String,
    /// What it was; `None`: nothing.
    pub old: Option<String>,
    /// What it is; `None`: nothing.
    pub new: Option<String>,
}

/// Where what is written comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// The run's log. `None`: a live call.
    pub sync_log_id: Option<i64>,
    /// When it is written.
    pub at: DateTime<Utc>,
}

/// An entry of the feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProductChange {
    /// Its number: dense, and in the order of the commits.
    pub seq: i64,
    /// What it tells.
    pub kind: ChangeKind,
    /// The product; `None` for [`ChangeKind::Loaded`].
    pub code: Option<ProductCode>,
    /// The fields, in a fixed order.
    pub changes: Vec<FieldChange>,
    /// How many products a loading brought; 0 for anything else.
    pub products: i64,
    /// Where it comes from.
    pub origin: Origin,
}

/// How one field came to its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldHistory {
    /// The field, as the API names it.
    pub field: String,
    /// What it is; `None`: nothing.
    pub value: Option<String>,
    /// What it was before; `None`: nothing, or the value is the first one.
    pub before: Option<String>,
    /// Since when, and who set it. `None`: it never had a value.
    pub origin: Option<Origin>,
}

/// A product, and how its prices and its stock came about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExplainedProduct {
    /// The product as stored.
    pub product: Product,
    /// When it was first stored, and by whom.
    pub stored: Origin,
    /// Its prices, then its stock in the default county.
    pub fields: Vec<FieldHistory>,
}
