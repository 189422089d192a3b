//! Which stored products a run is due to ask about, and how old what is stored of them is. Delisted ones never are due. What is
//! in front is `domain::freshness`'s rule, in the database's words.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, JoinOnDsl as _, NullableExpressionMethods as _,
    OptionalExtension as _, QueryDsl as _,
    dsl::{count_star, min, sql},
    sql_types::{BigInt, Bool},
};
use diesel_async::RunQueryDsl as _;

use super::{
    Conn, Result,
    instant::{At, Instant},
    on,
    schema::{product_attention, product_prices, product_sync, products, stock_levels},
};
use crate::domain::{
    products::ProductCode,
    stock::CountyCode,
    sync_logs::SyncType,
    sync_runs::{Due, Front},
};

/// After anything that was ever asked for; both databases can say it.
const WHENEVER: DateTime<Utc> = match DateTime::from_timestamp_secs(250_000_000_000) {
    Some(instant) => instant,
    None => DateTime::<Utc>::MAX_UTC,
};

/// What a run asks for, and the instant that says how old it is.
macro_rules! listed {
    (prices) => {
        products::table
            .left_join(product_prices::table.on(product_prices::product_id.eq(products::id)))
            .filter(products::delisted_at.is_null())
    };
    (stock) => {
        products::table
            .inner_join(product_sync::table.on(product_sync::product_id.eq(products::id)))
            .left_join(
                stock_levels::table.on(stock_levels::product_id
                    .eq(products::id)
                    .and(stock_levels::county_code.eq(CountyCode::default().as_str().to_owned()))),
            )
            .left_join(product_attention::table.on(product_attention::product_id.eq(products::id)))
            .filter(products::delisted_at.is_null())
    };
}

/// Those that are due.
macro_rules! due {
    (prices, $select:expr, $due:expr, $latest:expr) => {
        due!(@ listed!(prices), product_prices::price_at.nullable(), $select, $due, $latest)
    };
    (stock, $select:expr, $due:expr, $latest:expr) => {
        due!(@ listed!(stock), product_sync::stock_at, $select, $due, $latest)
    };
    (@ $listed:expr, $at:expr, $select:expr, $due:expr, $latest:expr) => {{
        let Due { before, up_to, front } = $due;
        let mut query = $listed.select($select).into_boxed();
        let older = $at.lt(At(*before)).or($at.gt(At($latest)));
        query = match up_to {
            None => query.filter($at.is_null().or(older)),
            Some(code) => {
                query.filter($at.is_null().and(products::product_code.le(code.as_str())).or(older))
            }
        };
        if let Some(Front { low_stock, sold_since }) = front {
            query = query.filter(
                sql::<Bool>("(stock_levels.stock < coalesce(product_attention.low_stock, ")
                    .bind::<BigInt, _>(*low_stock)
                    .sql(
                        ") OR product_attention.watched OR products.product_code IN (SELECT i.product_code \
                         FROM order_items i JOIN orders o ON o.id = i.order_id WHERE o.created_at >= ",
                    )
                    .bind::<Instant, _>(At(*sold_since))
                    .sql("))"),
            );
        }
        query
    }};
}

/// How many products are due. Stored instants after `latest` are not believed: such a product is due.
///
/// # Errors
/// When the database does not answer.
pub async fn count(conn: &mut Conn, kind: SyncType, due: &Due, latest: DateTime<Utc>) -> Result<i64> {
    Ok(match kind {
        SyncType::Stock => on!(conn, |c| due!(stock, count_star(), due, latest).first(c).await)?,
        // What is in front is so for its stock.
        _ => {
            let due = &Due { front: None, ..due.clone() };
            on!(conn, |c| due!(prices, count_star(), due, latest).first(c).await)?
        }
    })
}

/// Codes of products that are due after one, in their order; `latest` as in [`count`].
///
/// # Errors
/// When the database does not answer.
pub async fn list_codes(
    conn: &mut Conn,
    kind: SyncType,
    due: &Due,
    after: Option<&ProductCode>,
    limit: i64,
    latest: DateTime<Utc>,
) -> Result<Vec<ProductCode>> {
    let after = after.map_or("", ProductCode::as_str);
    let codes: Vec<String> = match kind {
        SyncType::Stock => on!(conn, |c| due!(stock, products::product_code, due, latest)
            .filter(products::product_code.gt(after))
            .order(products::product_code)
            .limit(limit)
            .load(c)
            .await)?,
        _ => {
            let due = &Due { front: None, ..due.clone() };
            on!(conn, |c| due!(prices, products::product_code, due, latest)
                .filter(products::product_code.gt(after))
                .order(products::product_code)
                .limit(limit)
                .load(c)
                .await)?
        }
    };
    Ok(codes.into_iter().map(ProductCode::from_stored).collect())
}

/// Those whose stock was asked for longest ago, so many of them, as far as it was before this instant.
///
/// # Errors
/// When the database does not answer.
pub async fn oldest_stock(conn: &mut Conn, limit: i64, before: DateTime<Utc>) -> Result<Due> {
    let last: Option<(String, Option<At>)> = on!(conn, |c| listed!(stock)
        .select((products::product_code, product_sync::stock_at))
        // PostgreSQL would else put last what was never asked for.
        .order((
            sql::<Bool>("product_sync.stock_at IS NOT NULL"),
            product_sync::stock_at,
            products::product_code
        ))
        .offset((limit - 1).max(0))
        .first(c)
        .await
        .optional())?;
    let all = Due { before, up_to: None, front: None };
    Ok(match last {
        None => all,
        Some((_, Some(At(at)))) => Due { before: before.min(at + TimeDelta::microseconds(1)), ..all },
        // More than the limit were never asked for.
        Some((code, None)) => {
            Due { before: DateTime::UNIX_EPOCH, up_to: Some(ProductCode::from_stored(code)), front: None }
        }
    })
}

/// How old what is stored is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ages {
    /// Products.
    pub products: i64,
    /// Those that were never asked for.
    pub never_asked: i64,
    /// When the oldest of the others was asked for.
    pub oldest_at: Option<DateTime<Utc>>,
}

/// How old catalogue records, prices or stock are; of stock, all of it or what is in front.
///
/// # Errors
/// When the database does not answer.
pub async fn ages(conn: &mut Conn, kind: SyncType, front: Option<Front>) -> Result<Ages> {
    let all = &Due { before: WHENEVER, up_to: None, front };
    let (products, asked, oldest): (i64, i64, Option<At>) = match kind {
        SyncType::Stock => {
            let of =
                || (count_star(), diesel::dsl::count(product_sync::stock_at), min(product_sync::stock_at));
            on!(conn, |c| due!(stock, of(), all, WHENEVER).first(c).await)?
        }
        SyncType::Prices => {
            let at = || product_prices::price_at.nullable();
            on!(conn, |c| due!(prices, (count_star(), diesel::dsl::count(at()), min(at())), all, WHENEVER)
                .first(c)
                .await)?
        }
        _ => {
            let at = product_sync::catalogue_at;
            on!(conn, |c| listed!(stock)
                .select((count_star(), diesel::dsl::count(at), min(at)))
                .first(c)
                .await)?
        }
    };
    Ok(Ages { products, never_asked: products - asked, oldest_at: oldest.map(Into::into) })
}
