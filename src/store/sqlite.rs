//! SQLite: one connection that writes, a few that only read, and a lock beside the file so that a second process is
//! told who holds it.

use std::{
    fs::{File, TryLockError},
    io::{Read as _, Seek as _, Write as _},
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

use super::{Error, Result, conn::LiteConnection};

type LitePool = deadpool::Pool<LiteConnection>;

/// Connections that only read.
const READERS: usize = 4;

/// Per connection, hence set at every opening.
const PRAGMAS: &str = "PRAGMA busy_timeout = 10000; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; \
                       PRAGMA foreign_keys = ON; PRAGMA cache_size = -16000; PRAGMA temp_store = MEMORY;";

/// The pools of one file.
#[derive(Clone)]
pub(super) struct Pools {
    pub(super) writer: LitePool,
    pub(super) readers: LitePool,
    /// Held as long as the store lives.
    _lock: Arc<File>,
}

/// Opens, or makes, the file.
pub(super) async fn open(path: &Path, wait: Duration) -> Result<Pools> {
    let lock = lock(path)?;
    let writer = pool(path, PRAGMAS.to_owned(), 1, wait)?;
    // The first connection makes the file and its journal mode before any reader looks at it.
    let first = writer.get().await.map_err(|error| {
        let cause = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
        Error::Open(format!("cannot open the SQLite database {}: {cause}", path.display()))
    })?;
    drop(first);
    let readers = pool(path, format!("{PRAGMAS} PRAGMA query_only = ON;"), READERS, wait)?;
    Ok(Pools { writer, readers, _lock: Arc::new(lock) })
}

fn pool(path: &Path, pragmas: String, size: usize, wait: Duration) -> Result<LitePool> {
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
        .wait_timeout(Some(wait))
        .create_timeout(Some(wait))
        .runtime(::deadpool::Runtime::Tokio1)
        .build()
        .map_err(|error| Error::Open(error.to_string()))
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
