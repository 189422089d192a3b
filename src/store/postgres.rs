//! PostgreSQL: the pools, and how each of their connections is prepared.

use std::{net::IpAddr, time::Duration};

use ::deadpool::managed;
use secrecy::{ExposeSecret as _, SecretString};
use tokio_postgres::config::Host;

use super::{
    Error, Options, Result,
    postgres_link::{Link, Manager, Pool, Renewals},
    postgres_tls::{Tls, TlsMode},
};

/// Connections for urgent statements: one asks for slots, one tells of a throttle or takes a token.
const URGENT_CONNECTIONS: usize = 2;
/// Longest wait for one of them, and for an answer on it.
pub(super) const URGENT_LIMIT: Duration = Duration::from_secs(2);
/// Connections that read through many rows for one caller.
const SEARCH_CONNECTIONS: usize = 2;
/// After its own limit the server has so long to say so.
const ANSWER: Duration = Duration::from_secs(5);
/// Longest wait of a migration for a lock: whoever wants the same table waits behind it.
pub(super) const MIGRATION_LOCK: Duration = Duration::from_secs(3);

/// How each side notices that the other one is gone, within some 20 s. The server ends what such a client holds: a
/// transaction in which nothing happens after 10 s.
/// Words of errors are English where the role may choose: outages are recognised by them (see `error`).
const SESSION: &str = "SET idle_in_transaction_session_timeout = 10000; \
                       SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3; \
                       SET tcp_user_timeout = 10000; \
                       DO $$ BEGIN SET lc_messages = 'C'; EXCEPTION WHEN insufficient_privilege THEN NULL; END $$;";

/// All connections to one database.
#[derive(Clone)]
pub(super) struct Pools {
    pub(super) main: Pool,
    /// For statements that nothing may hold up.
    pub(super) urgent: Pool,
    /// For statements that hold up nothing else.
    pub(super) searches: Pool,
    pub(super) renewals: Renewals,
    url: SecretString,
    wait: Duration,
}

/// Makes the pools and their first connection, so that a wrong address is told at start.
pub(super) async fn open(url: &SecretString, options: &Options) -> Result<Pools> {
    let (config, tls) = configured(url, options.wait)?;
    let renewals = Renewals::default();
    let pool = |session: &str, limit: Duration, size: usize, wait: Option<Duration>| {
        let (config, tls) = (config.clone(), tls.clone());
        let session = format!("{SESSION} SET statement_timeout = {}; {session}", limit.as_millis());
        let (silence, renewals) = (Some(limit + ANSWER), renewals.clone());
        managed::Pool::builder(Manager { config, tls, session, silence, renewals })
            .max_size(size)
            .wait_timeout(wait)
            .create_timeout(Some(options.wait.min(wait.unwrap_or(options.wait))))
            .runtime(::deadpool::Runtime::Tokio1)
            .build()
            .map_err(|error| Error::Open(error.to_string()))
    };
    // Disks have no arms any more: with the default of 4 a batch of a few hundred codes reads whole tables.
    let (cheap_reads, limit) = ("SET random_page_cost = 1.1;", options.statement_timeout);
    let main = pool(cheap_reads, limit, options.pool_size, Some(options.wait))?;
    // Whoever searches waits for as long as the caller does.
    let searches = pool(cheap_reads, limit, SEARCH_CONNECTIONS, None)?;
    let urgent = pool(
        "SET synchronous_commit = off;",
        URGENT_LIMIT / 2,
        URGENT_CONNECTIONS,
        Some(options.wait.min(URGENT_LIMIT)),
    )?;
    let first = main.get().await.map_err(|error| unreachable(&config, &error))?;
    drop(first);
    if is_remote(&config) && matches!(tls, Tls::Off) {
        let server = describe(&config);
        tracing::warn!(server, "the database is on another host and called without TLS, as its URL says");
    }
    Ok(Pools { main, urgent, searches, renewals, url: url.clone(), wait: options.wait })
}

impl Pools {
    /// A connection for migrations, which may take as long as they need, but hold nobody up who waits behind them.
    pub(super) async fn for_migrations(&self) -> Result<Link> {
        let (config, tls) = configured(&self.url, self.wait)?;
        let lock = MIGRATION_LOCK.as_millis();
        let session = format!("{SESSION} SET statement_timeout = 0; SET lock_timeout = {lock};");
        let manager = Manager { config, tls, session, silence: None, renewals: Renewals::default() };
        let connected = tokio::time::timeout(self.wait, Box::pin(manager.connect())).await;
        let connected = connected.map_err(|elapsed| Error::Unavailable(Box::new(elapsed)))?;
        connected.map_err(|error| unreachable(&manager.config, &error))
    }
}

fn unreachable(config: &tokio_postgres::Config, error: &dyn std::error::Error) -> Error {
    let cause = innermost(error);
    let remedy = if cause.contains("startup parameter") {
        "; a pooler such as PgBouncer refuses it: take `options` out of the database URL (the service prepares its sessions by \
         statements), and have the pooler pool whole sessions (pool_mode = session)"
    } else {
        ""
    };
    Error::Open(format!("cannot reach PostgreSQL at {}: {cause}{remedy}", describe(config)))
}

/// What all connections have in common.
fn configured(url: &SecretString, wait: Duration) -> Result<(tokio_postgres::Config, Tls)> {
    let (mut config, tls) = parse(url)?;
    config
        .application_name("haier-integration")
        .connect_timeout(wait)
        .keepalives_idle(Duration::from_secs(5))
        .keepalives_interval(Duration::from_secs(5))
        .keepalives_retries(3)
        .tcp_user_timeout(Duration::from_secs(10));
    Ok((config, tls))
}

fn parse(url: &SecretString) -> Result<(tokio_postgres::Config, Tls)> {
    let (url, mode, root_cert) = TlsMode::split(url.expose_secret()).map_err(Error::Open)?;
    let config: tokio_postgres::Config = url
        .parse()
        .map_err(|error| Error::Open(format!("the database URL is wrong: {}", innermost(&error))))?;
    if is_remote(&config) && !mode.is_decided() {
        return Err(Error::Open(format!(
            "PostgreSQL at {} is on another host, and the database URL does not say how the way there is protected: add \
             sslmode=verify-full (with sslrootcert=FILE where its authority is not the system's), or sslmode=disable if \
             nobody can listen there",
            describe(&config)
        )));
    }
    let tls = Tls::new(mode, root_cert.as_deref()).map_err(Error::Open)?;
    Ok((config, tls))
}

/// Whether any of its hosts may be another machine than this one.
fn is_remote(config: &tokio_postgres::Config) -> bool {
    let is_far = |host: &Host| match host {
        Host::Tcp(name) => name != "localhost" && !name.parse().is_ok_and(|ip: IpAddr| ip.is_loopback()),
        Host::Unix(_) => false,
    };
    // Where addresses are given, names are only for certificates.
    match config.get_hostaddrs() {
        [] => config.get_hosts().iter().any(is_far),
        addresses => addresses.iter().any(|address| !address.is_loopback()),
    }
}

/// Host, port and database: what may be said of an address that also holds a password.
fn describe(config: &tokio_postgres::Config) -> String {
    let hosts: Vec<String> = config
        .get_hosts()
        .iter()
        .map(|host| match host {
            Host::Tcp(name) => name.clone(),
            Host::Unix(path) => path.display().to_string(),
        })
        .collect();
    let ports: Vec<String> = config.get_ports().iter().map(ToString::to_string).collect();
    let port = if ports.is_empty() { "5432".to_owned() } else { ports.join(",") };
    format!("{}:{port}, database {}", hosts.join(","), config.get_dbname().unwrap_or("(default)"))
}

/// The last cause, which is the one that says what happened.
pub(super) fn innermost(error: &dyn std::error::Error) -> String {
    let mut current = error;
    while let Some(source) = current.source() {
        current = source;
    }
    current.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_host_is_reached_by_tls_or_on_a_persons_word() {
        let opened =
            |url: &str| parse(&SecretString::from(url)).map(|_| ()).map_err(|error| error.to_string());
        for here in ["localhost", "127.0.0.1", "127.8.0.1:5433", "[::1]"] {
            assert_eq!(opened(&format!("postgres://haier@{here}/haier")), Ok(()), "{here}");
        }
        assert_eq!(opened("postgres://haier@%2Fvar%2Frun%2Fpostgresql/haier"), Ok(()));
        for there in ["db", "db.example.com:5433", "10.0.0.7", "[fd00::7]"] {
            for told in ["disable", "require", "verify-full"] {
                assert_eq!(
                    opened(&format!("postgres://haier@{there}/haier?sslmode={told}")),
                    Ok(()),
                    "{there}"
                );
            }
            for untold in ["", "?sslmode=prefer", "?sslmode=allow"] {
                let refused = opened(&format!("postgres://haier:s3cret@{there}/haier{untold}")).unwrap_err();
                assert!(refused.contains("sslmode=verify-full"), "{refused}");
                assert!(!refused.contains("s3cret"), "{refused}");
            }
        }
        assert!(opened("postgres://haier@localhost/haier?hostaddr=10.0.0.7").is_err());
    }
}
