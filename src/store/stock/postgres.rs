//! Stock records on PostgreSQL: whole batches by UNNEST.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, JoinOnDsl as _, OptionalExtension as _,
    QueryDsl as _, QueryableByName,
    sql_types::{Array, BigInt, Nullable, Text},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl as _};

use super::is_default;
use crate::{
    domain::stock::{CountyCode, StockRecord},
    store::{
        Result,
        content::warn_ahead,
        instant::{At, Instant},
        product_changes::{Difference, contents::postgres as contents},
        schema::{product_sync, products},
    },
};

#[derive(QueryableByName)]
struct Key {
    #[diesel(sql_type = BigInt)]
    id: i64,
}

#[derive(QueryableByName)]
struct Written {
    #[diesel(sql_type = BigInt)]
    product_id: i64,
    #[diesel(sql_type = Text)]
    county_code: String,
}

pub(super) async fn upsert(
    conn: &mut AsyncPgConnection,
    records: &[StockRecord],
    run: Option<i64>,
    latest: DateTime<Utc>,
) -> Result<Difference> {
    let mut difference = Difference::default();
    let compared: Vec<&str> =
        records.iter().filter(|record| is_default(record)).map(|record| record.code.as_str()).collect();
    if !compared.is_empty() {
        // Nothing comes between what is read before and after.
        let keys: Vec<Key> = diesel::sql_query(
            "SELECT p.id FROM products p JOIN product_sync s ON s.product_id = p.id \
             WHERE p.product_code = ANY($1) ORDER BY p.product_code FOR UPDATE OF s",
        )
        .bind::<Array<Text>, _>(compared)
        .load(conn)
        .await?;
        let ids: Vec<i64> = keys.into_iter().map(|key| key.id).collect();
        difference.before = contents::stock(conn, &ids).await?;
    }
    warn_if_ahead(conn, records, latest).await?;
    touch(conn, records, latest).await?;
    let written = write(conn, records, latest).await?;
    let default = CountyCode::default();
    let here = written.into_iter().filter(|written| written.county_code == default.as_str());
    let ids: Vec<i64> = here.map(|written| written.product_id).collect();
    if !ids.is_empty() {
        let known: HashSet<i64> = difference.before.iter().map(|content| content.id).collect();
        difference.after = contents::stock(conn, &ids).await?;
        // The first stock of a product that this run has stored is told together with it.
        difference
            .after
            .retain(|content| known.contains(&content.id) || run.is_none() || content.created_by != run);
    }
    Ok(difference)
}

/// Side rows first and in the order of the codes, as in every other write.
async fn touch(conn: &mut AsyncPgConnection, records: &[StockRecord], latest: DateTime<Utc>) -> Result<()> {
    diesel::sql_query(
        "WITH input AS (SELECT p.id, max(u.at) AS at FROM unnest($1, $2) AS u(code, at) \
             JOIN products p ON p.product_code = u.code GROUP BY p.id, p.product_code ORDER BY p.product_code) \
         UPDATE product_sync s SET stock_at = input.at FROM input \
         WHERE s.product_id = input.id AND (s.stock_at IS NULL OR s.stock_at < input.at OR s.stock_at > $3)",
    )
    .bind::<Array<Text>, _>(records.iter().map(|record| record.code.as_str()).collect::<Vec<_>>())
    .bind::<Array<Instant>, _>(records.iter().map(|record| At(record.asked_at)).collect::<Vec<_>>())
    .bind::<Instant, _>(At(latest))
    .execute(conn)
    .await?;
    Ok(())
}

/// Logs the first of these products whose stored instant is not believed.
async fn warn_if_ahead(
    conn: &mut AsyncPgConnection,
    records: &[StockRecord],
    latest: DateTime<Utc>,
) -> Result<()> {
    let codes = records.iter().map(|record| record.code.as_str());
    let ahead: Option<(String, Option<At>)> = products::table
        .inner_join(product_sync::table.on(product_sync::product_id.eq(products::id)))
        .filter(products::product_code.eq_any(codes).and(product_sync::stock_at.gt(At(latest))))
        .select((products::product_code, product_sync::stock_at))
        .first(conn)
        .await
        .optional()?;
    if let Some((code, Some(At(at)))) = ahead {
        warn_ahead(&code, at);
    }
    Ok(())
}

/// Writes what is newer; returns what it wrote.
async fn write(
    conn: &mut AsyncPgConnection,
    records: &[StockRecord],
    latest: DateTime<Utc>,
) -> Result<Vec<Written>> {
    let text = |field: fn(&StockRecord) -> Option<&str>| -> Vec<Option<&str>> {
        records.iter().map(field).collect()
    };
    let written = diesel::sql_query(
        "INSERT INTO stock_levels AS l (product_id, county_code, stock, warehouse_code, warehouse_grade, as_of) \
         SELECT p.id, u.county, u.stock, u.warehouse, u.grade, u.at \
         FROM unnest($1, $2, $3, $4, $5, $6) AS u(code, county, stock, warehouse, grade, at) \
         JOIN products p ON p.product_code = u.code ORDER BY u.code, u.county \
         ON CONFLICT (product_id, county_code) DO UPDATE SET stock = excluded.stock, \
             warehouse_code = excluded.warehouse_code, warehouse_grade = excluded.warehouse_grade, \
             as_of = excluded.as_of WHERE l.as_of < excluded.as_of OR l.as_of > $7 \
         RETURNING product_id, county_code",
    )
    .bind::<Array<Text>, _>(records.iter().map(|record| record.code.as_str()).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(records.iter().map(|record| record.county.as_str()).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(records.iter().map(StockRecord::stock).collect::<Vec<_>>())
    .bind::<Array<Nullable<Text>>, _>(text(|record| record.fullest()?.code.as_deref()))
    .bind::<Array<Nullable<Text>>, _>(text(|record| record.fullest()?.grade.as_deref()))
    .bind::<Array<Instant>, _>(records.iter().map(|record| At(record.asked_at)).collect::<Vec<_>>())
    .bind::<Instant, _>(At(latest))
    .load(conn)
    .await?;
    Ok(written)
}
