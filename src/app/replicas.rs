//! How the calls to Haier stand, on every replica: each reports what it knows into the database, and whoever is asked
//! answers with his own state as it is and the others' as they last said.

use std::{
    sync::{Mutex, OnceLock, PoisonError},
    time::Instant,
};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{App, Ctx};
use crate::{
    domain::{clock::to_micros, orders::DisplacedOrders, pauses::Pause},
    error::{Error, Result},
    store::replicas::{self, Report},
    upstream::SystemStatus,
};

/// A replica reports this often when something has changed, and this often when nothing has.
const REPORT_CHANGED: TimeDelta = TimeDelta::seconds(2);
const REPORT_SAME: TimeDelta = TimeDelta::seconds(5);
/// A replica that was silent for so long is not shown any more, and later removed.
const SILENT: TimeDelta = TimeDelta::seconds(30);
const GONE: TimeDelta = TimeDelta::minutes(5);

/// This process as others see it.
pub(super) struct Replica {
    name: String,
    version: &'static str,
    started: Instant,
    started_at: OnceLock<DateTime<Utc>>,
    reported: Mutex<Option<(DateTime<Utc>, serde_json::Value)>>,
}

impl Replica {
    pub(super) fn new(name: String, version: &'static str) -> Self {
        let (started, started_at) = (Instant::now(), OnceLock::new());
        Self { name, version, started, started_at, reported: Mutex::default() }
    }

    /// Reckoned when first asked for: at the start itself the clock is not set to the database's yet.
    fn started_at(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        let up = TimeDelta::from_std(self.started.elapsed()).unwrap_or_default();
        *self.started_at.get_or_init(|| to_micros(now - up))
    }
}

/// What a replica says of itself. Fields that another version does not know are passed over, or are empty.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Said {
    systems: Vec<SystemStatus>,
}

/// One replica.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplicaStatus {
    /// Its name.
    pub name: String,
    /// Version of its program.
    pub version: String,
    /// When it started.
    pub started_at: DateTime<Utc>,
    /// When it said this: now, of the one that answers.
    pub seen_at: DateTime<Utc>,
    /// How old that is.
    pub age: TimeDelta,
    /// Whether it is the one that answers.
    pub answering: bool,
    /// The systems it calls.
    pub systems: Vec<SystemStatus>,
}

/// How calls to Haier stand.
#[derive(Debug, Clone, PartialEq)]
pub struct UpstreamStatus {
    /// What is held back, by target.
    pub pauses: Vec<Pause>,
    /// Sync runs that wait for a person.
    pub held_runs: i64,
    /// Orders that nobody can send.
    pub displaced: Vec<DisplacedOrders>,
    /// Since when no order is sent, because the database was restored. `None`: they are.
    pub orders_frozen_at: Option<DateTime<Utc>>,
    /// The replicas: first the one that answers, then the others by name.
    pub replicas: Vec<ReplicaStatus>,
}

impl App {
    /// How calls to Haier stand on every replica.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn upstream_status(&self, _: &Ctx) -> Result<UpstreamStatus> {
        self.pauses_refresh().await?;
        let now = self.clock.now();
        let mut conn = self.store.read().await?;
        let reports = replicas::list(&mut conn, now - SILENT).await?;
        drop(conn);
        let own = ReplicaStatus {
            name: self.replica.name.clone(),
            version: self.replica.version.to_owned(),
            started_at: self.replica.started_at(now),
            seen_at: now,
            age: TimeDelta::zero(),
            answering: true,
            systems: self.systems(),
        };
        let others = reports.into_iter().filter(|report| report.name != own.name);
        let replicas = std::iter::once(own.clone()).chain(others.map(|report| other(report, now))).collect();
        let held_runs = self.held_runs_count().await?;
        let displaced = self.orders_displaced().await?;
        let (pauses, orders_frozen_at) = (self.pauses_in_force(), self.orders_frozen_at());
        Ok(UpstreamStatus { pauses, held_runs, displaced, orders_frozen_at, replicas })
    }

    fn systems(&self) -> Vec<SystemStatus> {
        self.upstreams.status()
    }

    /// Writes what a start writes; again if it could not.
    ///
    /// # Errors
    /// When the database does not answer or cannot be written.
    pub async fn write_at_start(self: &std::sync::Arc<Self>) -> Result<()> {
        // Before anything is claimed: the database may be an older one.
        self.database_follow().await?;
        self.database_seal().await?;
        // Nothing gets an id before.
        self.replica_report().await?;
        self.schedules_prepare().await
    }

    /// Reports to the other replicas how calls to Haier stand here, if that has changed or the last report is old; this
    /// also renews the lease of the process number.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn replica_report(&self) -> Result<()> {
        let now = self.clock.now();
        let status = serde_json::to_value(Said { systems: self.systems() }).unwrap_or_default();
        let due = {
            let reported = self.replica.reported.lock().unwrap_or_else(PoisonError::into_inner);
            reported.as_ref().is_none_or(|(at, last)| {
                now - *at >= if *last == status { REPORT_SAME } else { REPORT_CHANGED }
            })
        };
        if !due {
            return Ok(());
        }
        let report = Report {
            name: self.replica.name.clone(),
            version: self.replica.version.to_owned(),
            started_at: self.replica.started_at(now),
            seen_at: now,
            status: status.clone(),
        };
        let mut tx = self.store.begin().await?;
        replicas::sweep(&mut tx, now - GONE).await?;
        let lease = match self.process_number_renew(&mut tx, &report).await {
            Err(error @ Error::NoFreeProcessNumber) => {
                tx.rollback().await?;
                return Err(error);
            }
            lease => lease?,
        };
        tx.commit().await?;
        self.process_number_use(lease);
        *self.replica.reported.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, status));
        Ok(())
    }

    /// Takes leave of the others.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn replica_leave(&self) -> Result<()> {
        let mut tx = self.store.begin().await?;
        replicas::delete(&mut tx, &self.replica.name).await?;
        Ok(tx.commit().await?)
    }
}

fn other(report: Report, now: DateTime<Utc>) -> ReplicaStatus {
    // One of another version may say things that this one cannot read; that it is there counts all the same.
    let said: Said = serde_json::from_value(report.status).unwrap_or_default();
    ReplicaStatus {
        name: report.name,
        version: report.version,
        started_at: report.started_at,
        seen_at: report.seen_at,
        age: (now - report.seen_at).max(TimeDelta::zero()),
        answering: false,
        systems: said.systems,
    }
}
