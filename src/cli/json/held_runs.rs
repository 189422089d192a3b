//! Held runs and what they have set aside; how the stored copy compares with the catalogue.

use serde_json::{Value, json};

use super::{changes::field_change, object, put, time};
use crate::proto::{CatalogueComparison, HeldFinding, HeldRun};

pub(in crate::cli) fn held_run(run: &HeldRun) -> Value {
    let mut object = object(json!({
        "sync_log_id": run.sync_log_id,
        "sync_type": run.sync_type().as_str_name(),
        "account": run.account,
        "delisted_count": run.delisted_count,
        "listed_count": run.listed_count,
        "moved_count": run.moved_count,
        "priced_count": run.priced_count,
        "decision": run.decision().as_str_name(),
        "decided_by": run.decided_by,
    }));
    put(&mut object, "held_at", time(run.held_at.as_ref()));
    put(&mut object, "expires_at", time(run.expires_at.as_ref()));
    put(&mut object, "decided_at", time(run.decided_at.as_ref()));
    put(&mut object, "successor_id", run.successor_id.map(Value::from));
    Value::Object(object)
}

pub(in crate::cli) fn held_finding(finding: &HeldFinding) -> Value {
    let mut object = object(json!({
        "product_code": finding.product_code,
        "kind": finding.kind().as_str_name(),
        "changes": finding.changes.iter().map(field_change).collect::<Vec<_>>(),
    }));
    put(&mut object, "asked_at", time(finding.asked_at.as_ref()));
    Value::Object(object)
}

pub(in crate::cli) fn comparison(sum: &CatalogueComparison) -> Value {
    json!({
        "listed_count": sum.listed_count,
        "missing_count": sum.missing_count,
        "surplus_count": sum.surplus_count,
        "differing_count": sum.differing_count,
        "sampled_count": sum.sampled_count,
        "differing_price_count": sum.differing_price_count,
        "failed_count": sum.failed_count,
        "reason": sum.reason,
        "detail": sum.detail,
        "waited": sum.waited.as_ref().map(super::duration),
    })
}
