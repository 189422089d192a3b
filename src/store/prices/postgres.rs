//! Price records on PostgreSQL: whole batches by UNNEST.

use chrono::{DateTime, Utc};
use diesel::{
    QueryableByName,
    sql_types::{Array, BigInt, Bool, Nullable, Text},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl as _};

use super::Written;
use crate::{
    domain::{decimal::Money, products::PriceRecord},
    store::{
        Result,
        content::{self, Known, Record as _, StoredByCode},
        instant::{At, Instant},
        product_changes::{Difference, contents::postgres as contents},
    },
};

#[derive(QueryableByName)]
struct Inserted {
    #[diesel(sql_type = BigInt)]
    product_id: i64,
}

pub(super) async fn upsert(
    conn: &mut AsyncPgConnection,
    records: &[PriceRecord],
    run: Option<i64>,
    latest: DateTime<Utc>,
) -> Result<(Written, Difference)> {
    let stored = lock(conn, records.iter()).await?;
    let mut decision = content::decide(records, &stored, false, latest);
    let mut difference = Difference::default();
    let first = if decision.new.is_empty() { Vec::new() } else { insert(conn, &decision.new).await? };
    if !first.is_empty() {
        // The first prices of a product that this run has stored are told together with it.
        difference.after = match run {
            Some(run) => contents::first_prices(conn, &first, run).await?,
            None => contents::prices(conn, &first).await?,
        };
    }
    let inserted = first.len();
    if inserted < decision.new.len() {
        // Codes that are no products, or another writer was first: its rows are stored now, so look again and compare.
        let stored = lock(conn, decision.new.iter().copied()).await?;
        let late = content::decide(decision.new.iter().copied(), &stored, false, latest);
        decision.changed.extend(late.changed);
        decision.same.extend(late.same);
    }
    if !decision.changed.is_empty() {
        let ids: Vec<i64> = decision.changed.iter().map(|known| known.id).collect();
        difference.before = contents::prices(conn, &ids).await?;
        update(conn, &decision.changed).await?;
        difference.after.extend(contents::prices(conn, &ids).await?);
    }
    if !decision.same.is_empty() {
        touch(conn, &decision.same).await?;
    }
    let updated = decision.changed.len();
    Ok((Written { inserted, updated, unchanged: records.len() - inserted - updated }, difference))
}

/// Reads what is stored of these prices and locks it, in the order of the codes.
async fn lock(
    conn: &mut AsyncPgConnection,
    records: impl Iterator<Item = &PriceRecord>,
) -> Result<StoredByCode> {
    let rows = diesel::sql_query(
        "SELECT p.id, p.product_code, s.price_at AS asked_at, s.price_hash AS hash \
         FROM products p JOIN product_prices s ON s.product_id = p.id \
         WHERE p.product_code = ANY($1) ORDER BY p.product_code FOR UPDATE OF s",
    )
    .bind::<Array<Text>, _>(records.map(|record| record.code.as_str()).collect::<Vec<_>>())
    .load(conn)
    .await?;
    Ok(content::by_code(rows))
}

/// Inserts prices that were not there a moment ago; returns the keys of those that really were not.
async fn insert(conn: &mut AsyncPgConnection, new: &[&PriceRecord]) -> Result<Vec<i64>> {
    let columns = Columns::of(new);
    let inserted: Vec<Inserted> = diesel::sql_query(
        "INSERT INTO product_prices (product_id, price_at, price_hash, supply_price_e4, invoice_price_e4, \
             market_price_e4, rebate_money_e4, stock_rebate, rebate_policy) \
         SELECT p.id, u.at, u.hash, u.supply, u.invoice, u.market, u.money, u.rebate, u.policy \
         FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9) \
             AS u(code, at, hash, supply, invoice, market, money, rebate, policy) \
         JOIN products p ON p.product_code = u.code ON CONFLICT (product_id) DO NOTHING \
         RETURNING product_id",
    )
    .bind::<Array<Text>, _>(new.iter().map(|record| record.code.as_str()).collect::<Vec<_>>())
    .bind::<Array<Instant>, _>(new.iter().map(|record| At(record.asked_at)).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(new.iter().map(|record| record.content_hash()).collect::<Vec<_>>())
    .bind::<Array<Nullable<BigInt>>, _>(columns.supply)
    .bind::<Array<Nullable<BigInt>>, _>(columns.invoice)
    .bind::<Array<Nullable<BigInt>>, _>(columns.market)
    .bind::<Array<Nullable<BigInt>>, _>(columns.money)
    .bind::<Array<Nullable<Text>>, _>(columns.rebates)
    .bind::<Array<Nullable<Text>>, _>(columns.policies)
    .load(conn)
    .await?;
    Ok(inserted.into_iter().map(|row| row.product_id).collect())
}

async fn update(conn: &mut AsyncPgConnection, changed: &[Known<'_, PriceRecord>]) -> Result<()> {
    let records: Vec<_> = changed.iter().map(|known| known.record).collect();
    let columns = Columns::of(&records);
    diesel::sql_query(
        "UPDATE product_prices s SET price_at = u.at, price_hash = u.hash, \
             supply_price_e4 = CASE WHEN u.withdrawn THEN NULL ELSE coalesce(u.supply, s.supply_price_e4) END, \
             invoice_price_e4 = CASE WHEN u.withdrawn THEN NULL ELSE coalesce(u.invoice, s.invoice_price_e4) END, \
             market_price_e4 = CASE WHEN u.withdrawn THEN NULL ELSE coalesce(u.market, s.market_price_e4) END, \
             stock_rebate = coalesce(u.rebate, s.stock_rebate), rebate_policy = coalesce(u.policy, s.rebate_policy), \
             rebate_money_e4 = coalesce(u.money, s.rebate_money_e4) \
         FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
             AS u(id, at, hash, supply, invoice, market, money, rebate, policy, withdrawn) \
         WHERE s.product_id = u.id",
    )
    .bind::<Array<BigInt>, _>(changed.iter().map(|known| known.id).collect::<Vec<_>>())
    .bind::<Array<Instant>, _>(records.iter().map(|record| At(record.asked_at)).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(changed.iter().map(|known| known.hash).collect::<Vec<_>>())
    .bind::<Array<Nullable<BigInt>>, _>(columns.supply)
    .bind::<Array<Nullable<BigInt>>, _>(columns.invoice)
    .bind::<Array<Nullable<BigInt>>, _>(columns.market)
    .bind::<Array<Nullable<BigInt>>, _>(columns.money)
    .bind::<Array<Nullable<Text>>, _>(columns.rebates)
    .bind::<Array<Nullable<Text>>, _>(columns.policies)
    .bind::<Array<Bool>, _>(records.iter().map(|record| record.withdraws_prices()).collect::<Vec<_>>())
    .execute(conn)
    .await?;
    Ok(())
}

async fn touch(conn: &mut AsyncPgConnection, same: &[Known<'_, PriceRecord>]) -> Result<()> {
    diesel::sql_query(
        "UPDATE product_prices s SET price_at = u.at FROM unnest($1, $2) AS u(id, at) WHERE s.product_id = u.id",
    )
    .bind::<Array<BigInt>, _>(same.iter().map(|known| known.id).collect::<Vec<_>>())
    .bind::<Array<Instant>, _>(same.iter().map(|known| At(known.record.asked_at)).collect::<Vec<_>>())
    .execute(conn)
    .await?;
    Ok(())
}

/// The records turned on their side.
struct Columns<'a> {
    supply: Vec<Option<i64>>,
    invoice: Vec<Option<i64>>,
    market: Vec<Option<i64>>,
    money: Vec<Option<i64>>,
    rebates: Vec<Option<&'a str>>,
    policies: Vec<Option<&'a str>>,
}

impl<'a> Columns<'a> {
    fn of(records: &[&'a PriceRecord]) -> Self {
        let amount = |field: fn(&PriceRecord) -> Option<Money>| {
            records.iter().map(|record| field(record).map(|money| money.e4)).collect()
        };
        let text = |field: fn(&PriceRecord) -> &Option<String>| {
            records.iter().map(|record| field(record).as_deref()).collect()
        };
        Self {
            supply: amount(|record| record.supply_price),
            invoice: amount(|record| record.invoice_price),
            market: amount(|record| record.market_price),
            money: amount(|record| record.rebate_money),
            rebates: text(|record| &record.stock_rebate),
            policies: text(|record| &record.rebate_policy),
        }
    }
}
