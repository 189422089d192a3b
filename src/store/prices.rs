//! Writing Haier's price records, by the same rules as the catalogue: content decides, newer answers win.

mod differing;
mod postgres;
mod sqlite;

use chrono::{DateTime, Utc};
use diesel::{BoolExpressionMethods as _, ExpressionMethods as _, JoinOnDsl as _, QueryDsl as _};
use diesel_async::RunQueryDsl as _;

use super::{
    Conn, Result,
    catalogue::Written,
    content::{self, ContentHash},
    on,
    product_changes::Changes,
    schema::{product_prices, products},
};
use crate::domain::products::{PriceRecord, ProductCode};

pub use differing::differing;

/// How many listed products have a price that this run has not brought itself.
///
/// # Errors
/// When the database does not answer.
pub async fn count_before(conn: &mut Conn, run: i64) -> Result<i64> {
    let has_one = || {
        product_prices::supply_price_e4
            .is_not_null()
            .or(product_prices::invoice_price_e4.is_not_null())
            .or(product_prices::market_price_e4.is_not_null())
    };
    Ok(on!(conn, |c| product_prices::table
        .inner_join(products::table.on(products::id.eq(product_prices::product_id)))
        .filter(products::delisted_at.is_null().and(has_one()))
        .filter(products::created_by.is_null().or(products::created_by.ne(run)))
        .count()
        .get_result(c)
        .await)?)
}

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
    let (run, latest) = (changes.run(), changes.latest());
    let (written, difference) = match conn {
        Conn::Pg(conn) => postgres::upsert(conn, &records, run, latest).await?,
        Conn::Lite(conn) => {
            conn.spawn_blocking(move |conn| sqlite::upsert(conn, &records, run, latest)).await?
        }
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
