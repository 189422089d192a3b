//! Says why a run stands still: in its log's row, so that whoever watches it on any replica sees it, and in this process's log.

use std::convert::Infallible;

use chrono::TimeDelta;

use super::{super::sync_logs::not_found, App};
use crate::{
    domain::{sync_runs::ClaimedRun, waits::Wait},
    error::Result,
    store::{self, sync_logs, sync_runs},
    upstream::Waits,
};

/// How often the time waited is stored while a run waits: a run that is cancelled or taken over meanwhile keeps it.
const STORE_EVERY: TimeDelta = TimeDelta::seconds(5);

impl App {
    /// The waits of a run, with what the workers before have waited.
    pub(super) async fn run_waits(&self, run: &ClaimedRun) -> Result<Waits> {
        let log = sync_logs::find(&mut self.store.read().await?, run.log_id).await?;
        Ok(Waits::new(self.clock.clone(), log.ok_or_else(|| not_found(run.log_id))?.waited))
    }

    /// Stores and logs each wait of a run as it begins, changes and ends.
    pub(super) async fn record_waits(&self, run: &ClaimedRun, waits: &Waits) -> Infallible {
        let mut told: Option<Wait> = None;
        loop {
            let now = tokio::select! {
                now = waits.changed(told.as_ref()) => now,
                () = self.clock.sleep_until(self.clock.now() + STORE_EVERY), if told.is_some() => told.clone(),
            };
            log_wait(run.log_id, told.as_ref(), now.as_ref(), waits.waited());
            self.run_note_wait(run, waits.waited(), now.as_ref()).await;
            told = now;
        }
    }

    /// Stores what a run waits for. Without the database it is not told: the run's writer says what is wrong.
    pub(super) async fn run_note_wait(&self, run: &ClaimedRun, waited: TimeDelta, wait: Option<&Wait>) {
        if waited.is_zero() && wait.is_none() {
            return;
        }
        let noted: store::Result<()> = async {
            let mut tx = self.store.begin().await?;
            sync_runs::heartbeat(&mut tx, run, self.lease_end()).await?;
            sync_logs::record_wait(&mut tx, run.log_id, waited, wait).await?;
            tx.commit().await
        }
        .await;
        match noted {
            Ok(()) => self.announce_commit(),
            Err(error) => {
                tracing::debug!(sync_log_id = run.log_id, %error, "what the run waits for was not stored");
            }
        }
    }
}

/// One line when a run begins to wait, or for something else, and one when it goes on. `sync_log_id` 0: it is only thought
/// through.
pub(super) fn log_wait(sync_log_id: i64, before: Option<&Wait>, now: Option<&Wait>, waited: TimeDelta) {
    let waited = waited.to_std().unwrap_or_default();
    match (before, now) {
        (None, None) => {}
        (Some(before), Some(now)) if (before.reason, before.since) == (now.reason, now.since) => {}
        (_, Some(Wait { reason, detail, since, until })) => {
            let until = until.map_or_else(|| "unknown".to_owned(), |until| until.to_rfc3339());
            tracing::warn!(sync_log_id, %reason, detail, %since, until, "sync run waits");
        }
        (Some(_), None) => tracing::info!(sync_log_id, ?waited, "sync run goes on"),
    }
}
