//! Starting runs and watching them. The work itself is in `sync_run`.

use std::{collections::VecDeque, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::watch;

use super::{App, Ctx, process_numbers::DRAWS, sync_logs::not_found, to_its_end};
use crate::{
    domain::{
        audit::Change,
        reasons::Reason,
        sync_logs::{Stage, SyncLog, SyncStatus, SyncType, Trigger},
        sync_runs::{NewRun, SyncRequest},
    },
    error::{Error, Interrupted, Result},
    store::{self, Tx, products, sync_failures, sync_logs, sync_runs},
};

/// How often a watcher looks by itself: another replica's commits ring no bell here.
const LOOK_AGAIN: TimeDelta = TimeDelta::milliseconds(1_000);
/// A watcher hears something at least this often.
const REPEAT: TimeDelta = TimeDelta::seconds(5);
/// The span of time over which the rate is taken.
const RATE_SPAN: TimeDelta = TimeDelta::seconds(10);

/// Where a run comes from.
pub(super) struct Origin {
    pub(super) trigger: Trigger,
    /// Who asked. `None`: the service itself.
    pub(super) by: Option<Ctx>,
    pub(super) parent_id: Option<i64>,
}

/// How far a run is.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// Its log as it stands.
    pub log: SyncLog,
    /// The step it works on; `None` before it begins and after its end.
    pub stage: Option<Stage>,
    /// Whether it waits because as many runs as may are at work.
    pub waits: bool,
    /// Codes a second, lately; 0 while unknown.
    pub rate: f64,
    /// Time left at this rate.
    pub remaining: Option<TimeDelta>,
}

impl App {
    /// Stores a run and wakes the runner; returns the id of its log.
    ///
    /// # Errors
    /// Without an account, when a run over everything is under way already, or when the database does not answer.
    pub async fn sync_start(
        self: &Arc<Self>,
        ctx: &Ctx,
        kind: SyncType,
        request: SyncRequest,
    ) -> Result<i64> {
        let origin = Origin { trigger: Trigger::Caller, by: Some(ctx.clone()), parent_id: None };
        let app = Arc::clone(self);
        to_its_end(async move { app.run_insert(kind, request, origin).await }).await
    }

    /// Stores a run over exactly the codes that failed in another one, asking what that one asked for.
    ///
    /// # Errors
    /// When there is no such run, it is still open, or none of its codes failed; else as [`App::sync_start`].
    pub async fn sync_retry(self: &Arc<Self>, ctx: &Ctx, log_id: i64) -> Result<i64> {
        let parent = self.sync_log_fetch(ctx, log_id).await?;
        let nothing = |why| Error::NothingToRetry { sync_log_id: log_id, why };
        if !parent.status.is_end() {
            return Err(nothing("it is still open; watch it, or cancel it first"));
        }
        let mut conn = self.store.read().await?;
        let asked = sync_logs::find_request(&mut conn, log_id).await?;
        let codes = sync_failures::codes(&mut conn, log_id).await?;
        drop(conn);
        let asked = asked.ok_or_else(|| nothing("it is the log of no sync run"))?;
        if asked.verify.is_some() {
            return Err(nothing("it compared and wrote nothing; `verify --repair` mends what differs"));
        }
        if codes.is_empty() {
            return Err(nothing("none of its codes failed"));
        }
        let tried = asked.tried + 1;
        let request = SyncRequest {
            codes,
            category: None,
            brand: None,
            only_new: false,
            only_new_stock: false,
            due: None,
            approved: false,
            tried,
            ..asked
        };
        let origin = Origin { trigger: Trigger::Retry, by: Some(ctx.clone()), parent_id: Some(log_id) };
        let app = Arc::clone(self);
        to_its_end(async move { app.run_insert(parent.sync_type, request, origin).await }).await
    }

    /// Stores a run that makes the stored copy, with prices, what Haier's catalogue is, however much that changes: who asks
    /// for it has seen the difference.
    ///
    /// # Errors
    /// As [`App::sync_start`].
    pub async fn catalogue_repair(self: &Arc<Self>, ctx: &Ctx) -> Result<i64> {
        let origin = Origin { trigger: Trigger::Repair, by: Some(ctx.clone()), parent_id: None };
        let request = SyncRequest { prices: true, repair: true, ..SyncRequest::default() };
        let app = Arc::clone(self);
        to_its_end(async move { app.run_insert(SyncType::Products, request, origin).await }).await
    }

    /// Ends a run, whoever works on it: what is decided stays, what is in flight is dropped. An ended one stays as it is.
    ///
    /// # Errors
    /// When there is no such run, or the database does not answer.
    pub async fn sync_cancel(self: &Arc<Self>, ctx: &Ctx, log_id: i64) -> Result<SyncLog> {
        let log = self.sync_log_fetch(ctx, log_id).await?;
        if log.status.is_end() {
            return Ok(log);
        }
        let (app, by) = (Arc::clone(self), ctx.clone());
        to_its_end(async move {
            let mut tx = app.store.begin().await?;
            let Some(run) = sync_runs::seize(&mut tx, log_id).await? else { return Ok(()) };
            let changes = vec![Change::to("end_reason", Reason::Cancelled.as_str())];
            app.audit(&mut tx, &by, "sync.cancel", &log_id.to_string(), changes).await?;
            app.run_end(tx, &run, Reason::Cancelled, format!("cancelled by {}", by.caller)).await
        })
        .await?;
        self.sync_log_fetch(ctx, log_id).await
    }

    /// Stores the first full run with prices when nothing is stored and none is under way.
    pub(super) async fn sync_first_start(&self) -> Result<()> {
        if !self.upstreams.is_usable() || !products::is_empty(&mut self.store.read().await?).await? {
            return Ok(());
        }
        let request = SyncRequest { prices: true, ..SyncRequest::default() };
        let origin = Origin { trigger: Trigger::FirstStart, by: None, parent_id: None };
        match self.run_insert(SyncType::Products, request, origin).await {
            // Another replica was first, or the run of the last start goes on.
            Ok(_) | Err(Error::RunInProgress { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn run_insert(
        &self,
        sync_type: SyncType,
        request: SyncRequest,
        origin: Origin,
    ) -> Result<i64> {
        let Origin { trigger, by, parent_id } = origin;
        let requested_by = by.as_ref().map(|ctx| ctx.caller.name.clone()).unwrap_or_default();
        let account = self.openplat()?.account().name.clone();
        let now = self.clock.now();
        let log_id = self.next_id(now)?;
        let mut run = NewRun { log_id, sync_type, request, trigger, requested_by, account, parent_id };
        let mut tx = self.store.begin().await?;
        match self.run_store(&mut tx, &mut run, now).await {
            Ok(()) => {
                if let Some(ctx) = &by {
                    let action = match trigger {
                        Trigger::Retry => "sync.retry",
                        Trigger::Repair => "sync.repair",
                        _ => "sync.start",
                    };
                    self.audit(&mut tx, ctx, action, &run.log_id.to_string(), asked(&run)).await?;
                }
                tx.commit().await?;
            }
            Err(store::Error::Conflict) => {
                drop(tx);
                let mut conn = self.store.read().await?;
                let open = sync_runs::find_exclusive(&mut conn, run.sync_type.as_str()).await?;
                // None: it ended just now. To the caller that is the same as a moment ago.
                return Err(Error::RunInProgress { sync_log_id: open.unwrap_or_default() });
            }
            Err(error) => return Err(error.into()),
        }
        self.wake.notify_one();
        Ok(run.log_id)
    }

    /// Stores a run; where its id turns out to be taken it gets the next one.
    pub(super) async fn run_store(
        &self,
        tx: &mut Tx,
        run: &mut NewRun,
        now: DateTime<Utc>,
    ) -> store::Result<()> {
        for _ in 1..DRAWS {
            match sync_runs::insert(tx, run, now).await {
                Err(store::Error::IdTaken) => match self.next_id(now) {
                    Ok(id) => run.log_id = id,
                    Err(_) => return Err(store::Error::IdTaken),
                },
                outcome => return outcome,
            }
        }
        sync_runs::insert(tx, run, now).await
    }

    /// Follows a run to its end, whoever started it and whichever replica works on it.
    ///
    /// # Errors
    /// When there is no such run, or the database does not answer.
    pub async fn sync_watch(self: &Arc<Self>, ctx: &Ctx, log_id: i64) -> Result<SyncWatch> {
        let commits = self.committed.subscribe();
        self.sync_log_fetch(ctx, log_id).await?;
        Ok(SyncWatch {
            app: Arc::clone(self),
            log_id,
            commits,
            last: None,
            samples: VecDeque::new(),
            ended: false,
        })
    }

    /// Tells watchers on this replica that a run has committed something.
    pub(super) fn announce_commit(&self) {
        self.recent.outdate();
        self.committed.send_modify(|count| *count += 1);
    }
}

/// A run that is being followed.
pub struct SyncWatch {
    app: Arc<App>,
    log_id: i64,
    commits: watch::Receiver<u64>,
    last: Option<(Progress, DateTime<Utc>)>,
    samples: VecDeque<(DateTime<Utc>, i64)>,
    ended: bool,
}

impl SyncWatch {
    /// The next progress; `None` after the one that shows the end.
    ///
    /// # Errors
    /// When the database does not answer, or this process goes down.
    pub async fn next(&mut self) -> Result<Option<Progress>> {
        if self.ended {
            return Ok(None);
        }
        loop {
            self.commits.mark_unchanged();
            let progress = self.look().await?;
            let now = self.app.clock.now();
            let news =
                self.last.as_ref().is_none_or(|(last, at)| differs(last, &progress) || now - *at >= REPEAT);
            if news {
                self.ended = progress.log.status.is_end();
                self.last = Some((progress.clone(), now));
                return Ok(Some(progress));
            }
            tokio::select! {
                () = self.app.stopping.cancelled() => return Err(Error::ShuttingDown(Interrupted::Run)),
                _ = self.commits.changed() => {}
                () = self.app.clock.sleep_until(now + LOOK_AGAIN) => {}
            }
        }
    }

    async fn look(&mut self) -> Result<Progress> {
        let mut conn = self.app.store.read().await?;
        // The stage first: a run that ends in between then shows its end, not a stage gone missing.
        let stage = sync_runs::find_stage(&mut conn, self.log_id).await?;
        let log = sync_logs::find(&mut conn, self.log_id).await?.ok_or_else(|| not_found(self.log_id))?;
        let stage = stage.filter(|_| !log.status.is_end());
        let now = self.app.clock.now();
        let waits =
            log.status == SyncStatus::Pending && sync_runs::is_waiting(&mut conn, self.log_id, now).await?;
        drop(conn);
        let done = log.counts.success + log.counts.failed;
        let rate = if let (true, Some(started), Some(ended)) =
            (log.status.is_end(), log.started_at, log.completed_at)
        {
            per_second(done, ended - started)
        } else {
            self.rate(now, done)
        };
        let left = log.planned_count.map(|planned| (planned - done).max(0));
        let remaining = left.filter(|_| rate > 0.0 && !log.status.is_end()).and_then(|left| {
            #[expect(
                clippy::cast_precision_loss,
                clippy::cast_possible_truncation,
                reason = "an estimate in ms"
            )]
            TimeDelta::try_milliseconds((left as f64 / rate * 1_000.0) as i64)
        });
        Ok(Progress { log, stage, waits, rate, remaining })
    }

    fn rate(&mut self, now: DateTime<Utc>, done: i64) -> f64 {
        // Counts fall only when a run starts over; what was measured before then means nothing.
        if self.samples.back().is_some_and(|(_, before)| *before > done) {
            self.samples.clear();
        }
        self.samples.push_back((now, done));
        while self.samples.len() > 2 && self.samples.get(1).is_some_and(|(at, _)| now - *at > RATE_SPAN) {
            self.samples.pop_front();
        }
        self.samples.front().map_or(0.0, |(at, before)| per_second(done - before, now - *at))
    }
}

/// What a run was asked to do, for the audit.
fn asked(run: &NewRun) -> Vec<Change> {
    let SyncRequest { codes, category, brand, assign_category, assign_brand, prices, stock, .. } =
        &run.request;
    let codes = (!codes.is_empty()).then(|| codes.len().to_string());
    let parent = run.parent_id.map(|id| id.to_string());
    let fields = [
        ("sync_type", Some(run.sync_type.as_str().to_owned())),
        ("parent_id", parent),
        ("codes", codes),
        ("category", category.clone()),
        ("brand", brand.clone()),
        ("assign_category", assign_category.clone()),
        ("assign_brand", assign_brand.clone()),
        ("sync_prices", prices.then(|| "true".to_owned())),
        ("county_code", stock.as_ref().map(ToString::to_string)),
    ];
    fields.into_iter().filter_map(|(field, value)| Some(Change::to(field, value?))).collect()
}

fn per_second(done: i64, span: TimeDelta) -> f64 {
    let seconds = span.as_seconds_f64();
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    if seconds > 0.0 { done as f64 / seconds } else { 0.0 }
}

fn differs(last: &Progress, now: &Progress) -> bool {
    last.log != now.log || last.stage != now.stage || last.waits != now.waits
}
