//! The clock of a running service.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta, Utc};
use rustix::time::{ClockId, clock_gettime};
use tokio::sync::watch;

use crate::{
    domain::clock::{BoxFuture, Clock, to_micros},
    error::Causes,
    store::Store,
};

/// The wall clock and the uptime drift apart by less than this between two measurements; more is a jump.
const JUMP: TimeDelta = TimeDelta::milliseconds(500);
/// An answer of the authority that took longer says too little.
const LONGEST: Duration = Duration::from_secs(1);
/// A tick that is this late means that the machine or the process stood still.
const LATE: Duration = Duration::from_secs(5);

/// What a machine says about time. Tests turn both by hand.
pub trait TimeSource: Send + Sync + 'static {
    /// The machine's wall clock, which people and NTP set.
    fn wall(&self) -> DateTime<Utc>;
    /// Time since some moment. Nobody sets it, and suspended time counts.
    fn uptime(&self) -> Duration;
}

struct Machine;

impl TimeSource for Machine {
    #[expect(clippy::disallowed_methods, reason = "the one place where the machine's clock is read")]
    fn wall(&self) -> DateTime<Utc> {
        Utc::now()
    }

    fn uptime(&self) -> Duration {
        #[cfg(target_os = "linux")]
        const SINCE_BOOT: ClockId = ClockId::Boottime;
        // Elsewhere the monotonic clock is the nearest to it that there is.
        #[cfg(not(target_os = "linux"))]
        const SINCE_BOOT: ClockId = ClockId::Monotonic;
        clock_gettime(SINCE_BOOT).try_into().unwrap_or_default()
    }
}

/// The machine's uptime plus an offset to an authority's time: the database's, so that a replica whose wall clock is wrong
/// steals no lease and loses no write; with SQLite the wall clock's. The worker `clock` keeps the offset true.
pub struct SystemClock {
    source: Box<dyn TimeSource>,
    /// Microseconds from the uptime to the authority's time.
    offset: AtomicI64,
    /// Microseconds from the uptime to the wall clock, as last seen.
    wall_offset: AtomicI64,
    /// The uptime at the last look, in microseconds.
    looked: AtomicI64,
    /// Raised when the time jumps, so that sleepers compute their wait again.
    jumps: watch::Sender<u64>,
}

impl SystemClock {
    /// A clock that starts at this machine's time.
    #[must_use]
    pub fn new() -> Self {
        Self::from_source(Box::new(Machine))
    }

    /// A clock that starts at the wall clock of this source.
    #[must_use]
    pub fn from_source(source: Box<dyn TimeSource>) -> Self {
        let (wall, up) = (source.wall(), micros(source.uptime()));
        let offset = wall.timestamp_micros() - up;
        Self {
            source,
            offset: AtomicI64::new(offset),
            wall_offset: AtomicI64::new(offset),
            looked: AtomicI64::new(up),
            jumps: watch::Sender::new(0),
        }
    }

    /// Sets the clock to the database's time, or to the wall clock where the database has none; whether it could be read.
    pub async fn measure(&self, store: &Store) -> bool {
        match store.server_time().await {
            Ok(Some((time, asked))) if asked.elapsed() < LONGEST => self.adjust(time, asked),
            Ok(Some(_)) => return false,
            Ok(None) => self.set(self.source.wall()),
            Err(error) => {
                tracing::debug!(error = %Causes(&error), "the database's time could not be asked");
                return false;
            }
        }
        true
    }

    /// Sets the clock to an authority's time, asked for at `asked` and answered now.
    fn adjust(&self, authority: DateTime<Utc>, asked: Instant) {
        let age = TimeDelta::from_std(asked.elapsed()).unwrap_or_default() / 2;
        self.set(authority + age);
    }

    fn set(&self, time: DateTime<Utc>) {
        let offset = time.timestamp_micros() - micros(self.source.uptime());
        let step = TimeDelta::microseconds(offset - self.offset.swap(offset, Ordering::Relaxed));
        if step.abs() > JUMP {
            tracing::warn!(by = step.to_string(), "the clock has stepped");
            self.jumps.send_modify(|jumps| *jumps += 1);
        }
    }

    /// Whether the wall clock was set, or the machine stood still, since the last look. Looks are to come every `period`.
    pub fn has_jumped(&self, period: Duration) -> bool {
        let up = micros(self.source.uptime());
        let since = up - self.looked.swap(up, Ordering::Relaxed);
        let stood_still = since > micros(period + LATE);
        let wall_offset = self.source.wall().timestamp_micros() - up;
        let step = wall_offset - self.wall_offset.swap(wall_offset, Ordering::Relaxed);
        let wall_was_set = TimeDelta::microseconds(step).abs() > JUMP;
        if stood_still {
            // Timers do not count suspended time.
            self.jumps.send_modify(|jumps| *jumps += 1);
        }
        stood_still || wall_was_set
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        let micros = micros(self.source.uptime()) + self.offset.load(Ordering::Relaxed);
        to_micros(DateTime::from_timestamp_micros(micros).unwrap_or_default())
    }

    fn uptime(&self) -> Duration {
        self.source.uptime()
    }

    fn sleep_until(&self, instant: DateTime<Utc>) -> BoxFuture<'_, ()> {
        let mut jumps = self.jumps.subscribe();
        Box::pin(async move {
            while let Ok(left) = (instant - self.now()).to_std()
                && !left.is_zero()
            {
                tokio::select! {
                    () = tokio::time::sleep(left) => {}
                    // The sender is this clock's own, so it cannot be gone.
                    _ = jumps.changed() => {}
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// A wall clock and an uptime, turned by hand.
    #[derive(Clone)]
    struct Hands(Arc<Mutex<(DateTime<Utc>, Duration)>>);

    impl Hands {
        fn new() -> Self {
            Self(Arc::new(Mutex::new((
                DateTime::UNIX_EPOCH + TimeDelta::days(20_000),
                Duration::from_secs(50),
            ))))
        }

        fn pass(&self, time: Duration) {
            let mut hands = self.0.lock().unwrap();
            hands.0 += time;
            hands.1 += time;
        }

        fn set_wall(&self, by: TimeDelta) {
            self.0.lock().unwrap().0 += by;
        }
    }

    impl TimeSource for Hands {
        fn wall(&self) -> DateTime<Utc> {
            self.0.lock().unwrap().0
        }

        fn uptime(&self) -> Duration {
            self.0.lock().unwrap().1
        }
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_step_of_the_wall_clock_is_noticed_at_the_next_look_and_not_twice() {
        let hands = Hands::new();
        let clock = SystemClock::from_source(Box::new(hands.clone()));
        let begin = clock.now();
        for step in [TimeDelta::hours(-3), TimeDelta::seconds(2)] {
            hands.pass(SECOND);
            assert!(!clock.has_jumped(SECOND));
            hands.set_wall(step);
            assert!(clock.has_jumped(SECOND));
            assert!(!clock.has_jumped(SECOND));
        }
        assert_eq!(clock.now(), begin + TimeDelta::seconds(2), "only an authority sets it");
    }

    #[test]
    fn suspended_time_counts_at_once_and_is_noticed() {
        let hands = Hands::new();
        let clock = SystemClock::from_source(Box::new(hands.clone()));
        let begin = clock.now();
        hands.pass(SECOND * 3_600);
        assert_eq!(clock.now(), begin + TimeDelta::hours(1));
        assert!(clock.has_jumped(SECOND));
        hands.pass(SECOND);
        assert!(!clock.has_jumped(SECOND));
    }

    #[tokio::test]
    async fn whoever_sleeps_over_a_jump_wakes_in_time() {
        let hands = Hands::new();
        let clock = Arc::new(SystemClock::from_source(Box::new(hands.clone())));
        let until = clock.now() + TimeDelta::hours(1);
        let sleeper = tokio::spawn({
            let clock = Arc::clone(&clock);
            async move { clock.sleep_until(until).await }
        });
        hands.pass(SECOND * 3_600);
        while !sleeper.is_finished() {
            clock.jumps.send_modify(|jumps| *jumps += 1);
            tokio::task::yield_now().await;
        }
    }
}
