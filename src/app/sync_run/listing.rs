//! A run from the listing: the whole catalogue streams in and is stored as it comes, then prices and stock by code.

use std::collections::HashSet;

use chrono::{DateTime, Utc};

use super::{
    End, Fetcher,
    batches::StockOf,
    writer::{Found, Step},
};
use crate::{
    domain::{
        products::{CatalogueRecord, ProductCode},
        reasons::Reason,
        sync_logs::Stage,
        sync_runs::Checkpoint,
    },
    error::Error,
    store::{
        delistings::WholeListing,
        products,
        sync_failures::{self, NewFailure},
    },
    upstream::{BadRecord, ListingEvent},
};

/// Codes read at a time.
const PAGE: i64 = 5_000;

/// A listing of which so many records, and most of all so far, cannot be read is junk: reading on would only write failures.
const JUNK: usize = 1_000;

/// What the workers before have decided of a run that is resumed past its listing. The listing is another one now: a
/// code that was bad then may be good, and the other way round, and must still count once.
struct Decided {
    /// Codes up to and with this one.
    after: Option<ProductCode>,
    /// Codes that have failed, wherever they stand.
    failed: HashSet<ProductCode>,
}

impl Decided {
    fn holds(&self, code: &ProductCode) -> bool {
        self.after.as_ref().is_some_and(|after| code <= after) || self.failed.contains(code)
    }
}

/// What a listing brought.
#[derive(Default)]
struct Listed {
    /// Records of any kind.
    records: usize,
    /// When the listing was asked for, once a record says so.
    asked_at: Option<DateTime<Utc>>,
    /// Codes of records that cannot be read.
    unreadable: HashSet<ProductCode>,
    /// Records that do not even say their code.
    nameless: usize,
    /// Records that cannot be read, and what is wrong with the first of them.
    bad: usize,
    first_bad: String,
    /// Hashes of the codes that were stored before and not delisted, in a run that asks more of others.
    known: HashSet<u128>,
    /// Hashes of the codes met: a million codes themselves would be most of a run's memory.
    seen: HashSet<u128>,
    /// Codes of which more than the listing is asked for.
    left: Vec<ProductCode>,
}

impl Listed {
    /// Why the listing is not read on, if it is junk.
    fn junk(&self) -> Option<String> {
        let Self { records, bad, first_bad, .. } = self;
        (*bad > JUNK && *bad > *records / 2).then(|| {
            format!(
                "{bad} of the first {records} records of the listing cannot be read, so the rest is not read; \
                 nothing is delisted; the first one: {first_bad}"
            )
        })
    }
}

impl Fetcher<'_> {
    /// A run over the whole catalogue, or over those of a category or brand in it.
    pub(super) async fn by_listing(&self) -> End {
        // A run that was past its listing goes on where it was; the listing is asked for again either way.
        let resumed = self.run.checkpoint.clone().filter(|checkpoint| checkpoint.stage != Stage::Listing);
        match self.list_then_rest(resumed).await {
            Ok(end) | Err(end) => end,
        }
    }

    async fn list_then_rest(&self, resumed: Option<Checkpoint>) -> Result<End, End> {
        let decided = match resumed {
            Some(checkpoint) => Some(self.decided(checkpoint).await?),
            None => {
                self.hand_over(Step::StartOver).await?;
                None
            }
        };
        let mut listed = self.list(decided.as_ref()).await?;
        if listed.records == 0 {
            let detail = "Haier's catalogue holds nothing; check the customer code".to_owned();
            return Ok(End::Ended { reason: Reason::EmptyListing, detail });
        }
        let left_alone = self.delist(&mut listed).await?;
        let end = if self.wants_more() {
            listed.left.sort_unstable();
            let Listed { left: codes, known, .. } = listed;
            self.hand_over(Step::Left(codes.len())).await?;
            let stock = if self.run.request.only_new_stock { StockOf::Newer(&known) } else { StockOf::All };
            self.rest_of(&codes, stock).await
        } else {
            self.hand_over(Step::Left(0)).await?;
            End::completed()
        };
        Ok(match (end, left_alone) {
            (End::Ended { reason: reason @ Reason::Completed, .. }, Some(detail)) => {
                End::Ended { reason, detail }
            }
            (end, _) => end,
        })
    }

    /// Marks what the listing does not hold, if it was one of everything; says why where it cannot.
    async fn delist(&self, listed: &mut Listed) -> Result<Option<String>, End> {
        // Without a record that can be read there is nothing to tell an account without a catalogue from a fault.
        let (true, Some(asked_at)) = (self.run.request.is_over_everything(), listed.asked_at) else {
            return Ok(None);
        };
        if listed.nameless > 0 {
            let nameless = listed.nameless;
            return Ok(Some(format!("nothing is delisted: {nameless} records of the listing carry no code")));
        }
        let unreadable = std::mem::take(&mut listed.unreadable);
        self.hand_over(Step::Delist(WholeListing { asked_at, unreadable })).await?;
        Ok(None)
    }

    async fn decided(&self, checkpoint: Checkpoint) -> Result<Decided, End> {
        let mut conn = self.app.store.read().await.map_err(Error::from)?;
        let failed = sync_failures::codes(&mut conn, self.run.log_id).await.map_err(Error::from)?;
        Ok(Decided { after: checkpoint.after, failed: failed.into_iter().collect() })
    }

    /// Reads the listing to its end and hands its records over as they come.
    async fn list(&self, decided: Option<&Decided>) -> Result<Listed, End> {
        let mut listing = tokio::select! {
            () = self.stop.cancelled() => return Err(End::Stopped),
            listing = self.ask_listing() => listing?,
        };
        let mut listed = Listed { known: self.stored_before().await?, ..Listed::default() };
        loop {
            let event = tokio::select! {
                () = self.stop.cancelled() => return Err(End::Stopped),
                event = listing.next() => event?,
            };
            let ListingEvent::Records(records) = event else { return Ok(listed) };
            let mut found = Found::default();
            for record in records {
                self.take(record, decided, &mut listed, &mut found);
            }
            self.hand_over(Step::Store(found)).await?;
            if let Some(detail) = listed.junk() {
                return Err(End::Ended { reason: Reason::MalformedAnswer, detail });
            }
        }
    }

    fn take(
        &self,
        record: Result<CatalogueRecord, BadRecord>,
        decided: Option<&Decided>,
        listed: &mut Listed,
        found: &mut Found,
    ) {
        listed.records += 1;
        if let Err(bad) = &record {
            listed.bad += 1;
            if listed.bad == 1 {
                listed.first_bad.clone_from(&bad.detail);
            }
        }
        match &record {
            Ok(record) => listed.asked_at = listed.asked_at.or(Some(record.asked_at)),
            Err(BadRecord { code: Some(code), .. }) => drop(listed.unreadable.insert(code.clone())),
            Err(BadRecord { code: None, .. }) => listed.nameless += 1,
        }
        let record = match record {
            Ok(record) if !self.selects(&record) => return,
            Ok(record) => record,
            Err(bad) => {
                let product_code =
                    bad.code.as_ref().map_or_else(|| format!("#{}", listed.records), ToString::to_string);
                let code = ProductCode::from_stored(product_code.clone());
                let counted = decided.is_some_and(|decided| decided.holds(&code));
                if listed.seen.insert(hash(&code)) && !counted {
                    found.known += 1;
                    let BadRecord { reason, detail, .. } = bad;
                    found.failures.push(NewFailure {
                        product_code,
                        stage: Stage::Listing,
                        reason,
                        detail,
                        county: None,
                    });
                }
                return;
            }
        };
        // A doubled row counts once; the first one is as good as the second.
        if !listed.seen.insert(hash(&record.code)) {
            return;
        }
        if !self.wants_more() {
            found.success += 1;
        } else if self.run.request.only_new && listed.known.contains(&hash(&record.code)) {
            // Whoever listed before this worker has counted it.
            found.success += i64::from(decided.is_none());
        } else if decided.is_none_or(|decided| !decided.holds(&record.code)) {
            listed.left.push(record.code.clone());
        }
        if decided.is_none() {
            found.known += 1;
        }
        found.catalogue.push(record);
    }

    /// Hashes of the codes that were stored before this run, where it makes a difference.
    async fn stored_before(&self) -> Result<HashSet<u128>, End> {
        let mut known = HashSet::new();
        let loading = self.run.checkpoint.as_ref().is_some_and(|checkpoint| checkpoint.loading);
        let request = &self.run.request;
        if !(request.only_new || request.only_new_stock) || loading {
            return Ok(known);
        }
        let mut conn = self.app.store.read().await.map_err(Error::from)?;
        let mut after = None;
        loop {
            let page = products::list_stored(&mut conn, self.run.log_id, after.as_ref(), PAGE).await;
            let codes = page.map_err(Error::from)?;
            known.extend(codes.iter().map(hash));
            let Some(last) = codes.into_iter().next_back() else { return Ok(known) };
            after = Some(last);
        }
    }

    /// Whether something is asked for that the listing does not bring.
    fn wants_more(&self) -> bool {
        self.run.request.prices || self.run.request.stock.is_some()
    }

    /// Whether the run is about this record: Haier's own group and brand, both where both are asked for.
    fn selects(&self, record: &CatalogueRecord) -> bool {
        let matches = |wanted: &Option<String>, has: &Option<String>| wanted.is_none() || wanted == has;
        matches(&self.run.request.category, &record.group) && matches(&self.run.request.brand, &record.brand)
    }
}

/// Wide enough that no two codes of any catalogue share one.
pub(super) fn hash(code: &ProductCode) -> u128 {
    xxhash_rust::xxh3::xxh3_128(code.as_str().as_bytes())
}
