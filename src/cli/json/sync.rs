//! Runs, their steps and what failed in them.

use serde_json::{Value, json};

use super::{duration, object, put, time};
use crate::proto::{SyncFailure, SyncLog, SyncProgress, SyncStatus, SyncType, SyncWait};

pub(in crate::cli) fn sync_progress(progress: &SyncProgress) -> Value {
    let mut object = object(json!({
        "sync_log_id": progress.sync_log_id,
        "stage": progress.stage,
        "status": status(progress.status),
        "total_count": progress.total_count,
        "success_count": progress.success_count,
        "failed_count": progress.failed_count,
        "rate": progress.rate,
        "message": progress.message,
    }));
    if !progress.changes.is_empty() {
        let changes: Vec<_> = progress.changes.iter().map(super::product_change).collect();
        object.insert("changes".to_owned(), Value::from(changes));
    }
    if !progress.failures.is_empty() {
        let failures: Vec<_> = progress.failures.iter().map(sync_failure).collect();
        object.insert("failures".to_owned(), Value::from(failures));
    }
    put(&mut object, "planned_count", progress.planned_count.map(Value::from));
    put(&mut object, "remaining", progress.remaining.as_ref().map(duration));
    put(&mut object, "wait", progress.wait.as_ref().map(wait));
    Value::Object(object)
}

fn wait(wait: &SyncWait) -> Value {
    let mut object = object(json!({ "reason": wait.reason, "detail": wait.detail }));
    put(&mut object, "since", time(wait.since.as_ref()));
    put(&mut object, "until", time(wait.until.as_ref()));
    Value::Object(object)
}

pub(in crate::cli) fn sync_log(log: &SyncLog) -> Value {
    let mut object = object(json!({
        "id": log.id,
        "sync_type": SyncType::try_from(log.sync_type).map_or(json!(log.sync_type), |one| json!(one.as_str_name())),
        "sync_type_display": log.sync_type_display,
        "status": status(log.status),
        "status_display": log.status_display,
        "message": log.message,
        "total_count": log.total_count,
        "success_count": log.success_count,
        "failed_count": log.failed_count,
        "end_reason": log.end_reason,
        "trigger": log.trigger,
        "requested_by": log.requested_by,
        "account": log.account,
    }));
    put(&mut object, "planned_count", log.planned_count.map(Value::from));
    put(&mut object, "started_at", time(log.started_at.as_ref()));
    put(&mut object, "completed_at", time(log.completed_at.as_ref()));
    put(&mut object, "created_at", time(log.created_at.as_ref()));
    put(&mut object, "duration", log.duration.as_ref().map(duration));
    put(&mut object, "parent_id", log.parent_id.map(Value::from));
    put(&mut object, "waited", log.waited.as_ref().map(duration));
    put(&mut object, "wait", log.wait.as_ref().map(wait));
    Value::Object(object)
}

pub(in crate::cli) fn sync_failure(failure: &SyncFailure) -> Value {
    let mut object = object(json!({
        "product_code": failure.product_code,
        "stage": failure.stage,
        "reason": failure.reason,
        "detail": failure.detail,
        "attempt": failure.attempt,
        "county_code": failure.county_code,
        "category": failure.category,
        "brand": failure.brand,
    }));
    put(&mut object, "created_at", time(failure.created_at.as_ref()));
    Value::Object(object)
}

/// A number that this version has no name for stays a number.
fn status(number: i32) -> Value {
    SyncStatus::try_from(number).map_or(json!(number), |status| json!(status.as_str_name()))
}

#[cfg(test)]
mod tests {
    use prost_types::{Duration, Timestamp};

    use super::*;

    #[test]
    fn a_log_has_proto_names_numbers_and_no_absent_fields() {
        let log = SyncLog {
            id: 9_007_199_254_740_993,
            sync_type: SyncType::Products.into(),
            status: SyncStatus::Partial.into(),
            planned_count: Some(0),
            created_at: Some(Timestamp { seconds: 1_793_491_200, nanos: 250_000_000 }),
            duration: Some(Duration { seconds: 1, nanos: 500_000_000 }),
            ..SyncLog::default()
        };
        let text = sync_log(&log).to_string();
        assert!(text.contains(r#""id":9007199254740993"#), "{text}");
        let value = sync_log(&log);
        assert_eq!(value["sync_type"], "SYNC_TYPE_PRODUCTS");
        assert_eq!(value["status"], "SYNC_STATUS_PARTIAL");
        assert_eq!(value["planned_count"], 0);
        assert_eq!(value["created_at"], "2026-11-01T00:00:00.250Z");
        assert_eq!(value["duration"], "1.5s");
        assert_eq!(value["message"], "");
        assert!(value.get("completed_at").is_none() && value.get("parent_id").is_none());
    }
}
