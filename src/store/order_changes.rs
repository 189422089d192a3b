//! The feed of orders: entries numbered without gaps, none of which ever appears behind one that could be read.
//!
//! A transaction [adds](add) its entries without numbers, since whoever gives numbers keeps everybody else from it until the
//! disk has them. They are [numbered](number) afterwards, as many as there are. Those of one order stay in the order of
//! their commits.

use diesel::{
    ExpressionMethods as _, QueryDsl as _, Queryable, Selectable, SelectableHelper as _, dsl::exists,
    sql_types::BigInt,
};
use diesel_async::RunQueryDsl as _;

use super::{
    Conn, Error, Pipeline, Result,
    conn::ahead,
    instant::At,
    on,
    orders::{failure, state},
    schema::{order_changes, order_feed_head, unnumbered_order_changes},
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

/// Adds an entry, which is to be numbered once it is committed. Only with the order's row locked.
///
/// # Errors
/// When the database does not answer.
pub async fn add(pipeline: &Pipeline<'_>, change: &OrderChange) -> Result<()> {
    use unnumbered_order_changes as unnumbered;
    let error = change.last_error.as_ref();
    let row = (
        unnumbered::so_id.eq(change.so_id.as_str()),
        unnumbered::online_no.eq(&change.online_no),
        unnumbered::state_before.eq(change.before.map(|state| state.as_str())),
        unnumbered::state.eq(change.state.as_str()),
        unnumbered::retail_order_no.eq(&change.retail_order_no),
        unnumbered::haier_order_no.eq(&change.haier_order_no),
        unnumbered::error_reason.eq(error.map(|error| error.reason.as_str())),
        unnumbered::error_words.eq(error.map(|error| error.words.as_str())),
        unnumbered::changed_at.eq(At(change.changed_at)),
    );
    ahead!(pipeline, |c| diesel::insert_into(unnumbered::table).values(row).execute(c).await)?;
    Ok(())
}

/// Whether an entry waits for its number.
///
/// # Errors
/// When the database does not answer.
pub async fn any_unnumbered(conn: &mut Conn) -> Result<bool> {
    let any = unnumbered_order_changes::table.select(unnumbered_order_changes::id);
    Ok(on!(conn, |c| diesel::select(exists(any)).get_result(c).await)?)
}

/// Gives numbers to committed entries, at most so many; how many got one. Whoever does so too waits until this is committed.
///
/// # Errors
/// When the database does not answer.
pub async fn number(conn: &mut Conn, limit: i64) -> Result<usize> {
    let head = || order_feed_head::table.find(HEAD).select(order_feed_head::seq);
    match conn {
        Conn::Pg(conn) => {
            let last: i64 = head().for_update().first(conn).await?;
            // A statement of its own, so that it sees what was committed while the head was waited for.
            let numbered = diesel::sql_query(NUMBER_ON_POSTGRES).bind::<BigInt, _>(limit);
            Ok(numbered.bind::<BigInt, _>(last).execute(conn).await?)
        }
        // Transactions that may write run one after the other: what is there stays as it is meanwhile.
        Conn::Lite(conn) => {
            let last: i64 = head().first(conn).await?;
            let numbered = diesel::sql_query(NUMBER_ON_SQLITE).bind::<BigInt, _>(last);
            let count = numbered.bind::<BigInt, _>(limit).execute(conn).await?;
            let taken = diesel::sql_query(TAKE_ON_SQLITE).bind::<BigInt, _>(limit);
            taken.execute(conn).await?;
            let last = order_feed_head::seq.eq(last + i64::try_from(count).unwrap_or(i64::MAX));
            diesel::update(order_feed_head::table.find(HEAD)).set(last).execute(conn).await?;
            Ok(count)
        }
    }
}

/// `$1`: how many at most, `$2`: the last number there is.
const NUMBER_ON_POSTGRES: &str = "\
    WITH taken AS ( \
        DELETE FROM unnumbered_order_changes \
        WHERE id IN (SELECT id FROM unnumbered_order_changes ORDER BY id LIMIT $1) RETURNING * \
    ), moved AS (UPDATE order_feed_head SET seq = $2 + (SELECT count(*) FROM taken)) \
    INSERT INTO order_changes (seq, so_id, online_no, state_before, state, retail_order_no, haier_order_no, error_reason, \
        error_words, changed_at) \
    SELECT $2 + row_number() OVER (ORDER BY id), so_id, online_no, state_before, state, retail_order_no, haier_order_no, \
        error_reason, error_words, changed_at FROM taken";

/// The last number there is, then how many at most.
const NUMBER_ON_SQLITE: &str = "\
    INSERT INTO order_changes (seq, so_id, online_no, state_before, state, retail_order_no, haier_order_no, error_reason, \
        error_words, changed_at) \
    SELECT ? + row_number() OVER (ORDER BY id), so_id, online_no, state_before, state, retail_order_no, haier_order_no, \
        error_reason, error_words, changed_at FROM unnumbered_order_changes ORDER BY id LIMIT ?";

const TAKE_ON_SQLITE: &str = "\
    DELETE FROM unnumbered_order_changes WHERE id IN (SELECT id FROM unnumbered_order_changes ORDER BY id LIMIT ?)";

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

/// The feed's epoch, and the number of the last entry; 0: there is none.
///
/// # Errors
/// When the database does not answer.
pub async fn head(conn: &mut Conn) -> Result<(i64, i64)> {
    let head = order_feed_head::table.find(HEAD).select((order_feed_head::epoch, order_feed_head::seq));
    Ok(on!(conn, |c| head.first(c).await)?)
}
