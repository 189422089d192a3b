//! SQLite: one connection that writes, a few that only read, and a lock beside the file so that a second process is
//! told who holds it.

use std::{
    fs::{File, TryLockError},
    io::{Read as _, Seek as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    sync::Arc,
    time::Duration,
};

use diesel::ConnectionError;
use diesel_async::{
    AsyncConnection as _, SimpleAsyncConnection as _,
    pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod, deadpool},
};
use futures_util::FutureExt as _;

use super::{Error, Result, conn::LiteConnection, sqlite_identity::Beside};

type LitePool = deadpool::Pool<LiteConnection>;

/// Connections that only read.
const READERS: usize = 4;
/// Connections that read through many rows for one caller.
const SEARCHERS: usize = 2;

/// Orders, accounts and tokens lie in the files: they are their owner's alone.
const MODE: u32 = 0o600;

/// Per connection, hence set at every opening. `FULL` has each commit wait for the disk, whatever it writes: orders are
/// acknowledged, and readers of the feeds of orders and of products keep numbers that a power cut must not give to other
/// entries. With `NORMAL` nothing is synced until a checkpoint.
const PRAGMAS: &str = "PRAGMA busy_timeout = 10000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
                       PRAGMA foreign_keys = ON; PRAGMA cache_size = -16000; PRAGMA temp_store = MEMORY;";

/// The pools of one file.
#[derive(Clone)]
pub(super) struct Pools {
    pub(super) writer: LitePool,
    pub(super) readers: LitePool,
    /// For statements that hold up nothing else.
    pub(super) searches: LitePool,
    /// Which database this file was when it was seen last.
    pub(super) beside: Arc<Beside>,
    /// Held as long as the store lives.
    _lock: Arc<File>,
}

/// Opens, or makes, the file.
pub(super) async fn open(path: &Path, wait: Duration) -> Result<Pools> {
    let lock = lock(path)?;
    // SQLite gives its journals the mode of the database, and makes that as anybody may read it.
    private(path).map_err(|error| {
        Error::Open(format!("cannot open the SQLite database {}: {error}", path.display()))
    })?;
    let writer = pool(path, PRAGMAS.to_owned(), 1, Some(wait))?;
    // The first connection makes the file and its journal mode before any reader looks at it.
    let first = writer.get().await.map_err(|error| {
        let cause = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
        Error::Open(format!("cannot open the SQLite database {}: {cause}", path.display()))
    })?;
    drop(first);
    let reading = format!("{PRAGMAS} PRAGMA query_only = ON;");
    let readers = pool(path, reading.clone(), READERS, Some(wait))?;
    // Whoever searches waits for as long as the caller does.
    let searches = pool(path, reading, SEARCHERS, None)?;
    let beside = Arc::new(Beside::open(path));
    Ok(Pools { writer, readers, searches, beside, _lock: Arc::new(lock) })
}

fn pool(path: &Path, pragmas: String, size: usize, wait: Option<Duration>) -> Result<LitePool> {
    let mut config = ManagerConfig::<LiteConnection>::default();
    config.recycling_method = RecyclingMethod::Fast;
    config.custom_setup = Box::new(move |path| {
        let pragmas = pragmas.clone();
        async move {
            let mut conn = LiteConnection::establish(path).await?;
            conn.batch_execute(&pragmas).await.map_err(ConnectionError::CouldntSetupConfiguration)?;
            Ok(conn)
        }
        .boxed()
    });
    let path =
        path.to_str().ok_or_else(|| Error::Open(format!("the path {} is not UTF-8", path.display())))?;
    deadpool::Pool::builder(AsyncDieselConnectionManager::new_with_config(path, config))
        .max_size(size)
        .wait_timeout(wait)
        .create_timeout(wait)
        .runtime(::deadpool::Runtime::Tokio1)
        .build()
        .map_err(|error| Error::Open(error.to_string()))
}

/// Makes the file, where it is not there, as its owner's alone.
fn private(path: &Path) -> std::io::Result<()> {
    File::options().append(true).create(true).mode(MODE).open(path).map(drop)
}

/// Takes the lock beside the file, and writes who we are into it.
fn lock(path: &Path) -> Result<File> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let lock_path = Path::new(&name);
    let explain = |error: std::io::Error| {
        Error::Open(format!(
            "cannot open the SQLite database {}: {}: {error}",
            path.display(),
            lock_path.display()
        ))
    };
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(MODE)
        .open(lock_path)
        .map_err(explain)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // What it says is a courtesy; not being able to read it changes nothing.
            let _ = file.read_to_string(&mut holder);
            return Err(Error::Open(format!(
                "the SQLite database {} is in use by another process ({}); stop that one, or use another file or \
                 PostgreSQL",
                path.display(),
                holder.trim()
            )));
        }
        Err(TryLockError::Error(error)) => return Err(explain(error)),
    }
    file.set_len(0).and_then(|()| file.rewind()).map_err(explain)?;
    writeln!(file, "process {}", std::process::id()).map_err(explain)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use diesel_async::RunQueryDsl as _;

    use crate::store::{Conn, Database, Options, Store, on};

    async fn open() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let wait = std::time::Duration::from_secs(5);
        let database = Database::Sqlite { path: folder.path().join("haier.db") };
        let options = Options { database, pool_size: 1, wait, statement_timeout: wait };
        (folder, Store::open(&options).await.unwrap())
    }

    async fn synchronous(conn: &mut Conn) -> i64 {
        #[derive(diesel::QueryableByName)]
        struct Row {
            #[diesel(sql_type = diesel::sql_types::BigInt)]
            synchronous: i64,
        }
        let row: Row = on!(conn, |c| diesel::sql_query("PRAGMA synchronous").get_result(c).await).unwrap();
        row.synchronous
    }

    #[tokio::test]
    async fn every_transaction_waits_for_the_disk() {
        const FULL: i64 = 2;
        let (_folder, store) = open().await;
        for _ in 0..2 {
            let mut tx = store.begin().await.unwrap();
            assert_eq!(synchronous(&mut tx).await, FULL);
            tx.commit().await.unwrap();
        }
    }

    #[tokio::test]
    async fn its_files_are_for_their_owner_alone() {
        let (folder, store) = open().await;
        store.begin().await.unwrap().commit().await.unwrap();
        let mut files = 0;
        for file in std::fs::read_dir(folder.path()).unwrap() {
            let file = file.unwrap();
            assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{file:?}");
            files += 1;
        }
        assert_eq!(files, 4, "the database, its two journals and the lock");
    }
}
