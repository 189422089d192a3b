//! Price records on SQLite: whole batches as one JSON array, as in the catalogue.

use std::collections::HashMap;

use diesel::{
    QueryableByName, RunQueryDsl as _, SqliteConnection,
    sql_types::{BigInt, Nullable, Text},
};
use serde_json::{Value, json};

use super::{PriceBatch, Written, content_hash};
use crate::{
    domain::{decimal::Money, products::PriceRecord},
    store::instant::{At, Instant},
};

#[derive(QueryableByName)]
struct Stored {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Text)]
    product_code: String,
    #[diesel(sql_type = Nullable<Instant>)]
    price_at: Option<At>,
    #[diesel(sql_type = Nullable<BigInt>)]
    price_hash: Option<i64>,
}

pub(super) fn upsert(conn: &mut SqliteConnection, batch: &PriceBatch) -> diesel::QueryResult<Written> {
    let stored = find(conn, &batch.records)?;
    let (mut changed, mut touched) = (Vec::new(), Vec::new());
    for record in &batch.records {
        let Some(row) = stored.get(record.code.as_str()) else { continue };
        if row.price_at.is_some_and(|at| at.0 >= record.asked_at) {
            continue;
        }
        let hash = content_hash(record);
        touched.push(json!([row.id, hash, At(record.asked_at).to_text()]));
        if row.price_hash != Some(hash) {
            changed.push(with_content(row.id, record));
        }
    }
    let updated = changed.len();
    if !changed.is_empty() {
        update(conn, batch, &Value::from(changed).to_string())?;
    }
    if !touched.is_empty() {
        touch(conn, &Value::from(touched).to_string())?;
    }
    Ok(Written { inserted: 0, updated, unchanged: batch.records.len() - updated })
}

/// A row of the update's input.
fn with_content(id: i64, record: &PriceRecord) -> Value {
    let e4 = |money: Option<Money>| money.map(|money| money.e4);
    json!([
        id,
        e4(record.supply_price),
        e4(record.invoice_price),
        e4(record.market_price),
        e4(record.rebate_money),
        record.stock_rebate,
        record.rebate_policy,
        i32::from(record.withdraws_prices()),
    ])
}

fn find(
    conn: &mut SqliteConnection,
    records: &[PriceRecord],
) -> diesel::QueryResult<HashMap<String, Stored>> {
    let codes: Vec<&str> = records.iter().map(|record| record.code.as_str()).collect();
    let rows: Vec<Stored> = diesel::sql_query(
        "SELECT p.id, p.product_code, s.price_at, s.price_hash FROM json_each(?) AS j \
         JOIN products p ON p.product_code = j.value JOIN product_sync s ON s.product_id = p.id",
    )
    .bind::<Text, _>(json!(codes).to_string())
    .load(conn)?;
    Ok(rows.into_iter().map(|row| (row.product_code.clone(), row)).collect())
}

fn update(conn: &mut SqliteConnection, batch: &PriceBatch, rows: &str) -> diesel::QueryResult<()> {
    diesel::sql_query(
        "UPDATE products SET \
             supply_price_e4 = CASE WHEN j.value ->> 7 THEN NULL \
                 ELSE coalesce(j.value ->> 1, products.supply_price_e4) END, \
             invoice_price_e4 = CASE WHEN j.value ->> 7 THEN NULL \
                 ELSE coalesce(j.value ->> 2, products.invoice_price_e4) END, \
             market_price_e4 = CASE WHEN j.value ->> 7 THEN NULL \
                 ELSE coalesce(j.value ->> 3, products.market_price_e4) END, \
             rebate_money_e4 = coalesce(j.value ->> 4, products.rebate_money_e4), \
             stock_rebate = coalesce(j.value ->> 5, products.stock_rebate), \
             rebate_policy = coalesce(j.value ->> 6, products.rebate_policy), updated_at = ?2 \
         FROM json_each(?1) AS j WHERE products.id = j.value ->> 0",
    )
    .bind::<Text, _>(rows)
    .bind::<Instant, _>(At(batch.now))
    .execute(conn)?;
    Ok(())
}

fn touch(conn: &mut SqliteConnection, rows: &str) -> diesel::QueryResult<()> {
    diesel::sql_query(
        "UPDATE product_sync SET price_hash = j.value ->> 1, price_at = j.value ->> 2 \
         FROM json_each(?) AS j WHERE product_sync.product_id = j.value ->> 0",
    )
    .bind::<Text, _>(rows)
    .execute(conn)?;
    Ok(())
}
