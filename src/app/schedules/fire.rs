//! Firing: one replica for all, each slot once. What is due is read, and the run stored in the one transaction that also
//! moves the schedule on, so that a replica that dies in between has done nothing, and one that comes second does nothing.

use chrono::{DateTime, Utc};

use super::App;
use crate::{
    domain::{
        clock::latest_believable,
        schedules::{Firing, FiringOutcome, Schedule},
        sync_logs::{SyncType, Trigger},
        sync_runs::{NewRun, SyncRequest},
    },
    error::Result,
    store::{self, Conn, Tx, due, haier_configs, products, schedules, sync_runs},
};

/// Why no run is started, and the run that stands in the way if one does.
struct Skipped {
    detail: String,
    sync_log_id: Option<i64>,
}

impl Skipped {
    fn because(detail: &str) -> Self {
        Self { detail: detail.to_owned(), sync_log_id: None }
    }

    fn by(sync_log_id: i64) -> Self {
        let detail = format!("sync log {sync_log_id} of the same kind is under way");
        Self { detail, sync_log_id: Some(sync_log_id) }
    }
}

impl App {
    /// Fires what is due, unless another replica has.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn schedules_fire(&self) -> Result<()> {
        let all = schedules::list(&mut self.store.read().await?).await?;
        let now = self.clock.now();
        for schedule in all.iter().filter(|schedule| schedule.wanted.is_some() || schedule.is_due(now)) {
            self.schedule_fire(schedule, &all, now).await?;
        }
        Ok(())
    }

    async fn schedule_fire(&self, schedule: &Schedule, all: &[Schedule], now: DateTime<Utc>) -> Result<()> {
        let account = self.account_name(&mut self.store.read().await?).await?;
        let account = account.filter(|_| self.upstreams.is_usable());
        let mut after = Schedule { wanted: None, ..schedule.clone() };
        if schedule.is_due(now) {
            after.next_at = schedule.next_after(now, &self.schedules.zone);
        }
        let asked = match &account {
            None => Err(Skipped::because("no account is in use")),
            Some(_) => self.schedule_ask(schedule, all, now).await?,
        };
        if asked.is_err() && schedule.wanted.is_some() {
            // What is owed stays owed until it can be.
            return Ok(());
        }
        let mut tx = self.store.begin().await?;
        let started = match asked {
            Ok(request) => {
                let trigger = schedule.wanted.unwrap_or(Trigger::Schedule);
                self.schedule_start(&mut tx, schedule, request, trigger, account.unwrap_or_default(), now)
                    .await?
            }
            Err(skipped) => Err(skipped),
        };
        let (outcome, detail, sync_log_id) = match started {
            Ok(log_id) => (FiringOutcome::Started, String::new(), Some(log_id)),
            Err(_) if schedule.wanted.is_some() => return Ok(()),
            Err(Skipped { detail, sync_log_id }) => (FiringOutcome::Skipped, detail, sync_log_id),
        };
        after.last = Some(Firing { at: now, outcome, detail: detail.clone(), sync_log_id });
        if !schedules::update(&mut tx, &after).await? {
            // Another replica was first, or an operator has changed it; the run is rolled back with the rest.
            return Ok(());
        }
        tx.commit().await?;
        let name = schedule.name.as_str();
        metrics::counter!("haier_schedule_firings_total", "schedule" => name, "outcome" => outcome.as_str())
            .increment(1);
        tracing::info!(
            schedule = name,
            outcome = outcome.as_str(),
            sync_log_id,
            detail,
            "a schedule was due"
        );
        self.wake.notify_one();
        Ok(())
    }

    /// What a firing asks for, if there is anything to ask and nothing in the way.
    async fn schedule_ask(
        &self,
        schedule: &Schedule,
        all: &[Schedule],
        now: DateTime<Utc>,
    ) -> Result<std::result::Result<SyncRequest, Skipped>> {
        let kind = schedule.name.sync_type();
        let last = schedule.last.as_ref().and_then(|last| last.sync_log_id);
        let mut conn = self.store.read().await?;
        if let Some(before) = last
            && sync_runs::is_open(&mut conn, before).await?
        {
            return Ok(Err(Skipped::by(before)));
        }
        if let Some(open) = sync_runs::find_exclusive(&mut conn, kind.as_str()).await?
            && schedule.name.is_over_everything()
        {
            return Ok(Err(Skipped::by(open)));
        }
        if kind != SyncType::Products && products::is_empty(&mut conn).await? {
            return Ok(Err(Skipped::because("nothing is stored yet")));
        }
        drop(conn);
        let request = self.schedule_request(schedule, all, now).await?;
        if let Some(due) = &request.due
            && due::count(&mut self.store.read().await?, kind, due, latest_believable(now)).await? == 0
        {
            return Ok(Err(Skipped::because("nothing is due: all of it was asked for lately")));
        }
        Ok(Ok(request))
    }

    /// Stores the run.
    async fn schedule_start(
        &self,
        tx: &mut Tx,
        schedule: &Schedule,
        request: SyncRequest,
        trigger: Trigger,
        account: String,
        now: DateTime<Utc>,
    ) -> Result<std::result::Result<i64, Skipped>> {
        let sync_type = schedule.name.sync_type();
        let log_id = self.next_id(now)?;
        let requested_by = String::new();
        let mut run = NewRun { log_id, sync_type, request, trigger, requested_by, account, parent_id: None };
        match self.run_store(tx, &mut run, now).await {
            Ok(()) => Ok(Ok(run.log_id)),
            Err(store::Error::Conflict) => {
                let open = sync_runs::find_exclusive(tx, sync_type.as_str()).await?;
                Ok(Err(Skipped::by(open.unwrap_or_default())))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The account that calls go to, as the database says it: this replica may not have followed yet.
    async fn account_name(&self, conn: &mut Conn) -> Result<Option<String>> {
        let given = &self.upstreams.given;
        let given_name = given.account.as_ref().map(|account| account.name.clone());
        if given.over_any_other {
            return Ok(given_name);
        }
        let Some((id, _)) = haier_configs::active(conn).await? else { return Ok(given_name) };
        Ok(haier_configs::find_by_id(conn, id).await?.map(|config| config.name))
    }
}
