//! The pause switch, and how calls to Haier stand, on the wire.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{
    convert::{duration, timestamp},
    requests::{instant, optional_text},
};
use crate::{
    app::{App, BreakerState, BreakerStatus, BudgetStatus, Ctx, ReplicaStatus, SystemStatus, TokenStatus},
    domain::{
        orders::DisplacedOrders,
        pauses::{Pause, PauseTarget},
        violations::Violations,
    },
    error::{Error, Result},
    proto,
};

pub(super) async fn status(app: &App, ctx: &Ctx) -> Result<proto::GetUpstreamStatusResponse> {
    let status = app.upstream_status(ctx).await?;
    Ok(proto::GetUpstreamStatusResponse {
        pauses: status.pauses.into_iter().map(encode_pause).collect(),
        replicas: status.replicas.into_iter().map(encode_replica).collect(),
        held_run_count: status.held_runs,
        displaced_orders: status.displaced.iter().map(encode_displaced).collect(),
        orders_frozen_at: status.orders_frozen_at.map(timestamp),
    })
}

pub(super) async fn pause(
    app: &Arc<App>,
    ctx: &Ctx,
    request: proto::PauseUpstreamRequest,
) -> Result<proto::UpstreamPause> {
    let mut violations = Violations::default();
    let target = target(request.target, &mut violations);
    let reason = optional_text("reason", &request.reason, &mut violations).unwrap_or_default();
    let until = instant("until", request.until.as_ref(), &mut violations);
    let target = violations.into_result(target).map_err(Error::Invalid)?;
    app.upstream_pause(ctx, target, reason, until).await.map(encode_pause)
}

pub(super) async fn resume(
    app: &Arc<App>,
    ctx: &Ctx,
    request: proto::ResumeUpstreamRequest,
) -> Result<proto::ResumeUpstreamResponse> {
    let mut violations = Violations::default();
    let target = target(request.target, &mut violations);
    let target = violations.into_result(target).map_err(Error::Invalid)?;
    Ok(proto::ResumeUpstreamResponse { was_paused: app.upstream_resume(ctx, target).await? })
}

fn target(number: i32, violations: &mut Violations) -> PauseTarget {
    match proto::UpstreamTarget::try_from(number) {
        Ok(proto::UpstreamTarget::OpenPlatform) => PauseTarget::OpenPlatform,
        Ok(proto::UpstreamTarget::OrderSystem) => PauseTarget::OrderSystem,
        Ok(proto::UpstreamTarget::OrderPush) => PauseTarget::OrderPush,
        Ok(proto::UpstreamTarget::Unspecified) | Err(_) => {
            let allowed =
                "UPSTREAM_TARGET_OPEN_PLATFORM, UPSTREAM_TARGET_ORDER_SYSTEM and UPSTREAM_TARGET_ORDER_PUSH";
            violations.add("target", format!("{number} is no target; allowed are {allowed}"));
            PauseTarget::OpenPlatform
        }
    }
}

fn encode_pause(pause: Pause) -> proto::UpstreamPause {
    let target = match pause.target {
        PauseTarget::OpenPlatform => proto::UpstreamTarget::OpenPlatform,
        PauseTarget::OrderSystem => proto::UpstreamTarget::OrderSystem,
        PauseTarget::OrderPush => proto::UpstreamTarget::OrderPush,
    };
    proto::UpstreamPause {
        target: target.into(),
        reason: pause.reason,
        until: pause.until.map(timestamp),
        paused_by: pause.paused_by,
        since: Some(timestamp(pause.since)),
    }
}

fn encode_displaced(displaced: &DisplacedOrders) -> proto::DisplacedOrders {
    proto::DisplacedOrders {
        account: displaced.account.clone(),
        count: displaced.count,
        so_ids: displaced.so_ids.iter().map(ToString::to_string).collect(),
        detail: displaced.why(),
    }
}

fn encode_replica(replica: ReplicaStatus) -> proto::Replica {
    let seen_at = replica.seen_at;
    proto::Replica {
        name: replica.name,
        version: replica.version,
        started_at: Some(timestamp(replica.started_at)),
        seen_at: Some(timestamp(seen_at)),
        age: Some(duration(replica.age)),
        answering: replica.answering,
        systems: replica.systems.into_iter().map(|system| encode_system(system, seen_at)).collect(),
    }
}

fn encode_system(system: SystemStatus, seen_at: DateTime<Utc>) -> proto::UpstreamSystem {
    let token = system.token.map(|token| encode_token(&token, &system.account, seen_at));
    proto::UpstreamSystem {
        system: system.system,
        former: system.former,
        account: system.account,
        budget: Some(encode_budget(&system.budget)),
        breakers: system.breakers.into_iter().map(encode_breaker).collect(),
        token,
    }
}

fn encode_budget(budget: &BudgetStatus) -> proto::UpstreamBudget {
    proto::UpstreamBudget {
        limit: budget.limit.into(),
        last_second: budget.last_second.into(),
        last_minute: budget.last_minute.into(),
        waiting_live: budget.waiting_live.into(),
        waiting_bulk: budget.waiting_bulk.into(),
    }
}

fn encode_breaker(breaker: BreakerStatus) -> proto::UpstreamBreaker {
    let state = match breaker.state {
        BreakerState::Closed => proto::BreakerState::Closed,
        BreakerState::Open => proto::BreakerState::Open,
        BreakerState::HalfOpen => proto::BreakerState::HalfOpen,
    };
    proto::UpstreamBreaker {
        operation: breaker.operation,
        state: state.into(),
        since: Some(timestamp(breaker.since)),
        failures: breaker.failures.into(),
        probe_at: breaker.probe_at.map(timestamp),
    }
}

fn encode_token(token: &TokenStatus, account: &str, seen_at: DateTime<Utc>) -> proto::UpstreamToken {
    proto::UpstreamToken {
        issued_at: Some(timestamp(token.issued_at)),
        age: Some(duration(seen_at - token.issued_at)),
        refresh_at: Some(timestamp(token.refresh_at)),
        account: account.to_owned(),
    }
}
