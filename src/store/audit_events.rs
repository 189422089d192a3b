//! What operators changed: appended in the transaction of the change itself, never touched again.

use diesel::{ExpressionMethods as _, QueryDsl as _, Queryable, Selectable, SelectableHelper as _};
use diesel_async::RunQueryDsl as _;
use serde::{Deserialize, Serialize};

use super::{
    Conn, Error, Result, error::id_was_free, instant::At, on, schema::audit_events, sync_logs::unknown,
};
use crate::{
    domain::{
        audit::{AuditEvent, AuditFilter, Change},
        callers::{Caller, Role},
        ids::first_id_at,
        pages::{Page, PageRequest},
    },
    redact::redact,
};

#[derive(Queryable, Selectable)]
#[diesel(table_name = audit_events)]
struct AuditEventRow {
    id: i64,
    at: At,
    caller: String,
    role: String,
    address: String,
    action: String,
    subject: String,
    changes: serde_json::Value,
}

/// A change as it is stored.
#[derive(Serialize, Deserialize)]
struct StoredChange {
    field: String,
    before: Option<String>,
    after: Option<String>,
}

impl TryFrom<AuditEventRow> for AuditEvent {
    type Error = Error;

    fn try_from(row: AuditEventRow) -> Result<Self> {
        let changes: Vec<StoredChange> = serde_json::from_value(row.changes)
            .map_err(|error| unknown("changes of an audit event", &error.to_string()))?;
        let change =
            |change: StoredChange| Change { field: change.field, before: change.before, after: change.after };
        Ok(Self {
            id: row.id,
            at: row.at.into(),
            caller: Caller {
                name: row.caller,
                role: Role::parse(&row.role).ok_or_else(|| unknown("role", &row.role))?,
                address: row.address,
            },
            action: row.action,
            subject: row.subject,
            changes: changes.into_iter().map(change).collect(),
        })
    }
}

/// Adds one.
///
/// # Errors
/// [`Error::IdTaken`], which leaves the transaction as it was; when the database does not answer.
pub async fn append(conn: &mut Conn, event: &AuditEvent) -> Result<()> {
    let stored = |change: &Change| StoredChange {
        field: change.field.clone(),
        before: change.before.as_deref().map(|text| redact(text).into_owned()),
        after: change.after.as_deref().map(|text| redact(text).into_owned()),
    };
    let row = (
        audit_events::id.eq(event.id),
        audit_events::at.eq(At(event.at)),
        audit_events::caller.eq(&event.caller.name),
        audit_events::role.eq(event.caller.role.as_str()),
        audit_events::address.eq(&event.caller.address),
        audit_events::action.eq(&event.action),
        audit_events::subject.eq(&event.subject),
        audit_events::changes.eq(serde_json::json!(event.changes.iter().map(stored).collect::<Vec<_>>())),
    );
    let inserted = on!(conn, |c| diesel::insert_into(audit_events::table)
        .values(row)
        .on_conflict(audit_events::id)
        .do_nothing()
        .execute(c)
        .await)?;
    id_was_free(inserted)
}

/// One page of those that match, newest first.
///
/// # Errors
/// When the database does not answer.
pub async fn list(
    conn: &mut Conn,
    filter: &AuditFilter,
    page: &PageRequest<i64>,
) -> Result<Page<AuditEvent, i64>> {
    let rows: Vec<AuditEventRow> = on!(conn, |c| {
        let mut query = audit_events::table.select(AuditEventRow::as_select()).into_boxed();
        if let Some(caller) = &filter.caller {
            query = query.filter(audit_events::caller.eq(caller));
        }
        if let Some(action) = &filter.action {
            query = query.filter(audit_events::action.eq(action));
        }
        if let Some(subject) = &filter.subject {
            query = query.filter(audit_events::subject.eq(subject));
        }
        // The bound on the id, which is ordered like `at`, is what finds the index range.
        if let Some(after) = filter.after {
            query =
                query.filter(audit_events::id.ge(first_id_at(after))).filter(audit_events::at.ge(At(after)));
        }
        if let Some(before) = filter.before {
            let next_millisecond = before + chrono::TimeDelta::milliseconds(1);
            query = query
                .filter(audit_events::id.lt(first_id_at(next_millisecond)))
                .filter(audit_events::at.lt(At(before)));
        }
        if let Some(after) = page.after {
            query = query.filter(audit_events::id.lt(after));
        }
        query.order(audit_events::id.desc()).limit(page.size + 1).load(c).await
    })?;
    let items = rows.into_iter().map(TryInto::try_into).collect::<Result<Vec<AuditEvent>>>()?;
    Ok(Page::cut(items, page.size, |event| event.id))
}
