//! Time that stands still until a schedule turns it on.

use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use haier_integration::domain::clock::{BoxFuture, Clock};
use tokio::sync::watch;

/// The clock of all replicas of a schedule.
pub(super) struct Turned {
    hand: watch::Sender<DateTime<Utc>>,
    /// Every look costs a microsecond, so that what happens one after the other has instants one after the other.
    looks: AtomicI64,
    /// Raised whenever somebody goes to sleep: he has done what there was to do.
    asleep: watch::Sender<u64>,
}

impl Turned {
    pub(super) fn new() -> Self {
        let begin = DateTime::from_timestamp(1_767_225_600, 0).unwrap();
        Self { hand: watch::Sender::new(begin), looks: AtomicI64::new(0), asleep: watch::Sender::new(0) }
    }

    pub(super) fn turn(&self, by: TimeDelta) {
        self.hand.send_modify(|hand| *hand += by);
    }

    pub(super) fn turn_to(&self, instant: DateTime<Utc>) {
        self.turn((instant - self.now()).max(TimeDelta::zero()));
    }

    pub(super) fn sleepers(&self) -> watch::Receiver<u64> {
        self.asleep.subscribe()
    }
}

impl Clock for Turned {
    fn now(&self) -> DateTime<Utc> {
        *self.hand.borrow() + TimeDelta::microseconds(self.looks.fetch_add(1, Ordering::Relaxed))
    }

    fn sleep_until(&self, instant: DateTime<Utc>) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let mut hand = self.hand.subscribe();
            self.asleep.send_modify(|times| *times += 1);
            while self.now() < instant {
                // The clock outlives whoever sleeps by it.
                let _ = hand.changed().await;
            }
        })
    }
}
