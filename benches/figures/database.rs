//! A database for one measurement, on either engine, and a connection to it beside the service's.

use std::path::PathBuf;

use anyhow::Context as _;
use diesel::{Connection as _, SqliteConnection, connection::SimpleConnection as _};
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};
use url::Url;

use super::cluster::Cluster;

/// Removed when dropped.
pub(crate) enum Database {
    Postgres(Postgres),
    Sqlite(TempDir),
}

/// A database of our own on a server.
pub(crate) struct Postgres {
    name: String,
    url: Url,
    maintenance: Url,
}

impl Database {
    /// A new, empty one; on SQLite without a server.
    pub(crate) async fn create(cluster: Option<&Cluster>) -> anyhow::Result<Self> {
        let Some(cluster) = cluster else {
            return Ok(Self::Sqlite(tempfile::Builder::new().prefix("haier-bench-").tempdir()?));
        };
        let name = format!("haier_bench_{:016x}", rand::random::<u64>());
        let maintenance = cluster.maintenance_url().clone();
        connect(&maintenance).await?.batch_execute(&format!("CREATE DATABASE {name}")).await?;
        Ok(Self::Postgres(Postgres { url: cluster.database_url(&name), name, maintenance }))
    }

    /// Its address, as the service takes it.
    pub(crate) fn url(&self) -> String {
        match self {
            Self::Postgres(postgres) => postgres.url.to_string(),
            Self::Sqlite(_) => format!("sqlite://{}", self.file().display()),
        }
    }

    /// Which engine, for the table.
    pub(crate) fn engine(&self) -> &'static str {
        match self {
            Self::Postgres(_) => "PostgreSQL",
            Self::Sqlite(_) => "SQLite",
        }
    }

    /// A connection to it, where it is on PostgreSQL.
    pub(crate) async fn client(&self) -> anyhow::Result<Option<Client>> {
        match self {
            Self::Postgres(postgres) => connect(&postgres.url).await.map(Some),
            Self::Sqlite(_) => Ok(None),
        }
    }

    /// Takes all products out, under the running service, and leaves the tables as small as new ones.
    pub(crate) async fn empty_products(&self) -> anyhow::Result<()> {
        if let Some(client) = self.client().await? {
            client.batch_execute("TRUNCATE products, product_sync, product_prices, stock_levels").await?;
            return checkpoint(&client).await;
        }
        let file = self.file();
        let emptied = tokio::task::spawn_blocking(move || -> anyhow::Result<()> {
            let mut conn = SqliteConnection::establish(&file.display().to_string())?;
            conn.batch_execute("PRAGMA busy_timeout = 30000")?;
            conn.batch_execute(
                "BEGIN IMMEDIATE; DELETE FROM stock_levels; DELETE FROM product_prices; DELETE FROM product_sync; DELETE FROM products; COMMIT",
            )?;
            conn.batch_execute("VACUUM; PRAGMA wal_checkpoint(TRUNCATE)")?;
            Ok(())
        });
        emptied.await?.context("the SQLite database cannot be emptied")
    }

    fn file(&self) -> PathBuf {
        match self {
            Self::Sqlite(folder) => folder.path().join("haier.db"),
            Self::Postgres(_) => PathBuf::new(),
        }
    }
}

/// Writes down what is owed, so that the next measurement does not pay for the last one. Needs a superuser; without one
/// nothing is done.
pub(crate) async fn checkpoint(client: &Client) -> anyhow::Result<()> {
    let superuser = client.query_one("SELECT current_setting('is_superuser')", &[]).await?;
    if superuser.get::<_, &str>(0) == "on" {
        client.batch_execute("CHECKPOINT").await?;
    }
    Ok(())
}

async fn connect(url: &Url) -> anyhow::Result<Client> {
    let connected = tokio_postgres::connect(url.as_str(), NoTls).await;
    let (client, connection) = connected.context("cannot connect to PostgreSQL")?;
    // Ends with the client; what went wrong, the client is told.
    tokio::spawn(connection);
    Ok(client)
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let (url, drop) =
            (self.maintenance.clone(), format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
        // On a thread of its own: a runtime may not block in another one's.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async { anyhow::Ok(connect(&url).await?.batch_execute(&drop).await?) })
        });
        if !dropping.join().is_ok_and(|dropped| dropped.is_ok()) {
            super::say(&format!("the database {} could not be dropped", self.name));
        }
    }
}
