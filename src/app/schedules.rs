//! When the service syncs by itself: shown, changed, run by hand, and, with what an operator says of single products,
//! what is asked for before other things. Firing is in `fire`, what a firing asks for in `plan`.

mod attention;
mod fire;
mod plan;

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;

use super::{App, Ctx, sync_runs::Origin, to_its_end};
use crate::{
    domain::{
        audit::Change,
        schedules::{Firing, FiringOutcome, Reach, Schedule, ScheduleChange, ScheduleName, Span},
        sync_logs::Trigger,
        violations::Violation,
    },
    error::{Error, Result},
    store::schedules,
};

const WHAT: &str = "schedule";
/// How often a change that others got ahead of is made anew.
const TRIES: usize = 5;

/// How schedules work. All of it is settings.
#[derive(Debug, Clone)]
pub struct ScheduleSettings {
    /// The zone of times of day.
    pub zone: Tz,
    /// Calls a second that scheduled runs count on. `None`: there is no limit.
    pub calls_per_second: Option<f64>,
    /// Stock below this is low, unless a product has a threshold of its own.
    pub low_stock: i64,
    /// How long a product that was ordered counts as selling.
    pub selling_for: TimeDelta,
}

/// A schedule, and how far it reaches.
#[derive(Debug, Clone, PartialEq)]
pub struct ScheduleView {
    /// The schedule.
    pub schedule: Schedule,
    /// How far it reaches.
    pub reach: Reach,
}

/// All schedules, and what they share.
#[derive(Debug, Clone, PartialEq)]
pub struct ScheduleList {
    /// The schedules.
    pub schedules: Vec<ScheduleView>,
    /// Name of the zone of times of day.
    pub time_zone: String,
    /// Calls a second that scheduled runs count on. `None`: there is no limit.
    pub calls_per_second: Option<f64>,
}

impl App {
    /// Stores the schedules that are not there yet.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn schedules_prepare(&self) -> Result<()> {
        let now = self.clock.now();
        let seed = self.next_id(now)?;
        let mut tx = self.store.begin().await?;
        for name in ScheduleName::ALL {
            let schedule = Schedule::standard(name, seed, now, &self.schedules.zone);
            schedules::insert_missing(&mut tx, &schedule).await?;
        }
        Ok(tx.commit().await?)
    }

    /// All schedules.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn schedules_list(&self, _: &Ctx) -> Result<ScheduleList> {
        let all = schedules::list(&mut self.store.read().await?).await?;
        let mut views = Vec::with_capacity(all.len());
        for schedule in &all {
            let reach = self.schedule_reach(schedule, &all).await?;
            views.push(ScheduleView { schedule: schedule.clone(), reach });
        }
        let settings = &self.schedules;
        Ok(ScheduleList {
            schedules: views,
            time_zone: settings.zone.name().to_owned(),
            calls_per_second: settings.calls_per_second,
        })
    }

    /// Changes a schedule, on every replica from its next look on. A non-empty `etag` must be its present one.
    ///
    /// # Errors
    /// What would be wrong with it; when it was changed since it was read, or the database does not answer.
    pub async fn schedule_update(
        self: &Arc<Self>,
        ctx: &Ctx,
        name: ScheduleName,
        etag: &str,
        change: ScheduleChange,
    ) -> Result<ScheduleView> {
        for _ in 0..TRIES {
            let before = self.schedule_fetch(name).await?;
            if !etag.is_empty() && etag != before.etag() {
                break;
            }
            let after = self.schedule_changed(&before, change)?;
            let (app, ctx) = (Arc::clone(self), ctx.clone());
            let stored = to_its_end(async move { app.schedule_store(&ctx, &before, after).await }).await?;
            if let Some(schedule) = stored {
                let all = schedules::list(&mut self.store.read().await?).await?;
                let reach = self.schedule_reach(&schedule, &all).await?;
                return Ok(ScheduleView { schedule, reach });
            }
        }
        Err(Error::EtagMismatch { what: WHAT, key: name.as_str().to_owned() })
    }

    fn schedule_changed(&self, before: &Schedule, change: ScheduleChange) -> Result<Schedule> {
        let after = Schedule {
            cadence: change.cadence.unwrap_or(before.cadence),
            jitter: change.jitter.unwrap_or(before.jitter),
            paused: change.paused.unwrap_or(before.paused),
            ..before.clone()
        };
        let violation = |(field, description)| Violation { field: format!("schedule.{field}"), description };
        let faults: Vec<Violation> = after.faults().into_iter().map(violation).collect();
        if faults.is_empty() { Ok(after) } else { Err(Error::Invalid(faults)) }
    }

    /// `None`: somebody has changed it since it was read.
    async fn schedule_store(
        &self,
        ctx: &Ctx,
        before: &Schedule,
        mut after: Schedule,
    ) -> Result<Option<Schedule>> {
        let changes = changes(before, &after);
        if changes.is_empty() {
            return Ok(Some(after));
        }
        let now = self.clock.now();
        after.version += 1;
        after.updated_at = now;
        // Slots that went by while it was held back stay gone.
        after.next_at = after.next_after(now, &self.schedules.zone);
        let mut tx = self.store.begin().await?;
        if !schedules::update(&mut tx, &after).await? {
            return Ok(None);
        }
        self.audit(&mut tx, ctx, "schedule.update", after.name.as_str(), changes).await?;
        tx.commit().await?;
        tracing::info!(schedule = after.name.as_str(), caller = %ctx.caller, "a schedule was changed");
        Ok(Some(after))
    }

    /// Starts what a schedule starts when it is due, now and even while it is paused; returns the id of the run's log.
    ///
    /// # Errors
    /// Without an account, when a run over everything of its type is under way, or when the database does not answer.
    pub async fn schedule_run_now(self: &Arc<Self>, ctx: &Ctx, name: ScheduleName) -> Result<i64> {
        let now = self.clock.now();
        let all = schedules::list(&mut self.store.read().await?).await?;
        let schedule = of(&all, name)?.clone();
        let request = self.schedule_request(&schedule, &all, now).await?;
        let origin = Origin { trigger: Trigger::Caller, by: Some(ctx.clone()), parent_id: None };
        let (app, caller) = (Arc::clone(self), ctx.caller.to_string());
        to_its_end(async move {
            let log_id = app.run_insert(name.sync_type(), request, origin).await?;
            app.schedule_note_run(schedule, &caller, log_id, now).await?;
            Ok(log_id)
        })
        .await
    }

    /// Notes a run by hand, unless something else came of the schedule in the same moment.
    async fn schedule_note_run(
        &self,
        mut schedule: Schedule,
        caller: &str,
        log_id: i64,
        at: DateTime<Utc>,
    ) -> Result<()> {
        let (outcome, detail) = (FiringOutcome::Started, format!("by {caller}"));
        schedule.last = Some(Firing { at, outcome, detail, sync_log_id: Some(log_id) });
        let mut tx = self.store.begin().await?;
        schedules::update(&mut tx, &schedule).await?;
        Ok(tx.commit().await?)
    }

    async fn schedule_fetch(&self, name: ScheduleName) -> Result<Schedule> {
        let all = schedules::list(&mut self.store.read().await?).await?;
        of(&all, name).cloned()
    }
}

fn of(all: &[Schedule], name: ScheduleName) -> Result<&Schedule> {
    let found = all.iter().find(|schedule| schedule.name == name);
    found.ok_or_else(|| Error::NotFound { what: WHAT, key: name.as_str().to_owned() })
}

fn changes(before: &Schedule, after: &Schedule) -> Vec<Change> {
    [
        Change::between("cadence", Some(before.cadence.to_string()), Some(after.cadence.to_string())),
        Change::between(
            "jitter",
            Some(Span(before.jitter).to_string()),
            Some(Span(after.jitter).to_string()),
        ),
        Change::between("paused", Some(before.paused.to_string()), Some(after.paused.to_string())),
    ]
    .into_iter()
    .flatten()
    .collect()
}
