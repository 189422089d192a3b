//! Writing Haier's price records, by the same rules as the catalogue: content decides, newer answers win.

mod postgres;
mod sqlite;

use chrono::{DateTime, Utc};

use super::{
    Conn, Result,
    catalogue::Written,
    content::{self, ContentHash},
    product_changes::Changes,
};
use crate::domain::products::{PriceRecord, ProductCode};

/// Stores the price records of some answers, and notes in `changes` what is other than before. Codes that are not stored
/// are passed over.
///
/// # Errors
/// When the database does not answer or refuses a value.
pub async fn upsert(
    conn: &mut Conn,
    mut records: Vec<PriceRecord>,
    changes: &mut Changes,
) -> Result<Written> {
    if records.is_empty() {
        return Ok(Written::default());
    }
    content::in_order(&mut records);
    let run = changes.run();
    let (written, difference) = match conn {
        Conn::Pg(conn) => postgres::upsert(conn, &records, run).await?,
        Conn::Lite(conn) => conn.spawn_blocking(move |conn| sqlite::upsert(conn, &records, run)).await?,
    };
    changes.take(difference);
    Ok(written)
}

impl content::Record for PriceRecord {
    fn code(&self) -> &ProductCode {
        &self.code
    }

    fn asked_at(&self) -> DateTime<Utc> {
        self.asked_at
    }

    fn content_hash(&self) -> i64 {
        let mut hash = ContentHash::default();
        for money in [self.supply_price, self.invoice_price, self.market_price, self.rebate_money] {
            hash.number(money.map(|money| money.e4));
        }
        for text in [&self.stock_rebate, &self.rebate_policy] {
            hash.text(text.as_deref());
        }
        hash.text(self.withdraws_prices().then_some("withdrawn"));
        hash.finish()
    }
}
