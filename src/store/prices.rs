//! Writing Haier's price records, by the same rules as the catalogue: content decides, newer answers win.

mod postgres;
mod sqlite;

use chrono::{DateTime, Utc};

use super::{
    Conn, Result,
    catalogue::{ContentHash, Written},
};
use crate::domain::products::PriceRecord;

/// Price records of some answers.
#[derive(Debug, Clone)]
pub struct PriceBatch {
    /// The records.
    pub records: Vec<PriceRecord>,
    /// Now.
    pub now: DateTime<Utc>,
}

/// Stores the price records of some answers. Codes that are not stored are passed over.
///
/// # Errors
/// When the database does not answer or refuses a value.
pub async fn upsert(conn: &mut Conn, mut batch: PriceBatch) -> Result<Written> {
    if batch.records.is_empty() {
        return Ok(Written::default());
    }
    // One order for all writers, so that two of them never wait for each other's rows. Of doubles the newest counts.
    batch.records.sort_by(|a, b| a.code.cmp(&b.code).then(b.asked_at.cmp(&a.asked_at)));
    batch.records.dedup_by(|older, newer| older.code == newer.code);
    match conn {
        Conn::Pg(conn) => postgres::upsert(conn, &batch).await,
        Conn::Lite(conn) => {
            conn.spawn_blocking(move |conn| sqlite::upsert(conn, &batch)).await.map_err(Into::into)
        }
    }
}

fn content_hash(record: &PriceRecord) -> i64 {
    let mut hash = ContentHash::default();
    for money in [record.supply_price, record.invoice_price, record.market_price, record.rebate_money] {
        hash.text(money.map(|money| money.e4.to_string()).as_deref());
    }
    for text in [&record.stock_rebate, &record.rebate_policy] {
        hash.text(text.as_deref());
    }
    hash.text(record.withdraws_prices().then_some("withdrawn"));
    hash.finish()
}
