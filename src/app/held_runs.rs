//! Runs that found more than they may change by themselves: shown, approved by a run that applies what was found, or dropped.

use std::sync::Arc;

use chrono::TimeDelta;

use super::{App, Ctx, process_numbers::DRAWS, sync_logs::not_found, to_its_end};
use crate::{
    domain::{
        audit::Change,
        guard::Extent,
        held_runs::{Decision, HeldFinding, HeldRun, Verdict},
        pages::{Page, PageRequest},
        sync_logs::{SyncLog, Trigger},
        sync_runs::{NewRun, SyncRequest},
    },
    error::{Error, Result},
    store::{Tx, held_findings, held_runs, sync_logs, sync_runs},
};

/// How long it is known what became of a run.
const DECIDED_KEPT: TimeDelta = TimeDelta::days(30);

impl App {
    /// One page of the runs that wait for a person, and with `decided` of those that do not any more; newest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn held_runs_list(
        &self,
        _: &Ctx,
        decided: bool,
        page: &PageRequest<i64>,
    ) -> Result<Page<HeldRun, i64>> {
        Ok(held_runs::list(&mut self.store.read().await?, decided, page).await?)
    }

    /// One page of what a run has set aside, by code; of a run that was decided there is nothing.
    ///
    /// # Errors
    /// When the run was never held, or the database does not answer.
    pub async fn held_findings_list(
        &self,
        _: &Ctx,
        id: i64,
        page: &PageRequest<String>,
    ) -> Result<Page<HeldFinding, String>> {
        let mut conn = self.store.read().await?;
        held_runs::find(&mut conn, id).await?.ok_or_else(|| unknown(id))?;
        let findings = held_findings::list(&mut conn, id, None, page.after.as_deref(), page.size + 1).await?;
        Ok(Page::cut(findings, page.size, |finding| finding.code.as_str().to_owned()))
    }

    /// Starts a run that applies exactly what a held one has set aside; returns its log.
    ///
    /// # Errors
    /// When the run was never held or is decided already, or the database does not answer.
    pub async fn run_approve(self: &Arc<Self>, ctx: &Ctx, id: i64) -> Result<SyncLog> {
        let (app, ctx) = (Arc::clone(self), ctx.clone());
        let child = to_its_end(async move {
            let now = app.clock.now();
            let mut tx = app.store.begin().await?;
            let mut child = app.next_id(now)?;
            let mut draws = 1;
            while sync_logs::find(&mut tx, child).await?.is_some() && draws < DRAWS {
                (child, draws) = (app.next_id(now)?, draws + 1);
            }
            let held = app.decide(&mut tx, &ctx, id, Verdict::Approved, Some(child)).await?;
            let asked = sync_logs::find_request(&mut tx, id).await?.unwrap_or_default();
            let SyncRequest { prices, tried, .. } = asked;
            let run = NewRun {
                log_id: child,
                sync_type: held.sync_type,
                request: SyncRequest { prices, tried, approved: true, ..SyncRequest::default() },
                trigger: Trigger::Approval,
                requested_by: ctx.caller.name.clone(),
                account: held.account,
                parent_id: Some(id),
            };
            sync_runs::insert(&mut tx, &run, now).await?;
            held_findings::hand_over(&mut tx, id, child).await?;
            let changes = vec![
                Change::to("decision", Verdict::Approved.as_str()),
                Change::to("run", child.to_string()),
            ];
            app.audit(&mut tx, &ctx, "sync.approve", &id.to_string(), changes).await?;
            tx.commit().await?;
            tracing::info!(sync_log_id = id, child, caller = %ctx.caller, "a held sync run was approved");
            app.wake.notify_one();
            app.record_held_runs().await;
            Ok(child)
        })
        .await?;
        let log = sync_logs::find(&mut self.store.read().await?, child).await?;
        log.ok_or_else(|| not_found(child))
    }

    /// Drops what a held run has set aside.
    ///
    /// # Errors
    /// When the run was never held or is decided already, or the database does not answer.
    pub async fn run_discard(self: &Arc<Self>, ctx: &Ctx, id: i64) -> Result<HeldRun> {
        let (app, ctx) = (Arc::clone(self), ctx.clone());
        to_its_end(async move {
            let mut tx = app.store.begin().await?;
            let held = app.decide(&mut tx, &ctx, id, Verdict::Discarded, None).await?;
            held_findings::clear(&mut tx, id, None).await?;
            let changes = vec![Change::to("decision", Verdict::Discarded.as_str())];
            app.audit(&mut tx, &ctx, "sync.discard", &id.to_string(), changes).await?;
            tx.commit().await?;
            tracing::info!(sync_log_id = id, caller = %ctx.caller, "what a held sync run set aside was discarded");
            app.record_held_runs().await;
            Ok(held)
        })
        .await
    }

    /// Decides a run that waits, for good; whoever comes second is told how.
    async fn decide(
        &self,
        tx: &mut Tx,
        ctx: &Ctx,
        id: i64,
        verdict: Verdict,
        successor_id: Option<i64>,
    ) -> Result<HeldRun> {
        let decision = Decision { verdict, by: ctx.caller.name.clone(), at: self.clock.now(), successor_id };
        let waited = held_runs::decide(tx, id, &decision).await?;
        let held = held_runs::find(tx, id).await?.ok_or_else(|| unknown(id))?;
        if waited {
            return Ok(held);
        }
        Err(Error::NotHeld { sync_log_id: id, why: told(held.decision.as_ref()) })
    }

    /// Drops what nobody has decided in time, and forgets what was decided long ago.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn held_runs_expire(&self) -> Result<()> {
        let now = self.clock.now();
        let overdue = held_runs::list_overdue(&mut self.store.read().await?, now).await?;
        for id in overdue {
            let mut tx = self.store.begin().await?;
            let decision =
                Decision { verdict: Verdict::Expired, by: String::new(), at: now, successor_id: None };
            if held_runs::decide(&mut tx, id, &decision).await? {
                held_findings::clear(&mut tx, id, None).await?;
                tx.commit().await?;
                tracing::warn!(
                    sync_log_id = id,
                    "what a held sync run set aside is dropped: nobody decided in time"
                );
            }
        }
        let mut tx = self.store.begin().await?;
        held_runs::forget(&mut tx, now - DECIDED_KEPT).await?;
        tx.commit().await?;
        self.record_held_runs().await;
        Ok(())
    }

    /// How many runs wait for a person.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(super) async fn held_runs_count(&self) -> Result<i64> {
        Ok(held_runs::count(&mut self.store.read().await?).await?)
    }

    /// Shows it as a metric, as far as it is known.
    pub(super) async fn record_held_runs(&self) {
        if let Ok(count) = self.held_runs_count().await {
            #[expect(clippy::cast_precision_loss, reason = "a gauge")]
            metrics::gauge!("haier_sync_runs_held").set(count as f64);
        }
    }
}

/// Says that a run waits for a person, where operators look.
pub(super) fn tell_held(id: i64, Extent { delisted, prices }: &Extent) {
    tracing::error!(
        sync_log_id = id,
        delisted = delisted.part,
        listed = delisted.of,
        prices_moved = prices.part,
        priced = prices.of,
        "a sync run is HELD: look by `haier-integration held show {id}`, then `held approve {id}` or `held discard {id}`"
    );
}

/// What became of a run, in words.
fn told(decision: Option<&Decision>) -> String {
    let Some(Decision { verdict, by, successor_id, .. }) = decision else {
        return "it is being decided; look again".to_owned();
    };
    let run = successor_id.map(|id| id.to_string()).unwrap_or_default();
    match verdict {
        Verdict::Approved => format!("{by} approved it; run {run} applies it"),
        Verdict::Discarded => format!("{by} discarded it"),
        Verdict::Expired => "nobody decided in time; run the sync again".to_owned(),
        Verdict::Superseded => format!("a later run was held in its place: decide {run}"),
    }
}

fn unknown(id: i64) -> Error {
    Error::NotFound { what: "held run", key: id.to_string() }
}
