//! Whether this database is the one that was seen last. A database that was restored from a backup lacks what happened since;
//! one that failed over may lack the last moments.
//!
//! PostgreSQL tells its system identifier and timeline. A dump that is restored into the same server keeps both, so that the
//! ids of database and table are part of the identity. An SQLite file cannot tell a copy from itself: see
//! [`super::sqlite_identity`].

use chrono::{DateTime, Utc};
use diesel::{
    ExpressionMethods as _, QueryDsl as _, QueryableByName,
    sql_types::{BigInt, Nullable, Text},
};
use diesel_async::RunQueryDsl as _;

use super::{
    Conn, Error, Result,
    instant::At,
    on,
    schema::{database_identity, order_feed_head, product_feed_head},
};

const ROW: i64 = 1;

/// A database, as it says itself or as it was seen last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The same for as long as nobody restores it.
    pub identity: String,
    /// PostgreSQL: the timeline. `None`: a standby, which has none. SQLite: raised as time goes on.
    pub generation: Option<i64>,
}

/// What is stored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// The database as it was seen last. `None`: never.
    pub identity: Option<Identity>,
    /// Since when no order is sent. `None`: they are.
    pub orders_frozen_at: Option<DateTime<Utc>>,
    /// When a restore or a failover was found last.
    pub records_lost_at: Option<DateTime<Utc>>,
}

/// How a database compares with what was seen last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// The same.
    Same,
    /// Nobody has looked yet.
    First,
    /// Restored from a backup.
    Restored,
    /// Another timeline of the same database.
    FailedOver,
}

impl Seen {
    /// Compares a PostgreSQL database with what was seen last.
    #[must_use]
    pub fn compare(&self, now: &Identity) -> Comparison {
        match &self.identity {
            None => Comparison::First,
            Some(seen) if seen.identity != now.identity => Comparison::Restored,
            Some(seen) if now.generation.is_some_and(|timeline| seen.generation != Some(timeline)) => {
                Comparison::FailedOver
            }
            Some(_) => Comparison::Same,
        }
    }
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    identity: String,
    #[diesel(sql_type = Nullable<BigInt>)]
    generation: Option<i64>,
}

/// What PostgreSQL says of itself. `None` on SQLite.
///
/// # Errors
/// When it does not answer, or the role may not ask.
pub async fn current(conn: &mut Conn) -> Result<Option<Identity>> {
    let Conn::Pg(conn) = conn else { return Ok(None) };
    let row: Row = diesel::sql_query(
        "SELECT s.system_identifier || '/' || d.oid || '/' || 'database_identity'::regclass::oid AS identity, \
             CASE WHEN pg_is_in_recovery() THEN NULL \
                 ELSE ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::bigint \
             END AS generation \
         FROM pg_control_system() s, pg_database d WHERE d.datname = current_database()",
    )
    .get_result(conn)
    .await?;
    Ok(Some(Identity { identity: row.identity, generation: row.generation }))
}

/// What is stored.
///
/// # Errors
/// When the database does not answer.
pub async fn seen(conn: &mut Conn) -> Result<Seen> {
    let row = || {
        database_identity::table.find(ROW).select((
            database_identity::identity,
            database_identity::generation,
            database_identity::orders_frozen_at,
            database_identity::records_lost_at,
        ))
    };
    let (identity, generation, frozen, lost): (Option<String>, Option<i64>, Option<At>, Option<At>) =
        on!(conn, |c| row().first(c).await)?;
    let identity = identity.map(|identity| Identity { identity, generation });
    Ok(Seen { identity, orders_frozen_at: frozen.map(Into::into), records_lost_at: lost.map(Into::into) })
}

/// The same, and no other transaction changes it until this one ends.
///
/// # Errors
/// When the database does not answer.
pub async fn lock(conn: &mut Conn) -> Result<Seen> {
    if let Conn::Pg(conn) = &mut *conn {
        diesel::sql_query("SELECT FROM database_identity FOR UPDATE").execute(conn).await?;
    }
    seen(conn).await
}

/// Stores which database this is.
///
/// # Errors
/// When the database does not answer.
pub async fn update(conn: &mut Conn, now: &Identity) -> Result<()> {
    let set =
        (database_identity::identity.eq(&now.identity), database_identity::generation.eq(now.generation));
    on!(conn, |c| diesel::update(database_identity::table.find(ROW)).set(set).execute(c).await)?;
    Ok(())
}

/// Remembers that records are missing.
///
/// # Errors
/// When the database does not answer.
pub async fn lose_records(conn: &mut Conn, at: DateTime<Utc>) -> Result<()> {
    let set = database_identity::records_lost_at.eq(At(at));
    on!(conn, |c| diesel::update(database_identity::table.find(ROW)).set(set).execute(c).await)?;
    Ok(())
}

/// Sends no more orders, or sends them again.
///
/// # Errors
/// When the database does not answer.
pub async fn freeze_orders(conn: &mut Conn, since: Option<DateTime<Utc>>) -> Result<()> {
    let set = database_identity::orders_frozen_at.eq(since.map(At));
    on!(conn, |c| diesel::update(database_identity::table.find(ROW)).set(set).execute(c).await)?;
    Ok(())
}

/// Begins a new epoch of both feeds: their cursors of before are over.
///
/// # Errors
/// When the database does not answer.
pub async fn raise_epochs(conn: &mut Conn) -> Result<()> {
    let products = product_feed_head::epoch.eq(product_feed_head::epoch + 1);
    on!(conn, |c| diesel::update(product_feed_head::table).set(products).execute(c).await)?;
    let orders = order_feed_head::epoch.eq(order_feed_head::epoch + 1);
    on!(conn, |c| diesel::update(order_feed_head::table).set(orders).execute(c).await)?;
    Ok(())
}

/// Whether an error says that this database's role may not ask.
#[must_use]
pub fn is_forbidden(error: &Error) -> bool {
    match error {
        Error::Database(diesel::result::Error::DatabaseError(_, info)) => {
            let says = |words| info.message().contains(words);
            says("permission denied") || says("pg_control_system") && says("does not exist")
        }
        _ => false,
    }
}
