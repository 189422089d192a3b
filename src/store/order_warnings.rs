//! Orders of which people were warned, each once for as long as it stands as it does.

use chrono::{DateTime, Utc};
use diesel::{
    ExpressionMethods as _, QueryDsl as _,
    dsl::{exists, not},
};
use diesel_async::RunQueryDsl as _;

use super::{
    Conn, Result,
    instant::At,
    on,
    orders::state,
    schema::{order_warnings, orders},
};
use crate::domain::orders::{OrderState, SoId};

/// An order of which to warn: its number, its state, and since when it has stood so.
pub type Overdue = (SoId, OrderState, DateTime<Utc>);

/// Orders that Haier has, or may be cancelling, and of which nothing was heard since then; each is named once.
///
/// # Errors
/// When the database does not answer.
pub async fn complain_unconfirmed(
    conn: &mut Conn,
    before: DateTime<Utc>,
    limit: i64,
    now: DateTime<Utc>,
) -> Result<Vec<Overdue>> {
    let overdue = || {
        orders::table
            .filter(orders::state.eq_any(["pushed", "cancelling"]))
            .filter(orders::updated_at.lt(At(before)))
            .filter(not(exists(
                order_warnings::table
                    .filter(order_warnings::order_id.eq(orders::id))
                    .filter(order_warnings::warned_at.ge(orders::updated_at)),
            )))
            .order(orders::updated_at)
            .limit(limit)
            .select((orders::id, orders::so_id, orders::state, orders::updated_at))
    };
    let rows = match conn {
        Conn::Pg(conn) => overdue().for_update().skip_locked().load(conn).await?,
        Conn::Lite(conn) => overdue().load(conn).await?,
    };
    warn_of(conn, rows, now).await
}

/// Orders that are in doubt beyond their deadline; each is named once.
///
/// # Errors
/// When the database does not answer.
pub async fn complain_doubtful(conn: &mut Conn, limit: i64, now: DateTime<Utc>) -> Result<Vec<Overdue>> {
    let overdue = || {
        orders::table
            .filter(orders::in_doubt)
            .filter(orders::deadline_at.lt(At(now)))
            .filter(not(exists(
                order_warnings::table
                    .filter(order_warnings::order_id.eq(orders::id))
                    .filter(order_warnings::warned_at.ge(orders::deadline_at)),
            )))
            .order(orders::deadline_at)
            .limit(limit)
            .select((orders::id, orders::so_id, orders::state, orders::deadline_at))
    };
    let rows = match conn {
        Conn::Pg(conn) => overdue().for_update().skip_locked().load(conn).await?,
        Conn::Lite(conn) => overdue().load(conn).await?,
    };
    warn_of(conn, rows, now).await
}

async fn warn_of(
    conn: &mut Conn,
    rows: Vec<(i64, String, String, At)>,
    now: DateTime<Utc>,
) -> Result<Vec<Overdue>> {
    for (id, ..) in &rows {
        let warned = (order_warnings::order_id.eq(*id), order_warnings::warned_at.eq(At(now)));
        on!(conn, |c| diesel::insert_into(order_warnings::table)
            .values(warned)
            .on_conflict(order_warnings::order_id)
            .do_update()
            .set(order_warnings::warned_at.eq(At(now)))
            .execute(c)
            .await)?;
    }
    rows.into_iter()
        .map(|(_, so_id, word, at)| Ok((SoId::from_stored(so_id), state(&word)?, at.into())))
        .collect()
}
