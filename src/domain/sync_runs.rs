//! What a run is asked to do, and where it stands while it runs.

use chrono::{DateTime, Utc};

use super::{
    products::ProductCode,
    stock::CountyCode,
    sync_logs::{Stage, SyncType, Trigger},
};

/// How many runs that are not over everything are at work at a time, over all replicas. Those over everything run beside
/// them, one per type.
pub const MOST_BESIDE: i64 = 4;

/// Which products, and what about them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SyncRequest {
    /// Exactly these, in order of code, each once. Empty: by `category` and `brand`, else everything.
    pub codes: Vec<ProductCode>,
    /// Only this product group of Haier's; in a run over stored products, this category.
    pub category: Option<String>,
    /// Only this brand of Haier's; in a run over stored products, this brand.
    pub brand: Option<String>,
    /// Category to set.
    pub assign_category: Option<String>,
    /// Brand to set.
    pub assign_brand: Option<String>,
    /// Ask for prices.
    pub prices: bool,
    /// Ask for stock in this county.
    pub stock: Option<CountyCode>,
    /// Ask nothing: apply what was set aside and a person has approved.
    pub approved: bool,
    /// Write nothing: compare what is stored with the whole listing, and with the prices of so many products at random.
    pub verify: Option<u32>,
    /// In a run from the listing, ask for prices and stock of products that were not stored before, or were delisted, and of
    /// no others.
    pub only_new: bool,
    /// In a run from the listing, ask for stock of such products only; where nothing was stored before, of none.
    pub only_new_stock: bool,
    /// In a run over stored products, only those that are due. `None`: all.
    pub due: Option<Due>,
    /// No stored instant in the future keeps an answer out.
    pub repair: bool,
    /// How often these codes were tried before, by the runs that this one repeats.
    pub tried: i64,
}

impl SyncRequest {
    /// Whether the run is over the whole catalogue; of those one at a time may run per type.
    #[must_use]
    pub fn is_over_everything(&self) -> bool {
        let in_front = self.due.as_ref().is_some_and(|due| due.front.is_some());
        let selects = self.category.is_some() || self.brand.is_some();
        self.codes.is_empty() && !selects && !in_front && !self.approved
    }
}

/// Which stored products are due to be asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// Those that were last asked for before this, and those that never were.
    pub before: DateTime<Utc>,
    /// Of those that never were, only codes up to and with this one. `None`: all of them.
    pub up_to: Option<ProductCode>,
    /// Only what is looked after before others. `None`: all.
    pub front: Option<Front>,
}

/// What is looked after before others: what an operator watches, and what is low or selling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Front {
    /// Stock below this is low, unless a product has a threshold of its own.
    pub low_stock: i64,
    /// Ordered then or later: selling.
    pub sold_since: DateTime<Utc>,
}

/// A run to be stored: its log and its work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRun {
    /// Time-ordered id of its log.
    pub log_id: i64,
    /// What it is about.
    pub sync_type: SyncType,
    /// What to do.
    pub request: SyncRequest,
    /// What set it off.
    pub trigger: Trigger,
    /// Who asked; empty for the service itself.
    pub requested_by: String,
    /// Account to run under.
    pub account: String,
    /// The run it repeats or follows.
    pub parent_id: Option<i64>,
}

/// How far a run is. A resumed run goes on from here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The step it works on.
    pub stage: Stage,
    /// Codes up to and with this one are decided. `None`: none is.
    pub after: Option<ProductCode>,
    /// Picture addresses left out so far.
    pub bad_pictures: i64,
    /// Products found gone from the listing so far.
    pub delisted: i64,
    /// Whether it fills a store that was empty when it began.
    pub loading: bool,
}

/// A run as one worker holds it: only while `epoch` is the stored one may it write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimedRun {
    /// Id of its log.
    pub log_id: i64,
    /// Raised by every claim.
    pub epoch: i64,
    /// What it is about.
    pub sync_type: SyncType,
    /// What to do.
    pub request: SyncRequest,
    /// Where the worker before stopped. `None`: nobody worked on it yet.
    pub checkpoint: Option<Checkpoint>,
    /// Account it was stored under.
    pub account: String,
    /// How often it was taken over from a worker that was gone, since a batch was last committed.
    pub takeovers: i64,
}
