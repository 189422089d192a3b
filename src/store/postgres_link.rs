//! One connection to PostgreSQL, and the manager of its pool. Nobody may wait for minutes for a server that has gone silent
//! (power, partition, failover), nor inherit what another caller left unanswered. Hence a connection knows whether a
//! statement is under way and since when:
//!
//! - A statement that outlives its limit closes the connection, and everything that waits on it fails as an outage.
//! - A connection that is dropped during a statement is closed, not given back, and the server is asked to cancel the statement.
//! - A connection that rested is asked for a sign of life before it is used again. One that gives none renews its pools: the
//!   connections of before are not used again, and those that are silent close.
//!
//! The kernel's part (keep-alive, `tcp_user_timeout`) is set where connections are made. It does not notice a peer whose machine
//! still acknowledges.

use std::{
    ops::{Deref, DerefMut},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use ::deadpool::managed;
use diesel::{ConnectionError, ConnectionResult, connection::InstrumentationEvent};
use diesel_async::{
    AsyncConnection as _, AsyncPgConnection, SimpleAsyncConnection as _,
    pooled_connection::{PoolError, PoolableConnection as _},
};
use tokio::sync::oneshot;
use tokio_postgres::{CancelToken, Client, Connection, NoTls, Socket, config::SslMode, tls::TlsStream};

use super::{postgres::innermost, postgres_tls::Tls};

pub(super) type Pool = managed::Pool<Manager>;

/// A connection that was not used for so long is asked for a sign of life first.
const RESTED: Duration = Duration::from_secs(2);
/// Longest wait for that sign of life.
const SIGN_OF_LIFE: Duration = Duration::from_secs(2);
/// Silence in the midst of a statement that closes a connection once its pools were renewed.
const SUSPICIOUS: Duration = Duration::from_secs(5);
/// How often a connection is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// Longest time to ask the server to cancel a statement.
const CANCEL: Duration = Duration::from_secs(5);

/// Which connections may still be used: those made since the pools were last renewed. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Renewals(Arc<AtomicU64>);

impl Renewals {
    pub(super) fn current(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Takes these connections out of use; those that answer may end what they do. `false`: they are already, since another of
    /// them was silent, and those made since then stay.
    pub(super) fn renew(&self, generation: u64) -> bool {
        self.0.compare_exchange(generation, generation + 1, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

/// How connections are made.
pub(super) struct Manager {
    pub(super) config: tokio_postgres::Config,
    pub(super) tls: Tls,
    /// Statements that prepare each connection. Not start options: poolers such as PgBouncer refuse those.
    pub(super) session: String,
    /// Longest silence in the midst of a statement. `None`: a statement may take as long as it likes.
    pub(super) silence: Option<Duration>,
    pub(super) renewals: Renewals,
}

impl managed::Manager for Manager {
    type Type = Link;
    type Error = PoolError;

    async fn create(&self) -> Result<Link, PoolError> {
        // Boxed: whoever asks the pool for a connection would carry all of it about.
        Box::pin(self.connect()).await.map_err(PoolError::ConnectionError)
    }

    async fn recycle(
        &self,
        link: &mut Link,
        metrics: &managed::Metrics,
    ) -> managed::RecycleResult<PoolError> {
        if link.generation != self.renewals.current() || link.traffic.is_open() || link.conn.is_broken() {
            return Err(managed::RecycleError::message("the connection is not to be used again"));
        }
        if metrics.last_used() < RESTED {
            return Ok(());
        }
        let sign = Box::pin(link.conn.batch_execute("SELECT 1"));
        match tokio::time::timeout(SIGN_OF_LIFE, sign).await {
            Ok(answer) => answer.map_err(|error| PoolError::QueryError(error).into()),
            Err(_) => {
                if self.renewals.renew(link.generation) {
                    tracing::warn!("a connection to the database is silent: all of them are made anew");
                }
                Err(managed::RecycleError::message("the connection is silent"))
            }
        }
    }
}

impl Manager {
    /// A connection that is in no pool, or not yet.
    pub(super) async fn connect(&self) -> ConnectionResult<Link> {
        match &self.tls {
            Tls::Off => {
                let (client, connection) = self.config.connect(NoTls).await.map_err(bad)?;
                self.prepare(client, connection).await
            }
            Tls::On { connector, required } => {
                let mut config = self.config.clone();
                config.ssl_mode(if *required { SslMode::Require } else { SslMode::Prefer });
                let (client, connection) = config.connect(connector.clone()).await.map_err(bad)?;
                self.prepare(client, connection).await
            }
        }
    }

    async fn prepare<S>(&self, client: Client, connection: Connection<Socket, S>) -> ConnectionResult<Link>
    where
        S: TlsStream + Unpin + Send + 'static,
    {
        let generation = self.renewals.current();
        let traffic = Arc::new(Traffic::default());
        let watch = Watch {
            traffic: Arc::clone(&traffic),
            silence: self.silence,
            renewals: self.renewals.clone(),
            generation,
        };
        let (open, closed) = oneshot::channel::<()>();
        tokio::spawn(async move {
            tokio::select! {
                ended = connection => if let Err(error) = ended {
                    tracing::debug!(cause = innermost(&error), "a connection to the database has ended");
                },
                silence = watch.for_silence() => {
                    tracing::warn!(?silence, "the database does not answer a statement: its connection is closed");
                }
                // Its owner is gone, and nobody reads what it would say.
                _ = closed => {}
            }
        });
        client.batch_execute(&self.session).await.map_err(bad)?;
        let cancel = client.cancel_token();
        let mut conn = AsyncPgConnection::try_from(client).await?;
        let counted = Arc::clone(&traffic);
        conn.set_instrumentation(move |event: InstrumentationEvent<'_>| match event {
            InstrumentationEvent::StartQuery { .. } => counted.begin(),
            InstrumentationEvent::FinishQuery { .. } => counted.end(),
            _ => {}
        });
        Ok(Link { conn, traffic, generation, cancel, tls: self.tls.clone(), _open: open })
    }
}

#[expect(clippy::needless_pass_by_value, reason = "what map_err hands over")]
fn bad(error: tokio_postgres::Error) -> ConnectionError {
    ConnectionError::BadConnection(innermost(&error))
}

/// A connection, and what is under way on it.
pub(super) struct Link {
    conn: AsyncPgConnection,
    traffic: Arc<Traffic>,
    generation: u64,
    cancel: CancelToken,
    tls: Tls,
    /// Goes with it, and ends what drives it.
    _open: oneshot::Sender<()>,
}

impl Deref for Link {
    type Target = AsyncPgConnection;

    fn deref(&self) -> &AsyncPgConnection {
        &self.conn
    }
}

impl DerefMut for Link {
    fn deref_mut(&mut self) -> &mut AsyncPgConnection {
        &mut self.conn
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if !self.traffic.is_open() {
            return;
        }
        let (cancel, tls) = (self.cancel.clone(), self.tls.clone());
        // No runtime: the process ends, and the server sees that.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            let asked = async {
                match tls {
                    Tls::Off => cancel.cancel_query(NoTls).await,
                    Tls::On { connector, .. } => cancel.cancel_query(connector).await,
                }
            };
            if !matches!(tokio::time::timeout(CANCEL, asked).await, Ok(Ok(()))) {
                tracing::debug!(
                    "the database could not be asked to cancel a statement that nobody waits for"
                );
            }
        });
    }
}

/// A connection that is lent by its pool. With a statement under way it does not go back.
pub struct Lent(Option<managed::Object<Manager>>);

impl Lent {
    /// Takes it off its pool and closes it.
    pub(super) fn close(mut self) {
        drop(self.0.take().map(managed::Object::take));
    }

    /// A statement begins that ends by [`Statement::done`]; if it is dropped instead, it is under way for ever.
    pub(super) fn statement(&self) -> Statement {
        let traffic = self.link().traffic.clone();
        traffic.begin();
        Statement(traffic)
    }

    #[expect(clippy::expect_used, reason = "only close and drop empty it, and both consume it")]
    fn link(&self) -> &Link {
        self.0.as_ref().expect("a lent connection is there until it is given back")
    }
}

impl From<managed::Object<Manager>> for Lent {
    fn from(object: managed::Object<Manager>) -> Self {
        Self(Some(object))
    }
}

impl Deref for Lent {
    type Target = AsyncPgConnection;

    fn deref(&self) -> &AsyncPgConnection {
        self.link()
    }
}

impl DerefMut for Lent {
    #[expect(clippy::expect_used, reason = "only close and drop empty it, and both consume it")]
    fn deref_mut(&mut self) -> &mut AsyncPgConnection {
        self.0.as_mut().expect("a lent connection is there until it is given back")
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let unanswered = |object: &mut managed::Object<Manager>| object.traffic.is_open();
        drop(self.0.take_if(unanswered).map(managed::Object::take));
    }
}

/// A statement that is under way, its rows included.
pub(super) struct Statement(Arc<Traffic>);

impl Statement {
    /// It was answered to its last row, or refused.
    pub(super) fn done(self) {
        self.0.end();
    }
}

/// Statements under way, and the last sign of life since the first of them began.
#[derive(Default)]
struct Traffic(Mutex<(usize, Option<Instant>)>);

impl Traffic {
    fn begin(&self) {
        let (statements, since) = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *statements += 1;
        since.get_or_insert_with(Instant::now);
    }

    fn end(&self) {
        let (statements, since) = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *statements = statements.saturating_sub(1);
        *since = (*statements > 0).then(Instant::now);
    }

    fn is_open(&self) -> bool {
        self.silence().is_some()
    }

    /// For how long a statement waits.
    fn silence(&self) -> Option<Duration> {
        let (_, since) = &*self.0.lock().unwrap_or_else(PoisonError::into_inner);
        since.map(|since| since.elapsed())
    }
}

/// Looks at a connection from time to time.
struct Watch {
    traffic: Arc<Traffic>,
    silence: Option<Duration>,
    renewals: Renewals,
    generation: u64,
}

impl Watch {
    /// Returns when the connection has been silent for too long, and for how long.
    async fn for_silence(self) -> Duration {
        let Some(longest) = self.silence else { return std::future::pending().await };
        let mut look = tokio::time::interval(LOOK);
        loop {
            look.tick().await;
            let limit =
                if self.generation == self.renewals.current() { longest } else { SUSPICIOUS.min(longest) };
            if let Some(silence) = self.traffic.silence().filter(|silence| *silence >= limit) {
                return silence;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Renewals;

    #[test]
    fn one_silence_renews_once_however_many_connections_are_silent() {
        let renewals = Renewals::default();
        let silent = renewals.current();
        assert!(renewals.renew(silent));
        let fresh = renewals.current();
        assert!(!renewals.renew(silent));
        assert_eq!(renewals.current(), fresh, "what was made since is still of use");
        assert!(renewals.renew(fresh), "the next silence is another one");
    }
}
