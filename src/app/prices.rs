//! Prices now.

use std::{collections::HashMap, sync::Arc};

use futures_util::future::try_join_all;

use super::{App, Ctx};
use crate::{
    domain::{
        products::{PriceRecord, ProductCode},
        reasons::Reason,
    },
    error::Result,
    upstream::BadRecord,
};

/// A price that Haier answered and nobody can use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceFailure {
    /// The code asked for.
    pub code: ProductCode,
    /// `MALFORMED_ANSWER` or `PRICE_PRECISION`.
    pub reason: Reason,
    /// Which field holds what.
    pub detail: String,
}

/// What Haier answered for some codes, in the order asked.
#[derive(Debug, Default)]
pub struct LivePrices {
    /// Prices.
    pub prices: Vec<PriceRecord>,
    /// Codes Haier does not know.
    pub missing: Vec<ProductCode>,
    /// Codes whose answer cannot be used.
    pub failures: Vec<PriceFailure>,
}

impl App {
    /// Asks Haier for the prices of these codes now, and stores those of stored products.
    ///
    /// # Errors
    /// Without an account, and when any call fails as a whole.
    pub async fn prices_fetch(self: &Arc<Self>, ctx: &Ctx, codes: Vec<ProductCode>) -> Result<LivePrices> {
        let batches = codes.chunks(self.runs.batch_size).map(<[ProductCode]>::to_vec);
        let answers = try_join_all(batches.map(|batch| self.live_prices(ctx, batch))).await?;
        let mut by_code: HashMap<ProductCode, std::result::Result<PriceRecord, BadRecord>> = HashMap::new();
        for record in answers.into_iter().flatten() {
            match record {
                Ok(price) => drop(by_code.insert(price.code.clone(), Ok(price))),
                Err(BadRecord { code: Some(code), reason, detail }) => {
                    let bad = BadRecord { code: Some(code.clone()), reason, detail };
                    by_code.entry(code).or_insert(Err(bad));
                }
                Err(bad) => {
                    tracing::warn!(detail = bad.detail, "a price record without a code is passed over")
                }
            }
        }
        let mut live = LivePrices::default();
        for code in codes {
            match by_code.remove(&code) {
                Some(Ok(price)) => live.prices.push(price),
                Some(Err(bad)) => {
                    live.failures.push(PriceFailure { code, reason: bad.reason, detail: bad.detail })
                }
                None => live.missing.push(code),
            }
        }
        Ok(live)
    }
}
