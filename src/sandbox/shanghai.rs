//! Time as the supplier tells it: always `Asia/Shanghai`, eight hours ahead of UTC the whole year, and never said so.

use chrono::{DateTime, FixedOffset, NaiveDateTime, Timelike as _, Utc};

const AHEAD: i32 = 8 * 3600;
/// What counts as milliseconds: thirteen digits, which seconds reach only after thirty thousand years.
const MILLIS: std::ops::RangeInclusive<i64> = 1_000_000_000_000..=9_999_999_999_999;

/// Now, in the real time: a stand-in lives in it as the supplier does.
#[expect(clippy::disallowed_methods, reason = "a stand-in lives in the real time, as Haier does")]
pub(super) fn now() -> DateTime<Utc> {
    Utc::now()
}

/// The local date and time.
pub(super) fn local(at: DateTime<Utc>) -> NaiveDateTime {
    FixedOffset::east_opt(AHEAD).map_or(at.naive_utc(), |shanghai| at.with_timezone(&shanghai).naive_local())
}

/// `yyyy-MM-dd HH:mm:ss`
pub(super) fn text(at: DateTime<Utc>) -> String {
    local(at).format("%Y-%m-%d %H:%M:%S").to_string()
}

/// `yyyyMMddHHmmss`
pub(super) fn stamp(at: DateTime<Utc>) -> String {
    local(at).format("%Y%m%d%H%M%S").to_string()
}

/// Whether a number can be milliseconds since the epoch rather than seconds.
pub(super) fn is_millis(number: i64) -> bool {
    MILLIS.contains(&number)
}

/// Whether the local time of day is 23:59:59.
pub(super) fn is_end_of_day(millis: i64) -> bool {
    let at = DateTime::from_timestamp_millis(millis).map(local);
    at.is_some_and(|at| (at.hour(), at.minute(), at.second()) == (23, 59, 59))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_ends_in_shanghai() {
        // 2026-01-01T15:59:59Z
        let end = 1_767_283_199_000;
        assert!(is_end_of_day(end) && is_end_of_day(end + 999));
        assert!(
            !is_end_of_day(end - 1) && !is_end_of_day(end + 1_000) && !is_end_of_day(end + 8 * 3_600_000)
        );
        let at = DateTime::from_timestamp_millis(end).unwrap();
        assert_eq!((text(at).as_str(), stamp(at).as_str()), ("2026-01-01 23:59:59", "20260101235959"));
        assert!(is_millis(end) && !is_millis(end / 1_000));
    }
}
