//! What operators changed, on the wire.

use super::{
    api_tokens::encode_role,
    convert::timestamp,
    requests::{created_range, instant, optional_text, page_size},
};
use crate::{
    app::{App, Ctx, page_tokens},
    domain::{
        audit::{AuditEvent, AuditFilter, Change},
        pages::PageRequest,
        violations::Violations,
    },
    error::{Error, Result},
    proto,
};

const DEFAULT_EVENTS: i64 = 100;

pub(super) async fn list(
    app: &App,
    ctx: &Ctx,
    request: proto::ListAuditEventsRequest,
) -> Result<proto::ListAuditEventsResponse> {
    let mut violations = Violations::default();
    let filter = AuditFilter {
        caller: optional_text("caller", &request.caller, &mut violations),
        action: optional_text("action", &request.action, &mut violations),
        subject: optional_text("subject", &request.subject, &mut violations),
        after: instant("created_after", request.created_after.as_ref(), &mut violations),
        before: instant("created_before", request.created_before.as_ref(), &mut violations),
    };
    created_range(filter.after, filter.before, &mut violations);
    let bound = ("audit_events", &filter);
    let page = PageRequest {
        size: page_size(request.page_size, DEFAULT_EVENTS, &mut violations),
        after: page_tokens::decode::<i64>(&bound, &request.page_token, &mut violations),
    };
    let page = violations.into_result(page).map_err(Error::Invalid)?;
    let answer = app.audit_events_list(ctx, &filter, &page).await?;
    Ok(proto::ListAuditEventsResponse {
        audit_events: answer.items.into_iter().map(encode).collect(),
        next_page_token: page_tokens::encode(&bound, answer.next.as_ref()),
    })
}

fn encode(event: AuditEvent) -> proto::AuditEvent {
    let change = |change: Change| proto::AuditChange {
        field: change.field,
        before: change.before,
        after: change.after,
    };
    proto::AuditEvent {
        id: event.id,
        created_at: Some(timestamp(event.at)),
        caller: event.caller.name,
        role: encode_role(event.caller.role).into(),
        address: event.caller.address,
        action: event.action,
        subject: event.subject,
        changes: event.changes.into_iter().map(change).collect(),
    }
}
