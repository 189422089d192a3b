//! When a slot is due by our clock. The ledger answered at some moment between the question and the answer, and a ledger
//! that many ask answers now fast, now slowly: the answer that came fastest lately says best how the two clocks stand, so
//! that slow ones make no slot early or late. Clocks need not agree, they only must run alike for some seconds.

use std::time::{Duration, Instant};

use crate::domain::slots::Slot;

/// The first answer has waited for a connection. It says too little if it was slower than this, both ways.
const SLOW_START: Duration = Duration::from_millis(4);
/// Clocks drift apart by this in ten thousand seconds, at the worst.
const DRIFT: u32 = 10_000;
/// What answers may disagree by, besides their own uncertainty, before the ledger's clock has been set.
const TOLERANCE: Duration = Duration::from_millis(1);

/// How the ledger's clock stands to ours.
#[derive(Debug, Default)]
pub(super) struct Reckoning {
    asked_before: bool,
    best: Option<Sample>,
    lag: Duration,
}

/// The ledger's time was `ledger` at `middle`, give or take `error`.
#[derive(Debug, Clone, Copy)]
struct Sample {
    middle: Instant,
    error: Duration,
    ledger: i64,
}

impl Reckoning {
    /// When a slot is due that was asked for and answered then. `None`: this answer cannot tell; ask anew.
    pub(super) fn due(&mut self, asked: Instant, answered: Instant, slot: &Slot) -> Option<Instant> {
        let error = answered.saturating_duration_since(asked) / 2;
        let fresh = Sample { middle: asked + error, error, ledger: slot.now };
        let first = !std::mem::replace(&mut self.asked_before, true);
        if first && error * 2 > SLOW_START {
            return None;
        }
        let best = self.best.filter(|best| best.agrees(&fresh) && best.error_at(answered) < fresh.error);
        let best = best.unwrap_or(fresh);
        self.best = Some(best);
        let lag = answered.saturating_duration_since(best.instant(slot.now));
        self.lag = lag.max(self.lag * 9 / 10);
        Some(best.instant(slot.due))
    }

    /// How long after the ledger has decided we hear of it, by the slower of the latest answers.
    pub(super) const fn lag(&self) -> Duration {
        self.lag
    }
}

impl Sample {
    fn instant(&self, ledger: i64) -> Instant {
        let distance = Duration::from_micros(ledger.abs_diff(self.ledger));
        if ledger >= self.ledger {
            self.middle + distance
        } else {
            self.middle.checked_sub(distance).unwrap_or(self.middle)
        }
    }

    fn error_at(&self, now: Instant) -> Duration {
        self.error + now.saturating_duration_since(self.middle) / DRIFT
    }

    fn agrees(&self, other: &Self) -> bool {
        let expected = self.instant(other.ledger);
        let apart = expected.max(other.middle) - expected.min(other.middle);
        apart <= self.error_at(other.middle) + other.error + TOLERANCE
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::slots::Priority;

    const fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// A slot due 50 ms after the ledger's time, which counts milliseconds from `zero`.
    fn slot(now: i64) -> Slot {
        Slot { now: now * 1_000, due: (now + 50) * 1_000, priority: Priority::Live }
    }

    #[test]
    fn a_slow_answer_is_read_by_a_fast_one() {
        let (mut reckoning, zero) = (Reckoning::default(), Instant::now());
        let due = reckoning.due(zero + millis(100), zero + millis(102), &slot(101));
        assert_eq!(due, Some(zero + millis(151)));
        // Asked at 200, stamped at 239, answered at 240: taken by itself it would be read as 220.
        let due = reckoning.due(zero + millis(200), zero + millis(240), &slot(239));
        assert_eq!(due, Some(zero + millis(289)));
        assert_eq!(reckoning.lag(), millis(1));
    }

    #[test]
    fn the_first_answer_does_not_count_if_it_waited_for_a_connection() {
        let (mut reckoning, zero) = (Reckoning::default(), Instant::now());
        assert_eq!(reckoning.due(zero, zero + millis(30), &slot(29)), None);
        assert!(reckoning.due(zero, zero + millis(30), &slot(29)).is_some());
    }

    #[test]
    fn a_clock_that_was_set_is_believed_at_once() {
        let (mut reckoning, zero) = (Reckoning::default(), Instant::now());
        reckoning.due(zero + millis(100), zero + millis(101), &slot(100)).unwrap();
        let due = reckoning.due(zero + millis(200), zero + millis(210), &slot(90_000)).unwrap();
        assert_eq!(due, zero + millis(255));
    }

    #[test]
    fn an_old_answer_counts_less_and_less() {
        let (mut reckoning, zero) = (Reckoning::default(), Instant::now());
        reckoning.due(zero, zero + millis(2), &slot(0)).unwrap();
        let late = zero + Duration::from_secs(60);
        let due = reckoning.due(late, late + millis(8), &slot(60_000)).unwrap();
        assert_eq!(due, late + millis(54));
    }
}
