//! The feed of orders: entries numbered without gaps, in the order of their commits.

use diesel::{
    ExpressionMethods as _, Insertable as _, IntoSql as _, QueryDsl as _, Queryable, Selectable,
    SelectableHelper as _,
    sql_types::{Nullable, Text},
};
use diesel_async::RunQueryDsl as _;
use futures_util::future;

use super::{
    Conn, Error, Pipeline, Result, Tx,
    conn::{ahead, each},
    instant::{At, Instant},
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
pub async fn append(pipeline: &Pipeline<'_>, changes: &[OrderChange]) -> Result<()> {
    if changes.is_empty() {
        return Ok(());
    }
    let count = i64::try_from(changes.len()).unwrap_or(i64::MAX);
    let head = async {
        let head = diesel::update(order_feed_head::table.find(HEAD));
        Ok::<_, Error>(ahead!(pipeline, |c| head
            .set(order_feed_head::seq.eq(order_feed_head::seq + count))
            .execute(c)
            .await)?)
    };
    // Sent behind it, the last one first by as many as there are: the head has their numbers by then.
    let rows = (0..count).rev().zip(changes);
    let rows = async {
        Ok(each!(pipeline, rows, |row| {
            let (behind, change): (i64, &OrderChange) = row;
            let error = change.last_error.as_ref();
            order_feed_head::table
                .find(HEAD)
                .select((
                    order_feed_head::seq - behind,
                    change.so_id.as_str().into_sql::<Text>(),
                    change.online_no.as_str().into_sql::<Text>(),
                    change.before.map(|state| state.as_str()).into_sql::<Nullable<Text>>(),
                    change.state.as_str().into_sql::<Text>(),
                    change.retail_order_no.as_deref().into_sql::<Nullable<Text>>(),
                    change.haier_order_no.as_deref().into_sql::<Nullable<Text>>(),
                    error.map(|error| error.reason.as_str()).into_sql::<Nullable<Text>>(),
                    error.map(|error| error.words.as_str()).into_sql::<Nullable<Text>>(),
                    At(change.changed_at).into_sql::<Instant>(),
                ))
                .insert_into(order_changes::table)
                .into_columns((
                    order_changes::seq,
                    order_changes::so_id,
                    order_changes::online_no,
                    order_changes::state_before,
                    order_changes::state,
                    order_changes::retail_order_no,
                    order_changes::haier_order_no,
                    order_changes::error_reason,
                    order_changes::error_words,
                    order_changes::changed_at,
                ))
        }))
    };
    future::try_join(head, rows).await?;
    Ok(())
}

/// Adds entries and commits the transaction, in one go: the head is held for no longer than the disk takes.
///
/// # Errors
/// When the database does not answer; as of [`Tx::commit`].
pub async fn commit(mut tx: Tx, changes: &[OrderChange]) -> Result<()> {
    if changes.is_empty() {
        return tx.commit().await;
    }
    let pipeline = tx.pipeline();
    if !pipeline.takes_commit_behind(changes.len() + 1) {
        append(&pipeline, changes).await?;
        return tx.commit().await;
    }
    future::try_join(append(&pipeline, changes), pipeline.commit()).await?;
    tx.committed();
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
