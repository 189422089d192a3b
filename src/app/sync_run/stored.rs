//! A run over stored products: prices or stock only, page by page in the order of the codes.

use std::collections::HashSet;

use super::{
    End, Fetcher,
    batches::StockOf,
    writer::{Found, Step},
};
use crate::{
    domain::{clock::latest_believable, products::ProductCode, reasons::Reason},
    error::Error,
    store::{due, products, sync_failures::NewFailure},
};

/// Codes read at a time.
const PAGE: u16 = 5_000;

impl Fetcher<'_> {
    /// Prices or stock of stored products: given codes, or all of a category and brand, or all.
    pub(super) async fn by_store(&self) -> End {
        let swept = if self.run.request.codes.is_empty() { self.sweep().await } else { self.given().await };
        swept.unwrap_or_else(|end| end)
    }

    async fn given(&self) -> Result<End, End> {
        let codes = self.undecided(&self.run.request.codes);
        let mut known = Vec::with_capacity(codes.len());
        // A retry may be over as many codes as the catalogue has.
        for page in codes.chunks(usize::from(PAGE)) {
            let stored: HashSet<ProductCode> = {
                let mut conn = self.app.store.read().await.map_err(Error::from)?;
                products::known_codes(&mut conn, page).await.map_err(Error::from)?.into_iter().collect()
            };
            let (here, unknown): (Vec<_>, Vec<_>) = page.iter().partition(|code| stored.contains(code));
            known.extend(here.into_iter().cloned());
            let failures: Vec<_> = unknown.into_iter().map(|code| self.not_stored(code)).collect();
            let heard_of = i64::try_from(failures.len()).unwrap_or(i64::MAX);
            // Before the plan: a resumed run has these failures already, and would else plan them a second time.
            self.hand_over(Step::Store(Found { failures, known: heard_of, ..Found::default() })).await?;
        }
        self.hand_over(Step::Left(known.len())).await?;
        Ok(self.rest_of(&known, StockOf::All).await)
    }

    fn not_stored(&self, code: &ProductCode) -> NewFailure {
        NewFailure {
            product_code: code.as_str().to_owned(),
            stage: self.rest_stage(),
            reason: Reason::UnknownCode,
            detail: "no such product is stored; sync it first".to_owned(),
            county: self.run.request.stock.clone(),
        }
    }

    async fn sweep(&self) -> Result<End, End> {
        let latest = latest_believable(self.app.clock.now());
        let (category, brand) = (self.run.request.category.as_deref(), self.run.request.brand.as_deref());
        let mut after = self.run.checkpoint.as_ref().and_then(|checkpoint| checkpoint.after.clone());
        if after.is_none() {
            let mut conn = self.app.store.read().await.map_err(Error::from)?;
            let count = match &self.run.request.due {
                Some(due) => due::count(&mut conn, self.run.sync_type, due, latest).await,
                None => products::count(&mut conn, category, brand).await,
            };
            let count = count.map_err(Error::from)?;
            drop(conn);
            self.hand_over(Step::Left(usize::try_from(count).unwrap_or(usize::MAX))).await?;
        }
        loop {
            let mut conn = self.app.store.read().await.map_err(Error::from)?;
            let page = match &self.run.request.due {
                Some(due) => {
                    let (kind, limit) = (self.run.sync_type, PAGE.into());
                    due::list_codes(&mut conn, kind, due, after.as_ref(), limit, latest).await
                }
                None => products::list_codes(&mut conn, category, brand, after.as_ref(), PAGE.into()).await,
            };
            drop(conn);
            let codes = page.map_err(Error::from)?;
            let Some(last) = codes.last() else { return Ok(End::completed()) };
            after = Some(last.clone());
            match self.rest_of(&codes, StockOf::All).await {
                End::Ended { reason: Reason::Completed, .. } => {}
                end => return Ok(end),
            }
        }
    }
}
