//! When the service syncs by itself: which schedules there are, and when each of them comes due.

mod cadence;

use chrono::{DateTime, NaiveTime, TimeDelta, TimeZone, Utc};

pub use cadence::{Cadence, MAX_PERIOD, MIN_PERIOD, Span};

use super::{
    sync_logs::{SyncType, Trigger},
    words::words,
};

words! {
    /// The schedules. Which there are is fixed; when they come due is not.
    pub enum ScheduleName {
        /// The whole catalogue with prices.
        Full = "full";
        /// The listing; prices and stock of what is new in it or back.
        NewProducts = "new-products";
        /// Prices of what is stored.
        Prices = "prices";
        /// Stock of what is low, watched or selling.
        Stock = "stock";
        /// Stock of the rest, what was asked for longest ago first, as far as the budget goes.
        StockRest = "stock-rest";
    }
}

impl ScheduleName {
    /// What its runs are about.
    #[must_use]
    pub const fn sync_type(self) -> SyncType {
        match self {
            Self::Full | Self::NewProducts => SyncType::Products,
            Self::Prices => SyncType::Prices,
            Self::Stock | Self::StockRest => SyncType::Stock,
        }
    }

    /// Whether its runs are over everything of their type, of which one runs at a time.
    #[must_use]
    pub const fn is_over_everything(self) -> bool {
        !matches!(self, Self::Stock)
    }

    /// When it comes due as long as nobody says otherwise, and how far it may be put off.
    #[must_use]
    pub fn standard(self) -> (Cadence, TimeDelta) {
        let (hour, quarter) = (Cadence::Every(TimeDelta::hours(1)), Cadence::Every(TimeDelta::minutes(15)));
        match self {
            // While the shop sleeps.
            Self::Full => (
                Cadence::DailyAt(NaiveTime::from_hms_opt(3, 0, 0).unwrap_or_default()),
                TimeDelta::minutes(30),
            ),
            Self::NewProducts => (hour, TimeDelta::minutes(5)),
            Self::Prices => (hour, TimeDelta::minutes(10)),
            Self::Stock | Self::StockRest => (quarter, TimeDelta::minutes(2)),
        }
    }
}

/// A schedule, and how it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// Which.
    pub name: ScheduleName,
    /// How often it comes due.
    pub cadence: Cadence,
    /// How far a slot may be put off; how far one is, is drawn from `seed`.
    pub jitter: TimeDelta,
    /// Whether it fires.
    pub paused: bool,
    /// What the jitter is drawn from.
    pub seed: i64,
    /// Raised by every change by an operator.
    pub version: i64,
    /// Raised by every change at all.
    pub epoch: i64,
    /// When it fires next.
    pub next_at: DateTime<Utc>,
    /// A run that is owed whatever the time, and why.
    pub wanted: Option<Trigger>,
    /// What came of it last.
    pub last: Option<Firing>,
    /// When it was changed last.
    pub updated_at: DateTime<Utc>,
}

/// What came of a schedule when it was due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Firing {
    /// When.
    pub at: DateTime<Utc>,
    /// Whether a run was started.
    pub outcome: FiringOutcome,
    /// Why it was, or was not; may be empty.
    pub detail: String,
    /// The log of the run that was started, or that stood in the way.
    pub sync_log_id: Option<i64>,
}

words! {
    /// Whether a firing has started a run.
    pub enum FiringOutcome {
        /// It has.
        Started = "STARTED";
        /// It has not; the schedule comes due again.
        Skipped = "SKIPPED";
    }
}

impl Schedule {
    /// A schedule as it is before anybody changes it.
    #[must_use]
    pub fn standard<Z: TimeZone>(name: ScheduleName, seed: i64, now: DateTime<Utc>, zone: &Z) -> Self {
        let (cadence, jitter) = name.standard();
        let mut schedule = Self {
            name,
            cadence,
            jitter,
            paused: false,
            seed,
            version: 1,
            epoch: 0,
            next_at: now,
            wanted: None,
            last: None,
            updated_at: now,
        };
        schedule.next_at = schedule.next_after(now, zone);
        schedule
    }

    /// Whether it fires by the time.
    #[must_use]
    pub fn is_due(&self, now: DateTime<Utc>) -> bool {
        !self.paused && self.next_at <= now
    }

    /// When it fires next after an instant: at one slot, however many were missed.
    #[must_use]
    pub fn next_after<Z: TimeZone>(&self, now: DateTime<Utc>, zone: &Z) -> DateTime<Utc> {
        let slot = self.cadence.slot_after(now, zone);
        slot + self.jitter_of(slot)
    }

    /// The same on every replica, and another one for every slot and schedule.
    fn jitter_of(&self, slot: DateTime<Utc>) -> TimeDelta {
        let Some(most) = self.jitter.num_microseconds().and_then(|most| u64::try_from(most).ok()) else {
            return TimeDelta::zero();
        };
        let name = self.name.as_str().bytes().fold(0_u64, |sum, byte| sum.wrapping_mul(31) + u64::from(byte));
        let drawn = mixed(self.seed.cast_unsigned() ^ mixed(slot.timestamp_micros().cast_unsigned() ^ name));
        TimeDelta::microseconds(i64::try_from(drawn % (most + 1)).unwrap_or(0))
    }

    /// Changes with every change by an operator.
    #[must_use]
    pub fn etag(&self) -> String {
        format!("{}-{:x}", self.name.as_str(), self.version)
    }

    /// What is wrong with it, as a field and words that follow the field's name.
    #[must_use]
    pub fn faults(&self) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        let period = self.cadence.period();
        if let Cadence::Every(period) = self.cadence
            && !(MIN_PERIOD..=MAX_PERIOD).contains(&period)
        {
            let (least, most) = (Span(MIN_PERIOD), Span(MAX_PERIOD));
            faults.push(("every", format!("is {}; {least} to {most} is allowed", Span(period))));
        }
        if self.jitter < TimeDelta::zero() || self.jitter > period / 2 {
            let most = Span(period / 2);
            faults.push((
                "jitter",
                format!("is {}; at most half the period is allowed, {most}", Span(self.jitter)),
            ));
        }
        faults
    }
}

/// Spreads the bits of a number (SplitMix64's finalizer).
const fn mixed(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// What an operator changes of a schedule; `None` stays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ScheduleChange {
    /// How often it comes due.
    pub cadence: Option<Cadence>,
    /// How far a slot may be put off.
    pub jitter: Option<TimeDelta>,
    /// Whether it is held back.
    pub paused: Option<bool>,
}

/// How far a schedule reaches with the budget of calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reach {
    /// Products it is about now.
    pub products: i64,
    /// Those of them that one firing asks for at most.
    pub at_a_time: i64,
    /// How old what it keeps fresh becomes with this cadence and budget.
    pub age: TimeDelta,
    /// Of what it keeps fresh, when the oldest was asked for.
    pub oldest_at: Option<DateTime<Utc>>,
    /// Products that were never asked for.
    pub never_asked: i64,
}

#[cfg(test)]
mod tests {
    use chrono::FixedOffset;

    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn shanghai() -> FixedOffset {
        FixedOffset::east_opt(8 * 3600).unwrap()
    }

    fn schedule(name: ScheduleName, now: &str) -> Schedule {
        Schedule::standard(name, 42, at(now), &shanghai())
    }

    #[test]
    fn jitter_is_the_same_for_all_and_another_one_for_every_slot_and_schedule() {
        let now = "2026-11-22T10:07:00Z";
        let (prices, again) = (schedule(ScheduleName::Prices, now), schedule(ScheduleName::Prices, now));
        assert_eq!(prices.next_at, again.next_at);
        let slot = at("2026-11-22T11:00:00Z");
        let jitters: Vec<TimeDelta> =
            (0..24).map(|hours| prices.jitter_of(slot + TimeDelta::hours(hours))).collect();
        assert!(jitters.iter().all(|jitter| *jitter >= TimeDelta::zero() && *jitter <= prices.jitter));
        assert!(jitters.windows(2).all(|two| two[0] != two[1]), "{jitters:?}");
        assert_ne!(prices.jitter_of(slot), schedule(ScheduleName::NewProducts, now).jitter_of(slot));
    }

    #[test]
    fn every_slot_of_a_week_fires_once_and_missed_ones_together_once() {
        let (mut stock, end) =
            (schedule(ScheduleName::Stock, "2026-11-22T00:00:00Z"), at("2026-11-29T00:00:00Z"));
        let mut fired = 0;
        while stock.next_at <= end {
            let before = stock.next_at;
            stock.next_at = stock.next_after(before, &shanghai());
            assert!(stock.next_at > before);
            fired += 1;
        }
        assert!((7 * 96 - 1..=7 * 96).contains(&fired), "{fired}");
        // All were down for two days.
        let up = at("2026-12-01T00:01:00Z");
        let next = stock.next_after(up, &shanghai());
        assert!(next > up && next <= up + TimeDelta::minutes(16), "{next}");
    }

    #[test]
    fn what_cannot_be_is_told_field_by_field() {
        let mut stock = schedule(ScheduleName::Stock, "2026-11-22T00:00:00Z");
        assert_eq!(stock.faults(), []);
        stock.cadence = Cadence::Every(TimeDelta::seconds(30));
        let faults = stock.faults();
        assert_eq!(faults.iter().map(|(field, _)| *field).collect::<Vec<_>>(), ["every", "jitter"]);
        assert!(faults[0].1.contains("30s") && faults[1].1.contains("15s"), "{faults:?}");
    }
}
