//! What is to be done and being done: runs are stored, claimed under a lease, checkpointed and ended.
//!
//! Every write of a worker names its epoch; a worker whose epoch is no longer the stored one gets
//! [`Error::LeaseLost`], and its transaction is rolled back.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, IntoSql as _, NullableExpressionMethods as _,
    OptionalExtension as _, QueryDsl as _, Queryable, Selectable, SelectableHelper as _, sql_types::Bool,
};
use diesel_async::{RunQueryDsl as _, SimpleAsyncConnection as _};

use super::{
    Conn, Error, Result,
    error::id_was_free,
    instant::At,
    on,
    schema::{sync_logs, sync_runs},
    sync_logs::{Ended, unknown},
    sync_requests,
};
use crate::domain::{
    messages::EndMessage,
    products::ProductCode,
    sync_logs::{Counts, Stage, SyncStatus, SyncType},
    sync_runs::{Checkpoint, ClaimedRun, MOST_BESIDE, NewRun},
};

#[derive(Queryable, Selectable)]
#[diesel(table_name = sync_runs)]
struct RunRow {
    log_id: i64,
    sync_type: String,
    request: serde_json::Value,
    account: String,
    epoch: i64,
    worker: Option<String>,
    takeovers: i64,
    stage: Option<String>,
    checkpoint: Option<String>,
    bad_pictures: i64,
    delisted: i64,
    loading: bool,
}

/// Stores a pending run and its log.
///
/// # Errors
/// [`Error::Conflict`] when it is over everything and another such run of its type is open; [`Error::IdTaken`]. Both leave
/// the transaction as it was.
pub async fn insert(conn: &mut Conn, run: &NewRun, now: DateTime<Utc>) -> Result<()> {
    let request = &run.request;
    let json = sync_requests::encode(request);
    let row = (
        sync_runs::log_id.eq(run.log_id),
        sync_runs::sync_type.eq(run.sync_type.as_str()),
        sync_runs::over_everything.eq(request.is_over_everything()),
        sync_runs::request.eq(json.clone()),
        sync_runs::account.eq(&run.account),
    );
    let inserted = on!(conn, |c| diesel::insert_into(sync_runs::table)
        .values(row)
        .on_conflict_do_nothing()
        .execute(c)
        .await)?;
    if inserted == 0 {
        return Err(if is_open(conn, run.log_id).await? { Error::IdTaken } else { Error::Conflict });
    }
    let log = (
        sync_logs::id.eq(run.log_id),
        sync_logs::sync_type.eq(run.sync_type.as_str()),
        sync_logs::trigger.eq(run.trigger.as_str()),
        sync_logs::requested_by.eq(&run.requested_by),
        sync_logs::account.eq(&run.account),
        sync_logs::parent_id.eq(run.parent_id),
        sync_logs::request.eq(json),
        sync_logs::created_at.eq(At(now)),
    );
    let inserted = on!(conn, |c| diesel::insert_into(sync_logs::table)
        .values(log)
        .on_conflict(sync_logs::id)
        .do_nothing()
        .execute(c)
        .await)?;
    if inserted == 0 {
        on!(conn, |c| diesel::delete(sync_runs::table.find(run.log_id)).execute(c).await)?;
    }
    id_was_free(inserted)
}

/// The open run over everything of a type, if there is one.
///
/// # Errors
/// When the database does not answer.
pub async fn find_exclusive(conn: &mut Conn, sync_type: &str) -> Result<Option<i64>> {
    let id = on!(conn, |c| sync_runs::table
        .filter(sync_runs::over_everything)
        .filter(sync_runs::sync_type.eq(sync_type))
        .select(sync_runs::log_id)
        .first(c)
        .await
        .optional())?;
    Ok(id)
}

/// Whether a run is open.
///
/// # Errors
/// When the database does not answer.
pub async fn is_open(conn: &mut Conn, log_id: i64) -> Result<bool> {
    let row = sync_runs::table.find(log_id).select(sync_runs::log_id);
    let found: Option<i64> = on!(conn, |c| row.first(c).await.optional())?;
    Ok(found.is_some())
}

/// The step at which an open run stands. `None`: not begun, or not open.
///
/// # Errors
/// When the database does not answer.
pub async fn find_stage(conn: &mut Conn, log_id: i64) -> Result<Option<Stage>> {
    let stage: Option<Option<String>> =
        on!(conn, |c| sync_runs::table.find(log_id).select(sync_runs::stage).first(c).await.optional())?;
    stage.flatten().map(|word| Stage::parse(&word).ok_or_else(|| unknown("stage", &word))).transpose()
}

/// Whether a run that nobody has begun has to wait until one of those at work is over. What is over everything waits for none.
///
/// # Errors
/// When the database does not answer.
pub async fn is_waiting(conn: &mut Conn, log_id: i64, now: DateTime<Utc>) -> Result<bool> {
    let beside = diesel::dsl::not(sync_runs::over_everything);
    let row = sync_runs::table.find(log_id).filter(beside).select(sync_runs::log_id);
    let found: Option<i64> = on!(conn, |c| row.first(c).await.optional())?;
    Ok(found.is_some() && count_beside(conn, now).await? >= MOST_BESIDE)
}

/// Runs at work that are not over everything.
async fn count_beside(conn: &mut Conn, now: DateTime<Utc>) -> Result<i64> {
    let held = sync_runs::lease_until.assume_not_null().ge(At(now));
    let beside = diesel::dsl::not(sync_runs::over_everything);
    let at_work = sync_runs::table.filter(beside.and(sync_runs::lease_until.is_not_null()).and(held)).count();
    Ok(on!(conn, |c| at_work.get_result(c).await)?)
}

/// Takes the oldest run that nobody holds and that need not wait: its epoch goes up, its lease is ours, its log is
/// `processing`.
///
/// # Errors
/// When the database does not answer.
pub async fn claim(
    conn: &mut Conn,
    worker: &str,
    now: DateTime<Utc>,
    lease: TimeDelta,
) -> Result<Option<ClaimedRun>> {
    if let Conn::Pg(conn) = conn {
        // One claim at a time over all replicas, so that none counts what another is about to take. SQLite has one writer.
        conn.batch_execute("SELECT pg_advisory_xact_lock(7521938002)").await?;
    }
    let longest = super::longest_lease(now, lease);
    let ahead = sync_runs::table.filter(sync_runs::lease_until.assume_not_null().gt(At(longest)));
    on!(conn, |c| diesel::update(ahead).set(sync_runs::lease_until.eq(At(now + lease))).execute(c).await)?;
    let has_room = count_beside(conn, now).await? < MOST_BESIDE;
    let oldest_free = || {
        let free = sync_runs::lease_until.is_null().or(sync_runs::lease_until.assume_not_null().lt(At(now)));
        let may_run = sync_runs::over_everything.or(has_room.into_sql::<Bool>());
        sync_runs::table.filter(free.and(may_run)).order(sync_runs::log_id).limit(1)
    };
    let row: Option<RunRow> = match conn {
        Conn::Pg(conn) => {
            let locked = oldest_free().select(RunRow::as_select()).for_update().skip_locked();
            locked.first(conn).await.optional()?
        }
        Conn::Lite(conn) => oldest_free().select(RunRow::as_select()).first(conn).await.optional()?,
    };
    let Some(mut row) = row else { return Ok(None) };
    row.epoch += 1;
    // Whoever gives a run back takes his name off it.
    row.takeovers += i64::from(row.worker.is_some());
    on!(conn, |c| diesel::update(sync_runs::table.find(row.log_id))
        .set((
            sync_runs::epoch.eq(row.epoch),
            sync_runs::worker.eq(worker),
            sync_runs::takeovers.eq(row.takeovers),
            sync_runs::lease_until.eq(At(now + lease)),
        ))
        .execute(c)
        .await)?;
    let pending =
        sync_logs::table.find(row.log_id).filter(sync_logs::status.eq(SyncStatus::Pending.as_str()));
    on!(conn, |c| diesel::update(pending)
        .set((sync_logs::status.eq(SyncStatus::Processing.as_str()), sync_logs::started_at.eq(At(now)),))
        .execute(c)
        .await)?;
    claimed(row).map(Some)
}

/// Takes an open run out of whatever hands hold it: its epoch goes up, so that nobody else can write for it.
///
/// # Errors
/// When the database does not answer.
pub async fn seize(conn: &mut Conn, log_id: i64) -> Result<Option<ClaimedRun>> {
    let raised = on!(conn, |c| diesel::update(sync_runs::table.find(log_id))
        .set(sync_runs::epoch.eq(sync_runs::epoch + 1))
        .execute(c)
        .await)?;
    if raised == 0 {
        return Ok(None);
    }
    let row: RunRow =
        on!(conn, |c| sync_runs::table.find(log_id).select(RunRow::as_select()).first(c).await)?;
    claimed(row).map(Some)
}

fn claimed(row: RunRow) -> Result<ClaimedRun> {
    let stage = row.stage.as_deref().map(|word| Stage::parse(word).ok_or_else(|| unknown("stage", word)));
    let checkpoint = stage.transpose()?.map(|stage| Checkpoint {
        stage,
        after: row.checkpoint.map(ProductCode::from_stored),
        bad_pictures: row.bad_pictures,
        delisted: row.delisted,
        loading: row.loading,
    });
    Ok(ClaimedRun {
        log_id: row.log_id,
        epoch: row.epoch,
        sync_type: SyncType::parse(&row.sync_type).ok_or_else(|| unknown("sync type", &row.sync_type))?,
        request: sync_requests::decode(row.request)?,
        checkpoint,
        account: row.account,
        takeovers: row.takeovers,
    })
}

/// The log of an open run under this account, if there is one.
///
/// # Errors
/// When the database does not answer.
pub async fn find_of_account(conn: &mut Conn, account: &str) -> Result<Option<i64>> {
    let row = sync_runs::table.filter(sync_runs::account.eq(account)).select(sync_runs::log_id);
    Ok(on!(conn, |c| row.first(c).await.optional())?)
}

/// Prolongs the lease.
///
/// # Errors
/// [`Error::LeaseLost`] when the run has another holder.
pub async fn heartbeat(conn: &mut Conn, run: &ClaimedRun, lease_until: DateTime<Utc>) -> Result<()> {
    held(on!(conn, |c| diesel::update(holding(run))
        .set(sync_runs::lease_until.eq(At(lease_until)))
        .execute(c)
        .await)?)
}

/// Gives the run back, so that any replica goes on with it at once.
///
/// # Errors
/// [`Error::LeaseLost`] when the run has another holder.
pub async fn release(conn: &mut Conn, run: &ClaimedRun) -> Result<()> {
    let nobody = (sync_runs::worker.eq(None::<String>), sync_runs::lease_until.eq(None::<At>));
    held(on!(conn, |c| diesel::update(holding(run)).set(nobody).execute(c).await)?)
}

/// Gives up every lease: right only where no other process can hold one.
///
/// # Errors
/// When the database does not answer.
pub async fn release_all(conn: &mut Conn) -> Result<()> {
    let nobody: Option<At> = None;
    on!(conn, |c| diesel::update(sync_runs::table).set(sync_runs::lease_until.eq(nobody)).execute(c).await)?;
    Ok(())
}

/// Moves checkpoint and lease, and forgets takeovers if a batch is `committed` with it. The first statement of a worker's transaction: without the lease, no write.
///
/// # Errors
/// [`Error::LeaseLost`] when the run has another holder.
pub async fn checkpoint(
    conn: &mut Conn,
    run: &ClaimedRun,
    at: &Checkpoint,
    committed: bool,
    lease_until: DateTime<Utc>,
) -> Result<()> {
    held(on!(conn, |c| diesel::update(holding(run))
        .set((
            sync_runs::stage.eq(at.stage.as_str()),
            sync_runs::checkpoint.eq(at.after.as_ref().map(ProductCode::as_str)),
            sync_runs::bad_pictures.eq(at.bad_pictures),
            sync_runs::delisted.eq(at.delisted),
            sync_runs::loading.eq(at.loading),
            committed.then_some(sync_runs::takeovers.eq(0)),
            sync_runs::lease_until.eq(At(lease_until)),
        ))
        .execute(c)
        .await)?)
}

/// Moves the counts of a run's log. Only after [`checkpoint`] in the same transaction, which holds the lease.
///
/// # Errors
/// When the database does not answer.
pub async fn record_counts(
    conn: &mut Conn,
    run: &ClaimedRun,
    counts: Counts,
    planned: Option<i64>,
) -> Result<()> {
    on!(conn, |c| diesel::update(sync_logs::table.find(run.log_id))
        .set((
            sync_logs::total_count.eq(counts.total),
            sync_logs::success_count.eq(counts.success),
            sync_logs::failed_count.eq(counts.failed),
            sync_logs::planned_count.eq(planned),
        ))
        .execute(c)
        .await)?;
    Ok(())
}

/// Ends a run for good: the work goes, the log keeps how it ended.
///
/// # Errors
/// [`Error::LeaseLost`] when the run has another holder.
pub async fn finish(conn: &mut Conn, run: &ClaimedRun, end: &EndMessage, now: DateTime<Utc>) -> Result<()> {
    held(on!(conn, |c| diesel::delete(holding(run)).execute(c).await)?)?;
    let log = sync_logs::table.find(run.log_id);
    on!(conn, |c| diesel::update(log).set(Ended::new(end, now)).execute(c).await)?;
    Ok(())
}

type Holding<'a> =
    diesel::dsl::Filter<diesel::dsl::Find<sync_runs::table, i64>, diesel::dsl::Eq<sync_runs::epoch, i64>>;

fn holding(run: &ClaimedRun) -> Holding<'_> {
    sync_runs::table.find(run.log_id).filter(sync_runs::epoch.eq(run.epoch))
}

const fn held(rows: usize) -> Result<()> {
    if rows == 0 { Err(Error::LeaseLost) } else { Ok(()) }
}
