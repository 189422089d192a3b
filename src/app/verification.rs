//! Comparing the stored copy with what Haier says now: the whole listing, and a sample of prices. Nothing is written; what
//! differs is repaired by a run that a person asks for. How a schedule does it is in `sync_run::compare`.

use std::sync::Arc;

use chrono::TimeDelta;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use super::{
    App, Ctx,
    sync_run::{Preview, SyncPreview},
};
use crate::{
    domain::{
        product_changes::{ChangeKind, ProductChange},
        products::ProductCode,
        reasons::Reason,
        sync_logs::SyncType,
        sync_runs::SyncRequest,
    },
    error::Result,
    store::products,
    upstream::Openplat,
};

/// Products whose prices are compared as long as nobody says otherwise.
pub const STANDARD_SAMPLE: u32 = 200;
/// Codes read at a time.
const PAGE: i64 = 5_000;

/// How the stored copy and Haier compare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// Listed products that could be read.
    pub listed: i64,
    /// Listed products that are not stored.
    pub missing: i64,
    /// Products that are stored as listed and are not.
    pub surplus: i64,
    /// Stored products that differ, those among them that are stored as delisted.
    pub differing: i64,
    /// Products whose price was asked for and came.
    pub sampled: i64,
    /// Those among them whose prices differ.
    pub prices: i64,
    /// Codes that could not be compared.
    pub failed: i64,
    /// For how long the comparison was kept waiting.
    pub waited: TimeDelta,
    /// `COMPLETED`, or why not all was compared.
    pub reason: Reason,
    /// What exactly went wrong. May be empty.
    pub detail: String,
}

impl Comparison {
    const NONE: Self = Self {
        listed: 0,
        missing: 0,
        surplus: 0,
        differing: 0,
        sampled: 0,
        prices: 0,
        failed: 0,
        waited: TimeDelta::zero(),
        reason: Reason::Completed,
        detail: String::new(),
    };

    /// How much differs.
    #[must_use]
    pub const fn differences(&self) -> i64 {
        self.missing + self.surplus + self.differing + self.prices
    }
}

/// A piece of the comparison.
#[derive(Debug, Clone, PartialEq)]
pub enum Compared {
    /// What a repair would change, and codes that fail.
    Piece(Preview),
    /// The sum of it: the last piece.
    Sum(Comparison),
}

/// A comparison under way. It ends when it is dropped.
pub struct Verification {
    app: Arc<App>,
    openplat: Arc<Openplat>,
    sample: usize,
    part: Part,
    sum: Comparison,
}

enum Part {
    Listing(SyncPreview),
    Prices(SyncPreview),
    Done,
}

impl App {
    /// Compares the stored copy with Haier's listing, and the prices of so many products taken at random.
    ///
    /// # Errors
    /// Without an account.
    pub fn catalogue_verify(self: &Arc<Self>, _: &Ctx, sample: u32) -> Result<Verification> {
        Ok(self.catalogue_verify_of(self.openplat()?, sample))
    }

    /// The same, with what this account is shown.
    pub(super) fn catalogue_verify_of(
        self: &Arc<Self>,
        openplat: Arc<Openplat>,
        sample: u32,
    ) -> Verification {
        let whole = SyncRequest::default();
        let listing = self.sync_preview_of(Arc::clone(&openplat), SyncType::Products, whole);
        Verification {
            app: Arc::clone(self),
            openplat,
            sample: usize::try_from(sample).unwrap_or(usize::MAX),
            part: Part::Listing(listing),
            sum: Comparison::NONE,
        }
    }

    /// So many codes of listed products at random, in their order.
    async fn sample_codes(&self, size: usize) -> Result<Vec<ProductCode>> {
        let mut dice = StdRng::seed_from_u64(rand::random());
        let (mut sample, mut met) = (Vec::with_capacity(size.min(PAGE as usize)), 0_usize);
        let mut after: Option<ProductCode> = None;
        if size == 0 {
            return Ok(sample);
        }
        loop {
            let mut conn = self.store.read().await?;
            let codes = products::list_codes(&mut conn, None, None, after.as_ref(), PAGE).await?;
            drop(conn);
            let Some(last) = codes.last() else { break };
            after = Some(last.clone());
            for code in codes {
                met += 1;
                // Each code met so far is in the sample with the same probability.
                if sample.len() < size {
                    sample.push(code);
                } else if let Some(place) = sample.get_mut(dice.random_range(0..met)) {
                    *place = code;
                }
            }
        }
        sample.sort_unstable();
        Ok(sample)
    }
}

impl Verification {
    /// The next piece; `None` after the sum.
    ///
    /// # Errors
    /// When the database does not answer, or this process goes down.
    pub async fn next(&mut self) -> Result<Option<Compared>> {
        let in_listing = matches!(self.part, Part::Listing(_));
        let next = match &mut self.part {
            Part::Listing(previews) | Part::Prices(previews) => previews.next().await?,
            Part::Done => return Ok(None),
        };
        let Some(preview) = next else { return Ok(None) };
        let Some(end) = &preview.end else {
            self.count(&preview.changes, in_listing);
            return Ok(Some(Compared::Piece(preview)));
        };
        self.sum.failed += preview.counts.failed;
        self.sum.waited += end.waited;
        // That a run would be held is no fault of the comparison.
        let is_whole = matches!(end.reason, Reason::Completed | Reason::Held);
        if !is_whole || !end.detail.is_empty() {
            self.sum.detail.clone_from(&end.detail);
        }
        if !is_whole {
            self.sum.reason = end.reason;
        }
        if in_listing {
            self.sum.listed = preview.counts.success;
        } else {
            self.sum.sampled = preview.counts.success;
        }
        if in_listing && is_whole {
            let codes = self.app.sample_codes(self.sample).await?;
            if !codes.is_empty() {
                let request = SyncRequest { codes, prices: true, ..SyncRequest::default() };
                let openplat = Arc::clone(&self.openplat);
                self.part = Part::Prices(self.app.sync_preview_of(openplat, SyncType::Prices, request));
                return Ok(Some(Compared::Piece(Preview { end: None, ..preview })));
            }
        }
        self.part = Part::Done;
        self.sum.tell();
        Ok(Some(Compared::Sum(self.sum.clone())))
    }

    fn count(&mut self, changes: &[ProductChange], in_listing: bool) {
        for change in changes {
            let counted = match change.kind {
                _ if !in_listing => &mut self.sum.prices,
                ChangeKind::New | ChangeKind::Loaded => &mut self.sum.missing,
                ChangeKind::Delisted => &mut self.sum.surplus,
                ChangeKind::Changed | ChangeKind::Returned => &mut self.sum.differing,
            };
            *counted += 1;
        }
    }
}

impl Comparison {
    /// Says how it came out, once, where operators look.
    fn tell(&self) {
        let Self { listed, missing, surplus, differing, sampled, prices, failed, reason, detail, .. } = self;
        for (kind, count) in
            [("missing", missing), ("surplus", surplus), ("differing", differing), ("prices", prices)]
        {
            #[expect(clippy::cast_precision_loss, reason = "a gauge")]
            metrics::gauge!("haier_catalogue_differences", "kind" => kind).set(*count as f64);
        }
        if self.differences() == 0 && *reason == Reason::Completed {
            tracing::info!(listed, sampled, failed, "the stored copy agrees with Haier's catalogue");
        } else {
            tracing::warn!(
                listed, missing, surplus, differing, sampled, prices, failed, %reason, detail,
                "the stored copy differs from Haier's catalogue, or could not be compared: `haier-integration verify` shows \
                 how, and `verify --repair` mends it"
            );
        }
    }
}
