//! Held runs on the wire.

use std::sync::Arc;

use super::{
    convert::timestamp,
    product_changes::field,
    requests::page_size,
    sync_logs::{encode as encode_log, encode_type},
};
use crate::{
    app::{App, Ctx, page_tokens},
    domain::{
        held_runs::{FindingKind, HeldFinding, HeldRun, Verdict},
        messages::Language,
        pages::PageRequest,
        violations::Violations,
    },
    error::{Error, Result},
    proto,
};

const DEFAULT_PAGE_SIZE: i64 = 100;

pub(super) async fn list(
    app: &App,
    ctx: &Ctx,
    request: proto::ListHeldRunsRequest,
) -> Result<proto::ListHeldRunsResponse> {
    let mut violations = Violations::default();
    let bound = ("held_runs", request.include_decided);
    let page = PageRequest {
        size: page_size(request.page_size, DEFAULT_PAGE_SIZE, &mut violations),
        after: page_tokens::decode::<i64>(&bound, &request.page_token, &mut violations),
    };
    let page = violations.into_result(page).map_err(Error::Invalid)?;
    let answer = app.held_runs_list(ctx, request.include_decided, &page).await?;
    Ok(proto::ListHeldRunsResponse {
        held_runs: answer.items.into_iter().map(encode).collect(),
        next_page_token: page_tokens::encode(&bound, answer.next.as_ref()),
    })
}

pub(super) async fn findings(
    app: &App,
    ctx: &Ctx,
    request: proto::ListHeldFindingsRequest,
) -> Result<proto::ListHeldFindingsResponse> {
    let mut violations = Violations::default();
    let bound = ("held_findings", request.sync_log_id);
    let page = PageRequest {
        size: page_size(request.page_size, DEFAULT_PAGE_SIZE, &mut violations),
        after: page_tokens::decode::<String>(&bound, &request.page_token, &mut violations),
    };
    let page = violations.into_result(page).map_err(Error::Invalid)?;
    let answer = app.held_findings_list(ctx, request.sync_log_id, &page).await?;
    Ok(proto::ListHeldFindingsResponse {
        findings: answer.items.into_iter().map(encode_finding).collect(),
        next_page_token: page_tokens::encode(&bound, answer.next.as_ref()),
    })
}

pub(super) async fn approve(
    app: &Arc<App>,
    ctx: &Ctx,
    request: proto::ApproveRunRequest,
    language: Language,
) -> Result<proto::SyncLog> {
    Ok(encode_log(app.run_approve(ctx, request.sync_log_id).await?, language))
}

pub(super) async fn discard(
    app: &Arc<App>,
    ctx: &Ctx,
    request: proto::DiscardRunRequest,
) -> Result<proto::HeldRun> {
    Ok(encode(app.run_discard(ctx, request.sync_log_id).await?))
}

fn encode(run: HeldRun) -> proto::HeldRun {
    let decision = run.decision.as_ref();
    let verdict = decision.map_or(proto::HeldRunDecision::Unspecified, |decision| match decision.verdict {
        Verdict::Approved => proto::HeldRunDecision::Approved,
        Verdict::Discarded => proto::HeldRunDecision::Discarded,
        Verdict::Expired => proto::HeldRunDecision::Expired,
        Verdict::Superseded => proto::HeldRunDecision::Superseded,
    });
    proto::HeldRun {
        sync_log_id: run.sync_log_id,
        sync_type: encode_type(run.sync_type).into(),
        account: run.account,
        delisted_count: run.extent.delisted.part,
        listed_count: run.extent.delisted.of,
        moved_count: run.extent.prices.part,
        priced_count: run.extent.prices.of,
        held_at: Some(timestamp(run.held_at)),
        expires_at: Some(timestamp(run.expires_at)),
        decision: verdict.into(),
        decided_by: decision.map(|decision| decision.by.clone()).unwrap_or_default(),
        decided_at: decision.map(|decision| timestamp(decision.at)),
        successor_id: decision.and_then(|decision| decision.successor_id),
    }
}

fn encode_finding(finding: HeldFinding) -> proto::HeldFinding {
    let kind = match finding.kind() {
        FindingKind::Delisted => proto::ProductChangeKind::Delisted,
        FindingKind::Price => proto::ProductChangeKind::Changed,
    };
    proto::HeldFinding {
        kind: kind.into(),
        changes: finding.changes.iter().map(field).collect(),
        asked_at: Some(timestamp(finding.asked_at)),
        product_code: finding.code.into_string(),
    }
}
