//! One connection type over both databases, and the transaction that is rolled back unless committed.

use std::ops::{Deref, DerefMut};

use diesel::SqliteConnection;
use diesel_async::{
    AsyncPgConnection, SimpleAsyncConnection, pooled_connection::deadpool::Object,
    sync_connection_wrapper::SyncConnectionWrapper,
};
use tokio::sync::Mutex;

use super::{
    error::{Error, Result},
    postgres_link::Lent,
};

/// SQLite behind diesel's async interface.
pub(super) type LiteConnection = SyncConnectionWrapper<SqliteConnection>;

/// A pooled connection to either database.
#[expect(clippy::large_enum_variant, reason = "there are a handful, and each lives on one future")]
pub enum Conn {
    /// PostgreSQL.
    Pg(Lent),
    /// SQLite.
    Lite(Object<LiteConnection>),
}

impl Conn {
    /// The connection to a database that replicas share.
    pub(super) fn shared(&mut self) -> Result<&mut AsyncPgConnection> {
        match self {
            Self::Pg(conn) => Ok(conn),
            Self::Lite(_) => Err(not_shared()),
        }
    }

    /// For statements that need not wait for each other's answers.
    pub fn pipeline(&mut self) -> Pipeline<'_> {
        match self {
            Self::Pg(conn) => Pipeline::Pg(conn),
            Self::Lite(conn) => Pipeline::Lite(Mutex::new(conn)),
        }
    }

    /// Takes it off its pool and closes it.
    pub(super) fn close(self) {
        match self {
            Self::Pg(lent) => lent.close(),
            Self::Lite(object) => drop(Object::take(object)),
        }
    }
}

pub(super) fn not_shared() -> Error {
    Error::Open("SQLite serves one process; replicas share through PostgreSQL".to_owned())
}

/// Runs one expression on either connection: a query is written once for both. Boxed, so that the compiler proves once that it
/// may move between threads, and not again for every caller above it.
macro_rules! on {
    ($conn:expr, |$c:ident| $body:expr) => {
        match $conn {
            $crate::store::Conn::Pg(lent) => {
                let statement = lent.statement();
                let $c: &mut diesel_async::AsyncPgConnection = &mut *lent;
                let query: $crate::domain::clock::BoxFuture<'_, _> = Box::pin(async { $body });
                let answer = query.await;
                statement.done();
                answer
            }
            $crate::store::Conn::Lite(object) => {
                let $c: &mut $crate::store::conn::LiteConnection = &mut *object;
                let query: $crate::domain::clock::BoxFuture<'_, _> = Box::pin(async { $body });
                query.await
            }
        }
    };
}
pub(crate) use on;

/// A connection on which statements need not wait for each other's answers: those whose futures are polled together
/// (`try_join`) are sent to PostgreSQL one behind the other. SQLite answers each before it takes the next. For statements of
/// which none needs another one: which comes first is nobody's promise.
pub enum Pipeline<'c> {
    /// PostgreSQL.
    Pg(&'c AsyncPgConnection),
    /// SQLite.
    Lite(Mutex<&'c mut LiteConnection>),
}

/// As [`on!`], on a pipeline.
macro_rules! ahead {
    ($pipeline:expr, |$c:ident| $body:expr) => {
        match $pipeline {
            $crate::store::Pipeline::Pg(conn) => {
                let mut conn: &diesel_async::AsyncPgConnection = conn;
                let $c = &mut conn;
                let query: $crate::domain::clock::BoxFuture<'_, _> = Box::pin(async { $body });
                query.await
            }
            $crate::store::Pipeline::Lite(conn) => {
                let mut conn = conn.lock().await;
                let $c: &mut $crate::store::conn::LiteConnection = &mut conn;
                let query: $crate::domain::clock::BoxFuture<'_, _> = Box::pin(async { $body });
                query.await
            }
        }
    };
}
pub(crate) use ahead;

/// Runs a statement for each row, without waiting in between. PostgreSQL keeps the statement.
macro_rules! each {
    ($pipeline:expr, $rows:expr, |$row:ident| $statement:expr) => {{
        let (pipeline, mut rows): (&$crate::store::Pipeline<'_>, _) = ($pipeline, $rows.into_iter());
        loop {
            let sent = rows.by_ref().take($crate::store::conn::UNANSWERED);
            let sent = sent.map(|$row| -> $crate::domain::clock::BoxFuture<'_, _> {
                Box::pin(
                    async move { $crate::store::conn::ahead!(pipeline, |c| $statement.execute(c).await) },
                )
            });
            if futures_util::future::try_join_all(sent).await?.is_empty() {
                break;
            }
        }
    }};
}
pub(crate) use each;

/// Statements that PostgreSQL is sent before one is answered, at most.
pub(super) const UNANSWERED: usize = 16;

/// A transaction. Dropped without [`Tx::commit`], its connection is taken off the pool and closed, which rolls it
/// back: whatever happened on it half-way, nobody inherits it.
pub struct Tx(Option<Conn>);

impl Tx {
    pub(super) async fn begin(conn: Conn, begin: &str) -> Result<Self> {
        // Owned by a Tx before the statement is sent, so that a caller who goes away in mid-BEGIN leaves nothing open.
        let mut tx = Self(Some(conn));
        on!(&mut *tx, |c| c.batch_execute(begin).await)?;
        Ok(tx)
    }

    /// Makes everything written visible, at once.
    ///
    /// # Errors
    /// When the database does not confirm it; then it may or may not have happened.
    pub async fn commit(mut self) -> Result<()> {
        on!(&mut *self, |c| c.batch_execute("COMMIT").await)?;
        drop(self.0.take());
        Ok(())
    }

    /// Takes everything back, on purpose: the connection stays in its pool.
    ///
    /// # Errors
    /// When the database does not confirm it; nothing was written all the same.
    pub async fn rollback(mut self) -> Result<()> {
        on!(&mut *self, |c| c.batch_execute("ROLLBACK").await)?;
        drop(self.0.take());
        Ok(())
    }
}

impl Drop for Tx {
    fn drop(&mut self) {
        if let Some(conn) = self.0.take() {
            conn.close();
        }
    }
}

impl Deref for Tx {
    type Target = Conn;

    #[expect(clippy::expect_used, reason = "only commit and drop empty it, and both consume the Tx")]
    fn deref(&self) -> &Conn {
        self.0.as_ref().expect("a transaction holds its connection until it ends")
    }
}

impl DerefMut for Tx {
    #[expect(clippy::expect_used, reason = "only commit and drop empty it, and both consume the Tx")]
    fn deref_mut(&mut self) -> &mut Conn {
        self.0.as_mut().expect("a transaction holds its connection until it ends")
    }
}
