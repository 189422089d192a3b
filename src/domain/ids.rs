//! Time-ordered ids: newest first is `ORDER BY id DESC`, and a span of time is a span of ids.

use std::sync::Mutex;

use chrono::{DateTime, Utc};

/// Milliseconds of 2024-01-01T00:00:00Z, from which ids count.
const EPOCH_MILLIS: i64 = 1_704_067_200_000;
const PROCESS_BITS: u32 = 10;
const COUNTER_BITS: u32 = 12;
const SHIFT: u32 = PROCESS_BITS + COUNTER_BITS;

/// The smallest id of an instant's millisecond; any id made before that millisecond is smaller.
#[must_use]
pub fn first_id_at(instant: DateTime<Utc>) -> i64 {
    let millis = (instant.timestamp_millis() - EPOCH_MILLIS).clamp(0, i64::MAX >> SHIFT);
    millis << SHIFT
}

/// Makes ids: milliseconds since 2024, 10 bits of the process, 12 bits of counter.
#[derive(Debug)]
pub struct IdGenerator {
    process: i64,
    last: Mutex<(i64, i64)>,
}

impl IdGenerator {
    /// A generator for one process; only the lowest 10 bits of `process` count.
    #[must_use]
    pub fn new(process: u16) -> Self {
        let process = i64::from(process) & ((1 << PROCESS_BITS) - 1);
        Self { process, last: Mutex::new((0, 0)) }
    }

    /// The next id, larger than any this generator made, even when the clock steps back.
    pub fn next(&self, now: DateTime<Utc>) -> i64 {
        let millis = first_id_at(now) >> SHIFT;
        let mut last = self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *last = match *last {
            (last_millis, _) if millis > last_millis => (millis, 0),
            (last_millis, counter) if counter + 1 == 1 << COUNTER_BITS => (last_millis + 1, 0),
            (last_millis, counter) => (last_millis, counter + 1),
        };
        (last.0 << SHIFT) | (self.process << COUNTER_BITS) | last.1
    }
}

#[cfg(test)]
mod tests {
    use chrono::{TimeZone, Utc};

    use super::{IdGenerator, first_id_at};

    #[test]
    fn ids_grow_even_when_the_clock_steps_back() {
        let ids = IdGenerator::new(7);
        let later = Utc.with_ymd_and_hms(2026, 11, 22, 6, 0, 1).unwrap();
        let earlier = Utc.with_ymd_and_hms(2026, 11, 22, 6, 0, 0).unwrap();
        let mut made: Vec<i64> = (0..5_000).map(|_| ids.next(later)).collect();
        made.extend((0..5_000).map(|_| ids.next(earlier)));
        assert!(made.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(made[0] >= first_id_at(later));
    }
}
