//! Time as an input: stored instants, leases, schedules and token lives come from a [`Clock`], which tests turn by hand.

use std::{
    future::Future,
    pin::Pin,
    sync::OnceLock,
    time::{Duration, Instant},
};

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};

/// A future without a name.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The service's idea of now.
pub trait Clock: Send + Sync + 'static {
    /// Now, to the microsecond (what both databases keep).
    fn now(&self) -> DateTime<Utc>;

    /// Time since some moment, for leases that this process holds: no step of a clock prolongs or cuts it. The service's own
    /// clock counts suspended time too.
    fn uptime(&self) -> Duration {
        static FIRST: OnceLock<Instant> = OnceLock::new();
        FIRST.get_or_init(Instant::now).elapsed()
    }

    /// Returns once [`Clock::now`] has reached `instant`.
    fn sleep_until(&self, instant: DateTime<Utc>) -> BoxFuture<'_, ()>;
}

/// The latest stored instant of an answer that is believed. A later one was stored by a clock that was ahead, and says
/// nothing about how old its answer is.
#[must_use]
pub fn latest_believable(now: DateTime<Utc>) -> DateTime<Utc> {
    now + TimeDelta::minutes(1)
}

/// Whether something is due that was planned for so long ahead at most. What lies further ahead was planned before the clock
/// was set back.
#[must_use]
pub fn is_due(due: DateTime<Utc>, planned: TimeDelta, now: DateTime<Utc>) -> bool {
    due <= now || due - now > planned
}

/// Cuts an instant to the microsecond, so that what was stored equals what is read back.
#[must_use]
pub fn to_micros(instant: DateTime<Utc>) -> DateTime<Utc> {
    instant.trunc_subsecs(6)
}
