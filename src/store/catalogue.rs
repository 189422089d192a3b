//! Writing Haier's catalogue records: content decides, and an old answer never overwrites a newer one.
//!
//! The stored hash tells whether a record differs; only then is the wide row of `products` written. What every record
//! touches is the narrow row of `product_sync`.

mod postgres;
mod sqlite;

use chrono::{DateTime, Utc};
use xxhash_rust::xxh3::Xxh3;

use super::{Conn, Result};
use crate::domain::products::CatalogueRecord;

/// Records of some answers, with what to set beside them.
#[derive(Debug, Clone)]
pub struct CatalogueBatch {
    /// The records.
    pub records: Vec<CatalogueRecord>,
    /// Category to set on all of them, for good.
    pub assign_category: Option<String>,
    /// Brand to set on all of them, for good.
    pub assign_brand: Option<String>,
    /// Now.
    pub now: DateTime<Utc>,
}

/// What a write came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    /// Rows that were not there before.
    pub inserted: usize,
    /// Rows whose content changed.
    pub updated: usize,
    /// Rows left as they were.
    pub unchanged: usize,
}

/// Stores the records of some answers.
///
/// # Errors
/// When the database does not answer or refuses a value.
pub async fn upsert(conn: &mut Conn, mut batch: CatalogueBatch) -> Result<Written> {
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

impl CatalogueBatch {
    const fn assigns(&self) -> bool {
        self.assign_category.is_some() || self.assign_brand.is_some()
    }
}

/// Hash of what an answer carried: the same bytes whichever version of this program computes it.
fn content_hash(record: &CatalogueRecord) -> i64 {
    let mut hash = ContentHash::default();
    for text in [
        &record.model,
        &record.name,
        &record.group,
        &record.brand,
        &record.image_url,
        &record.no_sales_reason,
    ] {
        hash.text(text.as_deref());
    }
    hash.text(record.is_sales.map(|yes| if yes { "1" } else { "0" }));
    for url in record.page_urls.iter().flatten() {
        hash.text(Some(url));
    }
    hash.text(record.page_urls.as_ref().map(|_| ""));
    hash.finish()
}

/// Feeds optional texts to xxh3 without ambiguity.
#[derive(Default)]
pub(super) struct ContentHash(Xxh3);

impl ContentHash {
    pub(super) fn text(&mut self, text: Option<&str>) {
        match text {
            None => self.0.update(&[0]),
            Some(text) => {
                self.0.update(&[1]);
                self.0.update(&(text.len() as u64).to_le_bytes());
                self.0.update(text.as_bytes());
            }
        }
    }

    pub(super) fn finish(&self) -> i64 {
        i64::from_le_bytes(self.0.digest().to_le_bytes())
    }
}
