//! What keeps the calls of a run: each of them says when it begins to wait and when it goes on, so that the run can say why
//! it stands still, and for how long it has.

use std::{future::Future, sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::watch;

use crate::domain::{clock::Clock, reasons::Reason, waits::Wait};

/// A run that has had no slot for so long waits for the budget; shorter waits for a slot are how a budget is kept.
const STARVED: Duration = Duration::from_secs(5);
/// A wait that begins so soon after one for the same reason is the same: in between, a probe was sent in vain.
const SAME_WAIT: TimeDelta = TimeDelta::seconds(10);
/// A wait shorter than this is told to nobody.
const NOTICEABLE: Duration = Duration::from_millis(300);

/// What the calls of one run wait for.
pub struct Waits {
    clock: Arc<dyn Clock>,
    /// After how long without a slot the run waits for the budget.
    starved: Duration,
    state: watch::Sender<State>,
}

struct State {
    /// The calls that wait, by when they began to.
    calls: Vec<(u64, Wait)>,
    next: u64,
    /// The run's wait that ended last.
    last: Option<(Reason, DateTime<Utc>, DateTime<Utc>)>,
    /// Since when a call waits without a break.
    began: Option<DateTime<Utc>>,
    waited: TimeDelta,
    last_slot: DateTime<Utc>,
}

/// One call that waits, until it is dropped.
pub struct WaitingCall<'a> {
    waits: &'a Waits,
    id: u64,
}

impl Waits {
    /// Of a run that has waited for so long before.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, waited: TimeDelta) -> Self {
        let last_slot = clock.now();
        let state = State { calls: Vec::new(), next: 0, last: None, began: None, waited, last_slot };
        Self { clock, starved: STARVED, state: watch::Sender::new(state) }
    }

    /// A call begins to wait.
    pub fn begin(&self, reason: Reason, detail: &str, until: Option<DateTime<Utc>>) -> WaitingCall<'_> {
        let (now, mut id) = (self.clock.now(), 0);
        self.state.send_modify(|state| {
            id = state.next;
            state.next += 1;
            let since = match (state.calls.first(), state.last) {
                (Some((_, wait)), _) if wait.reason == reason => wait.since,
                (None, Some((last, since, end))) if last == reason && now - end < SAME_WAIT => since,
                _ => now,
            };
            state.began.get_or_insert(now);
            state.calls.push((id, Wait { reason, detail: detail.to_owned(), since, until }));
        });
        WaitingCall { waits: self, id }
    }

    /// Waits for a slot of the budget.
    pub(super) async fn for_slot<T>(&self, slot: impl Future<Output = T>) -> T {
        let mut slot = std::pin::pin!(slot);
        let mut waiting = None;
        loop {
            tokio::select! {
                biased;
                slot = &mut slot => {
                    let now = self.clock.now();
                    self.state.send_if_modified(|state| {
                        state.last_slot = now;
                        false
                    });
                    return slot;
                }
                () = tokio::time::sleep(self.starved), if waiting.is_none() => {
                    let now = self.clock.now();
                    let starved = TimeDelta::from_std(self.starved).unwrap_or(TimeDelta::MAX);
                    if now - self.state.borrow().last_slot >= starved {
                        let detail = "no call to Haier was free: live calls and orders go first, other replicas have their \
                                      share, and nothing is sent while Haier throttles or the database that counts calls is away";
                        waiting = Some(self.begin(Reason::BudgetExhausted, detail, None));
                    }
                }
            }
        }
    }

    /// For how long the run has waited in all.
    #[must_use]
    pub fn waited(&self) -> TimeDelta {
        let state = self.state.borrow();
        state.waited + state.began.map_or(TimeDelta::zero(), |began| self.clock.now() - began)
    }

    /// What the run waits for.
    #[must_use]
    pub fn current(&self) -> Option<Wait> {
        self.state.borrow().calls.first().map(|(_, wait)| wait.clone())
    }

    /// Returns what the run waits for once that differs from what it was, for more than a moment.
    pub async fn changed(&self, was: Option<&Wait>) -> Option<Wait> {
        let mut changes = self.state.subscribe();
        loop {
            changes.mark_unchanged();
            let now = self.current();
            if is_same(now.as_ref(), was) {
                // The sender is this very value, so it cannot be gone.
                let _ = changes.changed().await;
                continue;
            }
            tokio::time::sleep(NOTICEABLE).await;
            let still = self.current();
            if still.is_some() == now.is_some() && !is_same(still.as_ref(), was) {
                return still;
            }
        }
    }
}

/// Words may differ from call to call.
fn is_same(one: Option<&Wait>, other: Option<&Wait>) -> bool {
    let parts = |wait: &Wait| (wait.reason, wait.since, wait.until);
    one.map(parts) == other.map(parts)
}

impl Drop for WaitingCall<'_> {
    fn drop(&mut self) {
        let now = self.waits.clock.now();
        self.waits.state.send_modify(|state| {
            let Some(place) = state.calls.iter().position(|(id, _)| *id == self.id) else { return };
            let (_, wait) = state.calls.remove(place);
            if state.calls.is_empty() {
                state.last = Some((wait.reason, wait.since, now));
                state.waited += state.began.take().map_or(TimeDelta::zero(), |began| now - began);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::domain::clock::BoxFuture;

    struct Turned(Mutex<DateTime<Utc>>);

    impl Turned {
        fn by(&self, seconds: i64) {
            *self.0.lock().unwrap() += TimeDelta::seconds(seconds);
        }
    }

    impl Clock for Turned {
        fn now(&self) -> DateTime<Utc> {
            *self.0.lock().unwrap()
        }

        fn sleep_until(&self, _: DateTime<Utc>) -> BoxFuture<'_, ()> {
            Box::pin(std::future::pending())
        }
    }

    fn waits() -> (Waits, Arc<Turned>) {
        let clock = Arc::new(Turned(Mutex::new(DateTime::UNIX_EPOCH)));
        (Waits::new(clock.clone(), TimeDelta::seconds(5)), clock)
    }

    #[test]
    fn time_in_which_several_calls_wait_counts_once() {
        let (waits, clock) = waits();
        let one = waits.begin(Reason::BreakerOpen, "one", None);
        clock.by(10);
        let other = waits.begin(Reason::BreakerOpen, "other", None);
        assert_eq!(waits.waited(), TimeDelta::seconds(15));
        drop(one);
        clock.by(10);
        assert_eq!(
            waits.current().map(|wait| wait.since),
            Some(DateTime::UNIX_EPOCH),
            "the run's wait goes on"
        );
        drop(other);
        clock.by(100);
        assert_eq!((waits.waited(), waits.current()), (TimeDelta::seconds(25), None));
    }

    #[test]
    fn a_wait_broken_by_a_probe_is_one() {
        let (waits, clock) = waits();
        drop(waits.begin(Reason::BreakerOpen, "", None));
        clock.by(9);
        let again = waits.begin(Reason::BreakerOpen, "", None);
        assert_eq!(waits.current().unwrap().since, DateTime::UNIX_EPOCH);
        drop(again);
        let other = waits.begin(Reason::Paused, "", None);
        assert_eq!(waits.current().unwrap().since, clock.now());
        drop(other);
        clock.by(60);
        let _later = waits.begin(Reason::Paused, "", None);
        assert_eq!(waits.current().unwrap().since, clock.now());
    }

    #[tokio::test]
    async fn a_run_without_a_slot_for_a_while_waits_for_the_budget() {
        let (mut waits, clock) = waits();
        waits.starved = Duration::from_millis(5);
        let never = std::future::pending::<()>();
        // By the clock, which stands still, the run had a slot just now.
        let slot = waits.for_slot(never);
        assert!(tokio::time::timeout(Duration::from_millis(50), slot).await.is_err());
        assert_eq!(waits.current(), None, "others of the run had slots");
        clock.by(1);
        let mut slot = std::pin::pin!(waits.for_slot(std::future::pending::<()>()));
        assert!(tokio::time::timeout(Duration::from_millis(500), slot.as_mut()).await.is_err());
        assert_eq!(waits.current().map(|wait| wait.reason), Some(Reason::BudgetExhausted));
        assert_eq!(waits.for_slot(std::future::ready(7)).await, 7);
    }
}
