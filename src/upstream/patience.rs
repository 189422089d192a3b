//! How long whoever asked is going to wait. Several callers may wait for one call: they come and go while it flies, so
//! the policy asks anew at every step.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::watch;

use super::{
    admission::Reservation,
    budget::Priority,
    error::{Error, Result},
    matrix::GIVEN_UP,
    waits::Waits,
};
use crate::domain::{orders::Order, reasons::Reason};

/// Whether whoever makes a call still may: asked after every wait, and for the last time when the first byte goes out.
pub type MaySend = Arc<dyn Fn() -> bool + Send + Sync>;

/// How one call is made.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    /// Who goes first.
    pub priority: Priority,
    /// Until when somebody waits for it. `None`: for ever.
    pub deadline: Option<&'a Arc<Patience>>,
    /// Whether it still may be sent. `None`: always.
    pub may_send: Option<&'a MaySend>,
    /// The order it is about: whatever Haier answers, its customer appears in no error and no log line.
    pub order: Option<&'a Order>,
    /// The run it belongs to, which tells what keeps it waiting.
    pub waits: Option<&'a Waits>,
    /// The place that was kept for its first send. `None`: it is admitted like any other.
    pub reservation: Option<&'a Reservation>,
}

impl<'a> Call<'a> {
    /// A run's: it waits for as long as it takes.
    pub const BULK: Call<'static> = Call {
        priority: Priority::Bulk,
        deadline: None,
        may_send: None,
        order: None,
        waits: None,
        reservation: None,
    };
    /// Goes before runs, and waits for as long as it takes.
    pub const LIVE: Call<'static> = Call { priority: Priority::Live, ..Self::BULK };

    /// Goes before runs, for as long as somebody waits.
    #[must_use]
    pub const fn live(patience: &'a Arc<Patience>) -> Self {
        Self { deadline: Some(patience), ..Self::LIVE }
    }

    /// Goes before runs, for as long as it may be sent.
    #[must_use]
    pub const fn while_allowed(may_send: &'a MaySend) -> Self {
        Self { may_send: Some(may_send), ..Self::LIVE }
    }

    /// A call of the run that these waits are of.
    #[must_use]
    pub const fn of_run(waits: &'a Waits) -> Self {
        Self { waits: Some(waits), ..Self::BULK }
    }

    /// About this order.
    #[must_use]
    pub const fn about(self, order: &'a Order) -> Self {
        Self { order: Some(order), ..self }
    }

    /// The same, in the place that was kept for it.
    #[must_use]
    pub const fn reserved(self, reservation: &'a Reservation) -> Self {
        Self { reservation: Some(reservation), ..self }
    }
}

/// The latest deadline of those who wait for one call, and whether anybody still does.
#[derive(Debug)]
pub struct Patience {
    waiting: watch::Sender<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    /// `None`: somebody waits for ever.
    deadline: Option<Instant>,
    callers: usize,
    /// The call is ending for want of time or of callers: nobody may join it any more.
    closed: bool,
}

impl Waiting {
    fn end_before(&self, instant: Instant) -> bool {
        self.deadline.is_some_and(|deadline| deadline < instant)
    }
}

/// One who waits; going away is dropping it.
#[derive(Debug)]
pub struct Seat(Arc<Patience>);

impl Patience {
    /// The patience of a first caller.
    #[must_use]
    pub fn new(deadline: Option<Instant>) -> (Arc<Self>, Seat) {
        let waiting = watch::Sender::new(Waiting { deadline, callers: 1, closed: false });
        let patience = Arc::new(Self { waiting });
        (Arc::clone(&patience), Seat(patience))
    }

    /// Another caller joins, and may prolong it. `None`: too late, the call is ending.
    #[must_use]
    pub fn join(self: &Arc<Self>, deadline: Option<Instant>) -> Option<Seat> {
        let joined = self.waiting.send_if_modified(|waiting| {
            if waiting.closed {
                return false;
            }
            waiting.callers += 1;
            waiting.deadline = waiting.deadline.zip(deadline).map(|(one, other)| one.max(other));
            true
        });
        joined.then(|| Seat(Arc::clone(self)))
    }

    /// Whether nobody may join any more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.waiting.borrow().closed
    }

    /// Whether everybody will have gone before this instant; then nobody may join any more.
    pub(super) fn ends_before(&self, instant: Instant) -> bool {
        let mut ends = false;
        self.waiting.send_if_modified(|waiting| {
            ends = waiting.end_before(instant);
            ends && !std::mem::replace(&mut waiting.closed, true)
        });
        ends
    }

    /// How long somebody still waits at most. `None`: for ever.
    pub(super) fn left(&self) -> Option<Duration> {
        let deadline = self.waiting.borrow().deadline?;
        Some(deadline.saturating_duration_since(Instant::now()))
    }

    /// Returns when the latest deadline has passed.
    async fn over(&self) {
        let mut changes = self.waiting.subscribe();
        loop {
            let deadline = changes.borrow_and_update().deadline;
            let passed = async {
                match deadline {
                    Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = passed => if self.ends_before(Instant::now()) { return },
                // The sender is this very value, so it cannot be gone.
                _ = changes.changed() => {}
            }
        }
    }

    /// Returns when the last caller has gone.
    async fn abandoned(&self) {
        // As above.
        let _ = self.waiting.subscribe().wait_for(|waiting| waiting.callers == 0).await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.waiting.send_modify(|waiting| {
            waiting.callers -= 1;
            waiting.closed |= waiting.callers == 0;
        });
    }
}

impl Call<'_> {
    /// Whether it may be sent, and somebody still waits and has time left.
    pub(super) fn check(&self) -> Result<()> {
        if self.may_send.is_some_and(|may_send| !may_send()) {
            return Err(Error::new(Reason::WorkerLost, "its lease ran out before it was sent"));
        }
        let Some(patience) = self.deadline else { return Ok(()) };
        if patience.waiting.borrow().callers == 0 {
            return Err(abandoned());
        }
        if patience.ends_before(Instant::now()) {
            return Err(Error::of(GIVEN_UP, "the deadline passed before Haier was asked"));
        }
        Ok(())
    }

    /// Whether a wait of this length would outlast everybody's patience.
    pub(super) fn ends_within(&self, wait: Duration) -> bool {
        self.deadline.is_some_and(|patience| patience.ends_before(Instant::now() + wait))
    }

    /// Returns when the latest deadline has passed.
    pub(super) async fn over(&self) {
        match self.deadline {
            Some(patience) => patience.over().await,
            None => std::future::pending().await,
        }
    }

    /// Returns when nobody waits any more: the last caller has gone, or the latest deadline passed.
    pub(super) async fn ended(&self) -> Error {
        match self.deadline {
            None => std::future::pending().await,
            Some(patience) => tokio::select! {
                () = patience.abandoned() => abandoned(),
                () = patience.over() => {
                    Error::of(GIVEN_UP, "the deadline passed before Haier was asked")
                }
            },
        }
    }
}

fn abandoned() -> Error {
    Error::of(GIVEN_UP, "nobody waits for the answer any more")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(seconds: u64) -> Option<Instant> {
        Some(Instant::now() + Duration::from_secs(seconds))
    }

    #[test]
    fn the_latest_deadline_counts_and_one_without_waits_for_ever() {
        let (patience, _first) = Patience::new(after(1));
        let minute = Duration::from_secs(60);
        let _second = patience.join(after(100)).unwrap();
        let _hasty = patience.join(after(2)).unwrap();
        assert!(!Call::live(&patience).ends_within(minute));
        let _patient = patience.join(None).unwrap();
        assert!(!Call::live(&patience).ends_within(minute * 1_000));
        assert!(!patience.is_closed());
    }

    #[test]
    fn nobody_joins_a_call_that_is_ending() {
        let (short, _seat) = Patience::new(after(1));
        assert!(Call::live(&short).ends_within(Duration::from_secs(2)));
        assert!(short.is_closed() && short.join(None).is_none());

        let (left, seat) = Patience::new(None);
        let other = left.join(None).unwrap();
        drop(seat);
        assert!(Call::live(&left).check().is_ok());
        drop(other);
        assert!(Call::live(&left).check().is_err() && left.join(None).is_none());
    }

    #[tokio::test]
    async fn a_joiner_prolongs_a_wait_that_has_begun() {
        let began = Instant::now();
        let (patience, _seat) = Patience::new(Some(began + Duration::from_millis(50)));
        let over = tokio::spawn({
            let patience = Arc::clone(&patience);
            async move { patience.over().await }
        });
        tokio::task::yield_now().await;
        let _later = patience.join(Some(began + Duration::from_millis(120))).unwrap();
        over.await.unwrap();
        assert!(began.elapsed() >= Duration::from_millis(120));
    }
}
