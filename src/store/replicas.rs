//! What each replica last said of itself.

use chrono::{DateTime, Utc};
use diesel::{ExpressionMethods as _, QueryDsl as _, Queryable, Selectable, SelectableHelper as _};
use diesel_async::RunQueryDsl as _;

use super::{Conn, Result, instant::At, on, schema::replicas};

/// One replica's report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Name of the replica.
    pub name: String,
    /// Version of its program.
    pub version: String,
    /// When it started.
    pub started_at: DateTime<Utc>,
    /// When it said this.
    pub seen_at: DateTime<Utc>,
    /// What it said; its version knows the shape.
    pub status: serde_json::Value,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = replicas)]
struct ReplicaRow {
    name: String,
    version: String,
    started_at: At,
    seen_at: At,
    status: serde_json::Value,
}

/// The reports since then, by name.
///
/// # Errors
/// When the database does not answer.
pub async fn list(conn: &mut Conn, since: DateTime<Utc>) -> Result<Vec<Report>> {
    let rows: Vec<ReplicaRow> = on!(conn, |c| replicas::table
        .filter(replicas::seen_at.ge(At(since)))
        .order(replicas::name)
        .select(ReplicaRow::as_select())
        .load(c)
        .await)?;
    let report = |row: ReplicaRow| Report {
        name: row.name,
        version: row.version,
        started_at: row.started_at.into(),
        seen_at: row.seen_at.into(),
        status: row.status,
    };
    Ok(rows.into_iter().map(report).collect())
}

/// Stores a report in place of the replica's last one.
///
/// # Errors
/// When the database does not answer.
pub async fn upsert(conn: &mut Conn, report: &Report) -> Result<()> {
    let said = || {
        (
            replicas::version.eq(&report.version),
            replicas::started_at.eq(At(report.started_at)),
            replicas::seen_at.eq(At(report.seen_at)),
            replicas::status.eq(&report.status),
        )
    };
    on!(conn, |c| diesel::insert_into(replicas::table)
        .values((replicas::name.eq(&report.name), said()))
        .on_conflict(replicas::name)
        .do_update()
        .set(said())
        .execute(c)
        .await)?;
    Ok(())
}

/// Removes a replica that stops.
///
/// # Errors
/// When the database does not answer.
pub async fn delete(conn: &mut Conn, name: &str) -> Result<()> {
    on!(conn, |c| diesel::delete(replicas::table.find(name)).execute(c).await)?;
    Ok(())
}

/// Removes those that were silent since then.
///
/// # Errors
/// When the database does not answer.
pub async fn sweep(conn: &mut Conn, since: DateTime<Utc>) -> Result<()> {
    let silent = replicas::table.filter(replicas::seen_at.lt(At(since)));
    on!(conn, |c| diesel::delete(silent).execute(c).await)?;
    Ok(())
}
