//! What keeps the calls of a run: each of them says when it begins to wait and when it is sent again, so that the run can say
//! why it stands still, and for how long it has. A call that is sent again may fail again, so that the run waits until one is
//! answered.

use std::{future::Future, sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::watch;

use crate::domain::{clock::Clock, reasons::Reason, waits::Wait};

/// A run that has had no slot for so long waits for the budget; shorter waits for a slot are how a budget is kept.
const STARVED: Duration = Duration::from_secs(5);
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
    /// What the run's last call waited for that was sent again and is not answered yet.
    sent_again: Option<Wait>,
    /// Since when the run waits.
    began: Option<DateTime<Utc>>,
    waited: TimeDelta,
    answered_at: DateTime<Utc>,
    /// When the first call was made that was not answered, and no call was since.
    unanswered_since: Option<DateTime<Utc>>,
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
        let now = clock.now();
        let state = State {
            calls: Vec::new(),
            next: 0,
            sent_again: None,
            began: None,
            waited,
            answered_at: now,
            unanswered_since: None,
            last_slot: now,
        };
        Self { clock, starved: STARVED, state: watch::Sender::new(state) }
    }

    /// A call begins to wait.
    pub fn begin(&self, reason: Reason, detail: &str, until: Option<DateTime<Utc>>) -> WaitingCall<'_> {
        let (now, mut id) = (self.clock.now(), 0);
        self.state.send_modify(|state| {
            id = state.next;
            state.next += 1;
            let since = match state.current() {
                Some(wait) if wait.reason == reason => wait.since,
                Some(_) => now,
                None => state.unanswered_since.unwrap_or(now),
            };
            state.began.get_or_insert(since);
            state.sent_again = None;
            state.calls.push((id, Wait { reason, detail: detail.to_owned(), since, until }));
        });
        WaitingCall { waits: self, id }
    }

    /// A call was answered: the run goes on, unless others of its calls wait.
    pub(super) fn answered(&self) {
        let now = self.clock.now();
        self.state.send_if_modified(|state| {
            (state.answered_at, state.unanswered_since) = (now, None);
            if state.sent_again.take().is_none() {
                return false;
            }
            state.waited += state.began.take().map_or(TimeDelta::zero(), |began| now - began);
            true
        });
    }

    /// A call that was made then was not answered.
    pub(super) fn unanswered(&self, asked_at: DateTime<Utc>) {
        self.state.send_if_modified(|state| {
            state.unanswered_since.get_or_insert(asked_at.max(state.answered_at));
            false
        });
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
        self.state.borrow().current().cloned()
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

impl State {
    fn current(&self) -> Option<&Wait> {
        self.calls.first().map(|(_, wait)| wait).or(self.sent_again.as_ref())
    }
}

/// Words may differ from call to call.
fn is_same(one: Option<&Wait>, other: Option<&Wait>) -> bool {
    let parts = |wait: &Wait| (wait.reason, wait.since, wait.until);
    one.map(parts) == other.map(parts)
}

impl Drop for WaitingCall<'_> {
    fn drop(&mut self) {
        self.waits.state.send_modify(|state| {
            let Some(place) = state.calls.iter().position(|(id, _)| *id == self.id) else { return };
            let (_, wait) = state.calls.remove(place);
            if state.calls.is_empty() {
                state.sent_again = Some(Wait { until: None, ..wait });
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
        waits.answered();
        clock.by(100);
        assert_eq!((waits.waited(), waits.current()), (TimeDelta::seconds(25), None));
    }

    #[test]
    fn a_run_waits_until_a_call_is_answered() {
        let (waits, clock) = waits();
        // Four times 15 s of sending in vain, and 5 s before the next.
        for _ in 0..4 {
            let asked_at = clock.now();
            clock.by(15);
            waits.unanswered(asked_at);
            let waiting = waits.begin(Reason::RequestTimeout, "", Some(clock.now() + TimeDelta::seconds(5)));
            clock.by(5);
            drop(waiting);
            let wait = waits.current().expect("it is sent again and not answered");
            assert_eq!((wait.since, wait.until), (DateTime::UNIX_EPOCH, None));
        }
        waits.answered();
        clock.by(100);
        assert_eq!((waits.waited(), waits.current()), (TimeDelta::seconds(85), None));
        // What was asked before that answer waits since then.
        waits.unanswered(DateTime::UNIX_EPOCH);
        clock.by(10);
        let _later = waits.begin(Reason::RequestTimeout, "", None);
        assert_eq!(waits.current().unwrap().since, DateTime::UNIX_EPOCH + TimeDelta::seconds(80));
    }

    #[test]
    fn a_wait_for_something_else_is_another_one() {
        let (waits, clock) = waits();
        drop(waits.begin(Reason::BreakerOpen, "", None));
        clock.by(9);
        let _other = waits.begin(Reason::Paused, "", None);
        assert_eq!(waits.current().unwrap().since, clock.now());
        assert_eq!(waits.waited(), TimeDelta::seconds(14), "the run has waited all the time");
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
