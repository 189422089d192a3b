//! The feed of products: entries numbered without gaps, in the order of their commits, written in the transaction of what
//! they tell.

pub(super) mod contents;
mod gathered;
mod newcomers;
mod rows;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use diesel::{ExpressionMethods as _, QueryDsl as _, SelectableHelper as _};
use diesel_async::RunQueryDsl as _;

use super::{
    Conn, Result,
    instant::At,
    on, product_history,
    schema::{product_changes, product_feed_head, products},
};
use crate::domain::{
    product_changes::{ChangeKind, Origin, ProductChange},
    products::ProductCode,
};
pub use gathered::{Changes, Newcomers};
pub(super) use gathered::{Difference, Found};
use rows::{ChangeRow, NewEntry};

/// There is one feed.
const HEAD: i64 = 1;
/// Products told or removed by one statement at most.
const AT_ONCE: usize = 2_000;

/// How many entries of which kind were written.
pub type Recorded = BTreeMap<ChangeKind, u64>;

/// Writes down what a transaction has changed. `decided` are the products with which a run that holds its newcomers is
/// done. The last thing a transaction does: whoever holds the feed's head makes everybody else wait, and whoever commits
/// first has the smaller number.
///
/// # Errors
/// When the database does not answer.
pub async fn record(conn: &mut Conn, changes: Changes, decided: &[ProductCode]) -> Result<Recorded> {
    let Changes { origin, newcomers, inserted, mut found, .. } = changes;
    let mut new = Vec::new();
    match (newcomers, origin.sync_log_id) {
        (Newcomers::Tell, _) => new = inserted,
        (Newcomers::Hold, Some(run)) => newcomers::hold(conn, &inserted, run).await?,
        (Newcomers::Hold, None) | (Newcomers::Silent, _) => {}
    }
    if let (false, Some(run)) = (decided.is_empty(), origin.sync_log_id) {
        new.extend(newcomers::release(conn, run, decided).await?);
    }
    product_history::keep(conn, &found, origin).await?;
    if !found.is_empty() {
        // Whoever tells of a product first tells all there is, this too.
        let ids: Vec<i64> = found.keys().copied().collect();
        for id in newcomers::held(conn, &ids).await?.iter().chain(&new) {
            found.remove(id);
        }
    }
    let mut recorded = tell(conn, &new, origin).await?;
    let changed = found.into_values().map(|found| NewEntry::new(found.kind, found.code, found.changes));
    append(conn, changed.collect(), origin, &mut recorded).await?;
    Ok(recorded)
}

/// What [`record`] would write down, with no number. For a transaction that is rolled back.
///
/// # Errors
/// When the database does not answer.
pub async fn preview(conn: &mut Conn, changes: Changes) -> Result<Vec<ProductChange>> {
    let Changes { origin, inserted, mut found, .. } = changes;
    let mut entries = Vec::new();
    for some in inserted.chunks(AT_ONCE) {
        entries.extend(newcomers::entries(conn, some).await?);
    }
    for id in &inserted {
        found.remove(id);
    }
    let changed = found.into_values().map(|found| NewEntry::new(found.kind, found.code, found.changes));
    Ok(entries.into_iter().chain(changed).map(|entry| entry.into_change(origin)).collect())
}

/// Tells of what a run has stored and not told yet, at its end; `loading`: it has filled an empty store. The last thing a
/// transaction does.
///
/// # Errors
/// When the database does not answer.
pub async fn record_end(conn: &mut Conn, run: i64, loading: bool, at: DateTime<Utc>) -> Result<Recorded> {
    let origin = Origin { sync_log_id: Some(run), at };
    let held = newcomers::release_all(conn, run).await?;
    let mut recorded = tell(conn, &held, origin).await?;
    if loading {
        let products: i64 = on!(conn, |c| products::table.count().get_result(c).await)?;
        let entry = NewEntry::loaded(products);
        let entries = if products > 0 { vec![entry] } else { Vec::new() };
        append(conn, entries, origin, &mut recorded).await?;
    }
    Ok(recorded)
}

/// An entry for each of these products, with all that is known of it.
async fn tell(conn: &mut Conn, new: &[i64], origin: Origin) -> Result<Recorded> {
    let mut recorded = Recorded::new();
    for some in new.chunks(AT_ONCE) {
        let entries = newcomers::entries(conn, some).await?;
        append(conn, entries, origin, &mut recorded).await?;
    }
    Ok(recorded)
}

async fn append(
    conn: &mut Conn,
    entries: Vec<NewEntry>,
    origin: Origin,
    recorded: &mut Recorded,
) -> Result<()> {
    for some in entries.chunks(AT_ONCE) {
        let count = i64::try_from(some.len()).unwrap_or(i64::MAX);
        let head: i64 = on!(conn, |c| diesel::update(product_feed_head::table.find(HEAD))
            .set(product_feed_head::seq.eq(product_feed_head::seq + count))
            .returning(product_feed_head::seq)
            .get_result(c)
            .await)?;
        rows::insert(conn, some, head - count, origin).await?;
        for entry in some {
            *recorded.entry(entry.kind).or_default() += 1;
        }
    }
    Ok(())
}

/// Entries after a number, in their order.
///
/// # Errors
/// When the database does not answer.
pub async fn list(conn: &mut Conn, after: i64, limit: i64) -> Result<Vec<ProductChange>> {
    let rows: Vec<ChangeRow> = on!(conn, |c| product_changes::table
        .filter(product_changes::seq.gt(after))
        .order(product_changes::seq)
        .limit(limit)
        .select(ChangeRow::as_select())
        .load(c)
        .await)?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// The feed's epoch, and the number of the last entry; 0: there was none yet.
///
/// # Errors
/// When the database does not answer.
pub async fn head(conn: &mut Conn) -> Result<(i64, i64)> {
    let head = product_feed_head::table.find(HEAD).select((product_feed_head::epoch, product_feed_head::seq));
    Ok(on!(conn, |c| head.first(c).await)?)
}

/// Removes the oldest entries, as far as they are older than this; returns how many, and whether there may be more.
///
/// # Errors
/// When the database does not answer.
pub async fn remove_older(conn: &mut Conn, than: DateTime<Utc>) -> Result<(usize, bool)> {
    let limit = i64::try_from(AT_ONCE).unwrap_or(i64::MAX);
    let oldest: Vec<(i64, At)> = on!(conn, |c| product_changes::table
        .order(product_changes::seq)
        .limit(limit)
        .select((product_changes::seq, product_changes::changed_at))
        .load(c)
        .await)?;
    // Only from the front, so that what is kept has no gap.
    let old = oldest.iter().take_while(|(_, at)| at.0 < than);
    let Some((last, _)) = old.last() else { return Ok((0, false)) };
    let front = product_changes::table.filter(product_changes::seq.le(last));
    let removed = on!(conn, |c| diesel::delete(front).execute(c).await)?;
    Ok((removed, removed == AT_ONCE))
}
