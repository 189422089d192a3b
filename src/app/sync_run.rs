//! One run of the catalogue sync: asks Haier, sorts the answers by code, and hands them to the run's one writer.
//!
//! Three shapes: by codes (batches of 20: catalogue, then what else is asked for), from the listing (the whole catalogue
//! streams in, then what else is asked for by code), and over stored products (prices or stock only). In all of them
//! codes are decided in their order, so that a resumed run goes on after the last one.

mod ask;
mod batches;
mod compare;
mod end_log;
mod listing;
mod preview;
mod stored;
mod waiting;
mod writer;

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
};

use chrono::{DateTime, Utc};
use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use super::{App, held_runs::tell_held, sync_logs::not_found};
use crate::{
    domain::{
        clock::BoxFuture,
        guard::{Extent, is_exempt},
        held_runs::{FindingKind, HeldRun},
        messages::EndMessage,
        products::ProductCode,
        reasons::Reason,
        sync_logs::{Stage, SyncLog, SyncType},
        sync_runs::ClaimedRun,
    },
    error::{Causes, Error, Result},
    store::{
        self, Tx, held_findings, held_runs,
        poison_codes::{self, PoisonCode},
        product_changes, sync_failures, sync_logs, sync_runs,
    },
    upstream::{self, Haier, Openplat, Waits},
};
use end_log::{MAX_FIRST_CODES, log_end};
pub use preview::{Preview, SyncPreview};
use writer::{Step, Writer, Written};

/// How often in a row a run is taken over from a worker that was gone before it committed a batch.
const MAX_TAKEOVERS: i64 = 5;

/// How the fetching side of a run came to its end.
enum End {
    /// For good.
    Ended { reason: Reason, detail: String },
    /// This process goes down; the run goes on elsewhere.
    Stopped,
    /// The writer is gone and knows why.
    WriterGone,
    /// The store could not be read; the run goes on when its lease ends.
    Failed(Error),
}

impl From<upstream::Error> for End {
    fn from(error: upstream::Error) -> Self {
        Self::Ended { reason: error.reason, detail: error.detail }
    }
}

impl From<Error> for End {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl End {
    const fn completed() -> Self {
        Self::Ended { reason: Reason::Completed, detail: String::new() }
    }
}

impl App {
    /// Takes the oldest run that nobody holds.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn run_claim(&self) -> Result<Option<ClaimedRun>> {
        if !self.upstreams.is_usable() {
            return Ok(None);
        }
        loop {
            let mut tx = self.store.begin().await?;
            let now = self.clock.now();
            let Some(run) = sync_runs::claim(&mut tx, &self.worker, now, self.runs.lease).await? else {
                tx.commit().await?;
                return Ok(None);
            };
            if run.takeovers <= MAX_TAKEOVERS {
                tx.commit().await?;
                self.announce_commit();
                return Ok(Some(run));
            }
            let detail =
                format!("{MAX_TAKEOVERS} workers went away one after the other without committing a batch");
            self.run_end(tx, &run, Reason::WorkerLost, detail).await?;
        }
    }

    /// Works on a claimed run until it ends, this process goes down, or the lease is lost.
    pub async fn run_execute(self: &Arc<Self>, run: ClaimedRun) {
        let resumed = run.checkpoint.is_some();
        tracing::info!(
            sync_log_id = run.log_id,
            epoch = run.epoch,
            resumed,
            account = run.account,
            "sync run begins"
        );
        let outcome = tokio::select! {
            // A run that has just ended holds no lease any more, which is no loss.
            biased;
            outcome = self.drive(&run) => outcome,
            () = self.keep_lease(&run) => Err(store::Error::LeaseLost.into()),
        };
        if let Err(error) = outcome {
            if self.is_ended(&run).await {
                tracing::info!(sync_log_id = run.log_id, "sync run was ended from outside");
                self.announce_commit();
                return;
            }
            tracing::error!(sync_log_id = run.log_id, error = %Causes(&error), "sync run left; it goes on when its lease ends");
        }
        self.announce_commit();
    }

    /// Prolongs the lease until it is lost.
    async fn keep_lease(&self, run: &ClaimedRun) {
        loop {
            self.clock.sleep_until(self.clock.now() + self.runs.heartbeat).await;
            let until = self.clock.now() + self.runs.lease;
            let beat = async {
                let mut tx = self.store.begin().await?;
                sync_runs::heartbeat(&mut tx, run, until).await?;
                tx.commit().await
            };
            match beat.await {
                Ok(()) => {}
                Err(store::Error::LeaseLost) => return,
                // The lease may still be ours when the database is back; the writer will know.
                Err(error) => {
                    tracing::warn!(sync_log_id = run.log_id, error = %Causes(&error), "no sign of life could be given")
                }
            }
        }
    }

    async fn drive(self: &Arc<Self>, run: &ClaimedRun) -> Result<()> {
        if run.request.approved {
            let (steps, writer) = self.start_writer(run).await?;
            let end = self.hand_over_approved(run, steps).await;
            return self.conclude(run, end, writer).await;
        }
        let Some(Haier { openplat, .. }) = self.upstream_of(&run.account).await? else {
            let detail = format!(
                "it began with the account {}, which is not there any more; start it anew",
                run.account
            );
            return self.run_end(self.store.begin().await?, run, Reason::NotConfigured, detail).await;
        };
        if let Some(sample) = run.request.verify {
            let compared: BoxFuture<'_, _> = Box::pin(self.compare(run, openplat, sample));
            return compared.await;
        }
        let poison = poison_codes::list(&mut self.store.read().await?).await?.into_iter().collect();
        let waits = self.run_waits(run).await?;
        let (steps, writer) = self.start_writer(run).await?;
        let fetching = async {
            let calls = Semaphore::new(self.runs.calls_in_flight);
            let (openplat, stop, waits) = (&*openplat, &self.stopping, &waits);
            let good = Mutex::default();
            Fetcher { app: self, openplat, run, poison, steps, good, calls, stop, waits }.fetch().await
        };
        // The steps' sender is gone with the fetcher, so that the writer ends too.
        let end = tokio::select! {
            end = fetching => end,
            never = Box::pin(self.record_waits(run, &waits)) => match never {},
        };
        Box::pin(self.run_note_wait(run, waits.waited(), None)).await;
        self.conclude(run, end, writer).await
    }

    async fn start_writer(
        self: &Arc<Self>,
        run: &ClaimedRun,
    ) -> Result<(mpsc::Sender<Step>, JoinHandle<Result<Written>>)> {
        let log = sync_logs::find(&mut self.store.read().await?, run.log_id).await?;
        // What it has decided before this claim. A run that must start over starts from nothing.
        let SyncLog { counts, planned_count, trigger, .. } = log.ok_or_else(|| not_found(run.log_id))?;
        Ok(Writer::start(Arc::clone(self), run.clone(), counts, planned_count, is_exempt(trigger)))
    }

    /// The one step of a run that only applies what was set aside.
    async fn hand_over_approved(&self, run: &ClaimedRun, steps: mpsc::Sender<Step>) -> End {
        let handed = async {
            let mut conn = self.store.read().await.map_err(Error::from)?;
            let mut left = 0;
            for kind in [FindingKind::Delisted, FindingKind::Price] {
                let some = held_findings::count(&mut conn, run.log_id, kind).await.map_err(Error::from)?;
                left += usize::try_from(some).unwrap_or(usize::MAX);
            }
            drop(conn);
            for step in [Step::Enter(Stage::Prices), Step::Left(left), Step::Settle] {
                steps.send(step).await.map_err(|_| End::WriterGone)?;
            }
            Ok(End::completed())
        };
        handed.await.unwrap_or_else(|end: End| end)
    }

    /// Ends a run whose fetching side is done, as soon as its writer is.
    async fn conclude(&self, run: &ClaimedRun, end: End, writer: JoinHandle<Result<Written>>) -> Result<()> {
        let Written { checkpoint, held, settled } =
            writer.await.map_err(|error| Error::Internal(Box::new(error)))??;
        match end {
            End::Ended { .. } if !settled => self.run_release(run).await,
            End::Ended { reason, detail } => {
                let run = ClaimedRun { checkpoint: Some(checkpoint), ..run.clone() };
                let tx = self.store.begin().await?;
                match held {
                    Some(extent) => self.run_end_as(tx, &run, Reason::Held, detail, Some(extent)).await,
                    None => self.run_end(tx, &run, reason, detail).await,
                }
            }
            End::Stopped => self.run_release(run).await,
            End::Failed(error) => Err(error),
            End::WriterGone => Err(Error::Internal("the writer ended without a reason".into())),
        }
    }

    /// Whether somebody else has ended the run: cancelled it, most likely.
    async fn is_ended(&self, run: &ClaimedRun) -> bool {
        let found = async { sync_logs::find(&mut self.store.read().await?, run.log_id).await };
        matches!(found.await, Ok(Some(log)) if log.status.is_end())
    }

    /// Ends a run for good with what is stored of it, and the transaction with it.
    pub(super) async fn run_end(
        &self,
        tx: Tx,
        run: &ClaimedRun,
        reason: Reason,
        detail: String,
    ) -> Result<()> {
        self.run_end_as(tx, run, reason, detail, None).await
    }

    /// The same; `held`: what it has set aside waits for a person. Else it is forgotten: the next run finds it again.
    async fn run_end_as(
        &self,
        mut tx: Tx,
        run: &ClaimedRun,
        reason: Reason,
        detail: String,
        held: Option<Extent>,
    ) -> Result<()> {
        let log = sync_logs::find(&mut tx, run.log_id).await?;
        let log = log.ok_or_else(|| not_found(run.log_id))?;
        let SyncLog { counts, waited, .. } = log;
        let end = EndMessage {
            reason,
            success: counts.success,
            failed: counts.failed,
            failures: sync_failures::count_by_reason(&mut tx, run.log_id).await?,
            detail,
            bad_pictures: run.checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.bad_pictures),
            delisted: run.checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.delisted),
            held,
            waited,
        };
        let first_codes = sync_failures::first_codes(&mut tx, run.log_id, MAX_FIRST_CODES).await?;
        let now = self.clock.now();
        sync_runs::finish(&mut tx, run, &end, now).await?;
        match held {
            Some(extent) => {
                let asked_prices = run.request.prices && !run.request.only_new;
                held_runs::insert(&mut tx, &self.held_run(run, extent, now), asked_prices).await?;
            }
            None => held_findings::clear(&mut tx, run.log_id, None).await?,
        }
        let loading = run.checkpoint.as_ref().is_some_and(|checkpoint| checkpoint.loading);
        let recorded = product_changes::record_end(&mut tx, run.log_id, loading, now).await?;
        tx.commit().await?;
        self.tell_changes(&recorded);
        log_end(&log, &end, &first_codes, now);
        if let Some(extent) = &held {
            tell_held(run.log_id, extent);
            self.record_held_runs().await;
        }
        self.announce_commit();
        Ok(())
    }

    fn held_run(&self, run: &ClaimedRun, extent: Extent, now: DateTime<Utc>) -> HeldRun {
        HeldRun {
            sync_log_id: run.log_id,
            sync_type: run.sync_type,
            account: run.account.clone(),
            over_everything: run.request.is_over_everything(),
            extent,
            held_at: now,
            expires_at: now + self.runs.held_for,
            decision: None,
        }
    }

    async fn run_release(&self, run: &ClaimedRun) -> Result<()> {
        let mut tx = self.store.begin().await?;
        sync_runs::release(&mut tx, run).await?;
        tx.commit().await?;
        tracing::info!(
            sync_log_id = run.log_id,
            "sync run checkpointed; it goes on at the next start or elsewhere"
        );
        Ok(())
    }

    fn lease_end(&self) -> DateTime<Utc> {
        self.clock.now() + self.runs.lease
    }
}

/// The fetching side of a run.
struct Fetcher<'a> {
    app: &'a Arc<App>,
    openplat: &'a Openplat,
    run: &'a ClaimedRun,
    /// Codes that spoil any batch they are in.
    poison: HashSet<PoisonCode>,
    steps: mpsc::Sender<Step>,
    /// Of each stage, a code for which Haier has answered in this run.
    good: Mutex<HashMap<Stage, ProductCode>>,
    /// One permit per call in flight.
    calls: Semaphore,
    stop: &'a CancellationToken,
    /// What keeps its calls.
    waits: &'a Waits,
}

impl<'a> Fetcher<'a> {
    /// Asks for all that the run is about, then has what was set aside dealt with. Boxed, so that the compiler proves once, and
    /// not for every caller, that this nest may move between threads.
    fn fetch(self) -> BoxFuture<'a, End> {
        Box::pin(async move {
            let end = match (self.run.sync_type, self.run.request.codes.is_empty()) {
                (SyncType::Products, true) => self.by_listing().await,
                (SyncType::Products, false) => self.by_codes().await,
                _ => self.by_store().await,
            };
            // A run that ends before its time has seen too little to judge what it set aside.
            if let End::Ended { reason: Reason::Completed, .. } = &end
                && let Err(gone) = self.hand_over(Step::Settle).await
            {
                return gone;
            }
            end
        })
    }

    /// Hands a step over; waits while the writer is behind.
    async fn hand_over(&self, step: Step) -> std::result::Result<(), End> {
        self.steps.send(step).await.map_err(|_| End::WriterGone)
    }
}
