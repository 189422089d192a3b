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
mod secrets;
mod table;
#[cfg(test)]
mod tests;
mod tls;

pub use account::account_from_env;
pub use database_url::{DatabaseUrl, DatabaseUrlError};
pub use keys::KeySource;
pub use layers::Sources;
pub use parse::{log_level, parse_duration};
pub use problem::{Error, Problem};
pub use read::{read, read_database_url, read_log_level};
pub use table::{SETTINGS, Setting, settings_table};

use secrecy::SecretString;

use crate::{
    domain::{accounts::Account, order_evidence::EvidenceRules},
    sandbox,
    tls::ServerFiles,
};

/// What the variables of the service's own settings begin with.
pub const ENV_PREFIX: &str = "HAIER_INTEGRATION_";

/// Everything the service needs to know at its start. Legal by construction when it comes from [`read`].
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where gRPC listens; port 0 takes a free one.
    pub grpc_addr: SocketAddr,
    /// Where metrics and health listen; port 0 takes a free one.
    pub http_addr: SocketAddr,
    /// A token of an admin that comes from outside; at least 32 characters.
    pub admin_token: Option<SecretString>,
    /// Whether calls from elsewhere are taken while nobody needs a token.
    pub insecure: bool,
    /// Whether callers may ask by reflection what is served.
    pub reflection: bool,
    /// Files of the gRPC listener's TLS; none: it is plain.
    pub tls: Option<ServerFiles>,
    /// Where the order system's callbacks come; port 0 takes a free one.
    pub callback_addr: SocketAddr,
    /// How callbacks are taken.
    pub callbacks: CallbackSettings,
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
    /// Calls a second to Haier's open platform, tokens included, at most 10,000. 0: no limit.
    pub upstream_rate: u32,
    /// Calls a second to Haier's order system, tokens included, at most 10,000. 0: no limit.
    pub order_rate: u32,
    /// Whether Haier may be called without TLS on other hosts than this one.
    pub allow_plain_http: bool,
    /// Whether accounts that come by RPC may have hosts of this machine or of private networks.
    pub allow_private_hosts: bool,
    /// Limits of calls to Haier.
    pub upstream: UpstreamSettings,
    /// How runs work.
    pub sync: SyncSettings,
    /// How much a run may change without a person's word.
    pub guard: GuardSettings,
    /// When the service syncs by itself.
    pub schedules: ScheduleSettings,
    /// How feeds of changes are kept and read.
    pub changes: ChangesSettings,
    /// How orders are pushed.
    pub orders: OrderSettings,
    /// What strangers may do to the ports.
    pub limits: LimitSettings,
    /// Deadline of a unary call that brings none.
    pub default_deadline: Duration,
    /// Longest time for calls to end when the service stops.
    pub drain_timeout: Duration,
    /// Time between two checks of the database.
    pub health_interval: Duration,
    /// Time between two checks whether Haier lets us in.
    pub health_upstream_interval: Duration,
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
    /// Authorities that Haier's certificate may be of, in PEM; none: the system's.
    pub ca: Option<PathBuf>,
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
    /// Words in which Haier refuses to cancel an order that is cancelled.
    pub cancelled_words: Vec<String>,
}

/// How the order system's callbacks are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallbackSettings {
    /// How far a callback's `TimeStamp` may be from now.
    pub window: Duration,
    /// Longest time to the last byte of one.
    pub body_timeout: Duration,
    /// How long one may lie without an order before that is complained of.
    pub parked_warning: Duration,
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

/// How much a run may change without a person's word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuardSettings {
    /// Percent of the listed products that it may delist.
    pub delisted: u32,
    /// Percent by which a price may move before it is far.
    pub price_move: u32,
    /// Percent of the stored prices that it may move so far.
    pub moved: u32,
    /// How long what it has set aside waits for approval.
    pub held_for: Duration,
}

/// When the service syncs by itself. The schedules themselves are in the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleSettings {
    /// Whether this replica fires schedules.
    pub enabled: bool,
    /// The zone of times of day.
    pub zone: chrono_tz::Tz,
    /// The share of `upstream_rate` that scheduled runs count on, in percent, 1 to 100.
    pub budget_percent: u32,
    /// Stock below this is low, unless a product has a threshold of its own.
    pub low_stock: i64,
    /// How long a product that was ordered counts as selling.
    pub selling_for: Duration,
}

/// How feeds of changes are kept and read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangesSettings {
    /// How long entries are kept.
    pub kept: Duration,
    /// How long a reader may take over what it was sent before it is cut.
    pub reader_patience: Duration,
}

/// What strangers may do to the ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitSettings {
    /// Connections of the gRPC listener, 1 to 100,000.
    pub grpc_connections: usize,
    /// Connections of the listener of metrics and health.
    pub http_connections: usize,
    /// Connections of the listener of callbacks.
    pub callback_connections: usize,
    /// Percent of a listener's connections that one address may hold while others want one, 1 to 100.
    pub address_share: usize,
    /// Calls at a time on one gRPC connection.
    pub streams: u32,
    /// Longest time from the connection to the head of its first request.
    pub first_request: Duration,
    /// Longest time for a peer to take what was written.
    pub write: Duration,
    /// How long a gRPC connection without a call is kept.
    pub idle: Duration,
    /// Age at which a connection is asked to end.
    pub connection_age: Duration,
}

/// How orders are pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderSettings {
    /// Orders a replica has in flight, 1 to 256.
    pub calls_in_flight: usize,
    /// Waits after the first failed try, the second, and so on; the last one repeats.
    pub schedule: Vec<Duration>,
    /// How long an attempt whose outcome is unknown may still arrive; the limit of a request counts where it is longer.
    pub doubt_wait: Duration,
    /// What Haier's refusal of a new order proves.
    pub evidence: EvidenceRules,
    /// How long an order that was provably not booked is sent again.
    pub deadline: Duration,
    /// Time after which another replica may take over an order whose worker gave no sign of life.
    pub lease: Duration,
    /// Time between two signs of life; less than half the lease.
    pub heartbeat: Duration,
    /// How long Haier may call nothing back about an order that it has, before the log warns.
    pub unconfirmed_after: Duration,
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
            admin_token: None,
            insecure: false,
            reflection: true,
            tls: None,
            callback_addr: SocketAddr::from((Ipv4Addr::LOCALHOST, 8081)),
            callbacks: CallbackSettings::default(),
            database_url: DatabaseUrl::Sqlite { path: PathBuf::from("haier.db") },
            keys: None,
            migrate: true,
            database_pool_size: 10,
            database_wait: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(30),
            upstream_rate: 100,
            order_rate: 100,
            allow_plain_http: false,
            allow_private_hosts: false,
            upstream: UpstreamSettings::default(),
            sync: SyncSettings::default(),
            guard: GuardSettings::default(),
            schedules: ScheduleSettings::default(),
            changes: ChangesSettings::default(),
            orders: OrderSettings::default(),
            limits: LimitSettings::default(),
            default_deadline: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(20),
            health_interval: Duration::from_secs(5),
            health_upstream_interval: Duration::from_secs(5 * 60),
            log_format: LogFormat::Text,
            log_level: "info".to_owned(),
            sandbox: None,
            account: None,
        }
    }
}

impl Default for CallbackSettings {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(5 * 60),
            body_timeout: Duration::from_secs(10),
            parked_warning: Duration::from_secs(3 * 24 * 3600),
        }
    }
}

impl Default for UpstreamSettings {
    fn default() -> Self {
        Self {
            ca: None,
            request_timeout: Duration::from_secs(30),
            token_timeout: Duration::from_secs(10),
            listing_timeout: Duration::from_secs(3600),
            tries: 3,
            retry_base: Duration::from_millis(200),
            retry_max: Duration::from_secs(5),
            breaker_failures: 5,
            breaker_open: Duration::from_secs(30),
            breaker_probes: 3,
            cancelled_words: ["已取消", "已经取消", "cancelled", "canceled"].map(str::to_owned).into(),
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

impl Default for GuardSettings {
    fn default() -> Self {
        Self { delisted: 5, price_move: 30, moved: 10, held_for: Duration::from_secs(7 * 24 * 3600) }
    }
}

impl Default for ScheduleSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            zone: chrono_tz::Asia::Shanghai,
            budget_percent: 50,
            low_stock: 5,
            selling_for: Duration::from_secs(7 * 24 * 3600),
        }
    }
}

impl Default for ChangesSettings {
    fn default() -> Self {
        Self { kept: Duration::from_secs(30 * 24 * 3600), reader_patience: Duration::from_secs(30) }
    }
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self {
            grpc_connections: 1_000,
            http_connections: 256,
            callback_connections: 256,
            address_share: 50,
            streams: 200,
            first_request: Duration::from_secs(10),
            write: Duration::from_secs(30),
            idle: Duration::from_secs(15 * 60),
            connection_age: Duration::from_secs(30 * 60),
        }
    }
}

impl Default for OrderSettings {
    fn default() -> Self {
        Self {
            calls_in_flight: 32,
            schedule: [5, 60, 5 * 60, 30 * 60, 2 * 3600].map(Duration::from_secs).to_vec(),
            doubt_wait: Duration::from_secs(30),
            evidence: EvidenceRules::default(),
            deadline: Duration::from_secs(24 * 3600),
            lease: Duration::from_secs(15),
            heartbeat: Duration::from_secs(5),
            unconfirmed_after: Duration::from_secs(24 * 3600),
        }
    }
}
