//! Writing stock per product and county: newer answers win.

use diesel::{
    ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, SqliteConnection,
    sql_types::{Array, BigInt, Nullable, Text},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl as _};

use super::{
    Conn, Result,
    instant::{At, Instant},
    schema::products,
};
use crate::domain::stock::StockRecord;

/// Stores the stock records of some answers. Codes that are not stored are passed over.
///
/// # Errors
/// When the database does not answer.
pub async fn upsert(conn: &mut Conn, mut records: Vec<StockRecord>) -> Result<()> {
    if records.is_empty() {
        return Ok(());
    }
    // One order for all writers, so that two of them never wait for each other's rows. Of doubles the newest counts.
    records.sort_by(|a, b| (&a.code, &a.county).cmp(&(&b.code, &b.county)).then(b.asked_at.cmp(&a.asked_at)));
    records.dedup_by(|older, newer| (&older.code, &older.county) == (&newer.code, &newer.county));
    match conn {
        Conn::Pg(conn) => upsert_postgres(conn, &records).await,
        Conn::Lite(conn) => {
            conn.spawn_blocking(move |conn| upsert_sqlite(conn, &records)).await.map_err(Into::into)
        }
    }
}

async fn upsert_postgres(conn: &mut AsyncPgConnection, records: &[StockRecord]) -> Result<()> {
    let text = |field: fn(&StockRecord) -> Option<&str>| -> Vec<Option<&str>> {
        records.iter().map(field).collect()
    };
    let codes: Vec<&str> = records.iter().map(|record| record.code.as_str()).collect();
    let instants: Vec<At> = records.iter().map(|record| At(record.asked_at)).collect();
    // Side rows first and in the order of the codes, as in every other write.
    diesel::sql_query(
        "WITH input AS (SELECT p.id, max(u.at) AS at FROM unnest($1, $2) AS u(code, at) \
             JOIN products p ON p.product_code = u.code GROUP BY p.id, p.product_code ORDER BY p.product_code) \
         UPDATE product_sync s SET stock_at = input.at FROM input \
         WHERE s.product_id = input.id AND (s.stock_at IS NULL OR s.stock_at < input.at)",
    )
    .bind::<Array<Text>, _>(&codes)
    .bind::<Array<Instant>, _>(&instants)
    .execute(conn)
    .await?;
    diesel::sql_query(
        "INSERT INTO stock_levels AS l (product_id, county_code, stock, warehouse_code, warehouse_grade, as_of) \
         SELECT p.id, u.county, u.stock, u.warehouse, u.grade, u.at \
         FROM unnest($1, $2, $3, $4, $5, $6) AS u(code, county, stock, warehouse, grade, at) \
         JOIN products p ON p.product_code = u.code ORDER BY u.code, u.county \
         ON CONFLICT (product_id, county_code) DO UPDATE SET stock = excluded.stock, \
             warehouse_code = excluded.warehouse_code, warehouse_grade = excluded.warehouse_grade, \
             as_of = excluded.as_of WHERE l.as_of < excluded.as_of",
    )
    .bind::<Array<Text>, _>(&codes)
    .bind::<Array<Text>, _>(records.iter().map(|record| record.county.as_str()).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(records.iter().map(StockRecord::stock).collect::<Vec<_>>())
    .bind::<Array<Nullable<Text>>, _>(text(|record| record.fullest()?.code.as_deref()))
    .bind::<Array<Nullable<Text>>, _>(text(|record| record.fullest()?.grade.as_deref()))
    .bind::<Array<Instant>, _>(&instants)
    .execute(conn)
    .await?;
    Ok(())
}

fn upsert_sqlite(conn: &mut SqliteConnection, records: &[StockRecord]) -> diesel::QueryResult<()> {
    use diesel::RunQueryDsl;

    for record in records {
        let by_code = products::table.filter(products::product_code.eq(record.code.as_str()));
        let id: Option<i64> = RunQueryDsl::first(by_code.select(products::id), conn).optional()?;
        let Some(id) = id else { continue };
        let fullest = record.fullest();
        let upsert = diesel::sql_query(
            "INSERT INTO stock_levels (product_id, county_code, stock, warehouse_code, warehouse_grade, as_of) \
             VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (product_id, county_code) DO UPDATE SET stock = excluded.stock, \
                 warehouse_code = excluded.warehouse_code, warehouse_grade = excluded.warehouse_grade, \
                 as_of = excluded.as_of WHERE stock_levels.as_of < excluded.as_of",
        )
        .bind::<BigInt, _>(id)
        .bind::<Text, _>(record.county.as_str())
        .bind::<BigInt, _>(record.stock())
        .bind::<Nullable<Text>, _>(fullest.and_then(|warehouse| warehouse.code.as_deref()))
        .bind::<Nullable<Text>, _>(fullest.and_then(|warehouse| warehouse.grade.as_deref()))
        .bind::<Instant, _>(At(record.asked_at));
        RunQueryDsl::execute(upsert, conn)?;
        let touch = diesel::sql_query(
            "UPDATE product_sync SET stock_at = ?2 WHERE product_id = ?1 AND (stock_at IS NULL OR stock_at < ?2)",
        )
        .bind::<BigInt, _>(id)
        .bind::<Instant, _>(At(record.asked_at));
        RunQueryDsl::execute(touch, conn)?;
    }
    Ok(())
}
