//! What a run would change: asked of Haier like any run, reckoned by the very code that would write it, and rolled back.
//! Leaves no log, no entry of the feed and no row.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, Mutex},
};

use chrono::TimeDelta;
use tokio::sync::{Semaphore, mpsc};

use super::{
    App, End, Fetcher,
    listing::hash,
    waiting::WaitLog,
    writer::{Found, Step, set_aside},
};
use crate::{
    app::Ctx,
    domain::{
        guard::{Extent, Share},
        messages::EndMessage,
        product_changes::{ChangeKind, Origin, ProductChange},
        products::ProductCode,
        reasons::Reason,
        sync_logs::{Counts, Stage, SyncFailure, SyncType},
        sync_runs::{ClaimedRun, SyncRequest},
        waits::Wait,
    },
    error::{Error, Interrupted, Result},
    store::{
        catalogue::{self, CatalogueBatch},
        delistings::WholeListing,
        poison_codes, prices,
        product_changes::{self, Changes, Newcomers},
        products, stock,
        sync_failures::NewFailure,
    },
    upstream::{Openplat, Waits},
};

/// Steps that wait while a batch is reckoned.
const STEPS_AHEAD: usize = 128;
/// Messages that wait for a slow reader.
const MESSAGES_AHEAD: usize = 4;
/// Changes in a message, and failures: far below what a client takes by itself.
const A_MESSAGE: usize = 200;
/// Codes read at a time.
const PAGE: i64 = 5_000;

/// What a run would change, piece by piece; the last piece has the end.
#[derive(Debug, Clone, PartialEq)]
pub struct Preview {
    /// The step at which the run would be. `None` at the end.
    pub stage: Option<Stage>,
    /// Its counts so far.
    pub counts: Counts,
    /// Codes planned, once known.
    pub planned: Option<i64>,
    /// What it would change; an entry's number is 0.
    pub changes: Vec<ProductChange>,
    /// Codes that fail.
    pub failures: Vec<SyncFailure>,
    /// What keeps it waiting.
    pub wait: Option<Wait>,
    /// How it would end. `None`: it goes on.
    pub end: Option<EndMessage>,
}

/// A run that is only thought through. It ends when it is dropped.
pub struct SyncPreview(mpsc::Receiver<Result<Preview>>);

impl SyncPreview {
    /// The next piece; `None` after the one with the end.
    ///
    /// # Errors
    /// When the database does not answer, or this process goes down.
    pub async fn next(&mut self) -> Result<Option<Preview>> {
        self.0.recv().await.transpose()
    }
}

impl App {
    /// Thinks a run through that is not stored.
    ///
    /// # Errors
    /// Without an account.
    pub fn sync_preview(
        self: &Arc<Self>,
        _: &Ctx,
        sync_type: SyncType,
        request: SyncRequest,
    ) -> Result<SyncPreview> {
        Ok(self.sync_preview_of(self.openplat()?, sync_type, request))
    }

    /// The same, with what this account is shown.
    pub(in crate::app) fn sync_preview_of(
        self: &Arc<Self>,
        openplat: Arc<Openplat>,
        sync_type: SyncType,
        request: SyncRequest,
    ) -> SyncPreview {
        let account = openplat.account().name.clone();
        let run =
            ClaimedRun { log_id: 0, epoch: 0, sync_type, request, checkpoint: None, account, takeovers: 0 };
        let (out, previews) = mpsc::channel(MESSAGES_AHEAD);
        let app = Arc::clone(self);
        tokio::spawn(async move {
            let told = tokio::select! {
                told = app.think_through(&run, &openplat, out.clone()) => told,
                // Nobody listens any more.
                () = out.closed() => return,
            };
            // Whoever is gone by now needs no last word.
            let _ = out.send(told).await;
        });
        SyncPreview(previews)
    }

    /// Tells all but the last piece, and returns that.
    async fn think_through(
        self: &Arc<Self>,
        run: &ClaimedRun,
        openplat: &Openplat,
        out: mpsc::Sender<Result<Preview>>,
    ) -> Result<Preview> {
        let poison = poison_codes::list(&mut self.store.read().await?).await?.into_iter().collect();
        let (steps, taken) = mpsc::channel(STEPS_AHEAD);
        let calls = Semaphore::new(self.runs.calls_in_flight);
        let waits = Waits::new(self.clock.clone(), TimeDelta::zero());
        let (stop, waits, good) = (&self.stopping, &waits, Mutex::default());
        let fetcher = Fetcher { app: self, openplat, run, poison, steps, good, calls, stop, waits };
        let reckoner = Reckoner::new(Arc::clone(self), run.clone(), out);
        // The steps' sender goes with the fetcher, so that the reckoner ends too.
        let (end, reckoner) = tokio::join!(fetcher.fetch(), reckoner.work(taken, waits));
        let reckoner = reckoner?;
        match end {
            End::Ended { reason, detail } => reckoner.last_word(reason, detail, waits.waited()).await,
            End::Stopped => Err(Error::ShuttingDown(Interrupted::DryRun)),
            End::Failed(error) => Err(error),
            End::WriterGone => Err(Error::Internal("the reckoning ended without a reason".into())),
        }
    }
}

/// Takes the place of a run's writer.
struct Reckoner {
    app: Arc<App>,
    run: ClaimedRun,
    out: mpsc::Sender<Result<Preview>>,
    stage: Stage,
    counts: Counts,
    planned: Option<i64>,
    found: Found,
    failures: BTreeMap<Reason, i64>,
    bad_pictures: i64,
    /// Hashes of the listed codes: what is stored beside them is gone.
    listed: HashSet<u128>,
    /// Products gone, and prices that move far.
    gone: i64,
    moved: i64,
    wait: Option<Wait>,
    wait_log: WaitLog,
}

impl Reckoner {
    fn new(app: Arc<App>, run: ClaimedRun, out: mpsc::Sender<Result<Preview>>) -> Self {
        Self {
            app,
            run,
            out,
            stage: Stage::Listing,
            counts: Counts::default(),
            planned: None,
            found: Found::default(),
            failures: BTreeMap::new(),
            bad_pictures: 0,
            listed: HashSet::new(),
            gone: 0,
            moved: 0,
            wait: None,
            wait_log: WaitLog::default(),
        }
    }

    async fn work(mut self, mut steps: mpsc::Receiver<Step>, waits: &Waits) -> Result<Self> {
        loop {
            let step = tokio::select! {
                step = steps.recv() => step,
                wait = waits.changed(self.wait.as_ref()) => {
                    let now = self.app.clock.now();
                    self.wait_log.note(self.run.log_id, now, wait.as_ref(), waits.waited());
                    self.wait = wait;
                    self.tell(Vec::new(), Vec::new()).await;
                    continue;
                }
            };
            let Some(step) = step else { break };
            match step {
                Step::StartOver => {}
                Step::Enter(stage) => self.stage = stage,
                Step::Left(left) => {
                    self.flush().await?;
                    let left = i64::try_from(left).unwrap_or(i64::MAX);
                    self.planned = Some(self.counts.success + self.counts.failed + left);
                }
                Step::Delist(listing) => {
                    self.flush().await?;
                    self.reckon_gone(&listing).await?;
                }
                Step::Store(found) => {
                    if self.run.request.is_over_everything() {
                        self.listed.extend(found.catalogue.iter().map(|record| hash(&record.code)));
                    }
                    self.found.absorb(found);
                    if self.found.rows() >= self.app.runs.flush_rows {
                        self.flush().await?;
                    }
                }
                Step::Settle => self.flush().await?,
            }
        }
        self.flush().await?;
        Ok(self)
    }

    /// Writes what has gathered, sees what that changes, and takes it back.
    async fn flush(&mut self) -> Result<()> {
        let mut found = std::mem::take(&mut self.found);
        let now = self.app.clock.now();
        let mut changes = Changes::new(Origin { sync_log_id: None, at: now }, Newcomers::Tell);
        let mut told = Vec::new();
        if !(found.catalogue.is_empty() && found.prices.is_empty() && found.stock.is_empty()) {
            self.bad_pictures +=
                found.catalogue.iter().map(|record| i64::from(record.bad_pictures)).sum::<i64>();
            let request = &self.run.request;
            let batch = CatalogueBatch {
                records: std::mem::take(&mut found.catalogue),
                assign_category: request.assign_category.clone(),
                assign_brand: request.assign_brand.clone(),
                now,
            };
            let mut tx = self.app.store.begin().await?;
            let far = set_aside(&mut tx, &mut found.prices, self.app.runs.guard, now).await?;
            self.moved += i64::try_from(far.len()).unwrap_or(i64::MAX);
            found.prices.extend(far.into_iter().filter_map(|finding| finding.answer));
            catalogue::upsert(&mut tx, batch, &mut changes).await?;
            stock::upsert(&mut tx, found.stock, &mut changes).await?;
            prices::upsert(&mut tx, found.prices, &mut changes).await?;
            told = product_changes::preview(&mut tx, changes).await?;
            tx.rollback().await?;
        }
        let failures = self.count_failures(found.failures);
        self.counts.success += found.success;
        self.counts.total = self.planned.unwrap_or(self.counts.total + found.known);
        self.tell(told, failures).await;
        Ok(())
    }

    fn count_failures(&mut self, failures: Vec<NewFailure>) -> Vec<SyncFailure> {
        let now = self.app.clock.now();
        let mut told = Vec::with_capacity(failures.len());
        for failure in failures {
            *self.failures.entry(failure.reason).or_default() += 1;
            self.counts.failed += 1;
            told.push(SyncFailure {
                seq: self.counts.failed,
                product_code: failure.product_code,
                stage: failure.stage,
                reason: failure.reason,
                detail: failure.detail,
                attempt: self.run.request.tried + 1,
                county_code: failure.county.map(|county| county.as_str().to_owned()).unwrap_or_default(),
                category: String::new(),
                brand: String::new(),
                created_at: now,
            });
        }
        told
    }

    /// What is stored as listed, and is not in the listing.
    async fn reckon_gone(&mut self, listing: &WholeListing) -> Result<()> {
        let origin = Origin { sync_log_id: None, at: self.app.clock.now() };
        let mut after: Option<ProductCode> = None;
        loop {
            let mut conn = self.app.store.read().await?;
            let codes = products::list_codes(&mut conn, None, None, after.as_ref(), PAGE).await?;
            drop(conn);
            let Some(last) = codes.last() else { return Ok(()) };
            after = Some(last.clone());
            let gone = codes
                .into_iter()
                .filter(|code| !self.listed.contains(&hash(code)) && !listing.unreadable.contains(code))
                .map(|code| ProductChange {
                    seq: 0,
                    kind: ChangeKind::Delisted,
                    code: Some(code),
                    changes: Vec::new(),
                    products: 0,
                    origin,
                });
            let gone: Vec<_> = gone.collect();
            self.gone += i64::try_from(gone.len()).unwrap_or(i64::MAX);
            self.tell(gone, Vec::new()).await;
        }
    }

    /// Whoever is gone is noticed by the task itself.
    async fn tell(&self, mut changes: Vec<ProductChange>, mut failures: Vec<SyncFailure>) {
        loop {
            let left = (
                changes.split_off(changes.len().min(A_MESSAGE)),
                failures.split_off(failures.len().min(A_MESSAGE)),
            );
            let preview = Preview {
                stage: Some(self.stage),
                counts: self.counts,
                planned: self.planned,
                changes,
                failures,
                wait: self.wait.clone(),
                end: None,
            };
            let _ = self.out.send(Ok(preview)).await;
            if left.0.is_empty() && left.1.is_empty() {
                return;
            }
            (changes, failures) = left;
        }
    }

    /// How the run would end: HELD, if it would find too much.
    async fn last_word(mut self, reason: Reason, detail: String, waited: TimeDelta) -> Result<Preview> {
        let extent = if reason == Reason::Completed { self.extent().await? } else { None };
        let Counts { success, failed, .. } = self.counts;
        self.counts.total = success + failed;
        let mut failures: Vec<_> = self.failures.into_iter().collect();
        failures.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let is_gone_held = extent.is_some_and(|extent: Extent| extent.delisted.part > 0);
        let end = EndMessage {
            reason: if extent.is_some() { Reason::Held } else { reason },
            success,
            failed,
            failures,
            detail,
            bad_pictures: self.bad_pictures,
            delisted: if is_gone_held { 0 } else { self.gone },
            held: extent,
            waited,
        };
        Ok(Preview {
            stage: None,
            counts: self.counts,
            planned: self.planned,
            changes: Vec::new(),
            failures: Vec::new(),
            wait: None,
            end: Some(end),
        })
    }

    async fn extent(&self) -> Result<Option<Extent>> {
        if self.gone == 0 && self.moved == 0 {
            return Ok(None);
        }
        let mut conn = self.app.store.read().await?;
        let mut delisted =
            Share { part: self.gone, of: products::count_before(&mut conn, self.run.log_id).await? };
        let mut prices =
            Share { part: self.moved, of: prices::count_before(&mut conn, self.run.log_id).await? };
        drop(conn);
        let limits = self.app.runs.guard;
        for (share, limit) in [(&mut delisted, limits.delisted), (&mut prices, limits.moved)] {
            if !share.passes(limit) {
                share.part = 0;
            }
        }
        Ok((delisted.part > 0 || prices.part > 0).then_some(Extent { delisted, prices }))
    }
}
