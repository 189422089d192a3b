//! What an operator holds back.

use chrono::{DateTime, Utc};
use diesel::{ExpressionMethods as _, QueryDsl as _, Queryable, Selectable, SelectableHelper as _};
use diesel_async::RunQueryDsl as _;

use super::{Conn, Result, instant::At, on, schema::upstream_pauses};
use crate::{
    domain::pauses::{Pause, PauseTarget},
    redact::redact,
};

#[derive(Queryable, Selectable)]
#[diesel(table_name = upstream_pauses)]
struct PauseRow {
    target: String,
    reason: String,
    until_at: Option<At>,
    paused_by: String,
    since: At,
}

/// All pauses, by target; those that have ended by themselves among them, until they are swept.
///
/// # Errors
/// When the database does not answer.
pub async fn list(conn: &mut Conn) -> Result<Vec<Pause>> {
    let rows: Vec<PauseRow> = on!(conn, |c| upstream_pauses::table
        .order(upstream_pauses::target)
        .select(PauseRow::as_select())
        .load(c)
        .await)?;
    // A target that only a newer version knows is none that this one could hold back.
    let pause = |row: PauseRow| {
        Some(Pause {
            target: PauseTarget::parse(&row.target)?,
            reason: row.reason,
            until: row.until_at.map(Into::into),
            paused_by: row.paused_by,
            since: row.since.into(),
        })
    };
    Ok(rows.into_iter().filter_map(pause).collect())
}

/// Stores a pause in place of any other of its target, and returns it as it is stored: without secrets in its words.
///
/// # Errors
/// When the database does not answer.
pub async fn upsert(conn: &mut Conn, mut pause: Pause) -> Result<Pause> {
    pause.reason = redact(&pause.reason).into_owned();
    let held = || {
        (
            upstream_pauses::reason.eq(&pause.reason),
            upstream_pauses::until_at.eq(pause.until.map(At)),
            upstream_pauses::paused_by.eq(&pause.paused_by),
            upstream_pauses::since.eq(At(pause.since)),
        )
    };
    on!(conn, |c| diesel::insert_into(upstream_pauses::table)
        .values((upstream_pauses::target.eq(pause.target.as_str()), held()))
        .on_conflict(upstream_pauses::target)
        .do_update()
        .set(held())
        .execute(c)
        .await)?;
    Ok(pause)
}

/// Ends a pause.
///
/// # Errors
/// When the database does not answer.
pub async fn delete(conn: &mut Conn, target: PauseTarget) -> Result<()> {
    let row = upstream_pauses::table.find(target.as_str());
    on!(conn, |c| diesel::delete(row).execute(c).await)?;
    Ok(())
}

/// Removes what has ended by itself.
///
/// # Errors
/// When the database does not answer.
pub async fn sweep(conn: &mut Conn, now: DateTime<Utc>) -> Result<()> {
    let ended = upstream_pauses::table.filter(upstream_pauses::until_at.le(At(now)));
    on!(conn, |c| diesel::delete(ended).execute(c).await)?;
    Ok(())
}
