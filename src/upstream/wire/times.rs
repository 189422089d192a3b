//! Times as Haier writes them.

use chrono::{DateTime, FixedOffset, NaiveDateTime, Utc};

/// China has had one time zone without summer time since 1992.
const CHINA_OFFSET_SECONDS: i32 = 8 * 3_600;
/// What tells milliseconds since 1970 from seconds: the year 2286 in these, 1970 in those.
const LEAST_MILLIS: i64 = 10_000_000_000;

/// `yyyy-MM-dd HH:mm:ss`, local time in China.
pub(in crate::upstream) fn china_time(text: &str) -> Option<DateTime<Utc>> {
    let local = NaiveDateTime::parse_from_str(text.trim(), "%Y-%m-%d %H:%M:%S").ok()?;
    Some(local.and_local_timezone(FixedOffset::east_opt(CHINA_OFFSET_SECONDS)?).single()?.to_utc())
}

/// The same, or milliseconds or seconds since 1970.
pub(in crate::upstream) fn any_time(text: &str) -> Option<DateTime<Utc>> {
    match text.trim().parse::<i64>() {
        Ok(number) if number.abs() < LEAST_MILLIS => DateTime::from_timestamp_secs(number),
        Ok(number) => DateTime::from_timestamp_millis(number),
        Err(_) => china_time(text),
    }
}

#[cfg(test)]
mod tests {
    use super::any_time;

    #[test]
    fn a_time_is_read_in_every_form() {
        for text in ["2026-01-01 08:00:00", "1767225600", " 1767225600000 "] {
            assert_eq!(any_time(text).unwrap().to_rfc3339(), "2026-01-01T00:00:00+00:00", "{text}");
        }
        assert_eq!(any_time("soon"), None);
    }
}
