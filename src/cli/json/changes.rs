//! Entries of the feed, and how a product's prices and stock came about.

use serde_json::{Map, Value, json};

use super::{object, product, put, time};
use crate::proto::{ExplainProductResponse, FieldChange, FieldHistory, ProductChange};

pub(in crate::cli) fn product_change(change: &ProductChange) -> Value {
    let mut object = object(json!({
        "cursor": change.cursor,
        "kind": change.kind().as_str_name(),
        "product_code": change.product_code,
        "changes": change.changes.iter().map(field_change).collect::<Vec<_>>(),
        "product_count": change.product_count,
        "sync_log_id": change.sync_log_id,
    }));
    put(&mut object, "changed_at", time(change.changed_at.as_ref()));
    Value::Object(object)
}

pub(super) fn field_change(change: &FieldChange) -> Value {
    let mut object = Map::new();
    put(&mut object, "field", Some(json!(change.field)));
    put(&mut object, "old", change.old.as_ref().map(|old| json!(old)));
    put(&mut object, "new", change.new.as_ref().map(|new| json!(new)));
    Value::Object(object)
}

pub(in crate::cli) fn explained(explained: &ExplainProductResponse) -> Value {
    let mut object = Map::new();
    put(&mut object, "product", explained.product.as_ref().map(product));
    put(&mut object, "stored_at", time(explained.stored_at.as_ref()));
    put(&mut object, "stored_by", Some(json!(explained.stored_by)));
    let fields: Vec<Value> = explained.fields.iter().map(field_history).collect();
    put(&mut object, "fields", Some(json!(fields)));
    Value::Object(object)
}

fn field_history(history: &FieldHistory) -> Value {
    let mut object = Map::new();
    put(&mut object, "field", Some(json!(history.field)));
    put(&mut object, "value", history.value.as_ref().map(|value| json!(value)));
    put(&mut object, "before", history.before.as_ref().map(|before| json!(before)));
    put(&mut object, "since", time(history.since.as_ref()));
    put(&mut object, "sync_log_id", Some(json!(history.sync_log_id)));
    Value::Object(object)
}
