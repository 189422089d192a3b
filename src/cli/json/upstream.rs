//! How calls to Haier stand.

use serde_json::{Value, json};

use super::{duration, object, put, time};
use crate::proto::{
    GetUpstreamStatusResponse, Replica, UpstreamBreaker, UpstreamPause, UpstreamSystem, UpstreamToken,
};

/// An object a pause, one that says since when orders are frozen, one with the number of held runs if there are any, an object
/// an account whose orders are not sent, and an object a replica.
pub(in crate::cli) fn upstream_status(status: &GetUpstreamStatusResponse) -> Vec<Value> {
    let pauses = status.pauses.iter().map(|pause| json!({ "pause": upstream_pause(pause) }));
    let held = (status.held_run_count > 0).then(|| json!({ "held_run_count": status.held_run_count }));
    let displaced = status.displaced_orders.iter().map(|orders| {
        let (so_ids, detail) = (&orders.so_ids, &orders.detail);
        json!({ "displaced_orders": {
            "account": orders.account, "count": orders.count, "so_ids": so_ids, "detail": detail,
        } })
    });
    let frozen = time(status.orders_frozen_at.as_ref()).map(|since| json!({ "orders_frozen_at": since }));
    let pauses = pauses.chain(frozen).chain(held).chain(displaced);
    pauses.chain(status.replicas.iter().map(|each| json!({ "replica": replica(each) }))).collect()
}

pub(in crate::cli) fn upstream_pause(pause: &UpstreamPause) -> Value {
    let mut object = object(json!({
        "target": pause.target().as_str_name(),
        "reason": pause.reason,
        "paused_by": pause.paused_by,
    }));
    put(&mut object, "until", time(pause.until.as_ref()));
    put(&mut object, "since", time(pause.since.as_ref()));
    Value::Object(object)
}

fn replica(replica: &Replica) -> Value {
    let mut object = object(json!({
        "name": replica.name,
        "version": replica.version,
        "answering": replica.answering,
        "systems": replica.systems.iter().map(system).collect::<Vec<_>>(),
    }));
    put(&mut object, "started_at", time(replica.started_at.as_ref()));
    put(&mut object, "seen_at", time(replica.seen_at.as_ref()));
    put(&mut object, "age", replica.age.as_ref().map(duration));
    Value::Object(object)
}

fn system(system: &UpstreamSystem) -> Value {
    let budget = system.budget.unwrap_or_default();
    let mut object = object(json!({
        "system": system.system,
        "account": system.account,
        "former": system.former,
        "budget": {
            "limit": budget.limit,
            "last_second": budget.last_second,
            "last_minute": budget.last_minute,
            "waiting_live": budget.waiting_live,
            "waiting_bulk": budget.waiting_bulk,
        },
        "breakers": system.breakers.iter().map(breaker).collect::<Vec<_>>(),
    }));
    put(&mut object, "token", system.token.as_ref().map(token));
    Value::Object(object)
}

fn breaker(breaker: &UpstreamBreaker) -> Value {
    let mut object = object(json!({
        "operation": breaker.operation,
        "state": breaker.state().as_str_name(),
        "failures": breaker.failures,
    }));
    put(&mut object, "since", time(breaker.since.as_ref()));
    put(&mut object, "probe_at", time(breaker.probe_at.as_ref()));
    Value::Object(object)
}

fn token(token: &UpstreamToken) -> Value {
    let mut object = object(json!({ "account": token.account }));
    put(&mut object, "issued_at", time(token.issued_at.as_ref()));
    put(&mut object, "age", token.age.as_ref().map(duration));
    put(&mut object, "refresh_at", time(token.refresh_at.as_ref()));
    Value::Object(object)
}
