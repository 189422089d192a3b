//! Runs that ended HELD: they wait, and are decided once.

use chrono::{DateTime, Utc};
use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, IntoSql as _, OptionalExtension as _, QueryDsl as _,
    Queryable, Selectable, SelectableHelper as _, sql_types::Bool,
};
use diesel_async::RunQueryDsl as _;

use super::{Conn, Error, Result, held_findings, instant::At, on, schema::held_runs, sync_logs::unknown};
use crate::domain::{
    guard::{Extent, Share},
    held_runs::{Decision, HeldRun, Verdict},
    pages::{Page, PageRequest},
    sync_logs::SyncType,
};

#[derive(Queryable, Selectable)]
#[diesel(table_name = held_runs)]
struct HeldRow {
    sync_log_id: i64,
    sync_type: String,
    account: String,
    over_everything: bool,
    delisted: i64,
    listed: i64,
    moved: i64,
    priced: i64,
    held_at: At,
    expires_at: At,
    decision: Option<String>,
    decided_by: String,
    decided_at: Option<At>,
    successor_id: Option<i64>,
}

impl TryFrom<HeldRow> for HeldRun {
    type Error = Error;

    fn try_from(row: HeldRow) -> Result<Self> {
        let verdict = |word: &String| Verdict::parse(word).ok_or_else(|| unknown("verdict", word));
        let verdict = row.decision.as_ref().map(verdict).transpose()?;
        let (by, successor_id) = (row.decided_by, row.successor_id);
        let decision = verdict.zip(row.decided_at);
        Ok(Self {
            sync_log_id: row.sync_log_id,
            sync_type: SyncType::parse(&row.sync_type).ok_or_else(|| unknown("sync type", &row.sync_type))?,
            account: row.account,
            over_everything: row.over_everything,
            extent: Extent {
                delisted: Share { part: row.delisted, of: row.listed },
                prices: Share { part: row.moved, of: row.priced },
            },
            held_at: row.held_at.into(),
            expires_at: row.expires_at.into(),
            decision: decision.map(|(verdict, at)| Decision { verdict, by, at: at.into(), successor_id }),
        })
    }
}

/// Stores a run that waits. One over everything takes the place of those of its type that wait; unless it has `asked_prices`
/// of everything, only of those that have no prices to lose.
///
/// # Errors
/// When the database does not answer.
pub async fn insert(conn: &mut Conn, run: &HeldRun, asked_prices: bool) -> Result<()> {
    if run.over_everything {
        let waiting = held_runs::table
            .filter(held_runs::decision.is_null().and(held_runs::over_everything))
            .filter(held_runs::sync_type.eq(run.sync_type.as_str()).and(held_runs::account.eq(&run.account)))
            .filter(held_runs::moved.eq(0).or(asked_prices.into_sql::<Bool>()))
            .select(held_runs::sync_log_id)
            .order(held_runs::sync_log_id);
        let waiting: Vec<i64> = on!(conn, |c| waiting.load(c).await)?;
        let successor_id = Some(run.sync_log_id);
        let decision =
            Decision { verdict: Verdict::Superseded, by: String::new(), at: run.held_at, successor_id };
        for id in waiting {
            if decide(conn, id, &decision).await? {
                held_findings::clear(conn, id, None).await?;
            }
        }
    }
    let Extent { delisted, prices } = run.extent;
    let row = (
        held_runs::sync_log_id.eq(run.sync_log_id),
        held_runs::sync_type.eq(run.sync_type.as_str()),
        held_runs::account.eq(&run.account),
        held_runs::over_everything.eq(run.over_everything),
        held_runs::delisted.eq(delisted.part),
        held_runs::listed.eq(delisted.of),
        held_runs::moved.eq(prices.part),
        held_runs::priced.eq(prices.of),
        held_runs::held_at.eq(At(run.held_at)),
        held_runs::expires_at.eq(At(run.expires_at)),
        held_runs::decided_by.eq(""),
    );
    on!(conn, |c| diesel::insert_into(held_runs::table).values(row).execute(c).await)?;
    Ok(())
}

/// Decides a run that waits; `false`: it does not, or not any more.
///
/// # Errors
/// When the database does not answer.
pub async fn decide(conn: &mut Conn, id: i64, decision: &Decision) -> Result<bool> {
    let waiting = held_runs::table.find(id).filter(held_runs::decision.is_null());
    let decided = (
        held_runs::decision.eq(decision.verdict.as_str()),
        held_runs::decided_by.eq(&decision.by),
        held_runs::decided_at.eq(At(decision.at)),
        held_runs::successor_id.eq(decision.successor_id),
    );
    Ok(on!(conn, |c| diesel::update(waiting).set(decided).execute(c).await)? > 0)
}

/// A run that was held, if it is known.
///
/// # Errors
/// When the database does not answer.
pub async fn find(conn: &mut Conn, id: i64) -> Result<Option<HeldRun>> {
    let row: Option<HeldRow> =
        on!(conn, |c| held_runs::table.find(id).select(HeldRow::as_select()).first(c).await.optional())?;
    row.map(TryInto::try_into).transpose()
}

/// One page of the runs that wait, and with `decided` of those that do not any more; newest first.
///
/// # Errors
/// When the database does not answer.
pub async fn list(conn: &mut Conn, decided: bool, page: &PageRequest<i64>) -> Result<Page<HeldRun, i64>> {
    let rows: Vec<HeldRow> = on!(conn, |c| {
        let mut query = held_runs::table.select(HeldRow::as_select()).into_boxed();
        if !decided {
            query = query.filter(held_runs::decision.is_null());
        }
        if let Some(after) = page.after {
            query = query.filter(held_runs::sync_log_id.lt(after));
        }
        query.order(held_runs::sync_log_id.desc()).limit(page.size + 1).load(c).await
    })?;
    let items = rows.into_iter().map(TryInto::try_into).collect::<Result<Vec<HeldRun>>>()?;
    Ok(Page::cut(items, page.size, |run| run.sync_log_id))
}

/// How many wait.
///
/// # Errors
/// When the database does not answer.
pub async fn count(conn: &mut Conn) -> Result<i64> {
    let waiting = held_runs::table.filter(held_runs::decision.is_null()).count();
    Ok(on!(conn, |c| waiting.get_result(c).await)?)
}

/// Those that nobody has decided in time.
///
/// # Errors
/// When the database does not answer.
pub async fn list_overdue(conn: &mut Conn, now: DateTime<Utc>) -> Result<Vec<i64>> {
    let overdue = held_runs::decision.is_null().and(held_runs::expires_at.le(At(now)));
    let ids = held_runs::table.filter(overdue).select(held_runs::sync_log_id).order(held_runs::sync_log_id);
    Ok(on!(conn, |c| ids.load(c).await)?)
}

/// Forgets runs that were decided before this.
///
/// # Errors
/// When the database does not answer.
pub async fn forget(conn: &mut Conn, before: DateTime<Utc>) -> Result<()> {
    let old = held_runs::table.filter(held_runs::decided_at.lt(At(before)));
    on!(conn, |c| diesel::delete(old).execute(c).await)?;
    Ok(())
}
