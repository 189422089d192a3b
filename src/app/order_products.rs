//! Whether what an order wants can be ordered: products of Haier's that are on sale, as far as that can be told.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta, Utc};

use super::{App, Ctx};
use crate::{
    domain::{
        clock::latest_believable,
        orders::Order,
        products::{Product, ProductCode},
        violations::Violations,
    },
    error::{Error, Result},
    store::products,
};

/// What the shop's copy says counts for so long.
const FRESH: TimeDelta = TimeDelta::hours(24);
/// How long Haier is asked. An order is not refused because Haier is slow.
const PATIENCE: Duration = Duration::from_secs(5);
/// Where products come from that can be ordered.
const SOURCE: &str = "haier";

/// The shop's copy of some products.
pub(super) type StoredProducts = HashMap<ProductCode, Arc<Product>>;

impl App {
    /// The products of an order as they are in the shop's copy.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(super) async fn order_products_stored(&self, order: &Order) -> Result<StoredProducts> {
        self.stored(&codes(order)).await
    }

    /// Whether its products, stored like this, can be ordered. Those that are not there, or too old there, are asked of Haier
    /// once. A Haier that does not answer refuses nothing, and what an old copy says does not either.
    ///
    /// # Errors
    /// Every line whose product cannot be ordered; or when the database does not answer.
    pub(super) async fn order_products_check(
        self: &Arc<Self>,
        ctx: &Ctx,
        order: &Order,
        mut stored: StoredProducts,
    ) -> Result<()> {
        let codes = codes(order);
        let now = self.clock.now();
        let (oldest, latest) = (now - FRESH, latest_believable(now));
        let fresh = |product: &Product| {
            let is_fresh = |at: DateTime<Utc>| oldest <= at && at <= latest;
            product.delisted_at.is_none() && product.catalogue_at.is_some_and(is_fresh)
        };
        let asked: Vec<ProductCode> = codes
            .iter()
            .filter(|code| !stored.get(code).is_some_and(|product| fresh(product)))
            .cloned()
            .collect();
        // Of these it is known by now whether they are on sale.
        let mut told: BTreeSet<ProductCode> =
            codes.iter().filter(|code| !asked.contains(code)).cloned().collect();
        let mut unknown = BTreeSet::new();
        let ctx = Ctx { deadline: Some(soon(ctx)), ..ctx.clone() };
        let companion = self.order_products_companion(&asked).await?;
        let size = self.runs.batch_size.saturating_sub(companion.iter().count()).max(1);
        for batch in asked.chunks(size) {
            let together = batch.iter().chain(&companion).cloned().collect();
            match self.live_products(&ctx, together).await {
                // An answer without any record says nothing about a single product.
                Ok(answer) if answer.is_empty() => {
                    tracing::debug!("Haier answered nothing about the products of an order");
                }
                Ok(answer) => {
                    // A record that cannot be read is one all the same: Haier knows the product.
                    let known: BTreeSet<&ProductCode> = answer
                        .iter()
                        .filter_map(|record| match record {
                            Ok(record) => Some(&record.code),
                            Err(bad) => bad.code.as_ref(),
                        })
                        .collect();
                    unknown.extend(batch.iter().filter(|code| !known.contains(code)).cloned());
                    told.extend(answer.iter().flatten().map(|record| record.code.clone()));
                }
                Err(error) => tracing::debug!(%error, "products of an order could not be looked up at Haier"),
            }
        }
        if !asked.is_empty() {
            stored.extend(self.stored(&asked).await?);
        }
        let mut violations = Violations::default();
        for (index, item) in order.items.iter().enumerate() {
            let product = stored.get(&item.product_code).map(Arc::as_ref);
            let code = &item.product_code;
            if let Some(fault) = fault(product, unknown.contains(code), told.contains(code)) {
                violations.add(format!("order.items[{index}].product_code"), format!("{code} {fault}"));
            }
        }
        violations.into_result(()).map_err(Error::Invalid)
    }
}

impl App {
    /// A product that Haier had when it last listed its products, to be asked for beside others: an answer that holds neither
    /// says nothing, one that holds only this says that Haier does not know the others.
    async fn order_products_companion(&self, asked: &[ProductCode]) -> Result<Option<ProductCode>> {
        if asked.is_empty() {
            return Ok(None);
        }
        let limit = i64::try_from(asked.len()).unwrap_or(i64::MAX - 1) + 1;
        let listed = products::list_codes(&mut self.store.read().await?, None, None, None, limit).await?;
        Ok(listed.into_iter().find(|code| !asked.contains(code)))
    }
}

/// Those of the lines, each once.
fn codes(order: &Order) -> Vec<ProductCode> {
    let codes: BTreeSet<&ProductCode> = order.items.iter().map(|item| &item.product_code).collect();
    codes.into_iter().cloned().collect()
}

/// Why a product cannot be ordered; whether it is on sale counts where that was `told`.
fn fault(product: Option<&Product>, unknown: bool, told: bool) -> Option<String> {
    if unknown {
        return Some("is not known to Haier".to_owned());
    }
    let product = product?;
    if product.source != SOURCE {
        return Some(format!("comes from {}, not from Haier", product.source));
    }
    if product.is_sales || !told {
        return None;
    }
    let reason = product.no_sales_reason.as_deref().unwrap_or("Haier gives no reason");
    Some(format!("is not on sale: {reason}"))
}

/// Well before the caller's own deadline.
fn soon(ctx: &Ctx) -> Instant {
    let now = Instant::now();
    let left = ctx.deadline.map_or(PATIENCE, |deadline| deadline.saturating_duration_since(now) / 2);
    now + left.min(PATIENCE)
}
