//! What a firing asks for, and how far that reaches: the whole catalogue in its one call, prices 20 a call, stock one a
//! call and so within the budget that the others leave.

use chrono::{DateTime, TimeDelta, Utc};

use super::App;
use crate::{
    app::verification::STANDARD_SAMPLE,
    domain::{
        freshness,
        schedules::{Reach, Schedule, ScheduleName},
        stock::CountyCode,
        sync_logs::SyncType,
        sync_runs::{Due, Front, SyncRequest},
    },
    error::Result,
    store::due::{self, Ages},
};

impl App {
    /// What is looked after before others.
    fn front(&self, now: DateTime<Utc>) -> Front {
        Front { low_stock: self.schedules.low_stock, sold_since: now - self.schedules.selling_for }
    }

    /// What a firing asks for. What was asked for within half the period, by whomever, is not due.
    pub(super) async fn schedule_request(
        &self,
        schedule: &Schedule,
        all: &[Schedule],
        now: DateTime<Utc>,
    ) -> Result<SyncRequest> {
        let before = freshness::due_before(now, schedule.cadence.period());
        let standard = SyncRequest::default();
        let stock = Some(CountyCode::default());
        Ok(match schedule.name {
            ScheduleName::Full => SyncRequest { prices: true, stock, only_new_stock: true, ..standard },
            ScheduleName::NewProducts => SyncRequest { prices: true, stock, only_new: true, ..standard },
            ScheduleName::Prices => {
                let due = Some(Due { before, up_to: None, front: None });
                SyncRequest { prices: true, due, ..standard }
            }
            ScheduleName::Stock => {
                let due = Some(Due { before, up_to: None, front: Some(self.front(now)) });
                SyncRequest { stock, due, ..standard }
            }
            ScheduleName::StockRest => {
                let limit = self.rest_at_a_time(schedule, all, now).await?;
                let due = due::oldest_stock(&mut self.store.read().await?, limit, before).await?;
                SyncRequest { stock, due: Some(due), ..standard }
            }
            ScheduleName::Verify => SyncRequest { verify: Some(STANDARD_SAMPLE), ..standard },
        })
    }

    /// How far a schedule reaches.
    pub(super) async fn schedule_reach(&self, schedule: &Schedule, all: &[Schedule]) -> Result<Reach> {
        let now = self.clock.now();
        let (kind, period) = (schedule.name.sync_type(), schedule.cadence.period());
        let front = (schedule.name == ScheduleName::Stock).then(|| self.front(now));
        let Ages { products, never_asked, oldest_at } =
            due::ages(&mut self.store.read().await?, kind, front).await?;
        // What was asked for just within half a period of one firing waits for the next one.
        let late = match kind {
            SyncType::Prices | SyncType::Stock => period / 2,
            _ => TimeDelta::zero(),
        };
        let (at_a_time, rounds) = match schedule.name {
            ScheduleName::StockRest => {
                let at_a_time = self.rest_at_a_time(schedule, all, now).await?.min(products.max(1));
                (at_a_time, div_ceil(products, at_a_time).max(1))
            }
            _ => (products, 1),
        };
        let calls = match schedule.name {
            ScheduleName::Full => 1 + self.batches(products),
            ScheduleName::NewProducts => 1,
            ScheduleName::Prices => self.batches(products),
            ScheduleName::Stock | ScheduleName::StockRest => at_a_time,
            ScheduleName::Verify => 1 + self.batches(i64::from(STANDARD_SAMPLE)),
        };
        let rounds = i32::try_from(rounds).unwrap_or(i32::MAX);
        let age = period
            .checked_mul(rounds)
            .and_then(|age| age.checked_add(&(late + schedule.jitter + self.lasts(calls))))
            .unwrap_or(TimeDelta::MAX);
        // A comparison keeps nothing fresh: its age is how long a difference may go unseen.
        let (oldest_at, never_asked) = match schedule.name {
            ScheduleName::Verify => (None, 0),
            _ => (oldest_at, never_asked),
        };
        Ok(Reach { products, at_a_time, age, oldest_at, never_asked })
    }

    /// For how many products one firing of the rotation asks: as many as the other schedules leave calls for.
    async fn rest_at_a_time(&self, rest: &Schedule, all: &[Schedule], now: DateTime<Utc>) -> Result<i64> {
        let Some(budget) = self.schedules.calls_per_second else { return Ok(i64::MAX) };
        let mut conn = self.store.read().await?;
        let products = due::ages(&mut conn, SyncType::Products, None).await?.products;
        let front = due::ages(&mut conn, SyncType::Stock, Some(self.front(now))).await?.products;
        drop(conn);
        let used: f64 = all
            .iter()
            .filter(|schedule| !schedule.paused)
            .map(|schedule| {
                let calls = match schedule.name {
                    ScheduleName::Full => 1 + self.batches(products),
                    ScheduleName::NewProducts => 1,
                    ScheduleName::Prices => self.batches(products),
                    ScheduleName::Stock => front,
                    ScheduleName::StockRest => 0,
                    ScheduleName::Verify => 1 + self.batches(i64::from(STANDARD_SAMPLE)),
                };
                as_number(calls) / schedule.cadence.period().as_seconds_f64()
            })
            .sum();
        Ok(freshness::rest_at_a_time(budget, used, rest.cadence.period()))
    }

    fn batches(&self, products: i64) -> i64 {
        div_ceil(products, i64::try_from(self.runs.batch_size).unwrap_or(1).max(1))
    }

    /// How long so many calls take.
    fn lasts(&self, calls: i64) -> TimeDelta {
        let Some(budget) = self.schedules.calls_per_second else { return TimeDelta::zero() };
        #[expect(clippy::cast_possible_truncation, reason = "an estimate in ms")]
        let millis = (as_number(calls) / budget * 1_000.0) as i64;
        TimeDelta::try_milliseconds(millis).unwrap_or(TimeDelta::MAX)
    }
}

const fn div_ceil(count: i64, size: i64) -> i64 {
    count / size + (count % size != 0) as i64
}

#[expect(clippy::cast_precision_loss, reason = "an estimate")]
const fn as_number(calls: i64) -> f64 {
    calls as f64
}
