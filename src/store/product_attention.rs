//! Products that an operator wants looked after before others.

use diesel::{ExpressionMethods as _, JoinOnDsl as _, NullableExpressionMethods as _, QueryDsl as _};
use diesel_async::RunQueryDsl as _;

use super::{
    Conn, Result, on,
    schema::{product_attention, products},
};
use crate::domain::{attention::Attention, products::ProductCode};

/// What is set for each of some products that are stored, by code.
///
/// # Errors
/// When the database does not answer.
pub async fn list(conn: &mut Conn, codes: &[ProductCode]) -> Result<Vec<Attention>> {
    let codes: Vec<&str> = codes.iter().map(ProductCode::as_str).collect();
    let rows: Vec<(String, Option<bool>, Option<i64>)> = on!(conn, |c| products::table
        .left_join(product_attention::table.on(product_attention::product_id.eq(products::id)))
        .filter(products::product_code.eq_any(codes))
        .order(products::product_code)
        .select((
            products::product_code,
            product_attention::watched.nullable(),
            product_attention::low_stock.nullable(),
        ))
        .load(c)
        .await)?;
    let attention = |(code, watched, low_stock): (String, Option<bool>, Option<i64>)| Attention {
        code: ProductCode::from_stored(code),
        watched: watched.unwrap_or_default(),
        low_stock,
    };
    Ok(rows.into_iter().map(attention).collect())
}

/// Sets it for a stored product.
///
/// # Errors
/// When the database does not answer.
pub async fn upsert(conn: &mut Conn, attention: &Attention) -> Result<()> {
    let id = products::table.filter(products::product_code.eq(attention.code.as_str())).select(products::id);
    let id: i64 = on!(conn, |c| id.first(c).await)?;
    let values = || {
        (
            product_attention::watched.eq(attention.watched),
            product_attention::low_stock.eq(attention.low_stock),
        )
    };
    on!(conn, |c| diesel::insert_into(product_attention::table)
        .values((product_attention::product_id.eq(id), values()))
        .on_conflict(product_attention::product_id)
        .do_update()
        .set(values())
        .execute(c)
        .await)?;
    Ok(())
}
