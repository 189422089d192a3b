//! Plain values as protobuf's.

use chrono::{DateTime, TimeDelta, Utc};
use prost_types::{Duration, ListValue, Struct, Timestamp, Value, value::Kind};

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

/// JSON text as protobuf's value. Numbers beyond a double's exactness become text rather than other numbers.
pub(super) fn json_value(json: &str) -> Value {
    of_json(serde_json::from_str(json).unwrap_or_default())
}

fn of_json(value: serde_json::Value) -> Value {
    let kind = match value {
        serde_json::Value::Null => Kind::NullValue(0),
        serde_json::Value::Bool(yes) => Kind::BoolValue(yes),
        serde_json::Value::Number(number) => match number.as_f64() {
            Some(double) if double.abs() <= MAX_EXACT => Kind::NumberValue(double),
            _ => Kind::StringValue(number.to_string()),
        },
        serde_json::Value::String(text) => Kind::StringValue(text),
        serde_json::Value::Array(items) => {
            Kind::ListValue(ListValue { values: items.into_iter().map(of_json).collect() })
        }
        serde_json::Value::Object(fields) => {
            let fields = fields.into_iter().map(|(name, value)| (name, of_json(value))).collect();
            Kind::StructValue(Struct { fields })
        }
    };
    Value { kind: Some(kind) }
}

/// 2^53: up to here every whole number is a double.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;
