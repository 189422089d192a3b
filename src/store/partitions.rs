//! Monthly partitions of the logs and their failures (PostgreSQL): made ahead of time, by range of time-ordered ids.
//!
//! A month whose partition was not made in time has its rows in the default partition. They are moved into the new one
//! before that is attached, in the same transaction. What this needs locks for is given up after a short wait (a dump may hold the
//! tables for hours, and everybody who writes would wait behind us), and tried again by housekeeping.

use chrono::{DateTime, Datelike as _, Months, NaiveDate, Utc};
use diesel::{OptionalExtension as _, sql_types::Bool};
use diesel_async::{AsyncPgConnection, RunQueryDsl as _, SimpleAsyncConnection as _};

use super::{Result, Store};
use crate::domain::ids::first_id_at;

/// How many months ahead there is always a partition.
const MONTHS_AHEAD: u32 = 2;
/// The partitioned tables, and their columns by which they are.
const TABLES: [(&str, &str); 2] = [("sync_logs", "id"), ("sync_failures", "sync_log_id")];

/// A month of a table.
struct Partition {
    table: &'static str,
    key: &'static str,
    name: String,
    first: i64,
    end: i64,
}

impl Store {
    /// Makes the partitions of this month and the next two, where they are missing. Does nothing on SQLite.
    ///
    /// # Errors
    /// When the database does not answer, or a table is in use for too long. Nothing is lost by that: rows of a month
    /// without a partition go to the default one.
    pub async fn ensure_partitions(&self, now: DateTime<Utc>) -> Result<()> {
        if self.is_exclusive() {
            return Ok(());
        }
        for partition in TABLES.iter().flat_map(|(table, key)| wanted(table, key, now)) {
            let mut tx = self.begin().await?;
            let conn = tx.shared()?;
            // Two replicas that do this together would deadlock on the parent tables.
            conn.batch_execute("SET LOCAL lock_timeout = 2000; SELECT pg_advisory_xact_lock(7521938001)")
                .await?;
            if !partition.is_there(conn).await? {
                partition.make(conn).await?;
            }
            tx.commit().await?;
        }
        Ok(())
    }
}

impl Partition {
    async fn is_there(&self, conn: &mut AsyncPgConnection) -> Result<bool> {
        #[derive(diesel::QueryableByName)]
        struct Row {
            #[diesel(sql_type = Bool)]
            _attached: bool,
        }
        let attached = format!(
            "SELECT true AS _attached FROM pg_inherits WHERE inhrelid = to_regclass('{}') AND inhparent = '{}'::regclass",
            self.name, self.table
        );
        let row: Option<Row> = diesel::sql_query(attached).get_result(conn).await.optional()?;
        Ok(row.is_some())
    }

    /// Fills the new table before it is attached: the default partition must not hold a row of it then.
    async fn make(&self, conn: &mut AsyncPgConnection) -> Result<()> {
        let Self { table, key, name, first, end } = self;
        let statement = format!(
            "CREATE TABLE {name} (LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE); \
             LOCK TABLE {table}_default IN ACCESS EXCLUSIVE MODE; \
             WITH moved AS (DELETE FROM {table}_default WHERE {key} >= {first} AND {key} < {end} RETURNING *) \
             INSERT INTO {name} SELECT * FROM moved; \
             ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ({first}) TO ({end})"
        );
        Ok(conn.batch_execute(&statement).await?)
    }
}

/// The partitions that there should be.
fn wanted(table: &'static str, key: &'static str, now: DateTime<Utc>) -> impl Iterator<Item = Partition> {
    (0..=MONTHS_AHEAD).filter_map(move |ahead| {
        let month = month_start(now, ahead)?;
        let id = |date: NaiveDate| first_id_at(date.and_time(chrono::NaiveTime::MIN).and_utc());
        let name = format!("{table}_{:04}_{:02}", month.year(), month.month());
        Some(Partition {
            table,
            key,
            name,
            first: id(month),
            end: id(month.checked_add_months(Months::new(1))?),
        })
    })
}

fn month_start(now: DateTime<Utc>, ahead: u32) -> Option<NaiveDate> {
    now.date_naive().with_day(1)?.checked_add_months(Months::new(ahead))
}
