//! Schedules, and what an operator says of products' stock.

use serde_json::{Map, Value, json};

use super::{duration, object, put, time};
use crate::proto::{
    ListSchedulesResponse, ProductAttention, Schedule, ScheduleFiring, ScheduleReach, schedule::Cadence,
};

/// An object a schedule, then what they share.
pub(in crate::cli) fn schedules(list: &ListSchedulesResponse) -> Vec<Value> {
    let mut lines: Vec<Value> =
        list.schedules.iter().map(|one| json!({ "schedule": schedule(one) })).collect();
    lines.push(json!({ "time_zone": list.time_zone, "calls_per_second": list.calls_per_second }));
    lines
}

pub(in crate::cli) fn schedule(schedule: &Schedule) -> Value {
    let mut object = object(json!({ "name": schedule.name, "paused": schedule.paused }));
    match &schedule.cadence {
        Some(Cadence::Every(every)) => put(&mut object, "every", Some(duration(every))),
        Some(Cadence::DailyAt(time)) => put(&mut object, "daily_at", Some(json!(time))),
        None => {}
    }
    put(&mut object, "jitter", schedule.jitter.as_ref().map(duration));
    put(&mut object, "next_at", time(schedule.next_at.as_ref()));
    put(&mut object, "wanted", Some(json!(schedule.wanted)));
    put(&mut object, "last_firing", schedule.last_firing.as_ref().map(firing));
    put(&mut object, "reach", schedule.reach.as_ref().map(reach));
    put(&mut object, "etag", Some(json!(schedule.etag)));
    put(&mut object, "updated_at", time(schedule.updated_at.as_ref()));
    Value::Object(object)
}

fn firing(firing: &ScheduleFiring) -> Value {
    let mut object = Map::new();
    put(&mut object, "at", time(firing.at.as_ref()));
    put(&mut object, "outcome", Some(json!(firing.outcome().as_str_name())));
    put(&mut object, "detail", Some(json!(firing.detail)));
    put(&mut object, "sync_log_id", Some(json!(firing.sync_log_id)));
    Value::Object(object)
}

fn reach(reach: &ScheduleReach) -> Value {
    let mut object = object(json!({
        "product_count": reach.product_count,
        "products_at_a_time": reach.products_at_a_time,
    }));
    put(&mut object, "age", reach.age.as_ref().map(duration));
    put(&mut object, "oldest_at", time(reach.oldest_at.as_ref()));
    put(&mut object, "never_asked_count", Some(json!(reach.never_asked_count)));
    Value::Object(object)
}

pub(in crate::cli) fn product_attention(product: &ProductAttention) -> Value {
    let mut object = object(json!({ "product_code": product.product_code, "watched": product.watched }));
    put(&mut object, "low_stock", product.low_stock.map(|low| json!(low)));
    Value::Object(object)
}
