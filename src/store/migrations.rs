//! The schema's versions: applied by themselves on SQLite, by `migrate` on PostgreSQL.

use diesel::{backend::Backend, migration::Migration};
use diesel_async::{AsyncMigrationHarness, RunQueryDsl as _};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::{Conn, Error, Result, Store, on};

const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");
const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");

/// Serialises migrations of several processes on one PostgreSQL database.
const ADVISORY_LOCK: i64 = 0x6861_6965_725f_6d69;

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
/// # Errors
/// When the database does not answer, refuses a migration, or is newer than this program.
pub async fn run(store: &Store) -> Result<Vec<String>> {
    if let SchemaState::Newer(versions) = state(store).await? {
        return Err(newer(&versions));
    }
    let failed =
        |error: Box<dyn std::error::Error + Send + Sync>| Error::Open(format!("a migration failed: {error}"));
    // Held until the connection goes back, so that two replicas that start together do not both migrate.
    match &store.pools {
        super::Pools::Pg { main, .. } => {
            let mut conn = main.get().await?;
            let lock = format!("SELECT pg_advisory_lock({ADVISORY_LOCK})");
            diesel::sql_query(lock).execute(&mut conn).await?;
            let mut harness = AsyncMigrationHarness::new(conn);
            let applied = harness
                .run_pending_migrations(POSTGRES)
                .map(|all| all.iter().map(ToString::to_string).collect());
            let mut conn = harness.into_inner();
            let unlock = format!("SELECT pg_advisory_unlock({ADVISORY_LOCK})");
            diesel::sql_query(unlock).execute(&mut conn).await?;
            named::<diesel::pg::Pg>(applied.map_err(failed)?, &POSTGRES)
        }
        super::Pools::Lite(pools) => {
            let mut harness = AsyncMigrationHarness::new(pools.writer.get().await?);
            let applied: Vec<String> = harness
                .run_pending_migrations(SQLITE)
                .map_err(failed)?
                .iter()
                .map(ToString::to_string)
                .collect();
            named::<diesel::sqlite::Sqlite>(applied, &SQLITE)
        }
    }
}

/// The error for a database that a newer version has migrated.
#[must_use]
pub fn newer(versions: &[String]) -> Error {
    Error::Open(format!(
        "the database's schema is newer than this program (unknown versions: {}); run the version that migrated it",
        versions.join(", ")
    ))
}

/// Versions the database has applied; none when it never saw a migration.
async fn applied(conn: &mut Conn) -> Result<Vec<String>> {
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::Text)]
        version: String,
    }
    let table = match conn {
        Conn::Pg(_) => {
            "SELECT tablename::text AS version FROM pg_tables \
             WHERE schemaname = current_schema() AND tablename = '__diesel_schema_migrations'"
        }
        Conn::Lite(_) => {
            "SELECT name AS version FROM sqlite_master WHERE name = '__diesel_schema_migrations'"
        }
    };
    let found: Vec<Row> = on!(conn, |c| diesel::sql_query(table).load(c).await)?;
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let versions = "SELECT version FROM __diesel_schema_migrations ORDER BY version";
    let rows: Vec<Row> = on!(conn, |c| diesel::sql_query(versions).load(c).await)?;
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
