//! What each replica last said of itself.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use diesel::{ExpressionMethods as _, QueryDsl as _, Queryable, Selectable, SelectableHelper as _, dsl::Eq};
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

/// Stores a report in place of the last one of the replica that has this process number; whether it still has it.
///
/// # Errors
/// When the database does not answer.
pub async fn renew(conn: &mut Conn, report: &Report, number: i64) -> Result<bool> {
    let row = replicas::table.find(&report.name).filter(replicas::process_number.eq(number));
    let renewed = on!(conn, |c| diesel::update(row).set(said(report)).execute(c).await)?;
    Ok(renewed == 1)
}

/// Process numbers that are leased.
///
/// # Errors
/// When the database does not answer.
pub async fn list_numbers(conn: &mut Conn) -> Result<BTreeSet<i64>> {
    let numbers: Vec<Option<i64>> =
        on!(conn, |c| replicas::table.select(replicas::process_number).load(c).await)?;
    Ok(numbers.into_iter().flatten().collect())
}

/// Stores a replica's first report under this process number; whether the number was free. Another process that is about
/// to take it is waited for.
///
/// # Errors
/// When the database does not answer.
pub async fn insert(conn: &mut Conn, report: &Report, number: i64) -> Result<bool> {
    let row = (replicas::name.eq(&report.name), replicas::process_number.eq(number), said(report));
    let inserted = on!(conn, |c| diesel::insert_into(replicas::table)
        .values(row)
        .on_conflict(replicas::process_number)
        .do_nothing()
        .execute(c)
        .await)?;
    Ok(inserted == 1)
}

type Said<'a> = (
    Eq<replicas::version, &'a str>,
    Eq<replicas::started_at, At>,
    Eq<replicas::seen_at, At>,
    Eq<replicas::status, &'a serde_json::Value>,
);

fn said(report: &Report) -> Said<'_> {
    (
        replicas::version.eq(report.version.as_str()),
        replicas::started_at.eq(At(report.started_at)),
        replicas::seen_at.eq(At(report.seen_at)),
        replicas::status.eq(&report.status),
    )
}

/// Removes all replicas: right only where no other process can be one.
///
/// # Errors
/// When the database does not answer.
pub async fn delete_all(conn: &mut Conn) -> Result<()> {
    on!(conn, |c| diesel::delete(replicas::table).execute(c).await)?;
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
