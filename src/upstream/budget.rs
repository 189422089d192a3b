//! The budget of calls: never more in any second than Haier allows, live calls before bulk. The slots are kept in a
//! ledger, in memory for one process or in the database for all replicas together; callers wait here, in one queue.

mod memory;
mod queue;
mod reckoning;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::{
    admission::SHORT_WAIT,
    error::{Error, Result},
    patience::{Call, Patience},
};
pub use crate::domain::slots::Priority;
use crate::domain::{
    clock::BoxFuture,
    reasons::Reason,
    slots::{Rules, Turn, Wish},
};
pub use memory::MemoryLedger;
use queue::{Place, Queue};

/// A slot used later than this would crowd the next second: it is thrown away and another one taken. With slots 3 % wider
/// than the rate asks for, 31 ms between the earliest and the latest arrival still keep every second below the limit.
pub(super) const MAX_LATENESS: Duration = Duration::from_millis(25);
/// Longest wait for the second slot of a call.
const LONGEST_SECOND_WAIT: Duration = Duration::from_secs(1);
/// How long nobody calls when Haier throttles and does not say for how long: by then a tenth of its second is free again.
const UNTOLD_HOLD: Duration = Duration::from_millis(100);

/// A ledger that cannot be asked, with why. No call is made without a slot.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreachable(pub String);

/// Where slots are kept.
pub trait SlotLedger: Send + Sync {
    /// Reserves the next slot, or says when to ask again.
    fn reserve(&self, wish: Wish) -> BoxFuture<'_, std::result::Result<Turn, Unreachable>>;

    /// Keeps everybody from calling for so long: Haier throttles the account.
    fn hold(&self, wait: Duration) -> BoxFuture<'_, std::result::Result<(), Unreachable>>;
}

/// The budget of one upstream system under one account.
#[derive(Clone)]
pub struct Budget {
    queue: Option<Arc<Queue>>,
    /// Until when Haier wants no calls, as far as this process was told.
    throttled_until: Arc<Mutex<Option<Instant>>>,
}

impl Budget {
    /// A budget kept in a ledger by these rules.
    #[must_use]
    pub fn new(ledger: Arc<dyn SlotLedger>, rules: &Rules) -> Self {
        Self { queue: Some(Arc::new(Queue::new(ledger, rules))), throttled_until: Arc::default() }
    }

    /// No limit.
    #[must_use]
    pub fn unlimited() -> Self {
        Self { queue: None, throttled_until: Arc::default() }
    }

    /// Why no slot is to be had for a while, if Haier throttles this account.
    pub(super) fn hold(&self) -> Option<Error> {
        let until = *self.throttled_until.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = until?.saturating_duration_since(Instant::now());
        (wait > SHORT_WAIT).then(|| {
            let detail = "Haier throttles this account and is left alone for a moment";
            Error { retry_after: Some(wait), ..Error::new(Reason::RateLimited, detail) }
        })
    }

    /// Waits for a slot. A wait past the deadline is refused at once. Dropping it costs one slot at most.
    pub(super) async fn acquire(&self, call: &Call<'_>) -> Result<()> {
        self.take(call.priority, call.deadline, Place::Back).await
    }

    /// Waits for one more slot, for what has had one and could not use it in time; through no fault of its own, hence before
    /// the others. Where none comes soon it goes without: it was counted once.
    pub(super) async fn take_another(&self) {
        let slot = self.take(Priority::Live, None, Place::Front);
        if !matches!(tokio::time::timeout(LONGEST_SECOND_WAIT, slot).await, Ok(Ok(()))) {
            tracing::debug!("a late call goes out without a slot of its own");
        }
    }

    async fn take(
        &self,
        priority: Priority,
        deadline: Option<&Arc<Patience>>,
        mut place: Place,
    ) -> Result<()> {
        let Some(queue) = &self.queue else { return Ok(()) };
        loop {
            let told = queue.join(priority, deadline.cloned(), place).await;
            let due: Instant =
                told.map_err(|_| Error::new(Reason::Internal, "the queue for slots panicked"))??;
            if due.elapsed() <= MAX_LATENESS {
                return Ok(());
            }
            // It woke too late for this slot, through no fault of its own.
            place = Place::Front;
        }
    }

    /// Haier has answered 429: nobody calls until it is willing again.
    pub(super) fn throttled(&self, asked: Option<Duration>) {
        let until = Instant::now() + asked.unwrap_or(UNTOLD_HOLD);
        let mut throttled_until = self.throttled_until.lock().unwrap_or_else(PoisonError::into_inner);
        // A late answer may ask for less than another one did.
        *throttled_until = (*throttled_until).max(Some(until));
        drop(throttled_until);
        let Some(queue) = self.queue.clone() else { return };
        // Not awaited: the caller may go away, and the others must hear of it all the same.
        tokio::spawn(async move {
            if let Err(error) = queue.hold(asked.unwrap_or(UNTOLD_HOLD)).await {
                tracing::debug!(%error, "the other callers could not be told that Haier throttles");
            }
        });
    }
}
