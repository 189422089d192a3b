//! Says why a run stands still: in its log's row, so that whoever watches it on any replica sees it, and in this process's log.

use std::convert::Infallible;

use chrono::{DateTime, TimeDelta, Utc};

use super::{super::sync_logs::not_found, App};
use crate::{
    domain::{clock::is_due, sync_runs::ClaimedRun, waits::Wait},
    error::{Causes, Result},
    store::{self, sync_logs, sync_runs},
    upstream::Waits,
};

/// How often the time waited is stored while a run waits: a run that is cancelled or taken over meanwhile keeps it.
const STORE_EVERY: TimeDelta = TimeDelta::seconds(5);
/// How often the log repeats that a run waits.
const LOG_EVERY: TimeDelta = TimeDelta::minutes(1);

impl App {
    /// The waits of a run, with what the workers before have waited.
    pub(super) async fn run_waits(&self, run: &ClaimedRun) -> Result<Waits> {
        let log = sync_logs::find(&mut self.store.read().await?, run.log_id).await?;
        Ok(Waits::new(self.clock.clone(), log.ok_or_else(|| not_found(run.log_id))?.waited))
    }

    /// Stores and logs each wait of a run as it begins, changes and ends.
    pub(super) async fn record_waits(&self, run: &ClaimedRun, waits: &Waits) -> Infallible {
        let (mut told, mut log): (Option<Wait>, _) = (None, WaitLog::default());
        loop {
            let now = tokio::select! {
                now = waits.changed(told.as_ref()) => now,
                () = self.clock.sleep_until(self.clock.now() + STORE_EVERY), if told.is_some() => told.clone(),
            };
            log.note(run.log_id, self.clock.now(), now.as_ref(), waits.waited());
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
                tracing::debug!(sync_log_id = run.log_id, error = %Causes(&error), "what the run waits for was not stored");
            }
        }
    }
}

/// What the log says of a run's waits: one line when it begins to wait, one each minute while it does, and one when it goes on.
#[derive(Default)]
pub(super) struct WaitLog {
    /// When it said last that the run waits. `None`: it does not.
    logged_at: Option<DateTime<Utc>>,
}

#[derive(Debug, PartialEq, Eq)]
enum Line {
    Waits,
    StillWaits,
    GoesOn,
}

impl WaitLog {
    /// Writes the line that is due, if there is one. `sync_log_id` 0: the run is only thought through. `waited`: in all.
    pub(super) fn note(
        &mut self,
        sync_log_id: i64,
        now: DateTime<Utc>,
        wait: Option<&Wait>,
        waited: TimeDelta,
    ) {
        let waited = whole_seconds(waited);
        match (self.line(now, wait.is_some()), wait) {
            (Some(Line::GoesOn), _) => tracing::info!(sync_log_id, ?waited, "sync run goes on"),
            (Some(line), Some(Wait { reason, detail, since, until })) => {
                let until = until.map_or_else(|| "unknown".to_owned(), |until| until.to_rfc3339());
                let says = if line == Line::Waits { "sync run waits" } else { "sync run still waits" };
                tracing::warn!(sync_log_id, %reason, detail, %since, until, ?waited, "{says}");
            }
            _ => {}
        }
    }

    fn line(&mut self, now: DateTime<Utc>, waits: bool) -> Option<Line> {
        let line = match (self.logged_at, waits) {
            (None, false) => None,
            (Some(_), false) => Some(Line::GoesOn),
            (None, true) => Some(Line::Waits),
            (Some(at), true) => is_due(at + LOG_EVERY, LOG_EVERY, now).then_some(Line::StillWaits),
        };
        if line.is_some() {
            self.logged_at = waits.then_some(now);
        }
        line
    }
}

/// A span of time as log lines show it.
fn whole_seconds(span: TimeDelta) -> std::time::Duration {
    std::time::Duration::from_secs(span.num_seconds().max(0).unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_logged_when_it_begins_each_minute_and_when_it_ends() {
        let mut log = WaitLog::default();
        let mut line =
            |second: i64, waits| log.line(DateTime::UNIX_EPOCH + TimeDelta::seconds(second), waits);
        assert_eq!(line(0, false), None);
        let lines: Vec<_> =
            (1..=130).filter_map(|second| line(second, true).map(|line| (second, line))).collect();
        assert_eq!(lines, [(1, Line::Waits), (61, Line::StillWaits), (121, Line::StillWaits)]);
        assert_eq!((line(131, false), line(132, false)), (Some(Line::GoesOn), None));
        assert_eq!(line(133, true), Some(Line::Waits));
    }
}
