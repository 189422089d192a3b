//! Stock records on SQLite: one by one.

use chrono::{DateTime, Utc};
use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, JoinOnDsl as _, OptionalExtension as _,
    QueryDsl as _, RunQueryDsl as _, SqliteConnection,
    sql_types::{BigInt, Nullable, Text},
};

use super::is_default;
use crate::{
    domain::stock::StockRecord,
    store::{
        content::warn_ahead,
        instant::{At, Instant},
        product_changes::{Difference, contents::sqlite as contents},
        schema::{product_sync, products},
    },
};

pub(super) fn upsert(
    conn: &mut SqliteConnection,
    records: &[StockRecord],
    run: Option<i64>,
    latest: DateTime<Utc>,
) -> diesel::QueryResult<Difference> {
    let mut difference = Difference::default();
    let codes = records.iter().map(|record| record.code.as_str());
    let ahead: Option<(String, Option<At>)> = products::table
        .inner_join(product_sync::table.on(product_sync::product_id.eq(products::id)))
        .filter(products::product_code.eq_any(codes).and(product_sync::stock_at.gt(At(latest))))
        .select((products::product_code, product_sync::stock_at))
        .first(conn)
        .optional()?;
    if let Some((code, Some(At(at)))) = ahead {
        warn_ahead(&code, at);
    }
    for record in records {
        let by_code = products::table.filter(products::product_code.eq(record.code.as_str()));
        let key: Option<(i64, Option<i64>)> =
            by_code.select((products::id, products::created_by)).first(conn).optional()?;
        let Some((id, created_by)) = key else { continue };
        let before = if is_default(record) { contents::stock(conn, &[id])? } else { Vec::new() };
        let written = write(conn, id, record, latest)?;
        // The first stock of a product that this run has stored is told together with it.
        let told_with_it = before.is_empty() && run.is_some() && created_by == run;
        if written && is_default(record) && !told_with_it {
            difference.before.extend(before);
            difference.after.extend(contents::stock(conn, &[id])?);
        }
    }
    Ok(difference)
}

/// Writes a record where it is newer; whether it was.
fn write(
    conn: &mut SqliteConnection,
    id: i64,
    record: &StockRecord,
    latest: DateTime<Utc>,
) -> diesel::QueryResult<bool> {
    let fullest = record.fullest();
    let written = diesel::sql_query(
        "INSERT INTO stock_levels (product_id, county_code, stock, warehouse_code, warehouse_grade, as_of) \
         VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (product_id, county_code) DO UPDATE SET stock = excluded.stock, \
             warehouse_code = excluded.warehouse_code, warehouse_grade = excluded.warehouse_grade, \
             as_of = excluded.as_of WHERE stock_levels.as_of < excluded.as_of OR stock_levels.as_of > ?",
    )
    .bind::<BigInt, _>(id)
    .bind::<Text, _>(record.county.as_str())
    .bind::<BigInt, _>(record.stock())
    .bind::<Nullable<Text>, _>(fullest.and_then(|warehouse| warehouse.code.as_deref()))
    .bind::<Nullable<Text>, _>(fullest.and_then(|warehouse| warehouse.grade.as_deref()))
    .bind::<Instant, _>(At(record.asked_at))
    .bind::<Instant, _>(At(latest))
    .execute(conn)?;
    diesel::sql_query(
        "UPDATE product_sync SET stock_at = ?2 \
         WHERE product_id = ?1 AND (stock_at IS NULL OR stock_at < ?2 OR stock_at > ?3)",
    )
    .bind::<BigInt, _>(id)
    .bind::<Instant, _>(At(record.asked_at))
    .bind::<Instant, _>(At(latest))
    .execute(conn)?;
    Ok(written > 0)
}
