//! The queue before the ledger: one of this process asks at a time, and a slot that falls due goes to the most urgent who
//! waits then: live before bulk, in the order they came. The asker is a task that lives while somebody waits.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::{Notify, oneshot};

use super::{MAX_LATENESS, Priority, SlotLedger, Unreachable, reckoning::Reckoning};
use crate::{
    domain::{
        reasons::Reason,
        slots::{Rules, Slot, Turn, Wish},
    },
    upstream::{
        error::{Error, Result},
        patience::Patience,
    },
};

/// When a ledger is asked again that could not be reached.
const OUTAGE: Duration = Duration::from_millis(500);

/// Told to the one whose turn it is: when his slot was due.
type Told = Result<Instant>;

/// Where to join.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Front,
    Back,
}

/// Those who wait for a slot, and the ledger they wait for.
pub(super) struct Queue {
    ledger: Arc<dyn SlotLedger>,
    spacing: Duration,
    /// How long after a slot bulk need not ask for the next one.
    lull: Duration,
    line: Mutex<Line>,
    /// Rung when a live call joins.
    arrived: Notify,
}

#[derive(Default)]
struct Line {
    /// By priority.
    lanes: [VecDeque<Waiter>; 2],
    /// Whether the asker lives.
    asked_for: bool,
    reckoning: Reckoning,
}

struct Waiter {
    patience: Option<Arc<Patience>>,
    told: oneshot::Sender<Told>,
}

impl Queue {
    pub(super) fn new(ledger: Arc<dyn SlotLedger>, rules: &Rules) -> Self {
        let (spacing, lull) = (rules.spacing(), rules.lull());
        Self { ledger, spacing, lull, line: Mutex::default(), arrived: Notify::new() }
    }

    pub(super) async fn hold(&self, wait: Duration) -> std::result::Result<(), Unreachable> {
        self.ledger.hold(wait).await
    }

    /// Joins the queue. What comes out is when the slot was due; dropping it leaves the queue.
    pub(super) fn join(
        self: &Arc<Self>,
        priority: Priority,
        patience: Option<Arc<Patience>>,
        place: Place,
    ) -> oneshot::Receiver<Told> {
        let (told, hears) = oneshot::channel();
        let waiter = Waiter { patience, told };
        let mut line = self.lock();
        let lane = &mut line.lanes[priority as usize];
        match place {
            Place::Front => lane.push_front(waiter),
            Place::Back => lane.push_back(waiter),
        }
        if !std::mem::replace(&mut line.asked_for, true) {
            tokio::spawn(Asker(Arc::clone(self)).run());
        }
        drop(line);
        if priority == Priority::Live {
            self.arrived.notify_one();
        }
        hears
    }

    fn lock(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Refuses those whom a slot at this instant, or the ones behind it, cannot serve.
    fn dismiss(&self, due: Instant, refusal: impl Fn(Duration) -> Error) {
        let now = Instant::now();
        for lane in &mut self.lock().lanes {
            let mut eta = due;
            let waiters = std::mem::take(lane);
            for waiter in waiters {
                if waiter.patience.as_ref().is_some_and(|patience| patience.ends_before(eta)) {
                    // One who has gone need not hear it.
                    let _ = waiter.told.send(Err(refusal(eta.saturating_duration_since(now))));
                } else {
                    eta += self.spacing;
                    lane.push_back(waiter);
                }
            }
        }
    }

    /// Tells the live callers that there is no slot for anybody. Bulk waits until there is.
    fn refuse_live(&self, unreachable: &Unreachable) {
        let detail = format!("no call to Haier is made while its budget cannot be counted: {unreachable}");
        let refused = Error { retry_after: Some(OUTAGE * 2), ..Error::new(Reason::StoreUnavailable, detail) };
        for waiter in self.lock().lanes[Priority::Live as usize].drain(..) {
            let _ = waiter.told.send(Err(refused.clone()));
        }
    }

    /// Gives a slot away, unless its time has passed.
    fn give(&self, due: Instant, first: Priority) {
        if due.elapsed() > MAX_LATENESS {
            return;
        }
        let mut line = self.lock();
        let second = if first == Priority::Live { Priority::Bulk } else { Priority::Live };
        for priority in [first, second] {
            while let Some(waiter) = line.lanes[priority as usize].pop_front() {
                if waiter.told.send(Ok(due)).is_ok() {
                    return;
                }
            }
        }
    }
}

/// The one who asks the ledger for all.
struct Asker(Arc<Queue>);

impl Asker {
    async fn run(self) {
        let queue = &self.0;
        while let Some(wish) = self.wish() {
            let asked = Instant::now();
            match queue.ledger.reserve(wish).await {
                Ok(Turn::Reserved(slot)) => self.take(asked, &slot, &wish).await,
                Ok(Turn::AskAgain { after, due }) => {
                    queue.dismiss(Instant::now() + due, exhausted);
                    self.rest(after).await;
                }
                Ok(Turn::Held(wait)) => {
                    queue.dismiss(Instant::now() + wait, throttled);
                    self.rest(wait).await;
                }
                Err(unreachable) => {
                    queue.refuse_live(&unreachable);
                    self.rest(OUTAGE).await;
                }
            }
        }
    }

    /// What those who wait want. `None`: nobody waits any more, and the next one must start another asker.
    fn wish(&self) -> Option<Wish> {
        let mut line = self.0.lock();
        for lane in &mut line.lanes {
            lane.retain(|waiter| !waiter.told.is_closed());
        }
        let [live, bulk] = [Priority::Live, Priority::Bulk].map(|lane| !line.lanes[lane as usize].is_empty());
        line.asked_for = live || bulk;
        let left = |waiter: &Waiter| waiter.patience.as_ref().and_then(|patience| patience.left());
        let patience =
            line.lanes.iter().flatten().map(left).reduce(|one, other| Some(one?.max(other?))).flatten();
        line.asked_for.then_some(Wish { live, bulk, patience, lead: line.reckoning.lag() })
    }

    /// Waits until a slot is due, and gives it away.
    async fn take(&self, asked: Instant, slot: &Slot, wish: &Wish) {
        let queue = &self.0;
        let Some(due) = queue.lock().reckoning.due(asked, Instant::now(), slot) else { return };
        loop {
            queue.dismiss(due, exhausted);
            tokio::select! {
                biased;
                () = tokio::time::sleep_until(due.into()) => break,
                // It may be one who cannot wait so long.
                () = queue.arrived.notified() => {}
            }
        }
        let is_share = slot.priority == Priority::Bulk && wish.live;
        queue.give(due, if is_share { Priority::Bulk } else { Priority::Live });
        if !wish.live {
            self.rest(queue.lull.saturating_sub(wish.lead)).await;
        }
    }

    /// Waits before asking again; a live call that joins cuts it short.
    async fn rest(&self, time: Duration) {
        tokio::select! {
            () = tokio::time::sleep(time) => {}
            () = self.0.arrived.notified() => {}
        }
    }
}

impl Drop for Asker {
    /// Whoever waits behind an asker that panicked hears of it.
    fn drop(&mut self) {
        if std::thread::panicking() {
            *self.0.lock() = Line::default();
        }
    }
}

fn exhausted(wait: Duration) -> Error {
    let refused = Error::new(Reason::BudgetExhausted, "no call to Haier is free before the deadline");
    Error { retry_after: Some(wait), ..refused }
}

fn throttled(wait: Duration) -> Error {
    let detail = format!("Haier throttles this account and is left alone for {:.1} s", wait.as_secs_f64());
    Error { retry_after: Some(wait), ..Error::new(Reason::RateLimited, detail) }
}
