//! Runs whose findings wait for a person, and what becomes of them.

use chrono::{DateTime, Utc};

use super::{
    guard::Extent,
    product_changes::FieldChange,
    products::{PriceRecord, ProductCode},
    sync_logs::SyncType,
};

macro_rules! words {
    ($(#[doc = $doc:literal])+ $name:ident { $($(#[doc = $each:literal])+ $variant:ident = $word:literal;)+ }) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[doc = $each])+ $variant,)+ }

        impl $name {
            /// The word, as stored.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// The value of a stored word.
            #[must_use]
            pub fn parse(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

words! {
    /// What became of a held run.
    Verdict {
        /// A person had its findings applied.
        Approved = "APPROVED";
        /// A person had them dropped.
        Discarded = "DISCARDED";
        /// Nobody decided in time; they are dropped.
        Expired = "EXPIRED";
        /// A later run over everything has found anew and is held in its place.
        Superseded = "SUPERSEDED";
    }
}

words! {
    /// What a finding is about.
    FindingKind {
        /// The listing no longer holds the product.
        Delisted = "DELISTED";
        /// A price moved far.
        Price = "PRICE";
    }
}

/// How a held run was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// What became of it.
    pub verdict: Verdict,
    /// Who decided; empty for the service itself.
    pub by: String,
    /// When.
    pub at: DateTime<Utc>,
    /// The run that applies its findings, or is held in its place.
    pub successor_id: Option<i64>,
}

/// A run that ended HELD.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldRun {
    /// Id of its log.
    pub sync_log_id: i64,
    /// What it was about.
    pub sync_type: SyncType,
    /// Account it ran under.
    pub account: String,
    /// Whether it was over everything: a later one then takes its place.
    pub over_everything: bool,
    /// How far its findings reach.
    pub extent: Extent,
    /// When it ended.
    pub held_at: DateTime<Utc>,
    /// When its findings are dropped.
    pub expires_at: DateTime<Utc>,
    /// `None`: it waits.
    pub decision: Option<Decision>,
}

/// What was set aside about one product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldFinding {
    /// The product.
    pub code: ProductCode,
    /// When Haier was asked.
    pub asked_at: DateTime<Utc>,
    /// The price record as it was answered. `None`: the listing no longer holds the product.
    pub answer: Option<PriceRecord>,
    /// Prices that would change.
    pub changes: Vec<FieldChange>,
}

impl HeldFinding {
    /// What it is about.
    #[must_use]
    pub const fn kind(&self) -> FindingKind {
        if self.answer.is_some() { FindingKind::Price } else { FindingKind::Delisted }
    }
}
