//! Reading the shop's copy of the catalogue, freshened first where the caller asks for it.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;

use super::{App, Ctx};
use crate::{
    domain::{
        pages::{Page, PageRequest},
        products::{Product, ProductCode, ProductFilter},
    },
    error::Result,
    store::products,
};

/// Bytes of text at which a page ends: clients take messages of 4 MiB, and names and addresses of pictures may be long.
const MAX_PAGE_BYTES: usize = 2 << 20;

/// Stored products by code.
#[derive(Debug, Default)]
pub struct FoundProducts {
    /// Those that are stored, in the order asked.
    pub products: Vec<Arc<Product>>,
    /// Those that are not.
    pub missing: Vec<ProductCode>,
    /// Those that are older than asked for all the same.
    pub stale: Vec<ProductCode>,
}

impl App {
    /// The stored products among these codes. With `max_staleness`, those whose catalogue or prices are older are asked
    /// of Haier first; a Haier that is down makes them stale, not an error.
    ///
    /// # Errors
    /// When the database does not answer, or an age is asked for without an account.
    pub async fn products_get(
        self: &Arc<Self>,
        ctx: &Ctx,
        codes: Vec<ProductCode>,
        max_staleness: Option<TimeDelta>,
    ) -> Result<FoundProducts> {
        let mut by_code = self.stored(&codes).await?;
        let mut stale = HashSet::new();
        if let Some(max_staleness) = max_staleness {
            let oldest = self.clock.now() - max_staleness;
            let old: Vec<ProductCode> = codes
                .iter()
                .filter(|code| by_code.get(code).is_some_and(|product| product.is_older_than(oldest)))
                .cloned()
                .collect();
            if !old.is_empty() {
                self.openplat()?;
                self.freshen(ctx, &old).await;
                by_code.extend(self.stored(&old).await?);
                stale = old
                    .into_iter()
                    .filter(|code| is_older(by_code.get(code).map(Arc::as_ref), oldest))
                    .collect();
            }
        }
        let mut found = FoundProducts::default();
        for code in codes {
            match by_code.remove(&code) {
                Some(product) => found.products.push(product),
                None => found.missing.push(code.clone()),
            }
            if stale.contains(&code) {
                found.stale.push(code);
            }
        }
        Ok(found)
    }

    /// Asks Haier for catalogue and prices of these codes, at once; what fails stays as it was.
    async fn freshen(self: &Arc<Self>, ctx: &Ctx, codes: &[ProductCode]) {
        let ask = |batch: Vec<ProductCode>| async {
            // Side by side: each is stored by itself as its answer comes.
            let (catalogue, prices) =
                tokio::join!(self.live_products(ctx, batch.clone()), self.live_prices(ctx, batch));
            for error in [catalogue.err(), prices.err()].into_iter().flatten() {
                tracing::debug!(%error, "products could not be freshened");
            }
        };
        join_all(codes.chunks(self.runs.batch_size).map(<[ProductCode]>::to_vec).map(ask)).await;
    }

    pub(super) async fn stored(&self, codes: &[ProductCode]) -> Result<HashMap<ProductCode, Arc<Product>>> {
        self.learning.settled().await;
        let mut found = HashMap::with_capacity(codes.len());
        let mut unread = Vec::new();
        for code in codes {
            match self.recent.find(code) {
                Some(product) => drop(found.insert(code.clone(), product)),
                None => unread.push(code.clone()),
            }
        }
        if unread.is_empty() {
            return Ok(found);
        }
        let writes = self.recent.writes();
        let mut conn = self.store.read().await?;
        for product in products::list_by_code(&mut conn, &unread).await? {
            let product = Arc::new(product);
            self.recent.keep(writes, &product);
            found.insert(product.code.clone(), product);
        }
        Ok(found)
    }

    /// One page of the stored products that match, by code.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn products_list(
        &self,
        _: &Ctx,
        filter: &ProductFilter,
        page: &PageRequest<String>,
    ) -> Result<Page<Product, String>> {
        self.learning.settled().await;
        let mut conn = match filter.query {
            Some(_) => self.store.search().await?,
            None => self.store.read().await?,
        };
        let page = products::list(&mut conn, filter, page).await?;
        Ok(page.within(MAX_PAGE_BYTES, Product::text_bytes, |product| product.code.as_str().to_owned()))
    }
}

fn is_older(product: Option<&Product>, oldest: DateTime<Utc>) -> bool {
    product.is_some_and(|product| product.is_older_than(oldest))
}
