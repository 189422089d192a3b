//! Rows, queries, transactions and migrations, on SQLite and on PostgreSQL. The only room that knows diesel.
//!
//! Functions of its files take a `&mut Conn`: a [`Tx`] when they write, [`Store::read`]'s connection when they only
//! read. Whoever holds one never asks for a second, and never holds one across a call to Haier.

mod conn;
mod content;
mod error;
mod instant;
pub mod migrations;
mod partitions;
mod postgres;
mod postgres_link;
mod postgres_tls;
mod schema;
mod sqlite;
mod sqlite_identity;
mod sync_requests;
mod write_check;

pub mod api_tokens;
pub mod audit_events;
pub mod callbacks;
pub mod catalogue;
pub mod delistings;
pub mod due;
pub mod haier_configs;
pub mod held_findings;
pub mod held_runs;
pub mod identity;
pub mod order_accounts;
pub mod order_changes;
pub mod order_facts;
pub mod order_pushes;
pub mod order_warnings;
pub mod orders;
pub mod pauses;
pub mod poison_codes;
pub mod prices;
pub mod product_attention;
pub mod product_changes;
pub mod product_history;
pub mod products;
pub mod replicas;
pub mod schedules;
pub mod sealed_values;
pub mod stock;
pub mod sync_failures;
pub mod sync_logs;
pub mod sync_runs;
pub mod upstream_slots;
pub mod upstream_tokens;

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::RunQueryDsl;
use secrecy::SecretString;
use tokio::sync::watch;

pub(crate) use conn::on;
pub use conn::{Conn, Pipeline, Tx};
pub use error::{Error, Result};
use identity::{Comparison, Identity, Seen};
pub use postgres_link::Lent;

/// The latest end that a lease can have that was granted by a clock like ours. One that ends later was granted before the
/// clock was set back: whoever claims cuts it to a lease from now on, so that the step prolongs none, and a holder that
/// lives renews it. Replicas may have different settings for a while, hence twice the time and a minute.
fn longest_lease(now: DateTime<Utc>, lease: TimeDelta) -> DateTime<Utc> {
    now + lease * 2 + TimeDelta::minutes(1)
}

/// An identity for an SQLite file.
#[must_use]
pub fn new_identity() -> Identity {
    Identity { identity: format!("{:032x}", rand::random::<u128>()), generation: Some(0) }
}

/// Which database, and how to reach it.
#[derive(Debug, Clone)]
pub enum Database {
    /// A file; made when it is not there.
    Sqlite {
        /// Its path.
        path: PathBuf,
    },
    /// A server.
    Postgres {
        /// `postgres://user:password@host/database?sslmode=…`.
        url: SecretString,
    },
}

/// How the store is opened.
#[derive(Debug, Clone)]
pub struct Options {
    /// Which database.
    pub database: Database,
    /// Most connections at once (PostgreSQL).
    pub pool_size: usize,
    /// Longest wait for a free connection, and for a new one.
    pub wait: Duration,
    /// Longest time of one statement (PostgreSQL).
    pub statement_timeout: Duration,
}

/// The database, open. Clones share it.
#[derive(Clone)]
pub struct Store {
    pools: Pools,
    /// Goes when the last clone does.
    open: watch::Sender<()>,
}

/// Tells when nothing holds the database any more.
pub struct Released(watch::Receiver<()>);

impl Released {
    /// Returns when the last clone of the store is gone.
    pub async fn wait(mut self) {
        while self.0.changed().await.is_ok() {}
    }
}

#[derive(Clone)]
enum Pools {
    Pg(postgres::Pools),
    Lite(sqlite::Pools),
}

/// How full the pool of connections is.
#[derive(Debug, Clone, Copy)]
pub struct PoolUse {
    /// Connections in use.
    pub in_use: usize,
    /// Most there can be.
    pub max: usize,
}

impl Store {
    /// Opens the database. Does not migrate it.
    ///
    /// # Errors
    /// When it cannot be reached, or another process holds the SQLite file.
    pub async fn open(options: &Options) -> Result<Self> {
        let pools = match &options.database {
            Database::Sqlite { path } => Pools::Lite(sqlite::open(path, options.wait).await?),
            Database::Postgres { url } => Pools::Pg(postgres::open(url, options).await?),
        };
        Ok(Self { pools, open: watch::Sender::new(()) })
    }

    /// For whoever must know when the file may be opened again.
    #[must_use]
    pub fn released(&self) -> Released {
        Released(self.open.subscribe())
    }

    /// A connection to read with. On SQLite it refuses to write.
    ///
    /// # Errors
    /// When none is free in time, or the database is gone.
    pub async fn read(&self) -> Result<Conn> {
        match &self.pools {
            Pools::Pg(pools) => Ok(Conn::Pg(pools.main.get().await?.into())),
            Pools::Lite(pools) => Ok(Conn::Lite(pools.readers.get().await?)),
        }
    }

    /// A connection for a statement that looks through many rows for one caller. There are few of them, so that any number of
    /// searches leaves the others to those who push orders. Waits until one is free: for as long as the caller does.
    ///
    /// # Errors
    /// When the database is gone.
    pub async fn search(&self) -> Result<Conn> {
        match &self.pools {
            Pools::Pg(pools) => Ok(Conn::Pg(pools.searches.get().await?.into())),
            Pools::Lite(pools) => Ok(Conn::Lite(pools.searches.get().await?)),
        }
    }

    /// Begins a transaction that may write. What it commits survives a power cut.
    ///
    /// # Errors
    /// When no connection is free in time, or the database is gone.
    pub async fn begin(&self) -> Result<Tx> {
        match &self.pools {
            Pools::Pg(pools) => Tx::begin(Conn::Pg(pools.main.get().await?.into()), "BEGIN").await,
            Pools::Lite(pools) => Tx::begin(Conn::Lite(pools.writer.get().await?), "BEGIN IMMEDIATE").await,
        }
    }

    /// Runs one short statement on a connection that no other work uses, so that a pool without a free connection holds
    /// up no call to Haier. Its commit does not wait for the disk: what a crash of the server loses must be of no value
    /// after it.
    ///
    /// # Errors
    /// When the database does not answer within seconds, or is not PostgreSQL.
    pub async fn urgent<T>(&self, statement: impl AsyncFnOnce(&mut Conn) -> Result<T>) -> Result<T> {
        let Pools::Pg(pools) = &self.pools else { return Err(conn::not_shared()) };
        let mut conn = Conn::Pg(pools.urgent.get().await?.into());
        match tokio::time::timeout(postgres::URGENT_LIMIT, statement(&mut conn)).await {
            Ok(Ok(done)) => Ok(done),
            failed => {
                // Whatever it still waits for, nobody else shall.
                conn.close();
                failed.unwrap_or_else(|elapsed| Err(Error::Unavailable(Box::new(elapsed))))
            }
        }
    }

    /// Whether only this process can hold the database (SQLite).
    #[must_use]
    pub const fn is_exclusive(&self) -> bool {
        matches!(self.pools, Pools::Lite(_))
    }

    /// Makes sure that the database answers and that something can be written.
    ///
    /// # Errors
    /// When it does not, or nothing can: a full disk, a database that only reads.
    pub async fn check(&self) -> Result<()> {
        write_check::write(self).await
    }

    /// The generation of the connections that are in use now.
    #[must_use]
    pub fn connections(&self) -> u64 {
        match &self.pools {
            Pools::Pg(pools) => pools.renewals.current(),
            Pools::Lite(_) => 0,
        }
    }

    /// Takes the connections of a generation out of use, once, after the database did not answer on one: those that are silent
    /// close, the others end what they do. Does nothing on SQLite.
    pub fn renew(&self, connections: u64) {
        if let Pools::Pg(pools) = &self.pools {
            pools.renewals.renew(connections);
        }
    }

    /// The database's own time, and when it was asked, which is when there was a connection. `None` on SQLite, which has none
    /// but ours.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn server_time(&self) -> Result<Option<(DateTime<Utc>, Instant)>> {
        match self.read().await? {
            Conn::Lite(_) => Ok(None),
            Conn::Pg(mut conn) => {
                let now = diesel::dsl::sql::<diesel::sql_types::Timestamptz>("clock_timestamp()");
                let asked = Instant::now();
                Ok(Some((diesel::select(now).get_result(&mut conn).await?, asked)))
            }
        }
    }

    /// Compares the database with what was seen last; `now` is what PostgreSQL says of itself.
    #[must_use]
    pub fn compare_identity(&self, seen: &Seen, now: Option<&Identity>) -> Comparison {
        match (&self.pools, now) {
            (Pools::Pg { .. }, Some(now)) => seen.compare(now),
            (Pools::Pg { .. }, None) => Comparison::Same,
            (Pools::Lite(pools), _) => pools.beside.compare(seen),
        }
    }

    /// SQLite: stores beside the file what the database says since a commit.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub async fn wrote_identity(&self, now: &Identity) -> Result<()> {
        let Pools::Lite(pools) = &self.pools else { return Ok(()) };
        let (beside, now) = (Arc::clone(&pools.beside), now.clone());
        let written = tokio::task::spawn_blocking(move || beside.write(&now)).await;
        written
            .map_err(std::io::Error::other)
            .and_then(|written| written)
            .map_err(|error| Error::Unavailable(Box::new(error)))
    }

    /// SQLite: raises the generation, in the database and then beside it.
    ///
    /// # Errors
    /// When one of them cannot be written.
    pub async fn raise_generation(&self) -> Result<()> {
        if !self.is_exclusive() {
            return Ok(());
        }
        let mut tx = self.begin().await?;
        let seen = identity::seen(&mut tx).await?;
        let Some(mut now) = seen.identity else { return tx.rollback().await };
        now.generation = Some(now.generation.unwrap_or_default() + 1);
        identity::update(&mut tx, &now).await?;
        tx.commit().await?;
        self.wrote_identity(&now).await
    }

    /// How full the pool is.
    #[must_use]
    pub fn pool_use(&self) -> PoolUse {
        let of = |status: &deadpool::Status| PoolUse {
            in_use: status.size.saturating_sub(status.available),
            max: status.max_size,
        };
        match &self.pools {
            Pools::Pg(pools) => of(&pools.main.status()),
            Pools::Lite(pools) => {
                let (writer, readers) = (of(&pools.writer.status()), of(&pools.readers.status()));
                PoolUse { in_use: writer.in_use + readers.in_use, max: writer.max + readers.max }
            }
        }
    }
}
