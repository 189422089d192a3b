//! The feed of products: what changed in the shop's copy, and how its prices and stock came about.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{
    App, Ctx,
    feeds::{self, FeedEntry, FeedPage, FeedWatch, Place},
};
use crate::{
    domain::{
        product_changes::{ExplainedProduct, FieldHistory, ProductChange},
        products::{Product, ProductCode},
    },
    error::{Error, Result},
    store::{
        self, Conn,
        product_changes::{self, Recorded},
        product_history, products,
    },
};

impl FeedEntry for ProductChange {
    const FEED: &'static str = "products";
    const REMEDY: &'static str =
        "read the catalogue again (ListProducts), then go on from the current cursor";

    fn number(&self) -> i64 {
        self.seq
    }

    fn at(&self) -> DateTime<Utc> {
        self.origin.at
    }

    fn list(
        conn: &mut Conn,
        after: i64,
        limit: i64,
    ) -> impl Future<Output = store::Result<Vec<Self>>> + Send {
        product_changes::list(conn, after, limit)
    }

    fn head(conn: &mut Conn) -> impl Future<Output = store::Result<(i64, i64)>> + Send {
        product_changes::head(conn)
    }
}

impl App {
    /// Entries after a [`Place`], else from the oldest that is kept.
    ///
    /// # Errors
    /// When entries after it are gone, or the database does not answer.
    pub async fn product_changes_list(
        &self,
        _: &Ctx,
        after: Option<Place>,
        size: i64,
    ) -> Result<FeedPage<ProductChange>> {
        feeds::page(self, after, size).await
    }

    /// Follows the feed: after a [`Place`], else from now on.
    ///
    /// # Errors
    /// When entries after it are gone, or the database does not answer.
    pub async fn product_changes_watch(
        self: &Arc<Self>,
        _: &Ctx,
        after: Option<Place>,
    ) -> Result<FeedWatch<ProductChange>> {
        feeds::follow(self, |app| &app.product_feed, after).await
    }

    /// Reads the feed for those who follow it, until the process goes down.
    pub async fn product_feed_run(&self) {
        self.product_feed.run(self).await;
    }

    /// Removes entries that are older than they are kept.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn product_changes_trim(&self) -> Result<usize> {
        let oldest = self.clock.now() - self.changes.kept;
        let mut removed = 0;
        loop {
            let mut tx = self.store.begin().await?;
            let (some, more) = product_changes::remove_older(&mut tx, oldest).await?;
            tx.commit().await?;
            removed += some;
            if !more || self.stopping.is_cancelled() {
                return Ok(removed);
            }
        }
    }

    /// A product, and how its prices and its stock came about.
    ///
    /// # Errors
    /// When it is not stored, or the database does not answer.
    pub async fn product_explain(&self, _: &Ctx, code: ProductCode) -> Result<ExplainedProduct> {
        self.learning.settled().await;
        let mut conn = self.store.read().await?;
        let product = products::list_by_code(&mut conn, std::slice::from_ref(&code)).await?.pop();
        let found = product.zip(product_history::find(&mut conn, &code).await?);
        let Some((product, (stored, mut fields))) = found else {
            return Err(Error::NotFound { what: "product", key: code.into_string() });
        };
        let fields = values(&product).into_iter().map(|(field, value)| match fields.remove(field) {
            // The value as stored now: a write may have come between the two reads.
            Some(history) if history.value == value => history,
            Some(history) => FieldHistory { before: history.value.clone(), value, ..history },
            None => {
                let origin = value.is_some().then_some(stored);
                FieldHistory { field: field.to_owned(), value, before: None, origin }
            }
        });
        Ok(ExplainedProduct { fields: fields.collect(), product, stored })
    }

    /// Counts what was committed, and wakes those who follow.
    pub(super) fn tell_changes(&self, recorded: &Recorded) {
        for (kind, count) in recorded {
            metrics::counter!("haier_product_changes_total", "kind" => kind.as_str()).increment(*count);
        }
        if !recorded.is_empty() {
            self.product_feed.wake();
        }
    }
}

/// Prices and stock as texts.
fn values(product: &Product) -> [(&'static str, Option<String>); 7] {
    [
        ("supply_price", product.supply_price.map(|price| price.to_string())),
        ("invoice_price", product.invoice_price.map(|price| price.to_string())),
        ("market_price", product.market_price.map(|price| price.to_string())),
        ("stock_rebate", product.stock_rebate.clone()),
        ("rebate_policy", product.rebate_policy.clone()),
        ("rebate_money", product.rebate_money.map(|money| money.to_string())),
        ("stock", product.stock.as_ref().map(|level| level.stock.to_string())),
    ]
}
