//! Whose stock is asked for first within a budget of calls. The schedules go by it, the database says the same in its own words
//! (`store::due`), and [`trial`] tries it against asking for everything in turn.

use chrono::{DateTime, TimeDelta, Utc};

use super::sync_runs::Front;

pub mod trial;

/// The share of the budget that the rest of the stock gets even where nothing is left of it.
const LEAST_SHARE: f64 = 0.1;

/// What is known of a product when it is decided how soon to ask for its stock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Known {
    /// Stock as stored. `None`: it was never asked for.
    pub stock: Option<i64>,
    /// Stock below this is low. `None`: the threshold of the settings.
    pub low_stock: Option<i64>,
    /// Whether an operator watches it.
    pub watched: bool,
    /// When it was ordered last.
    pub sold_at: Option<DateTime<Utc>>,
}

impl Front {
    /// Whether a product is asked about before others: it is watched, low, or selling. What sells is what changes often.
    #[must_use]
    pub fn holds(&self, known: &Known) -> bool {
        let low = known.low_stock.unwrap_or(self.low_stock);
        known.watched
            || known.stock.is_some_and(|stock| stock < low)
            || known.sold_at.is_some_and(|at| at >= self.sold_since)
    }
}

/// What was asked for before this is due again; what was asked for later is fresh enough, whoever has asked.
#[must_use]
pub fn due_before(now: DateTime<Utc>, period: TimeDelta) -> DateTime<Utc> {
    now - period / 2
}

/// For how many products of the rest one firing asks: as many as the others leave calls for in a period. Those are the ones
/// that were asked for longest ago.
#[must_use]
pub fn rest_at_a_time(calls_per_second: f64, used_by_others: f64, period: TimeDelta) -> i64 {
    let left = (calls_per_second - used_by_others).max(calls_per_second * LEAST_SHARE);
    // A count of calls, rounded down.
    let calls = (left * period.as_seconds_f64()) as i64;
    calls.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_watched_low_or_selling_comes_first() {
        let at = |seconds| DateTime::from_timestamp_secs(seconds);
        let front = Front { low_stock: 5, sold_since: at(1_000).unwrap() };
        let plenty = Known { stock: Some(40), ..Known::default() };
        assert!(!front.holds(&plenty) && !front.holds(&Known::default()));
        assert!(front.holds(&Known { watched: true, ..plenty }));
        assert!(
            front.holds(&Known { stock: Some(4), ..plenty })
                && !front.holds(&Known { stock: Some(5), ..plenty })
        );
        assert!(front.holds(&Known { low_stock: Some(41), ..plenty }));
        assert!(front.holds(&Known { sold_at: at(1_000), ..plenty }));
        assert!(!front.holds(&Known { sold_at: at(999), ..plenty }));
    }

    #[test]
    fn the_rest_gets_what_is_left_and_a_tenth_at_least() {
        let quarter = TimeDelta::minutes(15);
        assert_eq!(rest_at_a_time(10.0, 4.0, quarter), 5_400);
        assert_eq!(rest_at_a_time(10.0, 12.0, quarter), 900);
        assert_eq!(rest_at_a_time(0.0, 0.0, quarter), 1);
    }
}
