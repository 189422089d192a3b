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

#[derive(QueryableByName)]
struct Gone {
    #[diesel(sql_type = BigInt)]
    product_id: i64,
}

/// Marks up to `limit` of the products with a key above `after` that the listing does not hold, and nobody has heard of since;
/// `changes` notes which.
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
    let (asked_at, now) = (At(listing.asked_at), changes.at());
    let listed_before = || product_sync::catalogue_at.assume_not_null().lt(asked_at);
    // Nothing is locked yet: in most runs there is nothing to lock.
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
    let readable = |code: &str| !listing.unreadable.contains(&ProductCode::from_stored(code.to_owned()));
    let mut codes: HashMap<i64, String> = found.into_iter().filter(|(_, code)| readable(code)).collect();
    let ids: Vec<i64> = codes.keys().copied().collect();
    if ids.is_empty() {
        return Ok(DelistedPage { delisted: 0, next });
    }
    // In the order of the codes, as in every other write; another one may have heard of some of them meanwhile.
    let gone: Vec<i64> = match conn {
        Conn::Pg(conn) => {
            let rows: Vec<Gone> = diesel::sql_query(
                "SELECT s.product_id FROM product_sync s JOIN products p ON p.id = s.product_id \
                 WHERE s.product_id = ANY($1) AND s.catalogue_at < $2 ORDER BY p.product_code FOR UPDATE OF s",
            )
            .bind::<Array<BigInt>, _>(ids)
            .bind::<Instant, _>(asked_at)
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
    let delisted = on!(conn, |c| diesel::update(products::table.filter(products::id.eq_any(&gone)))
        .set(mark)
        .execute(c)
        .await)?;
    for id in gone {
        if let Some(code) = codes.remove(&id) {
            changes.delisted(id, code);
        }
    }
    Ok(DelistedPage { delisted, next })
}
