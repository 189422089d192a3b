//! PostgreSQL: the pool, and how each of its connections is made.

use std::{net::IpAddr, time::Duration};

use diesel::{ConnectionError, ConnectionResult};
use diesel_async::{
    AsyncPgConnection,
    pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod, deadpool},
};
use futures_util::FutureExt as _;
use secrecy::{ExposeSecret as _, SecretString};
use tokio_postgres::config::Host;

use super::{
    Error, Options, Result,
    postgres_tls::{Tls, TlsMode},
};

pub(super) type Pool = deadpool::Pool<AsyncPgConnection>;

/// Connections for urgent statements: one asks for slots, one tells of a throttle or takes a token.
const URGENT_CONNECTIONS: usize = 2;
/// Longest wait for one of them, and for an answer on it.
pub(super) const URGENT_LIMIT: Duration = Duration::from_secs(2);

/// Makes the pool and its first connection, so that a wrong address is told at start.
pub(super) async fn open(url: &SecretString, options: &Options) -> Result<Pool> {
    let timeout = options.statement_timeout.as_millis();
    // Disks have no arms any more: with the default of 4 a batch of a few hundred codes reads whole tables.
    let session = format!(
        "-c statement_timeout={timeout} -c idle_in_transaction_session_timeout=10000 -c random_page_cost=1.1"
    );
    let (pool, server) = pool(url, session, options.pool_size, options.wait)?;
    let first = pool.get().await.map_err(|error| {
        Error::Open(format!("cannot reach PostgreSQL at {server}: {}", innermost(&error)))
    })?;
    drop(first);
    if is_in_the_open(url)? {
        tracing::warn!(server, "the database is on another host and called without TLS, as its URL says");
    }
    Ok(pool)
}

/// The pool for urgent statements; it connects when the first one comes.
pub(super) fn urgent(url: &SecretString, options: &Options) -> Result<Pool> {
    let timeout = (URGENT_LIMIT / 2).as_millis();
    let session = format!("-c statement_timeout={timeout} -c synchronous_commit=off");
    Ok(pool(url, session, URGENT_CONNECTIONS, options.wait.min(URGENT_LIMIT))?.0)
}

/// A pool, and what may be said of its server.
fn pool(url: &SecretString, session: String, size: usize, wait: Duration) -> Result<(Pool, String)> {
    let (mut config, tls) = parse(url)?;
    config
        .application_name("haier-integration")
        .connect_timeout(wait)
        .keepalives_idle(Duration::from_secs(30))
        .options(session);
    let server = describe(&config);
    let mut manager = ManagerConfig::<AsyncPgConnection>::default();
    manager.recycling_method = RecyclingMethod::Fast;
    let setup = config.clone();
    manager.custom_setup = Box::new(move |_| {
        let (config, tls) = (setup.clone(), tls.clone());
        async move { connect(&config, &tls).await }.boxed()
    });
    // The address is in the closure; the manager's own copy of it is not needed.
    let pool = deadpool::Pool::builder(AsyncDieselConnectionManager::new_with_config("", manager))
        .max_size(size)
        .wait_timeout(Some(wait))
        .create_timeout(Some(wait))
        .runtime(::deadpool::Runtime::Tokio1)
        .build()
        .map_err(|error| Error::Open(error.to_string()))?;
    Ok((pool, server))
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

/// Whether passwords and rows travel to another machine as anybody can read them.
fn is_in_the_open(url: &SecretString) -> Result<bool> {
    let (config, tls) = parse(url)?;
    Ok(is_remote(&config) && matches!(tls, Tls::Off))
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

async fn connect(config: &tokio_postgres::Config, tls: &Tls) -> ConnectionResult<AsyncPgConnection> {
    let bad = |error: tokio_postgres::Error| ConnectionError::BadConnection(innermost(&error));
    match tls {
        Tls::Off => {
            let (client, connection) = config.connect(tokio_postgres::NoTls).await.map_err(bad)?;
            AsyncPgConnection::try_from_client_and_connection(client, connection).await
        }
        Tls::On { connector, required } => {
            let mut config = config.clone();
            config.ssl_mode(if *required {
                tokio_postgres::config::SslMode::Require
            } else {
                tokio_postgres::config::SslMode::Prefer
            });
            let (client, connection) = config.connect(connector.clone()).await.map_err(bad)?;
            AsyncPgConnection::try_from_client_and_connection(client, connection).await
        }
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
fn innermost(error: &dyn std::error::Error) -> String {
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
