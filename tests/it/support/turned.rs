//! A clock that goes on by itself and is turned ahead by hand.

use chrono::{DateTime, TimeDelta, Utc};
use haier_integration::{
    app::SystemClock,
    domain::clock::{BoxFuture, Clock},
};
use tokio::sync::watch;

/// Real time, and what it was turned ahead.
pub(crate) struct TurnedClock {
    real: SystemClock,
    ahead: watch::Sender<TimeDelta>,
}

impl TurnedClock {
    pub(crate) fn new() -> Self {
        Self { real: SystemClock::new(), ahead: watch::Sender::new(TimeDelta::zero()) }
    }

    /// Turns it; whoever sleeps until then wakes.
    pub(crate) fn turn(&self, span: TimeDelta) {
        self.ahead.send_modify(|ahead| *ahead += span);
    }

    /// Turns it to an instant, unless that is past.
    pub(crate) fn turn_to(&self, instant: DateTime<Utc>) {
        self.turn((instant - self.now()).max(TimeDelta::zero()));
    }
}

impl Clock for TurnedClock {
    fn now(&self) -> DateTime<Utc> {
        self.real.now() + *self.ahead.borrow()
    }

    fn sleep_until(&self, instant: DateTime<Utc>) -> BoxFuture<'_, ()> {
        let mut ahead = self.ahead.subscribe();
        Box::pin(async move {
            while let Ok(left) = (instant - self.now()).to_std()
                && !left.is_zero()
            {
                tokio::select! {
                    () = tokio::time::sleep(left) => {}
                    _ = ahead.changed() => {}
                }
            }
        })
    }
}
