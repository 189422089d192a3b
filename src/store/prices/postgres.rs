//! Price records on PostgreSQL: whole batches by UNNEST.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::{
    QueryableByName,
    sql_types::{Array, BigInt, Bool, Nullable, Text},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl as _};

use super::{PriceBatch, Written, content_hash};
use crate::{
    domain::{decimal::Money, products::PriceRecord},
    store::{
        Result,
        instant::{At, Instant},
    },
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

pub(super) async fn upsert(conn: &mut AsyncPgConnection, batch: &PriceBatch) -> Result<Written> {
    let PriceBatch { records, now } = batch;
    let codes: Vec<&str> = records.iter().map(|record| record.code.as_str()).collect();
    let stored: Vec<Stored> = diesel::sql_query(
        "SELECT p.id, p.product_code, s.price_at, s.price_hash \
         FROM products p JOIN product_sync s ON s.product_id = p.id \
         WHERE p.product_code = ANY($1) ORDER BY p.product_code FOR UPDATE OF s",
    )
    .bind::<Array<Text>, _>(codes)
    .load(conn)
    .await?;
    let stored: HashMap<&str, &Stored> = stored.iter().map(|row| (row.product_code.as_str(), row)).collect();
    let (mut touched, mut changed) = (Vec::new(), Vec::new());
    for record in records {
        let Some(row) = stored.get(record.code.as_str()) else { continue };
        if row.price_at.is_none_or(|at| at.0 < record.asked_at) {
            let hash = content_hash(record);
            touched.push((row.id, hash, At(record.asked_at)));
            if row.price_hash != Some(hash) {
                changed.push((row.id, record));
            }
        }
    }
    if !changed.is_empty() {
        update(conn, &changed, *now).await?;
    }
    let (ids, hashes, instants): (Vec<i64>, Vec<i64>, Vec<At>) = touched.into_iter().collect();
    diesel::sql_query(
        "UPDATE product_sync s SET price_at = u.at, price_hash = u.hash \
         FROM unnest($1, $2, $3) AS u(id, hash, at) WHERE s.product_id = u.id",
    )
    .bind::<Array<BigInt>, _>(ids)
    .bind::<Array<BigInt>, _>(hashes)
    .bind::<Array<Instant>, _>(instants)
    .execute(conn)
    .await?;
    Ok(Written { inserted: 0, updated: changed.len(), unchanged: records.len() - changed.len() })
}

async fn update(
    conn: &mut AsyncPgConnection,
    changed: &[(i64, &PriceRecord)],
    now: DateTime<Utc>,
) -> Result<()> {
    let ids: Vec<i64> = changed.iter().map(|(id, _)| *id).collect();
    let amount = |field: fn(&PriceRecord) -> Option<Money>| -> Vec<Option<i64>> {
        changed.iter().map(|(_, record)| field(record).map(|money| money.e4)).collect()
    };
    let text = |field: fn(&PriceRecord) -> &Option<String>| -> Vec<Option<&str>> {
        changed.iter().map(|(_, record)| field(record).as_deref()).collect()
    };
    let withdrawn: Vec<bool> = changed.iter().map(|(_, record)| record.withdraws_prices()).collect();
    diesel::sql_query(
        "UPDATE products p SET \
             supply_price_e4 = CASE WHEN u.withdrawn THEN NULL ELSE coalesce(u.supply, p.supply_price_e4) END, \
             invoice_price_e4 = CASE WHEN u.withdrawn THEN NULL ELSE coalesce(u.invoice, p.invoice_price_e4) END, \
             market_price_e4 = CASE WHEN u.withdrawn THEN NULL ELSE coalesce(u.market, p.market_price_e4) END, \
             stock_rebate = coalesce(u.rebate, p.stock_rebate), rebate_policy = coalesce(u.policy, p.rebate_policy), \
             rebate_money_e4 = coalesce(u.money, p.rebate_money_e4), updated_at = $9 \
         FROM unnest($1, $2, $3, $4, $5, $6, $7, $8) \
             AS u(id, supply, invoice, market, money, rebate, policy, withdrawn) \
         WHERE p.id = u.id",
    )
    .bind::<Array<BigInt>, _>(ids)
    .bind::<Array<Nullable<BigInt>>, _>(amount(|record| record.supply_price))
    .bind::<Array<Nullable<BigInt>>, _>(amount(|record| record.invoice_price))
    .bind::<Array<Nullable<BigInt>>, _>(amount(|record| record.market_price))
    .bind::<Array<Nullable<BigInt>>, _>(amount(|record| record.rebate_money))
    .bind::<Array<Nullable<Text>>, _>(text(|record| &record.stock_rebate))
    .bind::<Array<Nullable<Text>>, _>(text(|record| &record.rebate_policy))
    .bind::<Array<Bool>, _>(withdrawn)
    .bind::<Instant, _>(At(now))
    .execute(conn)
    .await?;
    Ok(())
}
