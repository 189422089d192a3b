//! Price records on SQLite: whole batches as one JSON array, as in the catalogue.

use chrono::{DateTime, Utc};
use diesel::{
    QueryableByName, RunQueryDsl as _, SqliteConnection,
    sql_types::{BigInt, Text},
};
use serde_json::{Value, json};

use super::Written;
use crate::{
    domain::{decimal::Money, products::PriceRecord},
    store::{
        content::{self, Known, Record as _, StoredByCode},
        instant::At,
        product_changes::{Difference, contents::sqlite as contents},
    },
};

#[derive(QueryableByName)]
struct Inserted {
    #[diesel(sql_type = BigInt)]
    product_id: i64,
}

pub(super) fn upsert(
    conn: &mut SqliteConnection,
    records: &[PriceRecord],
    run: Option<i64>,
    latest: DateTime<Utc>,
) -> diesel::QueryResult<(Written, Difference)> {
    let decision = content::decide(records, &find(conn, records)?, false, latest);
    let mut difference = Difference::default();
    let mut inserted = 0;
    if !decision.new.is_empty() {
        let rows = decision
            .new
            .iter()
            .map(|record| with_content(&json!(record.code.as_str()), record, record.content_hash()));
        let first = insert(conn, &Value::from_iter(rows).to_string())?;
        inserted = first.len();
        // The first prices of a product that this run has stored are told together with it.
        difference.after = match run {
            Some(run) => contents::first_prices(conn, &first, run)?,
            None => contents::prices(conn, &first)?,
        };
    }
    if !decision.changed.is_empty() {
        let rows =
            decision.changed.iter().map(|known| with_content(&json!(known.id), known.record, known.hash));
        let ids: Vec<i64> = decision.changed.iter().map(|known| known.id).collect();
        difference.before = contents::prices(conn, &ids)?;
        update(conn, &Value::from_iter(rows).to_string())?;
        difference.after.extend(contents::prices(conn, &ids)?);
    }
    if !decision.same.is_empty() {
        touch(conn, &decision.same)?;
    }
    let updated = decision.changed.len();
    Ok((Written { inserted, updated, unchanged: records.len() - inserted - updated }, difference))
}

/// A row of a statement's input: its key, and the record's content.
fn with_content(key: &Value, record: &PriceRecord, hash: i64) -> Value {
    let e4 = |money: Option<Money>| money.map(|money| money.e4);
    json!([
        key,
        At(record.asked_at).to_text(),
        hash,
        e4(record.supply_price),
        e4(record.invoice_price),
        e4(record.market_price),
        e4(record.rebate_money),
        record.stock_rebate,
        record.rebate_policy,
        i32::from(record.withdraws_prices()),
    ])
}

fn find(conn: &mut SqliteConnection, records: &[PriceRecord]) -> diesel::QueryResult<StoredByCode> {
    let codes: Vec<&str> = records.iter().map(|record| record.code.as_str()).collect();
    let rows = diesel::sql_query(
        "SELECT p.id, p.product_code, s.price_at AS asked_at, s.price_hash AS hash FROM json_each(?) AS j \
         JOIN products p ON p.product_code = j.value JOIN product_prices s ON s.product_id = p.id",
    )
    .bind::<Text, _>(json!(codes).to_string())
    .load(conn)?;
    Ok(content::by_code(rows))
}

/// Inserts the prices of those codes that are products; returns the keys of these.
fn insert(conn: &mut SqliteConnection, rows: &str) -> diesel::QueryResult<Vec<i64>> {
    let inserted: Vec<Inserted> = diesel::sql_query(
        "INSERT INTO product_prices (product_id, price_at, price_hash, supply_price_e4, invoice_price_e4, \
             market_price_e4, rebate_money_e4, stock_rebate, rebate_policy) \
         SELECT p.id, j.value ->> 1, j.value ->> 2, j.value ->> 3, j.value ->> 4, j.value ->> 5, j.value ->> 6, \
             j.value ->> 7, j.value ->> 8 \
         FROM json_each(?) AS j JOIN products p ON p.product_code = j.value ->> 0 RETURNING product_id",
    )
    .bind::<Text, _>(rows)
    .load(conn)?;
    Ok(inserted.into_iter().map(|row| row.product_id).collect())
}

fn update(conn: &mut SqliteConnection, rows: &str) -> diesel::QueryResult<()> {
    diesel::sql_query(
        "UPDATE product_prices AS s SET price_at = j.value ->> 1, price_hash = j.value ->> 2, \
             supply_price_e4 = CASE WHEN j.value ->> 9 THEN NULL ELSE coalesce(j.value ->> 3, s.supply_price_e4) END, \
             invoice_price_e4 = CASE WHEN j.value ->> 9 THEN NULL ELSE coalesce(j.value ->> 4, s.invoice_price_e4) END, \
             market_price_e4 = CASE WHEN j.value ->> 9 THEN NULL ELSE coalesce(j.value ->> 5, s.market_price_e4) END, \
             rebate_money_e4 = coalesce(j.value ->> 6, s.rebate_money_e4), \
             stock_rebate = coalesce(j.value ->> 7, s.stock_rebate), \
             rebate_policy = coalesce(j.value ->> 8, s.rebate_policy) \
         FROM json_each(?) AS j WHERE s.product_id = j.value ->> 0",
    )
    .bind::<Text, _>(rows)
    .execute(conn)?;
    Ok(())
}

fn touch(conn: &mut SqliteConnection, same: &[Known<'_, PriceRecord>]) -> diesel::QueryResult<()> {
    let rows = same.iter().map(|known| json!([known.id, At(known.record.asked_at).to_text()]));
    diesel::sql_query(
        "UPDATE product_prices SET price_at = j.value ->> 1 \
         FROM json_each(?) AS j WHERE product_prices.product_id = j.value ->> 0",
    )
    .bind::<Text, _>(Value::from_iter(rows).to_string())
    .execute(conn)?;
    Ok(())
}
