//! When the service syncs by itself. Whoever changes a row raises its epoch; whoever finds it raised was not the first.

use chrono::{NaiveTime, TimeDelta};
use diesel::{ExpressionMethods as _, QueryDsl as _, Queryable, Selectable, SelectableHelper as _};
use diesel_async::RunQueryDsl as _;

use super::{Conn, Result, instant::At, on, schema::schedules, sync_logs::unknown};
use crate::domain::{
    schedules::{Cadence, Firing, FiringOutcome, Schedule, ScheduleName},
    sync_logs::Trigger,
};

/// How a time of day is written.
const TIME_OF_DAY: &str = "%H:%M";

#[derive(Queryable, Selectable)]
#[diesel(table_name = schedules)]
struct ScheduleRow {
    name: String,
    every_micros: Option<i64>,
    daily_at: Option<String>,
    jitter_micros: i64,
    paused: bool,
    seed: i64,
    version: i64,
    epoch: i64,
    next_at: At,
    wanted: Option<String>,
    last_at: Option<At>,
    last_outcome: Option<String>,
    last_detail: String,
    last_log_id: Option<i64>,
    updated_at: At,
}

impl ScheduleRow {
    /// `None`: a schedule that only a newer version knows.
    fn schedule(self) -> Result<Option<Schedule>> {
        let Some(name) = ScheduleName::parse(&self.name) else { return Ok(None) };
        let cadence = match (self.every_micros, self.daily_at) {
            (Some(micros), _) => Cadence::Every(TimeDelta::microseconds(micros)),
            (None, time) => {
                let time = time.unwrap_or_default();
                let parsed = NaiveTime::parse_from_str(&time, TIME_OF_DAY);
                Cadence::DailyAt(parsed.map_err(|_| unknown("time of day", &time))?)
            }
        };
        let outcome = self
            .last_outcome
            .map(|word| FiringOutcome::parse(&word).ok_or_else(|| unknown("outcome of a schedule", &word)));
        let last = self.last_at.zip(outcome.transpose()?).map(|(at, outcome)| Firing {
            at: at.into(),
            outcome,
            detail: self.last_detail,
            sync_log_id: self.last_log_id,
        });
        let wanted = self.wanted.map(|word| Trigger::parse(&word).ok_or_else(|| unknown("trigger", &word)));
        Ok(Some(Schedule {
            name,
            cadence,
            jitter: TimeDelta::microseconds(self.jitter_micros),
            paused: self.paused,
            seed: self.seed,
            version: self.version,
            epoch: self.epoch,
            next_at: self.next_at.into(),
            wanted: wanted.transpose()?,
            last,
            updated_at: self.updated_at.into(),
        }))
    }
}

/// Stores a schedule that is not there yet.
///
/// # Errors
/// When the database does not answer.
pub async fn insert_missing(conn: &mut Conn, schedule: &Schedule) -> Result<()> {
    let row = (
        schedules::name.eq(schedule.name.as_str()),
        cadence(schedule.cadence),
        schedules::jitter_micros.eq(micros(schedule.jitter)),
        schedules::seed.eq(schedule.seed),
        schedules::next_at.eq(At(schedule.next_at)),
        schedules::updated_at.eq(At(schedule.updated_at)),
    );
    on!(conn, |c| diesel::insert_into(schedules::table)
        .values(row)
        .on_conflict_do_nothing()
        .execute(c)
        .await)?;
    Ok(())
}

/// All of them, in their own order.
///
/// # Errors
/// When the database does not answer.
pub async fn list(conn: &mut Conn) -> Result<Vec<Schedule>> {
    let rows: Vec<ScheduleRow> =
        on!(conn, |c| schedules::table.select(ScheduleRow::as_select()).load(c).await)?;
    let read = rows.into_iter().filter_map(|row| row.schedule().transpose());
    let mut schedules = read.collect::<Result<Vec<Schedule>>>()?;
    schedules.sort_by_key(|schedule| schedule.name);
    Ok(schedules)
}

/// Makes a schedule look like this one where nobody has changed it since it was read; whether nobody had.
///
/// # Errors
/// When the database does not answer.
pub async fn update(conn: &mut Conn, schedule: &Schedule) -> Result<bool> {
    let last = schedule.last.as_ref();
    let values = (
        cadence(schedule.cadence),
        schedules::jitter_micros.eq(micros(schedule.jitter)),
        schedules::paused.eq(schedule.paused),
        schedules::version.eq(schedule.version),
        schedules::epoch.eq(schedule.epoch + 1),
        schedules::next_at.eq(At(schedule.next_at)),
        schedules::wanted.eq(schedule.wanted.map(Trigger::as_str)),
        schedules::last_at.eq(last.map(|last| At(last.at))),
        schedules::last_outcome.eq(last.map(|last| last.outcome.as_str())),
        schedules::last_detail.eq(last.map(|last| last.detail.clone()).unwrap_or_default()),
        schedules::last_log_id.eq(last.and_then(|last| last.sync_log_id)),
        schedules::updated_at.eq(At(schedule.updated_at)),
    );
    let row = schedules::table.find(schedule.name.as_str()).filter(schedules::epoch.eq(schedule.epoch));
    let updated = on!(conn, |c| diesel::update(row).set(values).execute(c).await)?;
    Ok(updated == 1)
}

/// Owes a schedule a run, whatever the time and even while it is paused.
///
/// # Errors
/// When the database does not answer.
pub async fn want(conn: &mut Conn, name: ScheduleName, trigger: Trigger) -> Result<()> {
    let values = (schedules::wanted.eq(trigger.as_str()), schedules::epoch.eq(schedules::epoch + 1));
    let row = schedules::table.find(name.as_str());
    on!(conn, |c| diesel::update(row).set(values).execute(c).await)?;
    Ok(())
}

type CadenceColumns = (
    diesel::dsl::Eq<schedules::every_micros, Option<i64>>,
    diesel::dsl::Eq<schedules::daily_at, Option<String>>,
);

fn cadence(cadence: Cadence) -> CadenceColumns {
    let (every, daily) = match cadence {
        Cadence::Every(period) => (Some(micros(period)), None),
        Cadence::DailyAt(time) => (None, Some(time.format(TIME_OF_DAY).to_string())),
    };
    (schedules::every_micros.eq(every), schedules::daily_at.eq(daily))
}

fn micros(span: TimeDelta) -> i64 {
    span.num_microseconds().unwrap_or(i64::MAX)
}
