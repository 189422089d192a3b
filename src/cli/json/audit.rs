//! What operators changed.

use serde_json::{Value, json};

use super::{object, put, time};
use crate::proto::{AuditChange, AuditEvent};

pub(in crate::cli) fn audit_event(event: &AuditEvent) -> Value {
    let mut object = object(json!({
        "id": event.id,
        "caller": event.caller,
        "role": event.role().as_str_name(),
        "address": event.address,
        "action": event.action,
        "subject": event.subject,
        "changes": event.changes.iter().map(change).collect::<Vec<_>>(),
    }));
    put(&mut object, "created_at", time(event.created_at.as_ref()));
    Value::Object(object)
}

fn change(change: &AuditChange) -> Value {
    let mut object = object(json!({ "field": change.field }));
    put(&mut object, "before", change.before.as_deref().map(Value::from));
    put(&mut object, "after", change.after.as_deref().map(Value::from));
    Value::Object(object)
}
