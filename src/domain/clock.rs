//! Time as an input: stored instants, leases, schedules and token lives come from a [`Clock`], which tests turn by hand.

use std::{future::Future, pin::Pin};

use chrono::{DateTime, SubsecRound, Utc};

/// A future without a name.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The service's idea of now.
pub trait Clock: Send + Sync + 'static {
    /// Now, to the microsecond (what both databases keep).
    fn now(&self) -> DateTime<Utc>;

    /// Returns once [`Clock::now`] has reached `instant`.
    fn sleep_until(&self, instant: DateTime<Utc>) -> BoxFuture<'_, ()>;
}

/// Cuts an instant to the microsecond, so that what was stored equals what is read back.
#[must_use]
pub fn to_micros(instant: DateTime<Utc>) -> DateTime<Utc> {
    instant.trunc_subsecs(6)
}
