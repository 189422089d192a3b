//! Marking what a whole listing no longer holds. Nothing is deleted: whatever answer holds the product again, and was
//! asked for later, brings it back.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, JoinOnDsl as _, NullableExpressionMethods as _,
    QueryDsl as _, QueryableByName,
    sql_types::{Array, BigInt},
};
use diesel_async::RunQueryDsl as _;

use super::{
    Conn, Result,
    instant::{At, Instant},
    on,
    product_changes::Changes,
    schema::{product_sync, products},
};
use crate::domain::products::ProductCode;

/// A listing that came whole.
#[derive(Debug, Clone)]
pub struct WholeListing {
    /// When it was asked for. What it held, and any later answer, is stored with this instant or a later one.
    pub asked_at: DateTime<Utc>,
    /// Codes that it held in a record that could not be read: they are not gone.
    pub unreadable: HashSet<ProductCode>,
}

/// One page of the search for what is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DelistedPage {
    /// Products marked.
    pub delisted: usize,
    /// Where to go on; `None`: there is no more.
    pub next: Option<i64>,
}

/// One page of what is gone, by key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GonePage {
    /// Keys and codes.
    pub gone: Vec<(i64, ProductCode)>,
    /// Where to go on; `None`: there is no more.
    pub next: Option<i64>,
}

#[derive(QueryableByName)]
struct Gone {
    #[diesel(sql_type = BigInt)]
    product_id: i64,
}

/// Up to `limit` of the products with a key above `after` that the listing does not hold, and nobody has heard of since.
/// Stored instants after `latest` do not count.
///
/// # Errors
/// When the database does not answer.
pub async fn find(
    conn: &mut Conn,
    listing: &WholeListing,
    after: i64,
    limit: i64,
    latest: DateTime<Utc>,
) -> Result<GonePage> {
    let asked_at = At(listing.asked_at);
    let at = || product_sync::catalogue_at.assume_not_null();
    let listed_before = || at().lt(asked_at).or(at().gt(At(latest)));
    // Nothing is locked: in most runs there is nothing to lock.
    let found: Vec<(i64, String)> = on!(conn, |c| products::table
        .inner_join(product_sync::table.on(product_sync::product_id.eq(products::id)))
        .filter(listed_before().and(products::delisted_at.is_null()))
        .filter(product_sync::product_id.gt(after))
        .select((product_sync::product_id, products::product_code))
        .order(product_sync::product_id)
        .limit(limit)
        .load(c)
        .await)?;
    let full = i64::try_from(found.len()).is_ok_and(|found| found == limit);
    let next = found.last().filter(|_| full).map(|(id, _)| *id);
    let codes = found.into_iter().map(|(id, code)| (id, ProductCode::from_stored(code)));
    Ok(GonePage { gone: codes.filter(|(_, code)| !listing.unreadable.contains(code)).collect(), next })
}

/// Marks a page of what [`find`] finds; `changes` notes which.
///
/// # Errors
/// When the database does not answer.
pub async fn mark(
    conn: &mut Conn,
    listing: &WholeListing,
    after: i64,
    limit: i64,
    changes: &mut Changes,
) -> Result<DelistedPage> {
    let GonePage { gone, next } = find(conn, listing, after, limit, changes.latest()).await?;
    let marked = mark_found(conn, listing.asked_at, gone, changes).await?;
    Ok(DelistedPage { delisted: marked.len(), next })
}

/// Marks products that a listing asked for then did not hold; returns those that Haier has named since, which are left.
///
/// # Errors
/// When the database does not answer.
pub async fn mark_codes(
    conn: &mut Conn,
    asked_at: DateTime<Utc>,
    codes: &[ProductCode],
    changes: &mut Changes,
) -> Result<Vec<ProductCode>> {
    let codes: Vec<&str> = codes.iter().map(ProductCode::as_str).collect();
    // What another run has delisted in the meantime is as it should be.
    let listed: Vec<(i64, String)> = on!(conn, |c| products::table
        .filter(products::product_code.eq_any(codes).and(products::delisted_at.is_null()))
        .select((products::id, products::product_code))
        .load(c)
        .await)?;
    let listed: Vec<_> = listed.into_iter().map(|(id, code)| (id, ProductCode::from_stored(code))).collect();
    let ids: Vec<i64> = listed.iter().map(|(id, _)| *id).collect();
    let heard_before =
        product_sync::catalogue_at.lt(At(asked_at)).or(product_sync::catalogue_at.gt(At(changes.latest())));
    let gone: HashSet<i64> = on!(conn, |c| product_sync::table
        .filter(product_sync::product_id.eq_any(ids).and(heard_before))
        .select(product_sync::product_id)
        .load::<i64>(c)
        .await)?
    .into_iter()
    .collect();
    let (gone, mut named): (Vec<_>, Vec<_>) = listed.into_iter().partition(|(id, _)| gone.contains(id));
    let marked = mark_found(conn, asked_at, gone.clone(), changes).await?;
    named.extend(gone.into_iter().filter(|(id, _)| !marked.contains(id)));
    Ok(named.into_iter().map(|(_, code)| code).collect())
}

/// Marks what has been found gone and nobody has heard of since; the keys of what is marked.
async fn mark_found(
    conn: &mut Conn,
    asked_at: DateTime<Utc>,
    found: Vec<(i64, ProductCode)>,
    changes: &mut Changes,
) -> Result<HashSet<i64>> {
    let (asked_at, now) = (At(asked_at), changes.at());
    let mut codes: HashMap<i64, ProductCode> = found.into_iter().collect();
    let ids: Vec<i64> = codes.keys().copied().collect();
    if ids.is_empty() {
        return Ok(HashSet::new());
    }
    // In the order of the codes, as in every other write; another one may have heard of some of them meanwhile.
    let gone: Vec<i64> = match conn {
        Conn::Pg(conn) => {
            let rows: Vec<Gone> = diesel::sql_query(
                "SELECT s.product_id FROM product_sync s JOIN products p ON p.id = s.product_id \
                 WHERE s.product_id = ANY($1) AND (s.catalogue_at < $2 OR s.catalogue_at > $3) ORDER BY p.product_code FOR UPDATE OF s",
            )
            .bind::<Array<BigInt>, _>(ids)
            .bind::<Instant, _>(asked_at)
            .bind::<Instant, _>(At(changes.latest()))
            .load(conn)
            .await?;
            rows.into_iter().map(|row| row.product_id).collect()
        }
        Conn::Lite(_) => ids,
    };
    // The listing is the newest answer about them, so that no older one brings them back. Without a hash the next answer
    // differs, whatever it says, and is written to the wide row.
    let heard = (product_sync::catalogue_at.eq(asked_at), product_sync::catalogue_hash.eq(None::<i64>));
    on!(conn, |c| diesel::update(product_sync::table.filter(product_sync::product_id.eq_any(&gone)))
        .set(heard)
        .execute(c)
        .await)?;
    let mark = (products::delisted_at.eq(At(now)), products::updated_at.eq(At(now)));
    on!(conn, |c| diesel::update(products::table.filter(products::id.eq_any(&gone)))
        .set(mark)
        .execute(c)
        .await)?;
    for id in &gone {
        if let Some(code) = codes.remove(id) {
            changes.delisted(*id, code.into_string());
        }
    }
    Ok(gone.into_iter().collect())
}
