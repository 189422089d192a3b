//! Messages as JSON: proto field names, enums by their proto names, int64 as numbers, times in RFC 3339, durations as
//! "1.5s", and what is absent left out.

use prost_types::{Duration, Struct, Timestamp, value::Kind};
use serde_json::{Map, Value, json};

use super::moment;
use crate::proto::Money;

mod audit;
mod balance;
mod callbacks;
mod changes;
mod haier_configs;
mod held_runs;
mod logistics;
mod orders;
mod products;
mod schedules;
mod stock;
mod sync;
mod tokens;
mod upstream;

pub(super) use audit::audit_event;
pub(super) use balance::balance;
pub(super) use callbacks::callback;
pub(super) use changes::{explained, product_change};
pub(super) use haier_configs::{account_test, activation, haier_config, key, rotation};
pub(super) use held_runs::{comparison, held_finding, held_run};
pub(super) use logistics::logistics;
pub(super) use orders::{order, order_fact};
pub(super) use products::product;
pub(super) use schedules::{product_attention, schedule, schedules};
pub(super) use stock::stock;
pub(super) use sync::{sync_failure, sync_log, sync_progress};
pub(super) use tokens::api_token;
pub(super) use upstream::{upstream_pause, upstream_status};

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

/// Largest whole number up to which a double names every one.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

pub(super) fn of_struct(fields: &Struct) -> Value {
    fields.fields.iter().map(|(name, value)| (name.clone(), of_value(value))).collect()
}

fn of_value(value: &prost_types::Value) -> Value {
    match &value.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(yes)) => json!(yes),
        // A count came as 3 and is not to leave as 3.0.
        Some(Kind::NumberValue(number)) if number.fract() == 0.0 && number.abs() <= MAX_EXACT => {
            json!(*number as i64)
        }
        Some(Kind::NumberValue(number)) => json!(number),
        Some(Kind::StringValue(text)) => json!(text),
        Some(Kind::ListValue(list)) => list.values.iter().map(of_value).collect(),
        Some(Kind::StructValue(fields)) => of_struct(fields),
    }
}
