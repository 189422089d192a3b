//! The record of runs. Rows are made and ended by `sync_runs`; here they are read.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::{
    AsChangeset, BoolExpressionMethods as _, EscapeExpressionMethods as _, ExpressionMethods as _,
    OptionalExtension as _, QueryDsl as _, Queryable, Selectable, SelectableHelper as _,
    TextExpressionMethods as _,
};
use diesel_async::RunQueryDsl as _;
use serde::{Deserialize, Serialize};

use super::{
    Conn, Error, Pipeline, Result,
    conn::ahead,
    error::id_was_free,
    instant::At,
    on,
    products::contains,
    schema::{lower, sync_logs},
    sync_requests,
};
use crate::{
    domain::{
        guard::{Extent, Share},
        ids::first_id_at,
        messages::{EndMessage, Language},
        pages::{Page, PageRequest},
        reasons::Reason,
        sync_logs::{Counts, SyncLog, SyncLogFilter, SyncStatus, SyncType, Trigger},
        sync_runs::SyncRequest,
        waits::Wait,
    },
    redact::redact,
};

#[derive(Queryable, Selectable)]
#[diesel(table_name = sync_logs)]
struct SyncLogRow {
    id: i64,
    sync_type: String,
    status: String,
    end_reason: Option<String>,
    message_parts: Option<serde_json::Value>,
    total_count: i64,
    success_count: i64,
    failed_count: i64,
    planned_count: Option<i64>,
    trigger: String,
    requested_by: String,
    parent_id: Option<i64>,
    account: String,
    created_at: At,
    started_at: Option<At>,
    completed_at: Option<At>,
    waited_micros: i64,
    wait: Option<serde_json::Value>,
}

/// What a run waits for, as it is stored.
#[derive(Serialize, Deserialize)]
struct WaitParts {
    reason: String,
    detail: String,
    since: DateTime<Utc>,
    until: Option<DateTime<Utc>>,
}

impl From<&Wait> for WaitParts {
    fn from(Wait { reason, detail, since, until }: &Wait) -> Self {
        let detail = redact(detail).into_owned();
        Self { reason: reason.as_str().to_owned(), detail, since: *since, until: *until }
    }
}

/// What the columns do not hold of an [`EndMessage`].
#[derive(Serialize, Deserialize)]
pub(super) struct MessageParts {
    failures: Vec<(String, i64)>,
    detail: String,
    bad_pictures: i64,
    #[serde(default)]
    delisted: i64,
    #[serde(default)]
    held: Option<HeldParts>,
}

/// How far what waits for a person reaches.
#[derive(Serialize, Deserialize)]
struct HeldParts {
    delisted: i64,
    listed: i64,
    moved: i64,
    priced: i64,
}

impl From<Extent> for HeldParts {
    fn from(Extent { delisted, prices }: Extent) -> Self {
        Self { delisted: delisted.part, listed: delisted.of, moved: prices.part, priced: prices.of }
    }
}

impl From<HeldParts> for Extent {
    fn from(HeldParts { delisted, listed, moved, priced }: HeldParts) -> Self {
        Self { delisted: Share { part: delisted, of: listed }, prices: Share { part: moved, of: priced } }
    }
}

impl From<&EndMessage> for MessageParts {
    fn from(end: &EndMessage) -> Self {
        Self {
            failures: end
                .failures
                .iter()
                .map(|(reason, count)| (reason.as_str().to_owned(), *count))
                .collect(),
            detail: end.detail.clone(),
            bad_pictures: end.bad_pictures,
            delisted: end.delisted,
            held: end.held.map(Into::into),
        }
    }
}

pub(super) fn unknown(what: &'static str, value: &str) -> Error {
    Error::UnknownValue { what, value: value.to_owned() }
}

impl TryFrom<SyncLogRow> for SyncLog {
    type Error = Error;

    fn try_from(row: SyncLogRow) -> Result<Self> {
        let end = row.end_reason.as_deref().map(|word| end_message(word, &row)).transpose()?;
        Ok(Self {
            id: row.id,
            sync_type: SyncType::parse(&row.sync_type).ok_or_else(|| unknown("sync type", &row.sync_type))?,
            status: SyncStatus::parse(&row.status).ok_or_else(|| unknown("sync status", &row.status))?,
            end,
            counts: Counts { total: row.total_count, success: row.success_count, failed: row.failed_count },
            planned_count: row.planned_count,
            started_at: row.started_at.map(Into::into),
            completed_at: row.completed_at.map(Into::into),
            created_at: row.created_at.into(),
            trigger: Trigger::parse(&row.trigger).ok_or_else(|| unknown("trigger", &row.trigger))?,
            requested_by: row.requested_by,
            parent_id: row.parent_id,
            account: row.account,
            waited: TimeDelta::microseconds(row.waited_micros),
            wait: row.wait.map(wait).transpose()?,
        })
    }
}

fn wait(parts: serde_json::Value) -> Result<Wait> {
    let WaitParts { reason, detail, since, until } =
        serde_json::from_value(parts).map_err(|error| unknown("wait", &error.to_string()))?;
    Ok(Wait {
        reason: Reason::parse(&reason).ok_or_else(|| unknown("reason", &reason))?,
        detail,
        since,
        until,
    })
}

fn end_message(word: &str, row: &SyncLogRow) -> Result<EndMessage> {
    let reason = |word: &str| Reason::parse(word).ok_or_else(|| unknown("reason", word));
    let parts = row.message_parts.clone().map(serde_json::from_value::<MessageParts>).transpose();
    let parts = parts.map_err(|error| unknown("message", &error.to_string()))?;
    let parts = parts.unwrap_or(MessageParts {
        failures: Vec::new(),
        detail: String::new(),
        bad_pictures: 0,
        delisted: 0,
        held: None,
    });
    let failures = parts.failures.iter().map(|(word, count)| Ok((reason(word)?, *count)));
    Ok(EndMessage {
        reason: reason(word)?,
        success: row.success_count,
        failed: row.failed_count,
        failures: failures.collect::<Result<_>>()?,
        detail: parts.detail,
        bad_pictures: parts.bad_pictures,
        delisted: parts.delisted,
        held: parts.held.map(Into::into),
        waited: TimeDelta::microseconds(row.waited_micros),
    })
}

/// Stores the log of a piece of work that has begun and that no run works on.
///
/// # Errors
/// When the database does not answer.
pub async fn insert_begun(pipeline: &Pipeline<'_>, log: &SyncLog) -> Result<()> {
    let row = (
        sync_logs::id.eq(log.id),
        sync_logs::sync_type.eq(log.sync_type.as_str()),
        sync_logs::status.eq(SyncStatus::Processing.as_str()),
        sync_logs::planned_count.eq(log.planned_count),
        sync_logs::total_count.eq(log.counts.total),
        sync_logs::trigger.eq(log.trigger.as_str()),
        sync_logs::requested_by.eq(&log.requested_by),
        sync_logs::parent_id.eq(log.parent_id),
        sync_logs::account.eq(&log.account),
        sync_logs::created_at.eq(At(log.created_at)),
        sync_logs::started_at.eq(log.started_at.map(At)),
    );
    let inserted = ahead!(pipeline, |c| diesel::insert_into(sync_logs::table)
        .values(row)
        .on_conflict(sync_logs::id)
        .do_nothing()
        .execute(c)
        .await)?;
    id_was_free(inserted)
}

/// Ends such a log, unless it has ended already.
///
/// # Errors
/// When the database does not answer.
pub async fn end_begun(pipeline: &Pipeline<'_>, id: i64, end: &EndMessage, now: DateTime<Utc>) -> Result<()> {
    let open = sync_logs::table.find(id).filter(sync_logs::status.eq(SyncStatus::Processing.as_str()));
    ahead!(pipeline, |c| diesel::update(open).set(Ended::new(end, now)).execute(c).await)?;
    Ok(())
}

/// What a log says from its end on.
#[derive(AsChangeset)]
#[diesel(table_name = sync_logs)]
pub(super) struct Ended {
    status: &'static str,
    end_reason: &'static str,
    message: String,
    message_parts: serde_json::Value,
    total_count: i64,
    success_count: i64,
    failed_count: i64,
    completed_at: At,
    waited_micros: i64,
    /// None of it: what has ended waits for nothing.
    wait: Option<Option<serde_json::Value>>,
}

impl Ended {
    pub(super) fn new(end: &EndMessage, now: DateTime<Utc>) -> Self {
        let end = &EndMessage { detail: redact(&end.detail).into_owned(), ..end.clone() };
        let counts = Counts { total: end.success + end.failed, success: end.success, failed: end.failed };
        Self {
            status: SyncStatus::at_end(end.reason, counts).as_str(),
            end_reason: end.reason.as_str(),
            message: end.render(Language::Chinese),
            message_parts: serde_json::json!(MessageParts::from(end)),
            total_count: counts.total,
            success_count: counts.success,
            failed_count: counts.failed,
            completed_at: At(now),
            waited_micros: micros(end.waited),
            wait: Some(None),
        }
    }
}

fn micros(span: TimeDelta) -> i64 {
    span.num_microseconds().unwrap_or(i64::MAX)
}

/// Stores for how long a run has waited, and what for. Only with its lease: after [`super::sync_runs::heartbeat`] in the same
/// transaction.
///
/// # Errors
/// When the database does not answer.
pub async fn record_wait(conn: &mut Conn, id: i64, waited: TimeDelta, wait: Option<&Wait>) -> Result<()> {
    let columns = (
        sync_logs::waited_micros.eq(micros(waited)),
        sync_logs::wait.eq(wait.map(|wait| serde_json::json!(WaitParts::from(wait)))),
    );
    on!(conn, |c| diesel::update(sync_logs::table.find(id)).set(columns).execute(c).await)?;
    Ok(())
}

/// One log, if it exists.
///
/// # Errors
/// When the database does not answer.
pub async fn find(conn: &mut Conn, id: i64) -> Result<Option<SyncLog>> {
    let row: Option<SyncLogRow> =
        on!(conn, |c| sync_logs::table.find(id).select(SyncLogRow::as_select()).first(c).await.optional())?;
    row.map(TryInto::try_into).transpose()
}

/// What a run was asked to do. `None`: no such log, or it is of no run.
///
/// # Errors
/// When the database does not answer.
pub async fn find_request(conn: &mut Conn, id: i64) -> Result<Option<SyncRequest>> {
    let json: Option<Option<serde_json::Value>> =
        on!(conn, |c| sync_logs::table.find(id).select(sync_logs::request).first(c).await.optional())?;
    json.flatten().map(sync_requests::decode).transpose()
}

/// One page of the logs that match, newest first.
///
/// # Errors
/// When the database does not answer.
pub async fn list(
    conn: &mut Conn,
    filter: &SyncLogFilter,
    page: &PageRequest<i64>,
) -> Result<Page<SyncLog, i64>> {
    let rows: Vec<SyncLogRow> = on!(conn, |c| {
        let mut query = sync_logs::table.select(SyncLogRow::as_select()).into_boxed();
        if let Some(sync_type) = filter.sync_type {
            query = query.filter(sync_logs::sync_type.eq(sync_type.as_str()));
        }
        if let Some(status) = filter.status {
            query = query.filter(sync_logs::status.eq(status.as_str()));
        }
        // The bounds on the id, which is ordered like created_at, are what finds the partition and the index range.
        if let Some(after) = filter.created_after {
            query = query
                .filter(sync_logs::id.ge(first_id_at(after)))
                .filter(sync_logs::created_at.ge(At(after)));
        }
        if let Some(before) = filter.created_before {
            let next_millisecond = before + chrono::TimeDelta::milliseconds(1);
            query = query
                .filter(sync_logs::id.lt(first_id_at(next_millisecond)))
                .filter(sync_logs::created_at.lt(At(before)));
        }
        if let Some(text) = &filter.query {
            query = query.filter(lower(sync_logs::message).like(contains(text)).escape('\\'));
        }
        if let Some(name) = &filter.shown_to {
            query = query.filter(sync_logs::requested_by.eq("").or(sync_logs::requested_by.eq(name)));
        }
        if let Some(after) = page.after {
            query = query.filter(sync_logs::id.lt(after));
        }
        query.order(sync_logs::id.desc()).limit(page.size + 1).load(c).await
    })?;
    let items = rows.into_iter().map(TryInto::try_into).collect::<Result<Vec<SyncLog>>>()?;
    Ok(Page::cut(items, page.size, |log| log.id))
}
