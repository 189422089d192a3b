//! Points in time as they are typed and shown.

use chrono::{DateTime, Local, NaiveDate, NaiveTime, SecondsFormat, TimeZone, Utc};
use prost_types::{Duration, Timestamp};

/// A point in time: RFC 3339, or a date, which means its midnight here.
pub(super) fn parse(text: &str) -> Result<DateTime<Utc>, String> {
    parse_in(text, &Local)
}

fn parse_in(text: &str, zone: &impl TimeZone) -> Result<DateTime<Utc>, String> {
    let text = text.trim();
    if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
        return Ok(moment.to_utc());
    }
    // Where clocks are put forward at midnight, that day begins later.
    let midnight = |date: NaiveDate| {
        (0..24).find_map(|hour| {
            let time = NaiveTime::from_hms_opt(hour, 0, 0)?;
            zone.from_local_datetime(&date.and_time(time)).earliest()
        })
    };
    NaiveDate::parse_from_str(text, "%Y-%m-%d")
        .ok()
        .and_then(midnight)
        .map(|moment| moment.to_utc())
        .ok_or_else(|| {
            "expected a date such as 2026-11-01 (its midnight here), or RFC 3339 such as \
             2026-11-01T08:00:00+08:00"
                .to_owned()
        })
}

pub(super) fn to_timestamp(moment: DateTime<Utc>) -> Timestamp {
    // Below a second there are at most 999,999,999 nanoseconds, or twice that in a leap second.
    let nanos = i32::try_from(moment.timestamp_subsec_nanos()).unwrap_or(0).min(999_999_999);
    Timestamp { seconds: moment.timestamp(), nanos }
}

pub(super) fn from_timestamp(timestamp: &Timestamp) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(timestamp.seconds, u32::try_from(timestamp.nanos).ok()?)
}

/// RFC 3339 in UTC, for programs.
pub(super) fn rfc3339(timestamp: &Timestamp) -> Option<String> {
    Some(from_timestamp(timestamp)?.to_rfc3339_opts(SecondsFormat::AutoSi, true))
}

/// Local time with its offset, for people. Empty when there is none.
pub(super) fn local(timestamp: Option<&Timestamp>) -> String {
    let shown =
        |moment: DateTime<Utc>| moment.with_timezone(&Local).format("%Y-%m-%d %H:%M:%S %:z").to_string();
    timestamp.and_then(from_timestamp).map(shown).unwrap_or_default()
}

/// When something is tried next, for people: `due` once that is past, for it may wait for what nobody knows the end of.
pub(super) fn next(timestamp: Option<&Timestamp>, now: DateTime<Utc>) -> String {
    let is_past = timestamp.and_then(from_timestamp).is_some_and(|at| at <= now);
    if is_past { "due".to_owned() } else { local(timestamp) }
}

/// A duration in seconds.
pub(super) fn seconds(duration: &Duration) -> f64 {
    duration.seconds as f64 + f64::from(duration.nanos) / 1e9
}

/// A duration of a second and more, in words.
pub(super) fn span(duration: Option<&Duration>) -> Option<String> {
    let seconds =
        duration.and_then(|duration| u64::try_from(duration.seconds).ok()).filter(|seconds| *seconds > 0)?;
    Some(humantime::format_duration(std::time::Duration::from_secs(seconds)).to_string())
}

#[cfg(test)]
mod tests {
    use chrono::FixedOffset;

    use super::*;

    #[test]
    fn a_date_means_its_midnight_here() {
        let here = FixedOffset::east_opt(8 * 3600).unwrap();
        assert_eq!(parse_in("2026-11-01", &here).unwrap().to_rfc3339(), "2026-10-31T16:00:00+00:00");
    }

    #[test]
    fn rfc_3339_is_taken_with_its_offset() {
        assert_eq!(parse("2026-11-01T08:00:00+08:00").unwrap(), parse("2026-11-01T00:00:00Z").unwrap());
    }

    #[test]
    fn what_is_tried_next_is_due_once_its_time_is_past() {
        let at = Timestamp { seconds: 1_793_491_200, nanos: 0 };
        let now = from_timestamp(&at).unwrap();
        assert_eq!(next(Some(&at), now), "due");
        assert_eq!(next(Some(&at), now - chrono::TimeDelta::seconds(1)), local(Some(&at)));
        assert_eq!(next(None, now), "");
    }

    #[test]
    fn what_is_no_time_is_told_what_is_expected() {
        for bad in ["2026-13-01", "yesterday", "2026-11-01T08:00:00", ""] {
            assert!(parse(bad).unwrap_err().contains("2026-11-01"), "{bad}");
        }
    }
}
