//! A run that writes nothing: it compares the stored copy with Haier's catalogue, and keeps what differs as failures of its log,
//! so that a person finds it there. Mending it is left to him.

use std::sync::Arc;

use super::{App, Preview};
use crate::{
    app::verification::{Compared, Comparison},
    domain::{
        product_changes::{ChangeKind, ProductChange},
        products::ProductCode,
        reasons::Reason,
        sync_logs::{Counts, Stage, SyncFailure},
        sync_runs::{Checkpoint, ClaimedRun},
    },
    error::{Error, Result},
    store::{
        sync_failures::{self, NewFailure},
        sync_runs,
    },
    upstream::Openplat,
};

impl App {
    /// Works on a claimed run that compares. One that was begun before begins anew: both sides have moved since.
    pub(super) async fn compare(
        self: &Arc<Self>,
        run: &ClaimedRun,
        openplat: Arc<Openplat>,
        sample: u32,
    ) -> Result<()> {
        let (mut differing, mut unreadable) = (0, 0);
        let waits = self.run_waits(run).await?;
        let mut wait = None;
        self.note_compared(run, None, Counts::default()).await?;
        let mut verification = self.catalogue_verify_of(openplat, sample);
        loop {
            let sum = match verification.next().await {
                Ok(Some(Compared::Sum(sum))) => sum,
                Ok(Some(Compared::Piece(mut preview))) => {
                    let now = preview.wait.take();
                    if now != wait {
                        self.run_note_wait(run, waits.waited(), now.as_ref()).await;
                        wait = now;
                    }
                    if preview.stage == Some(Stage::Listing) {
                        unreadable += i64::try_from(preview.failures.len()).unwrap_or(i64::MAX);
                    }
                    let failures = noted(preview);
                    if !failures.is_empty() {
                        let counts = Counts { total: differing, success: 0, failed: differing };
                        differing = self.note_compared(run, Some(failures), counts).await?;
                    }
                    continue;
                }
                Ok(None) => return Err(Error::Internal("the comparison ended without a sum".into())),
                Err(Error::ShuttingDown(_)) => return self.run_release(run).await,
                Err(error) => return Err(error),
            };
            let total = (sum.listed + sum.surplus + unreadable).max(differing);
            let counts = Counts { total, success: total - differing, failed: differing };
            self.note_compared(run, Some(Vec::new()), counts).await?;
            let detail = told(&sum);
            self.run_note_wait(run, waits.waited() + sum.waited, None).await;
            return self.run_end(self.store.begin().await?, run, sum.reason, detail).await;
        }
    }

    /// Stores how far a comparison is, and what more was found to differ; `None`: it begins. Returns how many codes differ.
    async fn note_compared(
        &self,
        run: &ClaimedRun,
        found: Option<Vec<NewFailure>>,
        mut counts: Counts,
    ) -> Result<i64> {
        let at =
            Checkpoint { stage: Stage::Listing, after: None, bad_pictures: 0, delisted: 0, loading: false };
        let mut tx = self.store.begin().await?;
        sync_runs::checkpoint(&mut tx, run, &at, found.is_some(), self.lease_end()).await?;
        match found {
            None => sync_failures::clear(&mut tx, run.log_id).await?,
            Some(failures) if failures.is_empty() => {}
            Some(failures) => {
                let now = self.clock.now();
                let added =
                    sync_failures::append(&mut tx, run.log_id, 1, counts.failed, failures, now).await?;
                counts.failed += added;
                counts.total += added;
            }
        }
        sync_runs::record_counts(&mut tx, run, counts, None).await?;
        tx.commit().await?;
        self.announce_commit();
        Ok(counts.failed)
    }
}

/// What a piece of the comparison leaves in the log.
fn noted(preview: Preview) -> Vec<NewFailure> {
    let stage = preview.stage.unwrap_or(Stage::Listing);
    let differing = preview.changes.iter().filter_map(|change| {
        let product_code = change.code.as_ref().map(ProductCode::to_string)?;
        Some(NewFailure {
            product_code,
            stage,
            reason: Reason::Differs,
            detail: difference(change),
            county: None,
        })
    });
    let failed = preview.failures.into_iter().map(|failure| {
        let SyncFailure { product_code, stage, reason, detail, .. } = failure;
        NewFailure { product_code, stage, reason, detail, county: None }
    });
    differing.chain(failed).collect()
}

/// One product's difference, in words.
fn difference(change: &ProductChange) -> String {
    match change.kind {
        ChangeKind::New | ChangeKind::Loaded => "Haier lists it, and it is not stored".to_owned(),
        ChangeKind::Delisted => "it is stored as listed, and Haier does not list it".to_owned(),
        ChangeKind::Returned => "it is stored as delisted, and Haier lists it".to_owned(),
        ChangeKind::Changed => {
            let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
            let fields = change.changes.iter().map(|field| {
                format!(
                    "{} is stored as {}, Haier says {}",
                    field.field,
                    shown(&field.old),
                    shown(&field.new)
                )
            });
            fields.collect::<Vec<_>>().join("; ")
        }
    }
}

/// The sum of it in words, and what a person can do.
fn told(sum: &Comparison) -> String {
    if sum.differences() == 0 {
        return sum.detail.clone();
    }
    let Comparison { missing, surplus, differing, sampled, prices, detail, .. } = sum;
    let mut text = format!(
        "{missing} missing here, {surplus} not listed any more, {differing} differ, {prices} of {sampled} prices differ; \
         `haier-integration verify --repair` mends it"
    );
    if !detail.is_empty() {
        text.push_str("; ");
        text.push_str(detail);
    }
    text
}
