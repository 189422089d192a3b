//! Stock now.

use std::sync::Arc;

use super::{App, Ctx};
use crate::{
    domain::{
        products::ProductCode,
        stock::{CountyCode, StockRecord},
    },
    error::{Error, Result},
    store::products,
};

impl App {
    /// Asks Haier for the stock of a product in a county now, and stores it.
    ///
    /// # Errors
    /// Without an account, when the call fails, and when neither Haier nor we know the product.
    pub async fn stock_fetch(
        self: &Arc<Self>,
        ctx: &Ctx,
        code: ProductCode,
        county: CountyCode,
    ) -> Result<StockRecord> {
        let record = self.live_stock(ctx, code, county).await?;
        // No warehouse means "none left" of a product that exists, and nothing at all of one that does not.
        if record.warehouses.is_empty() {
            let mut conn = self.store.read().await?;
            if products::known_codes(&mut conn, std::slice::from_ref(&record.code)).await?.is_empty() {
                return Err(Error::UnknownCode { code: record.code.into_string() });
            }
        }
        Ok(record)
    }
}
