//! The clock of a running service.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Instant,
};

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::clock::{BoxFuture, Clock, to_micros};

/// Monotonic time from a known instant on: this machine's, or the database's once it was asked, so that a replica whose
/// clock is wrong steals no lease and loses no write.
#[derive(Debug)]
pub struct SystemClock {
    started: Instant,
    started_at: DateTime<Utc>,
    offset_micros: AtomicI64,
}

impl SystemClock {
    /// A clock that starts at this machine's time.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place where the machine's clock is read")]
    pub fn new() -> Self {
        Self { started: Instant::now(), started_at: Utc::now(), offset_micros: AtomicI64::new(0) }
    }

    /// Sets the clock to an authority's time, asked for at `asked` and answered now.
    pub fn adjust(&self, authority: DateTime<Utc>, asked: Instant) {
        let ours = self.started_at + elapsed(self.started, Instant::now());
        let theirs = authority + elapsed(asked, Instant::now()) / 2;
        let offset = (theirs - ours).num_microseconds().unwrap_or(0);
        self.offset_micros.store(offset, Ordering::Relaxed);
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

fn elapsed(since: Instant, now: Instant) -> TimeDelta {
    TimeDelta::from_std(now.saturating_duration_since(since)).unwrap_or(TimeDelta::MAX)
}

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        let offset = TimeDelta::microseconds(self.offset_micros.load(Ordering::Relaxed));
        to_micros(self.started_at + elapsed(self.started, Instant::now()) + offset)
    }

    fn sleep_until(&self, instant: DateTime<Utc>) -> BoxFuture<'_, ()> {
        let wait = (instant - self.now()).to_std().unwrap_or_default();
        Box::pin(tokio::time::sleep(wait))
    }
}
