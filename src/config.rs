//! The service's settings: flags over environment over a TOML file over defaults. Every mistake is reported at once,
//! by name, and never with the value of a secret. Nothing else in the program reads the environment for settings.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

mod account;
mod database_url;
mod keys;
mod layers;
mod parse;
mod problem;
mod read;
mod table;
#[cfg(test)]
mod tests;

pub use account::account_from_env;
pub use database_url::{DatabaseUrl, DatabaseUrlError};
pub use keys::KeySource;
pub use layers::Sources;
pub use parse::{log_level, parse_duration};
pub use problem::{Error, Problem};
pub use read::{read, read_database_url, read_log_level};
pub use table::{SETTINGS, Setting, settings_table};

use crate::{domain::accounts::Account, sandbox};

/// What the variables of the service's own settings begin with.
pub const ENV_PREFIX: &str = "HAIER_INTEGRATION_";

/// Everything the service needs to know at its start. Legal by construction when it comes from [`read`].
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where gRPC listens; port 0 takes a free one.
    pub grpc_addr: SocketAddr,
    /// Where metrics and health listen; port 0 takes a free one.
    pub http_addr: SocketAddr,
    /// The database.
    pub database_url: DatabaseUrl,
    /// Where the keys come from that seal secrets. `None`: there are none, except with the sandbox, which makes its own.
    pub keys: Option<KeySource>,
    /// Whether missing migrations are applied at the start. Always on SQLite.
    pub migrate: bool,
    /// Connections to PostgreSQL, 1 to 200.
    pub database_pool_size: u32,
    /// Longest wait for a connection of the pool.
    pub database_wait: Duration,
    /// Longest time of one statement on PostgreSQL.
    pub statement_timeout: Duration,
    /// Calls a second to Haier, tokens included, at most 10,000. 0: no limit.
    pub upstream_rate: u32,
    /// Whether Haier may be called without TLS on other hosts than this one.
    pub allow_plain_http: bool,
    /// Limits of calls to Haier.
    pub upstream: UpstreamSettings,
    /// How runs work.
    pub sync: SyncSettings,
    /// How feeds of changes are kept and read.
    pub changes: ChangesSettings,
    /// Deadline of a unary call that brings none.
    pub default_deadline: Duration,
    /// Longest time for calls to end when the service stops.
    pub drain_timeout: Duration,
    /// Time between two checks of database and upstream.
    pub health_interval: Duration,
    /// How log lines look.
    pub log_format: LogFormat,
    /// Which log lines are written: a level, or directives such as `info,haier_integration::store=debug`.
    pub log_level: String,
    /// The stand-in for Haier to start in this process. Where it is set, its account is used and not `account`.
    pub sandbox: Option<sandbox::Options>,
    /// The account of the environment, if there is one.
    pub account: Option<Account>,
}

/// Limits of calls to Haier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamSettings {
    /// Longest time of one request.
    pub request_timeout: Duration,
    /// Longest time of a request for a token.
    pub token_timeout: Duration,
    /// Longest time of the whole-catalogue answer.
    pub listing_timeout: Duration,
    /// Sends of one call in all, 1 to 10.
    pub tries: u32,
    /// Longest wait before the second send; doubled before each further one.
    pub retry_base: Duration,
    /// Longest wait before any send; not below `retry_base`.
    pub retry_max: Duration,
    /// Outages in a row that open an operation's breaker.
    pub breaker_failures: u32,
    /// How long an open breaker refuses calls.
    pub breaker_open: Duration,
    /// Calls that must succeed before it closes again.
    pub breaker_probes: u32,
}

/// How runs work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncSettings {
    /// Codes a call, 1 to 20.
    pub batch_size: usize,
    /// Calls of one run at the same time, 1 to 256.
    pub calls_in_flight: usize,
    /// Rows after which a run is written down.
    pub flush_rows: usize,
    /// Time after which a run is written down.
    pub flush_interval: Duration,
    /// Time after which another replica may take over a run that gave no sign of life.
    pub lease: Duration,
    /// Time between two signs of life; less than half the lease.
    pub heartbeat: Duration,
    /// How long a run waits for a Haier that is down before it ends.
    pub outage_wait: Duration,
}

/// How feeds of changes are kept and read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangesSettings {
    /// How long entries are kept.
    pub kept: Duration,
    /// How long a reader may take over what it was sent before it is cut.
    pub reader_patience: Duration,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            grpc_addr: SocketAddr::from((Ipv4Addr::LOCALHOST, 50051)),
            http_addr: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            database_url: DatabaseUrl::Sqlite { path: PathBuf::from("haier.db") },
            keys: None,
            migrate: true,
            database_pool_size: 10,
            database_wait: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(30),
            upstream_rate: 100,
            allow_plain_http: false,
            upstream: UpstreamSettings::default(),
            sync: SyncSettings::default(),
            changes: ChangesSettings::default(),
            default_deadline: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(20),
            health_interval: Duration::from_secs(5),
            log_format: LogFormat::Text,
            log_level: "info".to_owned(),
            sandbox: None,
            account: None,
        }
    }
}

impl Default for UpstreamSettings {
    fn default() -> Self {
        Self {
            request_timeout: Duration::from_secs(30),
            token_timeout: Duration::from_secs(10),
            listing_timeout: Duration::from_secs(3600),
            tries: 3,
            retry_base: Duration::from_millis(200),
            retry_max: Duration::from_secs(5),
            breaker_failures: 5,
            breaker_open: Duration::from_secs(30),
            breaker_probes: 3,
        }
    }
}

impl Default for SyncSettings {
    fn default() -> Self {
        Self {
            batch_size: 20,
            calls_in_flight: 64,
            flush_rows: 2_000,
            flush_interval: Duration::from_millis(200),
            lease: Duration::from_secs(15),
            heartbeat: Duration::from_secs(5),
            outage_wait: Duration::from_secs(30 * 60),
        }
    }
}

impl Default for ChangesSettings {
    fn default() -> Self {
        Self { kept: Duration::from_secs(30 * 24 * 3600), reader_patience: Duration::from_secs(30) }
    }
}
