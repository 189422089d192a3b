//! Logs and failures on the wire.

use std::sync::Arc;

use chrono::TimeDelta;

use super::{
    convert::{duration, timestamp},
    requests::{created_range, instant, optional_text, page_size},
};
use crate::{
    app::{App, Ctx, page_tokens},
    domain::{
        messages::Language,
        pages::PageRequest,
        sync_logs::{SyncFailure, SyncLog, SyncLogFilter, SyncStatus, SyncType},
        violations::Violations,
        waits::Wait,
    },
    error::{Error, Result},
    proto,
};

const DEFAULT_LOGS: i64 = 10;
const DEFAULT_FAILURES: i64 = 100;

pub(super) async fn get(
    app: &App,
    ctx: &Ctx,
    request: proto::GetSyncLogRequest,
    language: Language,
) -> Result<proto::SyncLog> {
    Ok(encode(app.sync_log_fetch(ctx, request.id).await?, language))
}

pub(super) async fn cancel(
    app: &Arc<App>,
    ctx: &Ctx,
    request: proto::CancelSyncRequest,
    language: Language,
) -> Result<proto::SyncLog> {
    Ok(encode(app.sync_cancel(ctx, request.sync_log_id).await?, language))
}

pub(super) async fn list(
    app: &App,
    ctx: &Ctx,
    request: proto::ListSyncLogsRequest,
    language: Language,
) -> Result<proto::ListSyncLogsResponse> {
    let mut violations = Violations::default();
    let filter = SyncLogFilter {
        sync_type: sync_type(request.sync_type, &mut violations),
        status: status(request.status, &mut violations),
        created_after: instant("created_after", request.created_after.as_ref(), &mut violations),
        created_before: instant("created_before", request.created_before.as_ref(), &mut violations),
        query: optional_text("query", &request.query, &mut violations),
        shown_to: None,
    };
    created_range(filter.created_after, filter.created_before, &mut violations);
    let bound = (
        "sync_logs",
        filter.sync_type,
        filter.status,
        filter.created_after,
        filter.created_before,
        &filter.query,
    );
    let page = PageRequest {
        size: page_size(request.page_size, DEFAULT_LOGS, &mut violations),
        after: page_tokens::decode::<i64>(&bound, &request.page_token, &mut violations),
    };
    let page = violations.into_result(page).map_err(Error::Invalid)?;
    let answer = app.sync_logs_list(ctx, filter.clone(), &page).await?;
    Ok(proto::ListSyncLogsResponse {
        sync_logs: answer.items.into_iter().map(|log| encode(log, language)).collect(),
        next_page_token: page_tokens::encode(&bound, answer.next.as_ref()),
    })
}

pub(super) async fn failures(
    app: &App,
    ctx: &Ctx,
    request: proto::ListSyncFailuresRequest,
) -> Result<proto::ListSyncFailuresResponse> {
    let mut violations = Violations::default();
    let bound = ("sync_failures", request.sync_log_id);
    let page = PageRequest {
        size: page_size(request.page_size, DEFAULT_FAILURES, &mut violations),
        after: page_tokens::decode::<i64>(&bound, &request.page_token, &mut violations),
    };
    let page = violations.into_result(page).map_err(Error::Invalid)?;
    let answer = app.sync_failures_list(ctx, request.sync_log_id, &page).await?;
    Ok(proto::ListSyncFailuresResponse {
        failures: answer.items.into_iter().map(encode_failure).collect(),
        next_page_token: page_tokens::encode(&bound, answer.next.as_ref()),
    })
}

/// The type of a filter; an unknown number is a fault.
fn sync_type(number: i32, violations: &mut Violations) -> Option<SyncType> {
    match proto::SyncType::try_from(number) {
        Ok(proto::SyncType::Unspecified) => None,
        Ok(proto::SyncType::Products) => Some(SyncType::Products),
        Ok(proto::SyncType::Prices) => Some(SyncType::Prices),
        Ok(proto::SyncType::Stock) => Some(SyncType::Stock),
        Ok(proto::SyncType::Order) => Some(SyncType::Order),
        Ok(proto::SyncType::Logistics) => Some(SyncType::Logistics),
        Ok(proto::SyncType::Manual) => Some(SyncType::Manual),
        Err(_) => {
            violations.add("sync_type", format!("{number} is no SyncType; known are 0 to 6"));
            None
        }
    }
}

fn status(number: i32, violations: &mut Violations) -> Option<SyncStatus> {
    match proto::SyncStatus::try_from(number) {
        Ok(proto::SyncStatus::Unspecified) => None,
        Ok(proto::SyncStatus::Pending) => Some(SyncStatus::Pending),
        Ok(proto::SyncStatus::Processing) => Some(SyncStatus::Processing),
        Ok(proto::SyncStatus::Success) => Some(SyncStatus::Success),
        Ok(proto::SyncStatus::Failed) => Some(SyncStatus::Failed),
        Ok(proto::SyncStatus::Partial) => Some(SyncStatus::Partial),
        Err(_) => {
            violations.add("status", format!("{number} is no SyncStatus; known are 0 to 5"));
            None
        }
    }
}

pub(super) const fn encode_status(status: SyncStatus) -> proto::SyncStatus {
    match status {
        SyncStatus::Pending => proto::SyncStatus::Pending,
        SyncStatus::Processing => proto::SyncStatus::Processing,
        SyncStatus::Success => proto::SyncStatus::Success,
        SyncStatus::Failed => proto::SyncStatus::Failed,
        SyncStatus::Partial => proto::SyncStatus::Partial,
    }
}

pub(super) const fn encode_type(sync_type: SyncType) -> proto::SyncType {
    match sync_type {
        SyncType::Products => proto::SyncType::Products,
        SyncType::Prices => proto::SyncType::Prices,
        SyncType::Stock => proto::SyncType::Stock,
        SyncType::Order => proto::SyncType::Order,
        SyncType::Logistics => proto::SyncType::Logistics,
        SyncType::Manual => proto::SyncType::Manual,
    }
}

pub(super) fn encode(log: SyncLog, language: Language) -> proto::SyncLog {
    let words = |chinese: &str, english: &str| match language {
        Language::Chinese => chinese.to_owned(),
        Language::English => english.to_owned(),
    };
    let ended = log.started_at.zip(log.completed_at).map(|(start, end)| duration(end - start));
    proto::SyncLog {
        id: log.id,
        sync_type: encode_type(log.sync_type).into(),
        sync_type_display: words(log.sync_type.chinese(), log.sync_type.english()),
        status: encode_status(log.status).into(),
        status_display: words(log.status.chinese(), log.status.english()),
        message: log.end.as_ref().map(|end| end.render(language)).unwrap_or_default(),
        total_count: log.counts.total,
        success_count: log.counts.success,
        failed_count: log.counts.failed,
        planned_count: log.planned_count,
        started_at: log.started_at.map(timestamp),
        completed_at: log.completed_at.map(timestamp),
        created_at: Some(timestamp(log.created_at)),
        duration: ended,
        end_reason: log.end.map(|end| end.reason.as_str().to_owned()).unwrap_or_default(),
        trigger: log.trigger.as_str().to_owned(),
        requested_by: log.requested_by,
        parent_id: log.parent_id,
        account: log.account,
        waited: waited(log.waited),
        wait: log.wait.map(encode_wait),
    }
}

/// Absent of what did not wait.
pub(super) fn waited(span: TimeDelta) -> Option<prost_types::Duration> {
    (span > TimeDelta::zero()).then(|| duration(span))
}

pub(super) fn encode_wait(wait: Wait) -> proto::SyncWait {
    proto::SyncWait {
        reason: wait.reason.as_str().to_owned(),
        detail: wait.detail,
        since: Some(timestamp(wait.since)),
        until: wait.until.map(timestamp),
    }
}

pub(super) fn encode_failure(failure: SyncFailure) -> proto::SyncFailure {
    proto::SyncFailure {
        product_code: failure.product_code,
        stage: failure.stage.as_str().to_owned(),
        reason: failure.reason.as_str().to_owned(),
        detail: failure.detail,
        attempt: failure.attempt,
        county_code: failure.county_code,
        category: failure.category,
        brand: failure.brand,
        created_at: Some(timestamp(failure.created_at)),
    }
}
