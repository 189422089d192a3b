//! Plain values as protobuf's.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use prost_types::{Duration, ListValue, Struct, Timestamp, Value, value::Kind};
use serde_json::value::RawValue;

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
    match fits.then(|| of_json(json)) {
        Some(Ok(value)) => {
            *room -= json.len();
            value
        }
        _ => text(json),
    }
}

fn text(text: &str) -> Value {
    Value { kind: Some(Kind::StringValue(printable(text).into_owned())) }
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

/// Level by level from the text, which has every digit of a number.
fn of_json(json: &str) -> serde_json::Result<Value> {
    let kind = match json.as_bytes().first() {
        Some(b'{') => {
            let fields: BTreeMap<String, &RawValue> = serde_json::from_str(json)?;
            let fields = fields
                .into_iter()
                .map(|(name, raw)| Ok((printable(&name).into_owned(), of_json(raw.get())?)));
            Kind::StructValue(Struct { fields: fields.collect::<serde_json::Result<_>>()? })
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(json)?;
            let values =
                items.into_iter().map(|raw| of_json(raw.get())).collect::<serde_json::Result<_>>()?;
            Kind::ListValue(ListValue { values })
        }
        Some(b'"') => return Ok(text(&serde_json::from_str::<String>(json)?)),
        Some(b'-' | b'0'..=b'9') => {
            let number: f64 = serde_json::from_str(json)?;
            let digits = json.split(['e', 'E']).next().unwrap_or_default().bytes().filter(u8::is_ascii_digit);
            if digits.skip_while(|digit| *digit == b'0').count() > EXACT_DIGITS || !number.is_finite() {
                return Ok(text(json));
            }
            Kind::NumberValue(number)
        }
        _ => serde_json::from_str::<Option<bool>>(json)?.map_or(Kind::NullValue(0), Kind::BoolValue),
    };
    Ok(Value { kind: Some(kind) })
}

/// A double keeps a number of so many digits.
const EXACT_DIGITS: usize = 15;

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(value: &Value) -> Option<&str> {
        match value.kind.as_ref() {
            Some(Kind::StringValue(text)) => Some(text),
            _ => None,
        }
    }

    #[test]
    fn what_no_client_could_read_as_a_value_is_text() {
        let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        let mut room = 1_000;
        assert_eq!(text_of(&json_value(&nested(16), &mut room)), None);
        for json in [nested(17), nested(127), nested(500), r#""\ud800""#.to_owned()] {
            assert_eq!(text_of(&json_value(&json, &mut room)), Some(json.as_str()));
        }
        assert_eq!(text_of(&json_value(r#"["[[[[[[[[[[[[[[[[[[[[\"["]"#, &mut room)), None);
        let long = format!("[{}1]", "1,".repeat(500));
        assert_eq!(text_of(&json_value(&long, &mut room)), Some(long.as_str()));
        room = 2 * long.len() - 1;
        assert_eq!(text_of(&json_value(&long, &mut room)), None);
        assert_eq!(text_of(&json_value(&long, &mut room)), Some(long.as_str()), "the room is used up");
    }

    #[test]
    fn texts_within_are_fit_to_be_shown() {
        let Some(Kind::StructValue(fields)) = json_value(r#"{"a\u202e":"b\u009bc"}"#, &mut 100).kind else {
            panic!()
        };
        assert_eq!(text_of(&fields.fields["a"]), Some("bc"));
    }

    #[test]
    fn a_number_keeps_every_digit() {
        let value = |json: &str| json_value(json, &mut 100).kind;
        for number in ["9007199254740993", "-123456789012345678901234567890", "0.1234567890123456", "1e999"] {
            assert_eq!(value(number), Some(Kind::StringValue(number.to_owned())), "{number}");
        }
        for (number, double) in
            [("123456789012345", 123_456_789_012_345.0), ("-1.50", -1.5), ("0.001", 0.001)]
        {
            assert_eq!(value(number), Some(Kind::NumberValue(double)), "{number}");
        }
    }
}
