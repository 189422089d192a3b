//! Orders with which something is to be done: when, and in whose hands. Small: a row goes when nothing is left to do.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, TimeDelta, Utc};
use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, JoinOnDsl as _, NullableExpressionMethods as _,
    QueryDsl as _, dsl::exists,
};
use diesel_async::RunQueryDsl as _;

use super::{
    Conn, Pipeline, Result,
    conn::ahead,
    instant::At,
    on,
    orders::sender,
    schema::{order_pushes, orders},
};
use crate::domain::{
    clock::latest_believable,
    orders::{Failure, Sender, SoId, StoredOrder},
    reasons::Reason,
};

/// An order in this worker's hands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimedOrder {
    /// Its id.
    pub order_id: i64,
    /// Its number.
    pub so_id: SoId,
    /// Under whose name it was sent first. `None`: it never was.
    pub sender: Option<Sender>,
    /// Which claim of it this is.
    pub epoch: i64,
    /// The claim before has run out: its worker may have begun a call that it did not end.
    pub is_taken_over: bool,
    /// Who claimed it.
    pub worker: String,
    /// Until when it is in his hands, unless he prolongs that.
    pub lease_until: DateTime<Utc>,
}

/// Which claim of which order: its id, and the epoch.
pub type Claim = (i64, i64);

impl ClaimedOrder {
    /// Which claim this is.
    #[must_use]
    pub const fn claim(&self) -> Claim {
        (self.order_id, self.epoch)
    }
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// The order is to be sent.
    Push,
    /// A change of it is to be sent.
    Change,
}

impl Work {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Change => "change",
        }
    }
}

/// Which new orders may be claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PushScope {
    /// All that are due.
    All,
    /// Those that another account than this one has sent before. `None`: those that any account has.
    SentByOthersThan(Option<String>),
    /// None.
    None,
}

/// What may be claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimable {
    /// Which new orders.
    pub pushes: PushScope,
    /// Whether changes.
    pub changes: bool,
    /// Whether those whose worker is lost, whatever is to be done with them.
    pub lost: bool,
}

impl Claimable {
    /// Whether nothing may be claimed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pushes == PushScope::None && !self.changes && !self.lost
    }
}

/// How many may be claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClaimLimits {
    /// Of new orders.
    pub pushes: i64,
    /// Of all.
    pub all: i64,
}

/// Orders that may be claimed: their ids, and whether the lease of another worker has run out.
type ClaimableOrder = (i64, bool);

/// Orders that are due, free and like this, those that have waited longest first.
macro_rules! due {
    ($conn:expr, $now:expr, $limit:expr, |$due:ident| $narrowed:expr) => {{
        let $due = order_pushes::table
            .filter(order_pushes::next_attempt_at.le(At($now)))
            .filter(
                order_pushes::lease_until
                    .is_null()
                    .or(order_pushes::lease_until.assume_not_null().lt(At($now))),
            )
            .order(order_pushes::next_attempt_at)
            .limit($limit)
            .select((order_pushes::order_id, order_pushes::lease_until.is_not_null()));
        let orders: Vec<ClaimableOrder> = match &mut *$conn {
            Conn::Pg(conn) => $narrowed.for_update().skip_locked().load(conn).await?,
            Conn::Lite(conn) => $narrowed.load(conn).await?,
        };
        orders
    }};
}

/// The orders that may be claimed now.
async fn claimable(
    conn: &mut Conn,
    scope: &Claimable,
    limits: ClaimLimits,
    now: DateTime<Utc>,
) -> Result<Vec<ClaimableOrder>> {
    let is = |work: Work| order_pushes::step.eq(work.as_str());
    if scope.pushes == PushScope::All && scope.changes && limits.pushes >= limits.all {
        return Ok(due!(conn, now, limits.all, |due| due));
    }
    let mut orders = Vec::new();
    if scope.lost {
        // Somebody must say that they are lost, whatever is held back.
        let lost = || {
            order_pushes::table
                .filter(order_pushes::lease_until.assume_not_null().lt(At(now)))
                .order(order_pushes::lease_until)
                .limit(limits.all)
                .select((order_pushes::order_id, order_pushes::lease_until.is_not_null()))
        };
        orders = match &mut *conn {
            Conn::Pg(conn) => lost().for_update().skip_locked().load(conn).await?,
            Conn::Lite(conn) => lost().load(conn).await?,
        };
    }
    match &scope.pushes {
        PushScope::All => {
            orders.extend(due!(conn, now, limits.pushes.min(limits.all), |due| due.filter(is(Work::Push))));
        }
        PushScope::SentByOthersThan(account) => {
            // No account is called nothing.
            let account = account.as_deref().unwrap_or_default();
            let of_others = orders::table
                .filter(orders::id.eq(order_pushes::order_id))
                .filter(orders::account.assume_not_null().ne(account));
            orders.extend(due!(conn, now, limits.all, |due| {
                due.filter(is(Work::Push)).filter(exists(of_others))
            }));
        }
        PushScope::None => {}
    }
    // After the few orders that may probe an operation that failed: any number of changes may be due.
    if scope.changes {
        orders.extend(due!(conn, now, limits.all, |due| due.filter(is(Work::Change))));
    }
    let mut seen = HashSet::new();
    orders.retain(|order| seen.insert(*order));
    orders.truncate(usize::try_from(limits.all).unwrap_or(usize::MAX));
    Ok(orders)
}

/// Takes orders with which something is due, as far as it may be done now, and that are in nobody's hands.
///
/// # Errors
/// When the database does not answer.
pub async fn claim(
    conn: &mut Conn,
    worker: &str,
    scope: &Claimable,
    limits: ClaimLimits,
    now: DateTime<Utc>,
    lease: TimeDelta,
) -> Result<Vec<ClaimedOrder>> {
    let longest = super::longest_lease(now, lease);
    let ahead = order_pushes::table.filter(order_pushes::lease_until.assume_not_null().gt(At(longest)));
    on!(conn, |c| diesel::update(ahead).set(order_pushes::lease_until.eq(At(now + lease))).execute(c).await)?;
    let taken_over: HashMap<i64, bool> = claimable(conn, scope, limits, now).await?.into_iter().collect();
    if taken_over.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<i64> = taken_over.keys().copied().collect();
    on!(conn, |c| diesel::update(order_pushes::table.filter(order_pushes::order_id.eq_any(&ids)))
        .set((
            order_pushes::epoch.eq(order_pushes::epoch + 1),
            order_pushes::worker.eq(worker),
            order_pushes::lease_until.eq(At(now + lease)),
        ))
        .execute(c)
        .await)?;
    type Row = (i64, String, i64, Option<String>, Option<serde_json::Value>);
    let rows: Vec<Row> = on!(conn, |c| order_pushes::table
        .inner_join(orders::table.on(orders::id.eq(order_pushes::order_id)))
        .filter(order_pushes::order_id.eq_any(&ids))
        .order(order_pushes::next_attempt_at)
        .select(
            (order_pushes::order_id, orders::so_id, order_pushes::epoch, orders::account, orders::sender,)
        )
        .load(c)
        .await)?;
    let claimed = |(order_id, so_id, epoch, account, json): Row| {
        Ok(ClaimedOrder {
            order_id,
            so_id: SoId::from_stored(so_id),
            sender: account.zip(json).map(|(account, json)| sender(account, json)).transpose()?,
            epoch,
            is_taken_over: taken_over.get(&order_id).copied().unwrap_or_default(),
            worker: worker.to_owned(),
            lease_until: now + lease,
        })
    };
    rows.into_iter().map(claimed).collect()
}

/// Makes orders due that were deferred until the end of a pause: none is in force any more.
///
/// # Errors
/// When the database does not answer.
pub async fn resume(conn: &mut Conn, now: DateTime<Utc>) -> Result<()> {
    let paused = order_pushes::table
        .filter(order_pushes::deferred_reason.eq(Reason::Paused.as_str()))
        .filter(order_pushes::next_attempt_at.gt(At(now)));
    on!(conn, |c| diesel::update(paused).set(order_pushes::next_attempt_at.eq(At(now))).execute(c).await)?;
    Ok(())
}

/// Makes orders due that nobody has claimed yet and that are not due for more than a moment: they were accepted while the clock
/// was ahead. How many there are.
///
/// # Errors
/// When the database does not answer.
pub async fn bring_forward(conn: &mut Conn, now: DateTime<Utc>) -> Result<usize> {
    let ahead = order_pushes::table
        .filter(order_pushes::step.eq(Work::Push.as_str()).and(order_pushes::epoch.eq(0)))
        .filter(order_pushes::next_attempt_at.gt(At(latest_believable(now))));
    Ok(on!(conn, |c| diesel::update(ahead).set(order_pushes::next_attempt_at.eq(At(now))).execute(c).await)?)
}

/// Orders that are due to be sent, by id, after one.
///
/// # Errors
/// When the database does not answer.
pub async fn list_due(
    conn: &mut Conn,
    now: DateTime<Utc>,
    after: i64,
    limit: i64,
) -> Result<Vec<(i64, SoId)>> {
    let rows: Vec<(i64, String)> = on!(conn, |c| order_pushes::table
        .inner_join(orders::table.on(orders::id.eq(order_pushes::order_id)))
        .filter(order_pushes::step.eq(Work::Push.as_str()).and(order_pushes::next_attempt_at.le(At(now))))
        .filter(order_pushes::order_id.gt(after))
        .order(order_pushes::order_id)
        .limit(limit)
        .select((order_pushes::order_id, orders::so_id))
        .load(c)
        .await)?;
    Ok(rows.into_iter().map(|(id, so_id)| (id, SoId::from_stored(so_id))).collect())
}

/// Prolongs a worker's leases, where they have not run out; which these are. One that has run out stays so: somebody else
/// may take the order at any moment.
///
/// # Errors
/// When the database does not answer.
pub async fn heartbeat(
    conn: &mut Conn,
    worker: &str,
    claims: &[Claim],
    now: DateTime<Utc>,
    lease_until: DateTime<Utc>,
) -> Result<Vec<Claim>> {
    let ids: Vec<i64> = claims.iter().map(|(order_id, _)| *order_id).collect();
    let held = order_pushes::table
        .filter(order_pushes::order_id.eq_any(ids))
        .filter(order_pushes::worker.eq(worker))
        .filter(order_pushes::lease_until.assume_not_null().gt(At(now)));
    Ok(on!(conn, |c| diesel::update(held)
        .set(order_pushes::lease_until.eq(At(lease_until)))
        .returning((order_pushes::order_id, order_pushes::epoch))
        .load(c)
        .await)?)
}

/// Whether a claim holds: the order is not in other hands, nor in none.
///
/// # Errors
/// When the database does not answer.
pub async fn holds(pipeline: &Pipeline<'_>, claim: &ClaimedOrder) -> Result<bool> {
    let held = order_pushes::table
        .find(claim.order_id)
        .filter(order_pushes::epoch.eq(claim.epoch))
        .filter(order_pushes::worker.eq(&claim.worker));
    Ok(ahead!(pipeline, |c| diesel::select(exists(held)).get_result(c).await)?)
}

/// Has a new order sent from then on.
///
/// # Errors
/// When the database does not answer.
pub async fn insert(pipeline: &Pipeline<'_>, order: &StoredOrder) -> Result<()> {
    let row = (
        order_pushes::order_id.eq(order.id),
        order_pushes::step.eq(Work::Push.as_str()),
        order_pushes::next_attempt_at.eq(At(order.created_at)),
    );
    ahead!(pipeline, |c| diesel::insert_into(order_pushes::table).values(row).execute(c).await)?;
    Ok(())
}

/// Sets when something is due; whoever has the order in hand keeps it.
///
/// # Errors
/// When the database does not answer.
pub async fn upsert(
    pipeline: &Pipeline<'_>,
    order_id: i64,
    work: Work,
    next_attempt_at: DateTime<Utc>,
) -> Result<()> {
    let due = (
        order_pushes::step.eq(work.as_str()),
        order_pushes::next_attempt_at.eq(At(next_attempt_at)),
        order_pushes::deferred_reason.eq(None::<&str>),
        order_pushes::deferred_words.eq(None::<&str>),
    );
    ahead!(pipeline, |c| diesel::insert_into(order_pushes::table)
        .values((order_pushes::order_id.eq(order_id), due))
        .on_conflict(order_pushes::order_id)
        .do_update()
        .set(due)
        .execute(c)
        .await)?;
    Ok(())
}

/// Lets an order go out of this claim's hands, if it is in them still.
///
/// # Errors
/// When the database does not answer.
pub async fn release(pipeline: &Pipeline<'_>, claim: &ClaimedOrder) -> Result<()> {
    let held = order_pushes::table
        .find(claim.order_id)
        .filter(order_pushes::epoch.eq(claim.epoch))
        .filter(order_pushes::worker.eq(&claim.worker));
    let nobody = (order_pushes::worker.eq(None::<String>), order_pushes::lease_until.eq(None::<At>));
    ahead!(pipeline, |c| diesel::update(held).set(nobody).execute(c).await)?;
    Ok(())
}

/// Lets an order go out of this claim's hands, if it is in them still: it waits until then, for a cause of ours. Nothing
/// else about it changes.
///
/// # Errors
/// When the database does not answer.
pub async fn defer(
    pipeline: &Pipeline<'_>,
    claim: &ClaimedOrder,
    cause: &Failure,
    next_attempt_at: DateTime<Utc>,
) -> Result<()> {
    let held = order_pushes::table
        .find(claim.order_id)
        .filter(order_pushes::epoch.eq(claim.epoch))
        .filter(order_pushes::worker.eq(&claim.worker));
    let waits = (
        order_pushes::worker.eq(None::<String>),
        order_pushes::lease_until.eq(None::<At>),
        order_pushes::next_attempt_at.eq(At(next_attempt_at)),
        order_pushes::deferred_reason.eq(cause.reason.as_str()),
        order_pushes::deferred_words.eq(&cause.words),
    );
    ahead!(pipeline, |c| diesel::update(held).set(waits).execute(c).await)?;
    Ok(())
}

/// Ends every lease, so that what its worker has begun is found: right only where no other process can hold one.
///
/// # Errors
/// When the database does not answer.
pub async fn expire_all(conn: &mut Conn) -> Result<()> {
    let leased = order_pushes::table.filter(order_pushes::lease_until.is_not_null());
    let ended = order_pushes::lease_until.eq(At(DateTime::UNIX_EPOCH));
    on!(conn, |c| diesel::update(leased).set(ended).execute(c).await)?;
    Ok(())
}

/// Nothing is left to do.
///
/// # Errors
/// When the database does not answer.
pub async fn delete(pipeline: &Pipeline<'_>, order_id: i64) -> Result<()> {
    ahead!(pipeline, |c| diesel::delete(order_pushes::table.find(order_id)).execute(c).await)?;
    Ok(())
}
