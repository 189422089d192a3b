//! Writing Haier's catalogue records: content decides, and an old answer never overwrites a newer one.
//!
//! The stored hash tells whether a record differs; only then is the wide row of `products` written. What every record
//! touches is the narrow row of `product_sync`.

mod postgres;
mod sqlite;

use chrono::{DateTime, Utc};

use super::{
    Conn, Result,
    content::{self, ContentHash},
    product_changes::Changes,
};
use crate::domain::products::{CatalogueRecord, ProductCode};

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

/// Stores the records of some answers, and notes in `changes` what is other than before.
///
/// # Errors
/// When the database does not answer or refuses a value.
pub async fn upsert(conn: &mut Conn, mut batch: CatalogueBatch, changes: &mut Changes) -> Result<Written> {
    if batch.records.is_empty() {
        return Ok(Written::default());
    }
    content::in_order(&mut batch.records);
    let (run, latest) = (changes.run(), changes.latest());
    let (written, difference) = match conn {
        Conn::Pg(conn) => postgres::upsert(conn, &batch, run, latest).await?,
        Conn::Lite(conn) => {
            conn.spawn_blocking(move |conn| sqlite::upsert(conn, &batch, run, latest)).await?
        }
    };
    changes.take(difference);
    Ok(written)
}

impl CatalogueBatch {
    const fn assigns(&self) -> bool {
        self.assign_category.is_some() || self.assign_brand.is_some()
    }
}

impl content::Record for CatalogueRecord {
    fn code(&self) -> &ProductCode {
        &self.code
    }

    fn asked_at(&self) -> DateTime<Utc> {
        self.asked_at
    }

    fn content_hash(&self) -> i64 {
        let mut hash = ContentHash::default();
        for text in
            [&self.model, &self.name, &self.group, &self.brand, &self.image_url, &self.no_sales_reason]
        {
            hash.text(text.as_deref());
        }
        hash.text(self.is_sales.map(|yes| if yes { "1" } else { "0" }));
        for url in self.page_urls.iter().flatten() {
            hash.text(Some(url));
        }
        hash.text(self.page_urls.as_ref().map(|_| ""));
        hash.finish()
    }
}
