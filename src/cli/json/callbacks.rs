//! Stored callbacks.

use serde_json::{Value, json};

use super::{object, put, time};
use crate::proto::Callback;

pub(in crate::cli) fn callback(callback: &Callback) -> Value {
    let mut object = object(json!({
        "id": callback.id,
        "state": callback.state().as_str_name(),
        "method": callback.method,
        "success": callback.success,
        "platform_order_no": callback.platform_order_no,
        "haier_order_no": callback.haier_order_no,
        "words": callback.words,
        "app_key": callback.app_key,
        "accounts": callback.accounts,
        "so_id": callback.so_id,
    }));
    for (name, at) in [
        ("received_at", &callback.received_at),
        ("sent_at", &callback.sent_at),
        ("applied_at", &callback.applied_at),
        ("parked_at", &callback.parked_at),
    ] {
        put(&mut object, name, time(at.as_ref()));
    }
    Value::Object(object)
}
