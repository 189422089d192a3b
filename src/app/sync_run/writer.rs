//! The one writer of a run: gathers what was fetched and commits it with checkpoint and counts in one transaction, at
//! so many rows or after so much time.

mod guard;

use std::{sync::Arc, time::Instant};

use chrono::{DateTime, Utc};
use tokio::{sync::mpsc, task::JoinHandle};

use super::super::App;
use crate::{
    domain::{
        guard::Extent,
        product_changes::Origin,
        products::{CatalogueRecord, PriceRecord, ProductCode},
        stock::StockRecord,
        sync_logs::{Counts, Stage},
        sync_runs::{Checkpoint, ClaimedRun},
    },
    error::Result,
    store::{
        catalogue::{self, CatalogueBatch},
        delistings::{self, WholeListing},
        held_findings,
        poison_codes::{self, PoisonCode},
        prices,
        product_changes::{self, Changes, Newcomers},
        products, stock,
        sync_failures::{self, NewFailure},
        sync_runs,
    },
};
use guard::Gone;
pub(super) use guard::set_aside;

/// Steps of 20 to 50 rows that wait while the writer commits: enough for its next transaction.
const STEPS_AHEAD: usize = 128;
/// Products that one transaction marks as gone at most.
const DELISTED_AT_ONCE: i64 = 2_000;

/// What the fetching side found out.
#[derive(Debug)]
pub(super) enum Step {
    /// The run begins its listing anew: nothing is decided.
    StartOver,
    /// How many codes there are still to decide, beyond those handed over so far.
    Left(usize),
    /// The run moves on to another stage.
    Enter(Stage),
    /// The whole listing is handed over; what it does not hold is gone.
    Delist(WholeListing),
    /// Something to store.
    Store(Found),
    /// The run has done what was planned: what it set aside is applied, or held.
    Settle,
}

/// Records to store and codes that are decided by them.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) catalogue: Vec<CatalogueRecord>,
    pub(super) prices: Vec<PriceRecord>,
    pub(super) stock: Vec<StockRecord>,
    pub(super) failures: Vec<NewFailure>,
    /// Codes that spoil any batch they are in, and those that do so no longer.
    pub(super) poison: Vec<PoisonCode>,
    pub(super) cured: Vec<PoisonCode>,
    /// Codes that have succeeded in everything asked for.
    pub(super) success: i64,
    /// Codes first heard of.
    pub(super) known: i64,
    /// Codes up to and with this one are decided.
    pub(super) after: Option<ProductCode>,
}

impl Found {
    pub(super) fn rows(&self) -> usize {
        self.catalogue.len() + self.prices.len() + self.stock.len() + self.failures.len()
    }

    pub(super) fn absorb(&mut self, other: Self) {
        self.catalogue.extend(other.catalogue);
        self.prices.extend(other.prices);
        self.stock.extend(other.stock);
        self.failures.extend(other.failures);
        self.poison.extend(other.poison);
        self.cured.extend(other.cured);
        self.success += other.success;
        self.known += other.known;
        self.after = other.after.or(self.after.take());
    }
}

/// What a writer leaves behind.
pub(super) struct Written {
    /// Where the run stands.
    pub(super) checkpoint: Checkpoint,
    /// How far what a person must decide reaches. `None`: nothing must be decided.
    pub(super) held: Option<Extent>,
    /// Whether all that was set aside was dealt with; else the run goes on elsewhere.
    pub(super) settled: bool,
}

pub(super) struct Writer {
    app: Arc<App>,
    run: ClaimedRun,
    counts: Counts,
    planned: Option<i64>,
    checkpoint: Checkpoint,
    found: Found,
    start_over: bool,
    /// Whether products may be stored and not told yet.
    holding: bool,
    /// Whether it is known if the store was empty.
    looked: bool,
    /// Since when something waits to be written.
    dirty_since: Option<Instant>,
    /// Whether nothing is too much for this run to change.
    exempt: bool,
    held: Option<Extent>,
    settled: bool,
}

impl Writer {
    /// Starts the writer of a claimed run; it ends when the sender is dropped, or when it can write no more.
    pub(super) fn start(
        app: Arc<App>,
        run: ClaimedRun,
        counts: Counts,
        planned: Option<i64>,
        exempt: bool,
    ) -> (mpsc::Sender<Step>, JoinHandle<Result<Written>>) {
        let (sender, steps) = mpsc::channel(STEPS_AHEAD);
        let fresh =
            Checkpoint { stage: Stage::Listing, after: None, bad_pictures: 0, delisted: 0, loading: false };
        let checkpoint = run.checkpoint.clone().unwrap_or(fresh);
        let resumed = run.checkpoint.is_some();
        let writer = Self {
            app,
            run,
            counts,
            planned,
            checkpoint,
            found: Found::default(),
            start_over: false,
            holding: resumed,
            looked: false,
            dirty_since: None,
            exempt,
            held: None,
            settled: true,
        };
        (sender, tokio::spawn(writer.work(steps)))
    }

    async fn work(mut self, mut steps: mpsc::Receiver<Step>) -> Result<Written> {
        loop {
            let due = self.dirty_since.map(|since| since + self.app.runs.flush_interval);
            let step = match due {
                None => steps.recv().await,
                Some(due) => match tokio::time::timeout_at(due.into(), steps.recv()).await {
                    Ok(step) => step,
                    Err(_) => {
                        self.flush().await?;
                        continue;
                    }
                },
            };
            let Some(step) = step else { break };
            self.take(step).await?;
            if self.found.rows() >= self.app.runs.flush_rows {
                self.flush().await?;
            }
        }
        if self.dirty_since.is_some() {
            self.flush().await?;
        }
        Ok(Written { checkpoint: self.checkpoint, held: self.held, settled: self.settled })
    }

    async fn take(&mut self, step: Step) -> Result<()> {
        self.dirty_since.get_or_insert_with(Instant::now);
        match step {
            Step::StartOver => {
                self.start_over = true;
                self.counts = Counts::default();
                self.planned = None;
                // What a worker before has marked as gone stays counted, and what it has filled was empty.
                let Checkpoint { delisted, loading, .. } = self.checkpoint;
                self.checkpoint =
                    Checkpoint { stage: Stage::Listing, after: None, bad_pictures: 0, delisted, loading };
            }
            Step::Left(left) => {
                self.flush().await?;
                self.planned =
                    Some(self.counts.success + self.counts.failed + i64::try_from(left).unwrap_or(i64::MAX));
                self.dirty_since = Some(Instant::now());
            }
            Step::Enter(stage) => self.checkpoint.stage = stage,
            Step::Delist(listing) => {
                self.flush().await?;
                self.delist(&listing).await?;
            }
            Step::Store(found) => self.found.absorb(found),
            Step::Settle => {
                self.flush().await?;
                self.settle().await?;
            }
        }
        Ok(())
    }

    /// Marks what is gone, page by page, each in a transaction of its own; or sets it aside, if it is too much.
    async fn delist(&mut self, listing: &WholeListing) -> Result<()> {
        if self.run.checkpoint.is_some() {
            self.forget_held_delistings().await?;
        }
        match self.look_for_gone(listing).await? {
            Gone::Nothing => return Ok(()),
            Gone::Few => {}
            Gone::TooMany => return self.hold_delistings(listing).await,
        }
        let mut after = Some(0);
        while let Some(from) = after {
            let mut tx = self.app.store.begin().await?;
            // Without the lease nothing may be written; with it, the count is written last.
            sync_runs::checkpoint(&mut tx, &self.run, &self.checkpoint, true, self.app.lease_end()).await?;
            let mut changes = self.changes(self.app.clock.now());
            let page = delistings::mark(&mut tx, listing, from, DELISTED_AT_ONCE, &mut changes).await?;
            self.checkpoint.delisted += i64::try_from(page.delisted).unwrap_or(i64::MAX);
            sync_runs::checkpoint(&mut tx, &self.run, &self.checkpoint, true, self.app.lease_end()).await?;
            let recorded = product_changes::record(&mut tx, changes, &[]).await?;
            tx.commit().await?;
            self.app.tell_changes(&recorded);
            self.app.announce_commit();
            after = page.next;
        }
        Ok(())
    }

    /// What a transaction changes, at first nothing.
    fn changes(&self, at: DateTime<Utc>) -> Changes {
        let request = &self.run.request;
        let newcomers = if self.checkpoint.loading {
            Newcomers::Silent
        } else if request.codes.is_empty() && (request.prices || request.stock.is_some()) {
            // From a listing: prices and stock come later.
            Newcomers::Hold
        } else {
            Newcomers::Tell
        };
        let changes = Changes::new(Origin { sync_log_id: Some(self.run.log_id), at }, newcomers);
        if request.repair { changes.repairing() } else { changes }
    }

    /// Commits what has gathered. On an error nothing of it happened, and nothing more will.
    async fn flush(&mut self) -> Result<()> {
        let mut found = std::mem::take(&mut self.found);
        let committed = found.rows() > 0 || found.success > 0;
        let bad_pictures: i64 = found.catalogue.iter().map(|record| i64::from(record.bad_pictures)).sum();
        self.checkpoint.bad_pictures += bad_pictures;
        self.checkpoint.after = found.after.or(self.checkpoint.after.take());
        self.counts.success += found.success;
        let now = self.app.clock.now();
        let mut tx = self.app.store.begin().await?;
        if !found.catalogue.is_empty() && !std::mem::replace(&mut self.looked, true) {
            self.checkpoint.loading |= products::is_empty(&mut tx).await?;
        }
        // First of all that is written, checkpoint and lease, in one statement: without the lease nothing may be written.
        let lease_end = self.app.lease_end();
        sync_runs::checkpoint(&mut tx, &self.run, &self.checkpoint, committed, lease_end).await?;
        if std::mem::take(&mut self.start_over) {
            sync_failures::clear(&mut tx, self.run.log_id).await?;
            held_findings::clear(&mut tx, self.run.log_id, None).await?;
        }
        let rows = [
            ("catalogue", found.catalogue.len()),
            ("prices", found.prices.len()),
            ("stock", found.stock.len()),
        ];
        let request = &self.run.request;
        let batch = CatalogueBatch {
            records: found.catalogue,
            assign_category: request.assign_category.clone(),
            assign_brand: request.assign_brand.clone(),
            now,
        };
        let mut changes = self.changes(now);
        let decided =
            if self.holding { decided(&found.prices, &found.stock, &found.failures) } else { Vec::new() };
        catalogue::upsert(&mut tx, batch, &mut changes).await?;
        // Stock before prices: it locks the rows that the catalogue does, and all writers lock in one order.
        stock::upsert(&mut tx, found.stock, &mut changes).await?;
        if let (false, Some(limits)) = (found.prices.is_empty(), self.limits()) {
            let aside = set_aside(&mut tx, &mut found.prices, limits, self.app.clock.now()).await?;
            held_findings::insert(&mut tx, self.run.log_id, &aside).await?;
        }
        prices::upsert(&mut tx, found.prices, &mut changes).await?;
        self.holding |= changes.has_newcomers();
        poison_codes::insert(&mut tx, &found.poison).await?;
        poison_codes::delete(&mut tx, &found.cured).await?;
        if !found.failures.is_empty() {
            let (id, attempt, so_far) = (self.run.log_id, request.tried + 1, self.counts.failed);
            self.counts.failed +=
                sync_failures::append(&mut tx, id, attempt, so_far, found.failures, now).await?;
        }
        // Codes first heard of, unless the plan says it all.
        self.counts.total = self.planned.unwrap_or(self.counts.total + found.known);
        sync_runs::record_counts(&mut tx, &self.run, self.counts, self.planned).await?;
        let recorded = product_changes::record(&mut tx, changes, &decided).await?;
        tx.commit().await?;
        self.app.tell_changes(&recorded);
        for (kind, rows) in rows {
            metrics::counter!("haier_sync_rows_total", "kind" => kind).increment(rows as u64);
        }
        self.dirty_since = None;
        self.app.announce_commit();
        Ok(())
    }
}

/// Codes with which the run is done by these answers, well or badly.
fn decided(prices: &[PriceRecord], stock: &[StockRecord], failures: &[NewFailure]) -> Vec<ProductCode> {
    let well = prices.iter().map(|record| &record.code).chain(stock.iter().map(|record| &record.code));
    let badly = failures.iter().map(|failure| ProductCode::from_stored(failure.product_code.clone()));
    well.cloned().chain(badly).collect()
}
