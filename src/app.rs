//! The use cases: a method each on [`App`], one file per resource. Joins the store and the upstream, which never see
//! each other.

mod api_tokens;
mod audit;
mod balances;
mod callbacks;
mod clock;
mod database_identity;
mod errors;
mod feeds;
mod flights;
mod haier_configs;
pub mod health;
mod held_runs;
mod keys;
mod learning;
mod live;
mod logistics;
mod order_accounts;
mod order_changes;
mod order_deferrals;
mod order_facts;
mod order_feed;
mod order_leases;
mod order_products;
mod order_push;
mod order_reads;
mod order_warnings;
mod order_watchers;
mod orders;
pub mod page_tokens;
mod partitions;
mod pauses;
mod prices;
mod process_numbers;
pub mod product_changes;
mod products;
mod recent;
mod replicas;
mod schedules;
mod slots;
mod stock;
mod sync_logs;
mod sync_run;
mod sync_runs;
mod tokens;
mod upstreams;
mod verification;

use std::{sync::Arc, time::Instant};

use chrono::TimeDelta;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

pub use api_tokens::NewToken;
pub use callbacks::{CallbackOutcome, CallbackRounds, CallbackSettings};
pub use clock::{SystemClock, TimeSource};
pub use feeds::{Batch, FeedEntry, FeedPage, FeedWatch, Place};
pub use haier_configs::{AccountCheck, Activation, CheckOutcome, CheckedPart, NewHaierConfig, TestedAccount};
pub use keys::{KeyRotation, KeyUse, RotationProgress};
pub use order_accounts::DisplacedWatch;
pub use order_changes::OrderWish;
pub use order_feed::OrderWatch;
pub use order_reads::FoundCouriers;
pub use orders::{FoundOrders, OrderSettings};
pub use partitions::make_partitions;
pub use prices::{LivePrices, PriceFailure};
pub use products::FoundProducts;
pub use replicas::{ReplicaStatus, UpstreamStatus};
pub use schedules::{ScheduleList, ScheduleSettings, ScheduleView};
pub use slots::StoredLedger;
pub use sync_run::{Preview, SyncPreview};
pub use sync_runs::{Progress, SyncWatch};
pub use tokens::StoredTokens;
pub use upstreams::{GivenAccount, OpenUpstream};
pub use verification::{Compared, Comparison, STANDARD_SAMPLE, Verification};

pub use crate::upstream::{BreakerState, BreakerStatus, BudgetStatus, SystemStatus, TokenStatus};
use crate::{
    auth::{Gate, Outside},
    domain::{
        accounts::AccountRules, callers::Caller, clock::Clock, guard::Limits, ids::IdGenerator,
        pauses::Pause, product_changes::ProductChange,
    },
    error::{Error, Result},
    keyring::KeyRing,
    store::Store,
    upstream::Reach,
};

/// Who calls, and until when.
#[derive(Debug, Clone)]
pub struct Ctx {
    /// Who calls.
    pub caller: Caller,
    /// When the caller stops waiting.
    pub deadline: Option<Instant>,
}

/// How runs work. All of it is settings.
#[derive(Debug, Clone)]
pub struct RunSettings {
    /// Codes a call, at most 20.
    pub batch_size: usize,
    /// Calls a run has in flight at most.
    pub calls_in_flight: usize,
    /// Rows a transaction writes at most.
    pub flush_rows: usize,
    /// Longest time rows wait for others before they are written.
    pub flush_interval: std::time::Duration,
    /// How long a worker that shows no sign of life keeps its run.
    pub lease: TimeDelta,
    /// How often a worker shows one.
    pub heartbeat: TimeDelta,
    /// How long a run waits for a Haier that is down.
    pub outage_wait: TimeDelta,
    /// How much a run may change without a person's word.
    pub guard: Limits,
    /// How long what it has set aside waits for one.
    pub held_for: TimeDelta,
}

/// How feeds of changes are kept and read. All of it is settings.
#[derive(Debug, Clone, Copy)]
pub struct ChangeSettings {
    /// How long entries are kept.
    pub kept: TimeDelta,
    /// How long a reader may take over what it was handed before it is cut.
    pub patience: std::time::Duration,
}

/// Runs what writes in a task of its own, so that a client who hangs up cannot stop it between two steps.
async fn to_its_end<T: Send + 'static>(work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
    tokio::spawn(work).await.map_err(|error| Error::Internal(Box::new(error)))?
}

/// Everything a use case needs.
pub struct App {
    store: Store,
    clock: Arc<dyn Clock>,
    ids: IdGenerator,
    upstreams: upstreams::Upstreams,
    callbacks: callbacks::Callbacks,
    /// What seals and opens secrets. `None`: what needs it answers NO_KEY.
    key_ring: Option<Arc<KeyRing>>,
    account_rules: AccountRules,
    live: live::Live,
    learning: learning::Learning,
    recent: recent::Recent,
    runs: RunSettings,
    schedules: ScheduleSettings,
    changes: ChangeSettings,
    product_feed: feeds::Feed<ProductChange>,
    orders: orders::Orders,
    /// Name of this process in leases.
    worker: String,
    /// The database as it was seen last.
    database: database_identity::DatabaseWatch,
    /// This process as others see it.
    replica: replicas::Replica,
    /// What an operator holds back, as last read.
    pauses: watch::Sender<Vec<Pause>>,
    /// Held while they are read and obeyed.
    pauses_reading: tokio::sync::Mutex<()>,
    /// Knows callers by what they show.
    gate: Gate,
    /// Held while it learns the tokens.
    tokens_reading: tokio::sync::Mutex<()>,
    /// Raised whenever a run commits something, so that watchers look again.
    committed: watch::Sender<u64>,
    /// Rung when there is a run to claim.
    pub(crate) wake: Notify,
    /// Set when this process goes down.
    pub(crate) stopping: CancellationToken,
    health: watch::Sender<health::Health>,
}

/// What an [`App`] is built from.
pub struct Parts {
    /// The database, open and migrated.
    pub store: Store,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Makes the clients of Haier.
    pub opener: Box<dyn OpenUpstream>,
    /// The account of the environment or of the sandbox.
    pub given: GivenAccount,
    /// What seals and opens secrets. `None`: no keys were given.
    pub key_ring: Option<Arc<KeyRing>>,
    /// What stored accounts are allowed.
    pub account_rules: AccountRules,
    /// How runs work.
    pub runs: RunSettings,
    /// How schedules work.
    pub schedules: ScheduleSettings,
    /// How feeds of changes are kept and read.
    pub changes: ChangeSettings,
    /// What settings say of callers.
    pub callers: Outside,
    /// How orders are pushed.
    pub orders: OrderSettings,
    /// How callbacks are taken.
    pub callbacks: CallbackSettings,
    /// A number of this process, for its name in leases; ids have one of their own, which is leased.
    pub process: u16,
    /// Name of the machine, for a person to know this process by.
    pub host: String,
    /// Version of this program.
    pub version: &'static str,
}

impl App {
    /// Puts the parts together.
    #[must_use]
    pub fn new(parts: Parts) -> Arc<Self> {
        let Parts {
            store,
            clock,
            opener,
            given,
            key_ring,
            account_rules,
            runs,
            schedules,
            changes,
            callers,
            orders,
            callbacks,
            process,
            host,
            version,
        } = parts;
        let name = format!("{host}-{process:04x}");
        let orders = orders::Orders::new(orders, &store);
        let reach = if account_rules.allow_private_hosts { Reach::Anywhere } else { Reach::Public };
        Arc::new(Self {
            store,
            clock,
            ids: IdGenerator::default(),
            upstreams: upstreams::Upstreams::new(opener, given, reach),
            callbacks: callbacks::Callbacks::new(callbacks),
            key_ring,
            account_rules,
            live: live::Live::default(),
            learning: learning::Learning::default(),
            recent: recent::Recent::default(),
            runs,
            schedules,
            changes,
            product_feed: feeds::Feed::default(),
            orders,
            worker: format!("{}-{process}", std::process::id()),
            database: database_identity::DatabaseWatch::default(),
            replica: replicas::Replica::new(name, version),
            pauses: watch::Sender::new(Vec::new()),
            pauses_reading: tokio::sync::Mutex::default(),
            gate: Gate::new(callers),
            tokens_reading: tokio::sync::Mutex::default(),
            committed: watch::Sender::new(0),
            wake: Notify::new(),
            stopping: CancellationToken::new(),
            health: watch::Sender::new(health::Health::default()),
        })
    }

    /// The time.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// The store, for what is no use case: pool figures and housekeeping.
    #[must_use]
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// Waits until what live calls learnt is stored, when no more of them can begin.
    pub async fn finish_learning(&self) {
        self.learning.finish().await;
    }

    /// Begins to go down: streams end, runs are given back at the next checkpoint.
    pub fn stop(&self) {
        self.health.send_modify(|health| health.draining = true);
        self.stopping.cancel();
    }
}
