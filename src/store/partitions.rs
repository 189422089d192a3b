//! Monthly partitions of the logs and their failures (PostgreSQL): made ahead of time, by range of time-ordered ids.

use chrono::{DateTime, Datelike as _, Months, NaiveDate, Utc};
use diesel_async::SimpleAsyncConnection as _;

use super::{Conn, Result, Store};
use crate::domain::ids::first_id_at;

/// How many months ahead there is always a partition.
const MONTHS_AHEAD: u32 = 2;

impl Store {
    /// Makes the partitions of this month and the next two, where they are missing. Does nothing on SQLite.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn ensure_partitions(&self, now: DateTime<Utc>) -> Result<()> {
        if self.is_exclusive() {
            return Ok(());
        }
        let mut tx = self.begin().await?;
        if let Conn::Pg(conn) = &mut *tx {
            // Two replicas that do this together would deadlock on the parent tables.
            conn.batch_execute("SELECT pg_advisory_xact_lock(7521938001)").await?;
            for table in ["sync_logs", "sync_failures"] {
                for month in (0..=MONTHS_AHEAD).filter_map(|ahead| month_start(now, ahead)) {
                    let Some(end) = month.checked_add_months(Months::new(1)) else { continue };
                    conn.batch_execute(&create_statement(table, month, end)).await?;
                }
            }
        }
        tx.commit().await
    }
}

fn month_start(now: DateTime<Utc>, ahead: u32) -> Option<NaiveDate> {
    now.date_naive().with_day(1)?.checked_add_months(Months::new(ahead))
}

fn create_statement(table: &str, start: NaiveDate, end: NaiveDate) -> String {
    let id = |date: NaiveDate| first_id_at(date.and_time(chrono::NaiveTime::MIN).and_utc());
    let (year, month) = (start.year(), start.month());
    format!(
        "CREATE TABLE IF NOT EXISTS {table}_{year:04}_{month:02} PARTITION OF {table} \
         FOR VALUES FROM ({}) TO ({})",
        id(start),
        id(end)
    )
}
