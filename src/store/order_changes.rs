//! The feed of orders: entries numbered without gaps, in the order of their commits.

use diesel::{ExpressionMethods as _, QueryDsl as _, Queryable, Selectable, SelectableHelper as _};
use diesel_async::RunQueryDsl as _;

use super::{
    Conn, Error, Result,
    conn::each,
    instant::At,
    on,
    orders::{failure, state},
    schema::{order_changes, order_feed_head},
};
use crate::domain::orders::{OrderChange, SoId};

/// There is one feed.
const HEAD: i64 = 1;

#[derive(Queryable, Selectable)]
#[diesel(table_name = order_changes)]
struct ChangeRow {
    seq: i64,
    so_id: String,
    online_no: String,
    state_before: Option<String>,
    state: String,
    retail_order_no: Option<String>,
    haier_order_no: Option<String>,
    error_reason: Option<String>,
    error_words: Option<String>,
    changed_at: At,
}

impl TryFrom<ChangeRow> for OrderChange {
    type Error = Error;

    fn try_from(row: ChangeRow) -> Result<Self> {
        Ok(Self {
            seq: row.seq,
            so_id: SoId::from_stored(row.so_id),
            online_no: row.online_no,
            before: row.state_before.as_deref().map(state).transpose()?,
            state: state(&row.state)?,
            retail_order_no: row.retail_order_no,
            haier_order_no: row.haier_order_no,
            last_error: failure(row.error_reason, row.error_words)?,
            changed_at: row.changed_at.into(),
        })
    }
}

/// Adds entries; their numbers are given here, whatever `changes` say. The last lock of a transaction: whoever holds the head
/// makes everybody else wait, and whoever commits first has the smaller numbers.
///
/// # Errors
/// When the database does not answer.
pub async fn append(conn: &mut Conn, changes: &[OrderChange]) -> Result<()> {
    if changes.is_empty() {
        return Ok(());
    }
    let count = i64::try_from(changes.len()).unwrap_or(i64::MAX);
    let last: i64 = on!(conn, |c| diesel::update(order_feed_head::table.find(HEAD))
        .set(order_feed_head::seq.eq(order_feed_head::seq + count))
        .returning(order_feed_head::seq)
        .get_result(c)
        .await)?;
    let row = |(seq, change): (i64, &OrderChange)| {
        let error = change.last_error.as_ref();
        (
            order_changes::seq.eq(seq),
            order_changes::so_id.eq(change.so_id.as_str().to_owned()),
            order_changes::online_no.eq(change.online_no.clone()),
            order_changes::state_before.eq(change.before.map(|state| state.as_str())),
            order_changes::state.eq(change.state.as_str()),
            order_changes::retail_order_no.eq(change.retail_order_no.clone()),
            order_changes::haier_order_no.eq(change.haier_order_no.clone()),
            order_changes::error_reason.eq(error.map(|error| error.reason.as_str())),
            order_changes::error_words.eq(error.map(|error| error.words.clone())),
            order_changes::changed_at.eq(At(change.changed_at)),
        )
    };
    let rows: Vec<_> = (last - count + 1..).zip(changes).map(row).collect();
    each!(conn, rows, |row| diesel::insert_into(order_changes::table).values(row));
    Ok(())
}

/// Entries after a number, in their order.
///
/// # Errors
/// When the database does not answer.
pub async fn list(conn: &mut Conn, after: i64, limit: i64) -> Result<Vec<OrderChange>> {
    let rows: Vec<ChangeRow> = on!(conn, |c| order_changes::table
        .filter(order_changes::seq.gt(after))
        .order(order_changes::seq)
        .limit(limit)
        .select(ChangeRow::as_select())
        .load(c)
        .await)?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// The number of the last entry; 0: there is none.
///
/// # Errors
/// When the database does not answer.
pub async fn head(conn: &mut Conn) -> Result<i64> {
    let head = order_feed_head::table.find(HEAD).select(order_feed_head::seq);
    Ok(on!(conn, |c| head.first(c).await)?)
}
