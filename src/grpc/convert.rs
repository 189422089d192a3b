//! Plain values as protobuf's.

use chrono::{DateTime, TimeDelta, Utc};
use prost_types::{Duration, ListValue, Struct, Timestamp, Value, value::Kind};

use crate::{
    domain::{decimal::Money, printable::printable},
    proto,
};

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

/// JSON text as protobuf's value. Numbers beyond a double's exactness become text rather than other numbers. What is nested
/// deeper than clients read, or longer than what is left of `room`, stays text: as values it would take many times the memory.
pub(super) fn json_value(json: &str, room: &mut usize) -> Value {
    let fits = json.len() <= *room && nesting(json) <= MAX_NESTING;
    match fits.then(|| serde_json::from_str(json)) {
        Some(Ok(value)) => {
            *room -= json.len();
            of_json(value)
        }
        _ => Value { kind: Some(Kind::StringValue(printable(json).into_owned())) },
    }
}

/// Standard clients read a hundred messages within each other, and a level of JSON takes three.
const MAX_NESTING: usize = 16;

/// How many brackets are open at most.
fn nesting(json: &str) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

fn of_json(value: serde_json::Value) -> Value {
    let kind = match value {
        serde_json::Value::Null => Kind::NullValue(0),
        serde_json::Value::Bool(yes) => Kind::BoolValue(yes),
        serde_json::Value::Number(number) => match number.as_f64() {
            Some(double) if double.abs() <= MAX_EXACT => Kind::NumberValue(double),
            _ => Kind::StringValue(number.to_string()),
        },
        serde_json::Value::String(text) => Kind::StringValue(printable(&text).into_owned()),
        serde_json::Value::Array(items) => {
            Kind::ListValue(ListValue { values: items.into_iter().map(of_json).collect() })
        }
        serde_json::Value::Object(fields) => {
            let fields = fields.into_iter();
            let fields =
                fields.map(|(name, value)| (printable(&name).into_owned(), of_json(value))).collect();
            Kind::StructValue(Struct { fields })
        }
    };
    Value { kind: Some(kind) }
}

/// 2^53: up to here every whole number is a double.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &Value) -> Option<&str> {
        match value.kind.as_ref() {
            Some(Kind::StringValue(text)) => Some(text),
            _ => None,
        }
    }

    #[test]
    fn what_no_client_could_read_as_a_value_is_text() {
        let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        let mut room = 1_000;
        assert_eq!(text(&json_value(&nested(16), &mut room)), None);
        for json in [nested(17), nested(127), nested(500), r#""\ud800""#.to_owned()] {
            assert_eq!(text(&json_value(&json, &mut room)), Some(json.as_str()));
        }
        assert_eq!(text(&json_value(r#"["[[[[[[[[[[[[[[[[[[[[\"["]"#, &mut room)), None);
        let long = format!("[{}1]", "1,".repeat(500));
        assert_eq!(text(&json_value(&long, &mut room)), Some(long.as_str()));
        room = 2 * long.len() - 1;
        assert_eq!(text(&json_value(&long, &mut room)), None);
        assert_eq!(text(&json_value(&long, &mut room)), Some(long.as_str()), "the room is used up");
    }

    #[test]
    fn texts_within_are_fit_to_be_shown() {
        let Some(Kind::StructValue(fields)) = json_value(r#"{"a\u202e":"b\u009bc"}"#, &mut 100).kind else {
            panic!()
        };
        assert_eq!(text(&fields.fields["a"]), Some("bc"));
    }
}
