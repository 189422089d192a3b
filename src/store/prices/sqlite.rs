//! Price records on SQLite: single rows in a loop, inside one trip to the blocking thread and one transaction.

use diesel::{
    AsChangeset, ExpressionMethods as _, JoinOnDsl as _, OptionalExtension as _, QueryDsl as _,
    RunQueryDsl as _, SqliteConnection,
};

use super::{PriceBatch, Written, content_hash};
use crate::{
    domain::{decimal::Money, products::PriceRecord},
    store::{
        instant::At,
        schema::{product_sync, products},
    },
};

/// The outer `None` leaves a column as it is, the inner one clears it.
#[derive(AsChangeset)]
#[diesel(table_name = products)]
struct Changes<'a> {
    supply_price_e4: Option<Option<i64>>,
    invoice_price_e4: Option<Option<i64>>,
    market_price_e4: Option<Option<i64>>,
    stock_rebate: Option<&'a str>,
    rebate_policy: Option<&'a str>,
    rebate_money_e4: Option<i64>,
    updated_at: At,
}

type Stored = (i64, Option<At>, Option<i64>);

pub(super) fn upsert(conn: &mut SqliteConnection, batch: &PriceBatch) -> diesel::QueryResult<Written> {
    let mut written = Written::default();
    for record in &batch.records {
        let hash = content_hash(record);
        let stored: Option<Stored> = products::table
            .inner_join(product_sync::table.on(product_sync::product_id.eq(products::id)))
            .filter(products::product_code.eq(record.code.as_str()))
            .select((products::id, product_sync::price_at, product_sync::price_hash))
            .first(conn)
            .optional()?;
        let Some((id, price_at, price_hash)) = stored else { continue };
        if price_at.is_some_and(|at| at.0 >= record.asked_at) {
            written.unchanged += 1;
            continue;
        }
        if price_hash == Some(hash) {
            written.unchanged += 1;
        } else {
            diesel::update(products::table.find(id)).set(changes(record, At(batch.now))).execute(conn)?;
            written.updated += 1;
        }
        diesel::update(product_sync::table.find(id))
            .set((product_sync::price_at.eq(At(record.asked_at)), product_sync::price_hash.eq(hash)))
            .execute(conn)?;
    }
    Ok(written)
}

fn changes(record: &PriceRecord, updated_at: At) -> Changes<'_> {
    let withdrawn = record.withdraws_prices();
    let price = |price: Option<Money>| if withdrawn { Some(None) } else { price.map(|price| Some(price.e4)) };
    Changes {
        supply_price_e4: price(record.supply_price),
        invoice_price_e4: price(record.invoice_price),
        market_price_e4: price(record.market_price),
        stock_rebate: record.stock_rebate.as_deref(),
        rebate_policy: record.rebate_policy.as_deref(),
        rebate_money_e4: record.rebate_money.map(|money| money.e4),
        updated_at,
    }
}
