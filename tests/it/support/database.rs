//! A database of its own for each test, and SQL by hand on it.

use std::{
    collections::hash_map::DefaultHasher,
    fs,
    hash::{Hash as _, Hasher as _},
    io::Write as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use diesel::{Connection as _, RunQueryDsl as _, SqliteConnection, connection::SimpleConnection as _};
use haier_integration::{config::DatabaseUrl, service, store};
use tempfile::TempDir;
use tokio_postgres::NoTls;
use url::Url;

use super::cluster::{Server, server};

/// Which database a test runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backend {
    Sqlite,
    Postgres,
}

/// Serialises the making of the template over all test processes.
const TEMPLATE_LOCK: i64 = 0x6861_6965_725f_6974;

/// A database that only this test knows, and a folder beside it.
#[derive(Clone)]
pub(crate) struct Database {
    pub(crate) url: DatabaseUrl,
    /// The address as a program takes it.
    pub(crate) address: String,
    folder: Arc<TempDir>,
    server: Option<(&'static Server, String)>,
}

impl Database {
    /// `None`: there is no such server, which has been said; the test is left out.
    pub(crate) async fn create(backend: Backend) -> Option<Self> {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        if backend == Backend::Sqlite {
            let address = format!("sqlite://{}", folder.path().join("haier.db").display());
            return Some(Self { url: address.parse().unwrap(), address, folder, server: None });
        }
        let found = tokio::task::spawn_blocking(server).await.unwrap();
        let server = match found {
            Ok(server) => server,
            Err(why) => {
                let required = std::env::var("HAIER_TEST_REQUIRE_POSTGRES").is_ok_and(|value| value == "1");
                assert!(!required, "PostgreSQL is required and not there: {why}");
                // Not by eprintln!, which the test runner keeps to itself when a test passes.
                let said = format!("\n*** LEFT OUT: this test did NOT run on PostgreSQL: {why} ***\n");
                std::io::stderr().write_all(said.as_bytes()).unwrap();
                return None;
            }
        };
        let template = template(server).await;
        let name = format!("haier_it_{}_{:08x}", std::process::id(), rand::random::<u32>());
        admin(server, &[&format!("CREATE DATABASE {name} TEMPLATE {template}")]).await;
        let address = address(server, &name);
        Some(Self { url: address.parse().unwrap(), address, folder, server: Some((server, name)) })
    }

    /// A folder that goes with the database.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The authority of the server's certificate, which is for its address; none: the server is not ours.
    pub(crate) fn authority(&self) -> Option<PathBuf> {
        self.server.as_ref()?.0.authority.clone()
    }

    pub(crate) fn is_postgres(&self) -> bool {
        self.server.is_some()
    }

    /// The SQLite file.
    pub(crate) fn file(&self) -> PathBuf {
        self.folder().join("haier.db")
    }

    pub(super) async fn remove(self) {
        if let Some((server, name)) = &self.server {
            admin(server, &[&format!("DROP DATABASE {name} WITH (FORCE)")]).await;
        }
    }

    /// Empties the database, as it is before its first migration.
    pub(crate) async fn unmigrate(&self) {
        match &self.server {
            Some(_) => self.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public").await.unwrap(),
            None => fs::remove_file(self.file()).unwrap_or_default(),
        }
    }

    /// Runs SQL by hand; the error is in the database's words.
    pub(crate) async fn execute(&self, sql: &str) -> Result<(), String> {
        if self.is_postgres() {
            return connect(&self.address).await.batch_execute(sql).await.map_err(|error| words(&error));
        }
        let (path, sql) = (self.file(), sql.to_owned());
        let run = move || lite(&path).batch_execute(&sql).map_err(|error| error.to_string());
        tokio::task::spawn_blocking(run).await.unwrap()
    }

    /// The number that a query answers.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        if self.is_postgres() {
            let sql = format!("SELECT n::bigint FROM ({sql}) AS q(n)");
            return connect(&self.address).await.query_one(&sql, &[]).await.unwrap().get(0);
        }
        let (path, sql) = (self.file(), format!("SELECT ({sql}) AS n"));
        let run = move || diesel::sql_query(sql).get_result::<Row>(&mut lite(&path)).unwrap().n;
        tokio::task::spawn_blocking(run).await.unwrap()
    }

    /// A connection that is kept, for whoever asks again and again.
    pub(crate) async fn asker(&self) -> Asker {
        if self.is_postgres() {
            return Asker::Pg(connect(&self.address).await);
        }
        Asker::Lite(Mutex::new(lite(&self.file())))
    }

    /// Takes all orders out, as a backup from before them would be without.
    pub(crate) async fn forget_orders(&self) {
        let (before, after) = if self.is_postgres() {
            ("ALTER TABLE order_facts DISABLE TRIGGER USER", "ALTER TABLE order_facts ENABLE TRIGGER USER")
        } else {
            ("DROP TRIGGER order_facts_no_delete", "")
        };
        let delete = ["order_facts", "order_items", "order_pushes", "orders"];
        let delete = delete.map(|table| format!("DELETE FROM {table}")).join("; ");
        self.execute(&format!("{before}; {delete}; {after}")).await.unwrap();
    }

    /// All that is stored, as text.
    pub(crate) async fn everything(&self) -> String {
        if !self.is_postgres() {
            let files = ["", "-wal"].map(|end| fs::read(format!("{}{end}", self.file().display())));
            let bytes: Vec<u8> = files.into_iter().flat_map(Result::unwrap_or_default).collect();
            return String::from_utf8_lossy(&bytes).into_owned();
        }
        let client = connect(&self.address).await;
        let tables = "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'";
        let mut text = String::new();
        for table in client.query(tables, &[]).await.unwrap() {
            let sql = format!("SELECT t::text FROM \"{}\" t", table.get::<_, String>(0));
            text.extend(client.query(&sql, &[]).await.unwrap().iter().map(|row| row.get::<_, String>(0)));
        }
        text
    }

    /// The store on this database, as a second one beside the service's (PostgreSQL) or alone (SQLite).
    pub(crate) async fn store(&self) -> store::Result<store::Store> {
        let database = match &self.url {
            DatabaseUrl::Sqlite { path } => store::Database::Sqlite { path: path.clone() },
            DatabaseUrl::Postgres { url } => store::Database::Postgres { url: url.clone() },
        };
        let wait = std::time::Duration::from_secs(60);
        let options = store::Options { database, pool_size: 4, wait, statement_timeout: wait };
        store::Store::open(&options).await
    }
}

/// A connection of its own to a database.
pub(crate) enum Asker {
    Pg(tokio_postgres::Client),
    Lite(Mutex<SqliteConnection>),
}

impl Asker {
    /// Runs SQL by hand; what it begins stays open.
    pub(crate) async fn execute(&self, sql: &str) {
        match self {
            Self::Pg(client) => client.batch_execute(sql).await.unwrap(),
            Self::Lite(conn) => conn.lock().unwrap().batch_execute(sql).unwrap(),
        }
    }

    /// The number that a short query answers.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        match self {
            Self::Pg(client) => {
                let sql = format!("SELECT n::bigint FROM ({sql}) AS q(n)");
                client.query_one(&sql, &[]).await.unwrap().get(0)
            }
            Self::Lite(conn) => {
                let sql = diesel::sql_query(format!("SELECT ({sql}) AS n"));
                sql.get_result::<Row>(&mut *conn.lock().unwrap()).unwrap().n
            }
        }
    }
}

#[derive(diesel::QueryableByName)]
struct Row {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    n: i64,
}

fn lite(path: &Path) -> SqliteConnection {
    let mut conn = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    conn.batch_execute("PRAGMA busy_timeout = 10000").unwrap();
    conn
}

fn words(error: &tokio_postgres::Error) -> String {
    error.as_db_error().map_or_else(|| error.to_string(), ToString::to_string)
}

async fn connect(address: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(address, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn admin(server: &Server, statements: &[&str]) {
    let client = connect(&server.url).await;
    for statement in statements {
        client.batch_execute(statement).await.map_err(|error| words(&error)).unwrap();
    }
}

fn address(server: &Server, database: &str) -> String {
    let mut url = Url::parse(&server.url).unwrap();
    url.set_path(database);
    url.into()
}

/// The name of a database with all migrations; made once per state of the migrations.
async fn template(server: &Server) -> String {
    let mut key = DefaultHasher::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/postgres");
    let mut files: Vec<PathBuf> =
        fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path().join("up.sql")).collect();
    files.sort();
    for file in files {
        (file.clone(), fs::read(file).unwrap()).hash(&mut key);
    }
    let name = format!("haier_it_template_{:016x}", key.finish());
    let client = connect(&server.url).await;
    client.batch_execute(&format!("SELECT pg_advisory_lock({TEMPLATE_LOCK})")).await.unwrap();
    let there = client.query_opt("SELECT 1 FROM pg_database WHERE datname = $1", &[&name]).await.unwrap();
    if there.is_none() {
        let half = format!("{name}_half");
        let statements = [format!("DROP DATABASE IF EXISTS {half}"), format!("CREATE DATABASE {half}")];
        admin(server, &[&statements[0], &statements[1]]).await;
        service::migrate(&address(server, &half).parse().unwrap()).await.unwrap();
        // Renamed only when it is whole, so that nobody copies half of one.
        admin(server, &[&format!("ALTER DATABASE {half} RENAME TO {name}")]).await;
    }
    name
}
