//! The calendar of schedules: how often something comes due, and spans of time in words.

use chrono::{DateTime, Days, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Timelike as _, Utc};

/// Shortest period.
pub const MIN_PERIOD: TimeDelta = TimeDelta::minutes(1);
/// Longest period.
pub const MAX_PERIOD: TimeDelta = TimeDelta::days(31);

/// How often a schedule comes due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cadence {
    /// At every whole multiple of this.
    Every(TimeDelta),
    /// At this time of every day.
    DailyAt(NaiveTime),
}

impl Cadence {
    /// The time between two slots.
    #[must_use]
    pub const fn period(self) -> TimeDelta {
        match self {
            Self::Every(period) => period,
            Self::DailyAt(_) => TimeDelta::days(1),
        }
    }

    /// The first slot after an instant; times of day are those of `zone`.
    pub(super) fn slot_after<Z: TimeZone>(self, now: DateTime<Utc>, zone: &Z) -> DateTime<Utc> {
        match self {
            Self::Every(period) => {
                let period = period.num_microseconds().unwrap_or(i64::MAX).max(1);
                let next = now.timestamp_micros().div_euclid(period).saturating_add(1).saturating_mul(period);
                DateTime::from_timestamp_micros(next).unwrap_or(DateTime::<Utc>::MAX_UTC)
            }
            Self::DailyAt(time) => {
                let today = now.with_timezone(zone).date_naive();
                let days = (0..3).filter_map(|days| today.checked_add_days(Days::new(days)));
                let slots = days.filter_map(|day| local(day.and_time(time), zone));
                slots.into_iter().find(|slot| *slot > now).unwrap_or(now + TimeDelta::days(1))
            }
        }
    }
}

/// A local time; one that clocks leave out is the first after it, one that they show twice the first of the two.
fn local<Z: TimeZone>(time: NaiveDateTime, zone: &Z) -> Option<DateTime<Utc>> {
    let quarters = (0..=8).map(|quarters| time + TimeDelta::minutes(15 * quarters));
    quarters.into_iter().find_map(|time| zone.from_local_datetime(&time).earliest()).map(|slot| slot.to_utc())
}

impl std::fmt::Display for Cadence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Every(period) => write!(f, "every {}", Span(*period)),
            Self::DailyAt(time) => write!(f, "daily at {:02}:{:02}", time.hour(), time.minute()),
        }
    }
}

/// A span of time in words, such as `1h 30m`.
#[derive(Debug, Clone, Copy)]
pub struct Span(pub TimeDelta);

impl std::fmt::Display for Span {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seconds = self.0.num_seconds();
        let parts = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
        let mut left = seconds;
        let mut words = Vec::new();
        for (length, unit) in parts {
            if left >= length {
                words.push(format!("{}{unit}", left / length));
                left %= length;
            }
        }
        if words.is_empty() {
            words.push("0s".to_owned());
        }
        f.write_str(&words.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use chrono::FixedOffset;

    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn daily_at(hour: u32, minute: u32) -> Cadence {
        Cadence::DailyAt(NaiveTime::from_hms_opt(hour, minute, 0).unwrap())
    }

    #[test]
    fn a_daily_slot_is_at_the_time_of_its_zone() {
        let shanghai = FixedOffset::east_opt(8 * 3600).unwrap();
        let next = |now: &str| daily_at(3, 0).slot_after(at(now), &shanghai);
        assert_eq!(next("2026-11-22T18:59:59Z"), at("2026-11-22T19:00:00Z"));
        assert_eq!(next("2026-11-22T19:00:00Z"), at("2026-11-23T19:00:00Z"));
    }

    #[test]
    fn a_time_that_clocks_leave_out_or_show_twice_is_one_slot() {
        let next = |now: &str| daily_at(2, 30).slot_after(at(now), &chrono_tz::Europe::Berlin).to_rfc3339();
        assert_eq!(next("2026-03-28T12:00:00Z"), "2026-03-29T01:00:00+00:00");
        assert_eq!(next("2026-03-29T01:00:00Z"), "2026-03-30T00:30:00+00:00");
        assert_eq!(next("2026-10-24T12:00:00Z"), "2026-10-25T00:30:00+00:00");
        assert_eq!(next("2026-10-25T00:30:00Z"), "2026-10-26T01:30:00+00:00");
    }

    #[test]
    fn spans_are_told_in_their_units() {
        let told = |seconds| Span(TimeDelta::seconds(seconds)).to_string();
        assert_eq!([0, 90, 5_400, 86_401].map(told), ["0s", "1m 30s", "1h 30m", "1d 1s"]);
    }
}
