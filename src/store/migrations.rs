//! The schema's versions: applied by themselves on SQLite, by `migrate` on PostgreSQL.

use std::time::Duration;

use diesel::{QueryableByName, backend::Backend, migration::Migration, sql_types::Text};
use diesel_async::{AsyncMigrationHarness, AsyncPgConnection, RunQueryDsl as _, SimpleAsyncConnection as _};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::{Conn, Error, Result, Store, postgres};

const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");
const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");

/// Serialises migrations of several processes on one PostgreSQL database.
const ADVISORY_LOCK: i64 = 0x6861_6965_725f_6d69;

/// How often a migration asks for its locks: for some two minutes.
const LOCK_ATTEMPTS: u32 = 30;
/// Between two of these: whoever waited behind the migration goes first.
const LOCK_PAUSE: Duration = Duration::from_secs(1);
/// PostgreSQL's words for a lock that was not got in time.
const LOCK_TIMEOUT: &str = "due to lock timeout";

/// How the database's schema stands to this program's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SchemaState {
    /// The same.
    Current,
    /// These migrations are missing.
    Behind(Vec<String>),
    /// The database knows versions that this program does not.
    Newer(Vec<String>),
}

/// Compares the database's schema with this program's.
///
/// # Errors
/// When the database does not answer.
pub async fn state(store: &Store) -> Result<SchemaState> {
    let mut conn = store.read().await?;
    let applied = applied(&mut conn).await?;
    let known = match conn {
        Conn::Pg(_) => names::<diesel::pg::Pg>(&POSTGRES)?,
        Conn::Lite(_) => names::<diesel::sqlite::Sqlite>(&SQLITE)?,
    };
    let newer: Vec<_> =
        applied.iter().filter(|v| !known.iter().any(|(version, _)| version == *v)).cloned().collect();
    if !newer.is_empty() {
        return Ok(SchemaState::Newer(newer));
    }
    let missing: Vec<_> = known.into_iter().filter(|(version, _)| !applied.contains(version)).collect();
    if missing.is_empty() {
        return Ok(SchemaState::Current);
    }
    Ok(SchemaState::Behind(missing.into_iter().map(|(_, name)| name).collect()))
}

/// Applies what is missing; returns the names of what was applied, in order.
///
/// A migration may take as long as it needs, but waits only seconds for a lock: everybody else who wants the same table waits
/// behind it. If it does not get one, it is tried again from its beginning, with room for the others in between. An index on a
/// table that may be large is made by a migration of its own, `CONCURRENTLY` and outside a transaction (`metadata.toml`).
///
/// # Errors
/// When the database does not answer, refuses a migration, or is newer than this program.
pub async fn run(store: &Store) -> Result<Vec<String>> {
    if let SchemaState::Newer(versions) = state(store).await? {
        return Err(newer(&versions));
    }
    match &store.pools {
        super::Pools::Pg(pools) => named::<diesel::pg::Pg>(run_on_postgres(pools).await?, &POSTGRES),
        super::Pools::Lite(pools) => {
            let mut harness = AsyncMigrationHarness::new(pools.writer.get().await?);
            let applied = harness.run_pending_migrations(SQLITE).map_err(failed)?;
            named::<diesel::sqlite::Sqlite>(applied.iter().map(ToString::to_string).collect(), &SQLITE)
        }
    }
}

async fn run_on_postgres(pools: &postgres::Pools) -> Result<Vec<String>> {
    let mut conn = pools.for_migrations().await?;
    // Held until the connection closes, so that two replicas that start together do not both migrate.
    let lock = format!(
        "SET lock_timeout = 0; SELECT pg_advisory_lock({ADVISORY_LOCK}); SET lock_timeout = {}",
        postgres::MIGRATION_LOCK.as_millis()
    );
    conn.batch_execute(&lock).await?;
    let mut applied = Vec::new();
    for attempt in 1.. {
        let before = applied_on_postgres(&mut conn).await?;
        let mut harness = AsyncMigrationHarness::new(conn);
        let outcome = harness.run_pending_migrations(POSTGRES).map(drop);
        conn = harness.into_inner();
        let after = applied_on_postgres(&mut conn).await?;
        applied.extend(after.into_iter().filter(|version| !before.contains(version)));
        match outcome {
            Ok(()) => break,
            Err(error) if attempt < LOCK_ATTEMPTS && error.to_string().contains(LOCK_TIMEOUT) => {
                tracing::warn!(attempt, "a migration waits for a table that is in use; trying again");
                tokio::time::sleep(LOCK_PAUSE).await;
            }
            Err(error) => return Err(failed(error)),
        }
    }
    Ok(applied)
}

#[expect(clippy::needless_pass_by_value, reason = "what map_err hands over")]
fn failed(error: Box<dyn std::error::Error + Send + Sync>) -> Error {
    let remedy = if error.to_string().contains(LOCK_TIMEOUT) {
        "; a table that it changes is in use (a dump, or a transaction that does not end): migrate again when it is not"
    } else {
        ""
    };
    Error::Open(format!("a migration failed: {error}{remedy}"))
}

/// The error for a database that a newer version has migrated.
#[must_use]
pub fn newer(versions: &[String]) -> Error {
    Error::Open(format!(
        "the database's schema is newer than this program (unknown versions: {}); run the version that migrated it",
        versions.join(", ")
    ))
}

#[derive(QueryableByName)]
struct Applied {
    #[diesel(sql_type = Text)]
    version: String,
}

const VERSIONS: &str = "SELECT version FROM __diesel_schema_migrations ORDER BY version";

/// Versions the database has applied; none when it never saw a migration.
async fn applied(conn: &mut Conn) -> Result<Vec<String>> {
    let rows: Vec<Applied> = match conn {
        Conn::Pg(conn) => return applied_on_postgres(conn).await,
        Conn::Lite(conn) => {
            let table = "SELECT name AS version FROM sqlite_master WHERE name = '__diesel_schema_migrations'";
            let found: Vec<Applied> = diesel::sql_query(table).load(conn).await?;
            if found.is_empty() { found } else { diesel::sql_query(VERSIONS).load(conn).await? }
        }
    };
    Ok(rows.into_iter().map(|row| row.version).collect())
}

async fn applied_on_postgres(conn: &mut AsyncPgConnection) -> Result<Vec<String>> {
    let table = "SELECT tablename::text AS version FROM pg_tables \
                 WHERE schemaname = current_schema() AND tablename = '__diesel_schema_migrations'";
    let found: Vec<Applied> = diesel::sql_query(table).load(conn).await?;
    let rows: Vec<Applied> =
        if found.is_empty() { found } else { diesel::sql_query(VERSIONS).load(conn).await? };
    Ok(rows.into_iter().map(|row| row.version).collect())
}

/// Version and name of every migration this program has.
fn names<DB: Backend>(embedded: &EmbeddedMigrations) -> Result<Vec<(String, String)>> {
    use diesel::migration::MigrationSource;
    let all: Vec<Box<dyn Migration<DB>>> =
        embedded.migrations().map_err(|error| Error::Open(format!("embedded migrations: {error}")))?;
    Ok(all.iter().map(|each| (each.name().version().to_string(), each.name().to_string())).collect())
}

fn named<DB: Backend>(versions: Vec<String>, embedded: &EmbeddedMigrations) -> Result<Vec<String>> {
    let names = names::<DB>(embedded)?;
    let name = |version: String| {
        names.iter().find(|(known, _)| *known == version).map_or(version.clone(), |(_, name)| name.clone())
    };
    Ok(versions.into_iter().map(name).collect())
}
