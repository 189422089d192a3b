//! Writing stock per product and county: newer answers win.

mod postgres;
mod sqlite;

use super::{Conn, Result, product_changes::Changes};
use crate::domain::stock::{CountyCode, StockRecord};

/// Stores the stock records of some answers, and notes in `changes` what is other than before in the default county. Codes
/// that are not stored are passed over.
///
/// # Errors
/// When the database does not answer.
pub async fn upsert(conn: &mut Conn, mut records: Vec<StockRecord>, changes: &mut Changes) -> Result<()> {
    if records.is_empty() {
        return Ok(());
    }
    // One order for all writers, so that two of them never wait for each other's rows. Of doubles the newest counts.
    records.sort_by(|a, b| (&a.code, &a.county).cmp(&(&b.code, &b.county)).then(b.asked_at.cmp(&a.asked_at)));
    records.dedup_by(|older, newer| (&older.code, &older.county) == (&newer.code, &newer.county));
    let (run, latest) = (changes.run(), changes.latest());
    let difference = match conn {
        Conn::Pg(conn) => postgres::upsert(conn, &records, run, latest).await?,
        Conn::Lite(conn) => {
            conn.spawn_blocking(move |conn| sqlite::upsert(conn, &records, run, latest)).await?
        }
    };
    changes.take(difference);
    Ok(())
}

/// Whether a record is about the county whose stock is the product's.
fn is_default(record: &StockRecord) -> bool {
    record.county == CountyCode::default()
}
