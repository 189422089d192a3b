//! A run from the listing: the whole catalogue streams in and is stored as it comes, then prices follow by code.

use std::collections::HashSet;

use super::{
    End, Fetcher,
    batches::BULK,
    writer::{Found, Step},
};
use crate::{
    domain::{
        products::{CatalogueRecord, ProductCode},
        reasons::Reason,
        sync_logs::Stage,
        sync_runs::Checkpoint,
    },
    store::sync_failures::NewFailure,
    upstream::{BadRecord, ListingEvent},
};

/// What a listing brought.
#[derive(Default)]
struct Listed {
    /// Records of any kind.
    records: usize,
    /// Codes met, each once.
    seen: HashSet<ProductCode>,
    /// Codes still to be priced.
    to_price: Vec<ProductCode>,
}

impl Fetcher<'_> {
    /// A run over the whole catalogue, or over those of a category or brand in it.
    pub(super) async fn by_listing(&self) -> End {
        // A run that had begun its prices goes on with them; the listing is asked for again either way.
        let resumed = self.run.checkpoint.clone().filter(|checkpoint| checkpoint.stage == Stage::Prices);
        match self.list_then_price(resumed).await {
            Ok(end) | Err(end) => end,
        }
    }

    async fn list_then_price(&self, resumed: Option<Checkpoint>) -> Result<End, End> {
        if resumed.is_none() {
            self.hand_over(Step::StartOver).await?;
        }
        let mut listed = self.list(resumed.is_some()).await?;
        if listed.records == 0 {
            let detail = "Haier's catalogue holds nothing; check the customer code".to_owned();
            return Ok(End::Ended { reason: Reason::EmptyListing, detail });
        }
        if !self.run.request.prices {
            self.hand_over(Step::Left(0)).await?;
            return Ok(End::completed());
        }
        if let Some(after) = resumed.and_then(|checkpoint| checkpoint.after) {
            listed.to_price.retain(|code| *code > after);
        }
        listed.to_price.sort_unstable();
        let codes = std::mem::take(&mut listed.to_price);
        drop(listed);
        self.hand_over(Step::Left(codes.len())).await?;
        self.hand_over(Step::Enter(Stage::Prices)).await?;
        Ok(self.prices_of(&codes).await)
    }

    /// Reads the listing to its end and hands its records over as they come.
    async fn list(&self, resumed: bool) -> Result<Listed, End> {
        let mut listing = tokio::select! {
            () = self.stop.cancelled() => return Err(End::Stopped),
            listing = self.openplat.listing(&BULK) => listing?,
        };
        let mut listed = Listed::default();
        loop {
            let event = tokio::select! {
                () = self.stop.cancelled() => return Err(End::Stopped),
                event = listing.next() => event?,
            };
            let ListingEvent::Records(records) = event else { return Ok(listed) };
            let mut found = Found::default();
            for record in records {
                self.take(record, resumed, &mut listed, &mut found);
            }
            self.hand_over(Step::Store(found)).await?;
        }
    }

    fn take(
        &self,
        record: Result<CatalogueRecord, BadRecord>,
        resumed: bool,
        listed: &mut Listed,
        found: &mut Found,
    ) {
        listed.records += 1;
        let record = match record {
            Ok(record) if !self.selects(&record) => return,
            Ok(record) => record,
            Err(bad) => {
                let product_code =
                    bad.code.as_ref().map_or_else(|| format!("#{}", listed.records), ToString::to_string);
                let code = ProductCode::from_stored(product_code.clone());
                if listed.seen.insert(code) {
                    found.known += 1;
                    let BadRecord { reason, detail, .. } = bad;
                    found.failures.push(NewFailure { product_code, stage: Stage::Listing, reason, detail });
                }
                return;
            }
        };
        // A doubled row counts once; the first one is as good as the second.
        if !listed.seen.insert(record.code.clone()) {
            return;
        }
        if self.run.request.prices {
            listed.to_price.push(record.code.clone());
        } else {
            found.success += 1;
        }
        if !resumed {
            found.known += 1;
        }
        found.catalogue.push(record);
    }

    /// Whether the run is about this record: Haier's own group and brand, both where both are asked for.
    fn selects(&self, record: &CatalogueRecord) -> bool {
        let matches = |wanted: &Option<String>, has: &Option<String>| wanted.is_none() || wanted == has;
        matches(&self.run.request.category, &record.group) && matches(&self.run.request.brand, &record.brand)
    }
}
