//! Plain values as protobuf's.

use chrono::{DateTime, TimeDelta, Utc};
use prost_types::{Duration, Timestamp};

use crate::{domain::decimal::Money, proto};

pub(super) fn timestamp(instant: DateTime<Utc>) -> Timestamp {
    // Nanos of a second are below 2^31.
    Timestamp {
        seconds: instant.timestamp(),
        nanos: instant.timestamp_subsec_nanos().try_into().unwrap_or(0),
    }
}

pub(super) fn duration(span: TimeDelta) -> Duration {
    Duration { seconds: span.num_seconds(), nanos: span.subsec_nanos() }
}

pub(super) fn money(money: Money) -> proto::Money {
    const NANOS_PER_E4: i64 = 100_000;
    proto::Money {
        currency_code: "CNY".to_owned(),
        units: money.e4 / 10_000,
        // Less than 10^9 by the remainder.
        nanos: i32::try_from(money.e4 % 10_000 * NANOS_PER_E4).unwrap_or(0),
    }
}
