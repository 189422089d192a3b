//! Messages as JSON: proto field names, enums by their proto names, int64 as numbers, times in RFC 3339, durations as
//! "1.5s", and what is absent left out.

use prost_types::{Duration, Timestamp};
use serde_json::{Map, Value, json};

use super::moment;
use crate::proto::Money;

mod products;
mod sync;

pub(super) use products::product;
pub(super) use sync::{sync_failure, sync_log, sync_progress};

fn money(money: &Money) -> Value {
    json!({ "currency_code": money.currency_code, "units": money.units, "nanos": money.nanos })
}

fn time(timestamp: Option<&Timestamp>) -> Option<Value> {
    timestamp.and_then(moment::rfc3339).map(Value::from)
}

fn duration(duration: &Duration) -> Value {
    json!(format!("{}s", moment::seconds(duration)))
}

fn put(object: &mut Map<String, Value>, name: &str, value: Option<Value>) {
    if let Some(value) = value {
        object.insert(name.to_owned(), value);
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}
