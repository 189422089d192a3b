//! Schedules on the wire.

use std::sync::Arc;

use chrono::{NaiveTime, Timelike as _};
use prost_types::FieldMask;

use super::{
    convert::{duration, timestamp},
    requests::{required_codes, span},
};
use crate::{
    app::{App, Ctx, ScheduleView},
    domain::{
        attention::{Attention, AttentionChange},
        schedules::{Cadence, Firing, FiringOutcome, Reach, ScheduleChange, ScheduleName},
        violations::Violations,
    },
    error::{Error, Result},
    proto::{self, schedule::Cadence as Wire},
};

/// What an update may name.
const FIELDS: [&str; 5] = ["*", "every", "daily_at", "jitter", "paused"];
/// Most units that are low.
const MAX_LOW_STOCK: i64 = 1_000_000;

pub(super) async fn list(app: &App, ctx: &Ctx) -> Result<proto::ListSchedulesResponse> {
    let list = app.schedules_list(ctx).await?;
    Ok(proto::ListSchedulesResponse {
        schedules: list.schedules.into_iter().map(encode).collect(),
        time_zone: list.time_zone,
        calls_per_second: list.calls_per_second.unwrap_or_default(),
    })
}

pub(super) async fn update(
    app: &Arc<App>,
    ctx: &Ctx,
    request: proto::UpdateScheduleRequest,
) -> Result<proto::Schedule> {
    let mut violations = Violations::default();
    let schedule = request.schedule.unwrap_or_default();
    let name = name("schedule.name", &schedule.name, &mut violations);
    let change = change(&schedule, request.update_mask, &mut violations);
    let name = violations.into_result(name).map_err(Error::Invalid)?;
    app.schedule_update(ctx, name, &schedule.etag, change).await.map(encode)
}

pub(super) async fn run_now(
    app: &Arc<App>,
    ctx: &Ctx,
    request: proto::RunScheduleNowRequest,
) -> Result<proto::RunScheduleNowResponse> {
    let mut violations = Violations::default();
    let name = name("name", &request.name, &mut violations);
    let name = violations.into_result(name).map_err(Error::Invalid)?;
    Ok(proto::RunScheduleNowResponse { sync_log_id: app.schedule_run_now(ctx, name).await? })
}

pub(super) async fn set_attention(
    app: &Arc<App>,
    ctx: &Ctx,
    request: proto::SetProductAttentionRequest,
) -> Result<proto::SetProductAttentionResponse> {
    let mut violations = Violations::default();
    let codes = required_codes(&request.product_codes, &mut violations);
    if let Some(low) = request.low_stock
        && !(0..=MAX_LOW_STOCK).contains(&low)
    {
        violations.add("low_stock", format!("is {low}; 0 to {MAX_LOW_STOCK} is allowed"));
    }
    if request.low_stock.is_some() && request.reset_low_stock {
        violations.add("reset_low_stock", "stands against low_stock: give one of the two");
    }
    let low_stock = if request.reset_low_stock { Some(None) } else { request.low_stock.map(Some) };
    let change = AttentionChange { watched: request.watched, low_stock };
    let codes = violations.into_result(codes).map_err(Error::Invalid)?;
    let (products, missing) = app.product_attention_set(ctx, codes, change).await?;
    Ok(proto::SetProductAttentionResponse {
        products: products.into_iter().map(encode_attention).collect(),
        missing_codes: missing.into_iter().map(|code| code.into_string()).collect(),
    })
}

fn name(field: &str, text: &str, violations: &mut Violations) -> ScheduleName {
    ScheduleName::parse(text).unwrap_or_else(|| {
        let known = ScheduleName::ALL.map(ScheduleName::as_str).join(", ");
        violations.add(field, format!("`{text}` is no schedule; there are {known}"));
        ScheduleName::Full
    })
}

/// The change that a mask makes of the values that came with it.
fn change(
    schedule: &proto::Schedule,
    mask: Option<FieldMask>,
    violations: &mut Violations,
) -> ScheduleChange {
    let cadence = schedule.cadence.as_ref().and_then(|wire| cadence(wire, violations));
    let jitter = span("schedule.jitter", schedule.jitter.as_ref(), violations);
    let Some(mask) = mask.filter(|mask| !mask.paths.is_empty()) else {
        return ScheduleChange { cadence, jitter, paused: None };
    };
    let mut change = ScheduleChange::default();
    for path in &mask.paths {
        let all = path == "*";
        if !FIELDS.contains(&path.as_str()) {
            violations.add("update_mask", format!("`{path}` cannot be set; {} can", FIELDS.join(", ")));
        }
        let wanted = match &schedule.cadence {
            Some(Wire::Every(_)) => path == "every",
            Some(Wire::DailyAt(_)) => path == "daily_at",
            None => false,
        };
        if all || wanted {
            change.cadence = cadence;
        } else if path == "every" || path == "daily_at" {
            violations.add(format!("schedule.{path}"), "is named by update_mask and must be given");
        }
        if all || path == "jitter" {
            change.jitter = Some(jitter.unwrap_or_default());
        }
        if all || path == "paused" {
            change.paused = Some(schedule.paused);
        }
    }
    change
}

fn cadence(wire: &Wire, violations: &mut Violations) -> Option<Cadence> {
    match wire {
        Wire::Every(every) => span("schedule.every", Some(every), violations).map(Cadence::Every),
        Wire::DailyAt(text) => {
            let time = NaiveTime::parse_from_str(text, "%H:%M").ok();
            if time.is_none() {
                let message = format!("`{text}` is no time of day; expected is HH:MM, such as 03:00");
                violations.add("schedule.daily_at", message);
            }
            time.map(Cadence::DailyAt)
        }
    }
}

fn encode(view: ScheduleView) -> proto::Schedule {
    let ScheduleView { schedule, reach } = view;
    let etag = schedule.etag();
    proto::Schedule {
        name: schedule.name.as_str().to_owned(),
        cadence: Some(match schedule.cadence {
            Cadence::Every(period) => Wire::Every(duration(period)),
            Cadence::DailyAt(time) => Wire::DailyAt(format!("{:02}:{:02}", time.hour(), time.minute())),
        }),
        jitter: Some(duration(schedule.jitter)),
        paused: schedule.paused,
        next_at: Some(timestamp(schedule.next_at)),
        wanted: schedule.wanted.map(|trigger| trigger.as_str().to_owned()).unwrap_or_default(),
        last_firing: schedule.last.map(encode_firing),
        reach: Some(encode_reach(reach)),
        etag,
        updated_at: Some(timestamp(schedule.updated_at)),
    }
}

fn encode_firing(firing: Firing) -> proto::ScheduleFiring {
    let outcome = match firing.outcome {
        FiringOutcome::Started => proto::ScheduleOutcome::Started,
        FiringOutcome::Skipped => proto::ScheduleOutcome::Skipped,
    };
    proto::ScheduleFiring {
        at: Some(timestamp(firing.at)),
        outcome: outcome.into(),
        detail: firing.detail,
        sync_log_id: firing.sync_log_id.unwrap_or_default(),
    }
}

fn encode_reach(reach: Reach) -> proto::ScheduleReach {
    proto::ScheduleReach {
        product_count: reach.products,
        products_at_a_time: reach.at_a_time,
        age: Some(duration(reach.age)),
        oldest_at: reach.oldest_at.map(timestamp),
        never_asked_count: reach.never_asked,
    }
}

fn encode_attention(attention: Attention) -> proto::ProductAttention {
    proto::ProductAttention {
        product_code: attention.code.into_string(),
        watched: attention.watched,
        low_stock: attention.low_stock,
    }
}
