//! Time-ordered ids: newest first is `ORDER BY id DESC`, and a span of time is a span of ids.
//!
//! Two replicas never make the same id, since each leases a number of its own (`app::process_numbers`). Without a lease that
//! holds, none is made.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};

/// Milliseconds of 2024-01-01T00:00:00Z, from which ids count.
const EPOCH_MILLIS: i64 = 1_704_067_200_000;
const PROCESS_BITS: u32 = 10;
const COUNTER_BITS: u32 = 12;
const SHIFT: u32 = PROCESS_BITS + COUNTER_BITS;

/// How many processes can have a number at once.
pub const PROCESS_NUMBERS: i64 = 1 << PROCESS_BITS;

/// The smallest id of an instant's millisecond; any id made before that millisecond is smaller.
#[must_use]
pub fn first_id_at(instant: DateTime<Utc>) -> i64 {
    let millis = (instant.timestamp_millis() - EPOCH_MILLIS).clamp(0, i64::MAX >> SHIFT);
    millis << SHIFT
}

/// Makes ids: milliseconds since 2024, 10 bits of the process, 12 bits of counter.
#[derive(Debug, Default)]
pub struct IdGenerator(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// The number of this process, and the uptime until which it is leased.
    leased: Option<(i64, Duration)>,
    /// Millisecond and counter of the last id.
    last: (i64, i64),
}

impl IdGenerator {
    /// Makes ids under this number, below [`PROCESS_NUMBERS`], until the process has been up for so long.
    pub fn lease(&self, number: i64, until_up: Duration) {
        self.lock().leased = Some((number % PROCESS_NUMBERS, until_up));
    }

    /// The number that is leased, whether the lease still holds or not.
    #[must_use]
    pub fn number(&self) -> Option<i64> {
        self.lock().leased.map(|(number, _)| number)
    }

    /// The next id, larger than any this generator made, even when the clock steps back. `None`: no number is leased, or
    /// its lease has run out at this uptime, so that another process may have it.
    pub fn next(&self, now: DateTime<Utc>, up: Duration) -> Option<i64> {
        let millis = first_id_at(now) >> SHIFT;
        let mut state = self.lock();
        let (number, _) = state.leased.filter(|(_, until_up)| up < *until_up)?;
        state.last = match state.last {
            (last_millis, _) if millis > last_millis => (millis, 0),
            (last_millis, counter) if counter + 1 == 1 << COUNTER_BITS => (last_millis + 1, 0),
            (last_millis, counter) => (last_millis, counter + 1),
        };
        Some((state.last.0 << SHIFT) | (number << COUNTER_BITS) | state.last.1)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone;

    use super::*;

    const UP: Duration = Duration::from_secs(60);

    fn later() -> DateTime<Utc> {
        Utc.with_ymd_and_hms(2026, 11, 22, 6, 0, 1).unwrap()
    }

    #[test]
    fn ids_grow_even_when_the_clock_steps_back() {
        let ids = IdGenerator::default();
        ids.lease(7, UP);
        let earlier = Utc.with_ymd_and_hms(2026, 11, 22, 6, 0, 0).unwrap();
        let mut made: Vec<i64> = (0..5_000).filter_map(|_| ids.next(later(), UP / 2)).collect();
        made.extend((0..5_000).filter_map(|_| ids.next(earlier, UP / 2)));
        assert_eq!(made.len(), 10_000);
        assert!(made.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(made[0] >= first_id_at(later()));
    }

    #[test]
    fn without_a_lease_that_holds_there_is_no_id() {
        let ids = IdGenerator::default();
        assert_eq!(ids.next(later(), UP), None);
        ids.lease(7, UP);
        let last = ids.next(later(), UP - Duration::from_nanos(1)).unwrap();
        assert_eq!(ids.next(later(), UP), None, "suspended for longer than the lease");
        ids.lease(3, UP * 2);
        let next = ids.next(later(), UP).unwrap();
        assert_eq!((next >> COUNTER_BITS) % PROCESS_NUMBERS, 3);
        assert_ne!(next, last);
    }

    #[test]
    fn generators_with_different_numbers_never_meet() {
        let (one, other) = (IdGenerator::default(), IdGenerator::default());
        one.lease(0, UP);
        other.lease(1_023, UP);
        let made = |ids: &IdGenerator| -> Vec<i64> {
            (0..5_000).filter_map(|_| ids.next(later(), UP / 2)).collect()
        };
        let one: std::collections::BTreeSet<i64> = made(&one).into_iter().collect();
        assert!(made(&other).iter().all(|id| !one.contains(id)));
    }
}
