//! The budget of calls: a timeline of slots that never lets more calls out in any second than Haier allows, and lets
//! live calls pass before bulk ones.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use super::{
    error::{Error, Result},
    patience::Call,
};
use crate::domain::{clock::BoxFuture, reasons::Reason};

/// Slots are this much wider than the rate asks for, so that the jitter of firing them stays below the limit.
const SLACK: f64 = 0.97;
/// Bulk takes a slot only when it is due this soon, so that a live call finds the next one free.
const BULK_HORIZON: Duration = Duration::from_millis(5);
/// Bulk gets a slot at least this often, however many live calls there are.
const BULK_FLOOR: Duration = Duration::from_millis(100);
/// A slot used later than this would crowd the next second: it is thrown away and another one taken.
const MAX_LATENESS: Duration = Duration::from_millis(25);

/// Who goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    /// A caller waits for it.
    Live,
    /// Part of a run.
    Bulk,
}

/// What a ledger answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// A slot is reserved, due after this wait.
    Reserved(Duration),
    /// Nothing reserved; ask again after this wait.
    AskAgain(Duration),
}

/// Where slots are kept: in memory for one process, in the database for many.
pub trait SlotLedger: Send + Sync {
    /// Reserves the next slot, or says when to ask again.
    fn reserve(&self, priority: Priority) -> BoxFuture<'_, Result<Turn>>;
}

/// The slots of one process.
#[derive(Debug)]
pub struct MemoryLedger {
    spacing: Duration,
    timeline: Mutex<Timeline>,
}

#[derive(Debug, Default)]
struct Timeline {
    next_slot: Option<Instant>,
    bulk_last: Option<Instant>,
}

impl MemoryLedger {
    /// A timeline of at most `per_second` slots in any second; `per_second` is at least 1.
    #[must_use]
    pub fn new(per_second: u32) -> Self {
        let spacing = Duration::from_secs_f64(1.0 / (f64::from(per_second.max(1)) * SLACK));
        Self { spacing, timeline: Mutex::default() }
    }

    fn reserve_at(&self, priority: Priority, now: Instant) -> Turn {
        let mut timeline = self.timeline.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let slot = timeline.next_slot.map_or(now, |next| next.max(now));
        let wait = slot - now;
        if priority == Priority::Bulk {
            let starved =
                timeline.bulk_last.is_none_or(|last| slot.saturating_duration_since(last) >= BULK_FLOOR);
            if wait > BULK_HORIZON && !starved {
                return Turn::AskAgain(wait - BULK_HORIZON);
            }
            timeline.bulk_last = Some(slot);
        }
        timeline.next_slot = Some(slot + self.spacing);
        Turn::Reserved(wait)
    }
}

impl SlotLedger for MemoryLedger {
    fn reserve(&self, priority: Priority) -> BoxFuture<'_, Result<Turn>> {
        Box::pin(std::future::ready(Ok(self.reserve_at(priority, Instant::now()))))
    }
}

/// The budget of one upstream system.
#[derive(Clone)]
pub struct Budget {
    ledger: Option<std::sync::Arc<dyn SlotLedger>>,
}

impl Budget {
    /// A budget kept in a ledger.
    #[must_use]
    pub fn new(ledger: std::sync::Arc<dyn SlotLedger>) -> Self {
        Self { ledger: Some(ledger) }
    }

    /// No limit.
    #[must_use]
    pub const fn unlimited() -> Self {
        Self { ledger: None }
    }

    /// Waits for a slot. A wait past the deadline is refused at once.
    pub(super) async fn acquire(&self, call: &Call<'_>) -> Result<()> {
        let Some(ledger) = &self.ledger else { return Ok(()) };
        loop {
            match ledger.reserve(call.priority).await? {
                Turn::AskAgain(wait) => {
                    check(call, wait)?;
                    tokio::time::sleep(wait).await;
                }
                Turn::Reserved(wait) => {
                    check(call, wait)?;
                    let due = Instant::now() + wait;
                    tokio::time::sleep_until(due.into()).await;
                    if due.elapsed() <= MAX_LATENESS {
                        return Ok(());
                    }
                }
            }
        }
    }
}

fn check(call: &Call<'_>, wait: Duration) -> Result<()> {
    if !call.ends_within(wait) {
        return Ok(());
    }
    let refused = Error::new(Reason::BudgetExhausted, "no call to Haier is free before the deadline");
    Err(Error { retry_after: Some(wait), ..refused })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{MemoryLedger, Priority, Turn};

    #[test]
    fn slots_never_exceed_the_rate_in_any_second() {
        let ledger = MemoryLedger::new(100);
        let start = Instant::now();
        let mut slots = Vec::new();
        while slots.len() < 500 {
            match ledger.reserve_at(Priority::Live, start) {
                Turn::Reserved(wait) => slots.push(wait),
                Turn::AskAgain(_) => panic!("a live call always gets a slot"),
            }
        }
        for (index, first) in slots.iter().enumerate() {
            let within =
                slots[index..].iter().filter(|slot| **slot - *first < Duration::from_secs(1)).count();
            assert!(within <= 98, "{within} slots within a second of {first:?}");
        }
    }

    #[test]
    fn bulk_waits_for_live_calls_but_never_starves() {
        let ledger = MemoryLedger::new(100);
        let start = Instant::now();
        assert_eq!(ledger.reserve_at(Priority::Bulk, start), Turn::Reserved(Duration::ZERO));
        for _ in 0..5 {
            ledger.reserve_at(Priority::Live, start);
        }
        assert!(matches!(ledger.reserve_at(Priority::Bulk, start), Turn::AskAgain(_)));
        for _ in 0..5 {
            ledger.reserve_at(Priority::Live, start);
        }
        // The next slot is 100 ms after bulk's last one: its floor.
        assert!(matches!(ledger.reserve_at(Priority::Bulk, start), Turn::Reserved(_)));
    }
}
