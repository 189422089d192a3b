//! From merged layers to `Settings`: every field is read on its own, so that one mistake does not hide the next.

use std::{ops::RangeInclusive, path::PathBuf, time::Duration};

use super::{
    CallbackSettings, ChangesSettings, DatabaseUrl, ENV_PREFIX, Error, GuardSettings, LimitSettings,
    OrderSettings, Problem, ScheduleSettings, Setting, Settings, Sources, SyncSettings, UpstreamSettings,
    account_from_env,
    layers::{Layers, Origin},
    parse,
    table::{SETTINGS, nearest},
};
use crate::domain::order_evidence::EvidenceRules;

/// Reads all settings.
///
/// # Errors
/// Every mistake in flags, environment and file.
pub fn read(sources: &Sources) -> Result<Settings, Error> {
    let mut reader = Reader::new(sources);
    let mut settings = reader.settings();
    settings.sandbox.clone_from(&sources.sandbox);
    reader.layers.unknown_keys(&mut reader.problems);
    reader.misspelt_variables(sources);
    match account_from_env(|name| sources.variable(name), settings.allow_plain_http) {
        Ok(account) => settings.account = account,
        // With the sandbox its own account is used, so that mistakes in another one harm nobody.
        Err(_) if settings.sandbox.is_some() => {}
        Err(problems) => reader.problems.extend(problems),
    }
    reader.end(settings)
}

/// Reads the database's address alone, for commands that need nothing else.
///
/// # Errors
/// What is wrong with it.
pub fn read_database_url(sources: &Sources) -> Result<DatabaseUrl, Error> {
    let mut reader = Reader::new(sources);
    let url = reader.database_url();
    reader.end(url)
}

/// Reads the log level alone, to set it anew while the service runs.
///
/// # Errors
/// What is wrong with it.
pub fn read_log_level(sources: &Sources) -> Result<String, Error> {
    let mut reader = Reader::new(sources);
    let level = reader.log_level();
    reader.end(level)
}

pub(super) struct Reader {
    pub(super) layers: Layers,
    pub(super) problems: Vec<Problem>,
}

impl Reader {
    fn new(sources: &Sources) -> Self {
        let mut problems = Vec::new();
        Self { layers: Layers::merge(sources, &mut problems), problems }
    }

    fn end<T>(self, value: T) -> Result<T, Error> {
        if self.problems.is_empty() { Ok(value) } else { Err(Error { problems: self.problems }) }
    }

    fn settings(&mut self) -> Settings {
        let standard = Settings::default();
        let database_url = self.database_url();
        let on_sqlite = matches!(database_url, DatabaseUrl::Sqlite { .. });
        let settings = Settings {
            grpc_addr: self.read("grpc_addr", standard.grpc_addr, parse::address),
            http_addr: self.read("http_addr", standard.http_addr, parse::address),
            admin_token: self.admin_token(),
            insecure: self.read("insecure", standard.insecure, parse::flag),
            reflection: self.read("reflection", standard.reflection, parse::flag),
            tls: self.tls(),
            callback_addr: self.read("callback_addr", standard.callback_addr, parse::address),
            callbacks: self.callbacks(&standard.callbacks),
            database_url,
            keys: self.keys(),
            migrate: self.read("migrate", false, parse::flag) || on_sqlite,
            database_pool_size: self.read(
                "database_pool_size",
                standard.database_pool_size,
                parse::number(1..=200),
            ),
            database_wait: self.time("database_wait", standard.database_wait, MILLIS_10..=MINUTES_5),
            statement_timeout: self.time("statement_timeout", standard.statement_timeout, MILLIS_100..=HOUR),
            upstream_rate: self.read("upstream_rate", standard.upstream_rate, parse::number(0..=10_000)),
            order_rate: self.read("order_rate", standard.order_rate, parse::number(0..=10_000)),
            allow_plain_http: self.read("allow_plain_http", standard.allow_plain_http, parse::flag),
            allow_private_hosts: self.read("allow_private_hosts", standard.allow_private_hosts, parse::flag),
            upstream: self.upstream(&standard.upstream),
            sync: self.sync(&standard.sync),
            guard: self.guard(&standard.guard),
            schedules: self.schedules(&standard.schedules),
            changes: self.changes(&standard.changes),
            orders: self.orders(&standard.orders),
            limits: self.limits(&standard.limits),
            default_deadline: self.time(
                "default_deadline",
                standard.default_deadline,
                MILLIS_100..=MINUTES_10,
            ),
            drain_timeout: self.time("drain_timeout", standard.drain_timeout, Duration::ZERO..=HOUR),
            health_interval: self.time("health_interval", standard.health_interval, MILLIS_100..=HOUR),
            health_upstream_interval: self.time(
                "health.upstream_interval",
                standard.health_upstream_interval,
                SECOND..=DAY,
            ),
            log_format: self.read("log_format", standard.log_format, parse::log_format),
            log_level: self.log_level(),
            sandbox: None,
            account: None,
        };
        let (grpc, http, callbacks) = (settings.grpc_addr, settings.http_addr, settings.callback_addr);
        if grpc == http && grpc.port() != 0 {
            self.refuse("http_addr", "must differ from grpc_addr");
        }
        if [grpc, http].contains(&callbacks) && callbacks.port() != 0 {
            self.refuse("callback_addr", "must differ from grpc_addr and http_addr");
        }
        settings
    }

    fn guard(&mut self, standard: &GuardSettings) -> GuardSettings {
        GuardSettings {
            delisted: self.read("guard.delisted", standard.delisted, parse::number(0..=100)),
            price_move: self.read("guard.price_move", standard.price_move, parse::number(1..=1_000)),
            moved: self.read("guard.moved", standard.moved, parse::number(0..=100)),
            held_for: self.time("guard.held_for", standard.held_for, MINUTE..=DAY * 365),
        }
    }

    fn schedules(&mut self, standard: &ScheduleSettings) -> ScheduleSettings {
        ScheduleSettings {
            enabled: self.read("schedules.enabled", standard.enabled, parse::flag),
            zone: self.read("schedules.time_zone", standard.zone, parse::time_zone),
            budget_percent: self.read(
                "schedules.budget_percent",
                standard.budget_percent,
                parse::number(1..=100),
            ),
            low_stock: self.read("schedules.low_stock", standard.low_stock, parse::number(0..=1_000_000)),
            selling_for: self.time("schedules.selling_for", standard.selling_for, HOUR..=DAY * 365),
        }
    }

    fn changes(&mut self, standard: &ChangesSettings) -> ChangesSettings {
        ChangesSettings {
            kept: self.time("changes.kept", standard.kept, HOUR..=DAY * 3650),
            reader_patience: self.time(
                "changes.reader_patience",
                standard.reader_patience,
                MILLIS_100..=MINUTES_10,
            ),
        }
    }

    fn log_level(&mut self) -> String {
        self.read("log_level", Settings::default().log_level, parse::log_level)
    }

    fn upstream(&mut self, standard: &UpstreamSettings) -> UpstreamSettings {
        let day = Duration::from_secs(24 * 3600);
        let upstream = UpstreamSettings {
            ca: self.path("upstream.ca"),
            request_timeout: self.time(
                "upstream.request_timeout",
                standard.request_timeout,
                MILLIS_100..=MINUTES_10,
            ),
            token_timeout: self.time(
                "upstream.token_timeout",
                standard.token_timeout,
                MILLIS_100..=MINUTES_10,
            ),
            listing_timeout: self.time(
                "upstream.listing_timeout",
                standard.listing_timeout,
                Duration::from_secs(1)..=day,
            ),
            tries: self.read("upstream.tries", standard.tries, parse::number(1..=10)),
            retry_base: self.time("upstream.retry_base", standard.retry_base, MILLI..=MINUTE),
            retry_max: self.time("upstream.retry_max", standard.retry_max, MILLI..=MINUTE),
            breaker_failures: self.read(
                "upstream.breaker_failures",
                standard.breaker_failures,
                parse::number(1..=1_000),
            ),
            breaker_open: self.time("upstream.breaker_open", standard.breaker_open, MILLIS_10..=HOUR),
            breaker_probes: self.read(
                "upstream.breaker_probes",
                standard.breaker_probes,
                parse::number(1..=100),
            ),
            cancelled_words: self.read(
                "upstream.cancelled_words",
                standard.cancelled_words.clone(),
                parse::words,
            ),
        };
        if upstream.retry_max < upstream.retry_base {
            let [max, base] = [upstream.retry_max, upstream.retry_base].map(humantime::format_duration);
            self.refuse(
                "upstream.retry_max",
                &format!("must not be below upstream.retry_base; they are {max} and {base}"),
            );
        }
        upstream
    }

    fn callbacks(&mut self, standard: &CallbackSettings) -> CallbackSettings {
        CallbackSettings {
            window: self.time("callback_window", standard.window, SECOND..=DAY),
            body_timeout: self.time("callback_body_timeout", standard.body_timeout, MILLIS_10..=MINUTE),
            parked_warning: self.time("callback_parked_warning", standard.parked_warning, SECOND..=DAY * 365),
        }
    }

    fn sync(&mut self, standard: &SyncSettings) -> SyncSettings {
        let sync = SyncSettings {
            batch_size: self.read("sync.batch_size", standard.batch_size, parse::number(1..=20)),
            calls_in_flight: self.read(
                "sync.calls_in_flight",
                standard.calls_in_flight,
                parse::number(1..=256),
            ),
            flush_rows: self.read("sync.flush_rows", standard.flush_rows, parse::number(1..=10_000)),
            flush_interval: self.time("sync.flush_interval", standard.flush_interval, MILLIS_10..=MINUTE),
            lease: self.time("sync.lease", standard.lease, MILLIS_100..=MINUTES_10),
            heartbeat: self.time("sync.heartbeat", standard.heartbeat, MILLIS_10..=MINUTES_10),
            outage_wait: self.time("sync.outage_wait", standard.outage_wait, MILLIS_10..=DAY),
        };
        if sync.heartbeat * 2 >= sync.lease {
            let [heartbeat, lease] = [sync.heartbeat, sync.lease].map(humantime::format_duration);
            self.refuse(
                "sync.heartbeat",
                &format!("must be less than half of sync.lease; they are {heartbeat} and {lease}"),
            );
        }
        sync
    }

    fn limits(&mut self, standard: &LimitSettings) -> LimitSettings {
        let connections = || parse::number(1..=100_000);
        LimitSettings {
            grpc_connections: self.read("limits.grpc_connections", standard.grpc_connections, connections()),
            http_connections: self.read("limits.http_connections", standard.http_connections, connections()),
            callback_connections: self.read(
                "limits.callback_connections",
                standard.callback_connections,
                connections(),
            ),
            address_share: self.read("limits.address_share", standard.address_share, parse::number(1..=100)),
            streams: self.read("limits.streams", standard.streams, parse::number(1..=10_000)),
            first_request: self.time("limits.first_request", standard.first_request, MILLIS_100..=MINUTES_5),
            write: self.time("limits.write", standard.write, MILLIS_100..=MINUTES_10),
            idle: self.time("limits.idle", standard.idle, MILLIS_100..=DAY),
            connection_age: self.time(
                "limits.connection_age",
                standard.connection_age,
                MILLIS_100..=DAY * 30,
            ),
        }
    }

    fn orders(&mut self, standard: &OrderSettings) -> OrderSettings {
        let orders = OrderSettings {
            calls_in_flight: self.read(
                "orders.calls_in_flight",
                standard.calls_in_flight,
                parse::number(1..=256),
            ),
            schedule: self.read(
                "orders.schedule",
                standard.schedule.clone(),
                parse::durations(20, MILLIS_10..=DAY),
            ),
            doubt_wait: self.time("orders.doubt_wait", standard.doubt_wait, MILLIS_10..=HOUR),
            evidence: self.evidence(&standard.evidence),
            deadline: self.time("orders.deadline", standard.deadline, Duration::from_secs(1)..=DAY * 30),
            lease: self.time("orders.lease", standard.lease, MILLIS_100..=MINUTES_10),
            heartbeat: self.time("orders.heartbeat", standard.heartbeat, MILLIS_10..=MINUTES_10),
            unconfirmed_after: self.time(
                "orders.unconfirmed_after",
                standard.unconfirmed_after,
                SECOND..=DAY * 365,
            ),
        };
        if orders.heartbeat * 2 >= orders.lease {
            let [heartbeat, lease] = [orders.heartbeat, orders.lease].map(humantime::format_duration);
            self.refuse(
                "orders.heartbeat",
                &format!("must be less than half of orders.lease; they are {heartbeat} and {lease}"),
            );
        }
        orders
    }

    fn evidence(&mut self, standard: &EvidenceRules) -> EvidenceRules {
        let mut words = |key, standard: &[String]| self.read(key, standard.to_vec(), parse::words);
        EvidenceRules {
            duplicate_codes: words("orders.duplicate_codes", &standard.duplicate_codes),
            duplicate_phrases: words("orders.duplicate_phrases", &standard.duplicate_phrases),
            doubt_codes: words("orders.doubt_codes", &standard.doubt_codes),
            doubt_phrases: words("orders.doubt_phrases", &standard.doubt_phrases),
            weak_suffices: self.read("orders.weak_evidence_suffices", standard.weak_suffices, parse::flag),
        }
    }

    /// Reads one value; a bad one becomes a problem that shows it and says what is allowed. Not for secrets.
    pub(super) fn read<T>(&mut self, key: &str, standard: T, parse: impl Fn(&str) -> Result<T, String>) -> T {
        let Some((setting, (origin, text))) = known(key).and_then(|key| Some((key, self.layers.find(key)?)))
        else {
            return standard;
        };
        let result = match &text {
            Some(text) => parse(text).map_err(|allowed| format!("`{text}` is not allowed: {allowed}")),
            None => Err("a single value is expected".to_owned()),
        };
        result.unwrap_or_else(|message| {
            self.problems.push(Problem::new(self.layers.name_of(setting, origin), message));
            standard
        })
    }

    /// A file that need not be named.
    pub(super) fn path(&mut self, key: &str) -> Option<PathBuf> {
        self.read(key, None, |text| match text.trim() {
            "" => Err("a path is expected".to_owned()),
            path => Ok(Some(PathBuf::from(path))),
        })
    }

    fn time(&mut self, key: &str, standard: Duration, range: RangeInclusive<Duration>) -> Duration {
        self.read(key, standard, parse::duration(range))
    }

    /// A problem that shows only when values are seen together.
    pub(super) fn refuse(&mut self, key: &str, message: &str) {
        let name = known(key).map_or_else(
            || key.to_owned(),
            |setting| {
                let origin = self.layers.find(setting).map_or(Origin::File, |(origin, _)| origin);
                self.layers.name_of(setting, origin)
            },
        );
        self.problems.push(Problem::new(name, message));
    }

    /// Other names with our prefix may be Kubernetes' own; only what is nearly a setting is taken for a slip.
    fn misspelt_variables(&mut self, sources: &Sources) {
        const OTHERS: [&str; 6] = [
            "HAIER_INTEGRATION_CONFIG",
            "HAIER_INTEGRATION_SERVER",
            "HAIER_INTEGRATION_TOKEN",
            "HAIER_INTEGRATION_TLS_CA",
            "HAIER_INTEGRATION_TLS_CLIENT_CERT",
            "HAIER_INTEGRATION_TLS_CLIENT_KEY",
        ];
        let names = || SETTINGS.iter().map(|setting| setting.env).chain(OTHERS);
        for name in sources.environment.keys().filter(|name| name.starts_with(ENV_PREFIX)) {
            if names().any(|known| known == name) || name.contains("_PORT") || name.contains("_SERVICE_") {
                continue;
            }
            // The prefix is alike in all of them and must not make far names near.
            let rest = |name: &'static str| name.strip_prefix(ENV_PREFIX).unwrap_or(name);
            if let Some(meant) = nearest(&name[ENV_PREFIX.len()..], names().map(rest)) {
                let message = format!("unknown variable; did you mean {ENV_PREFIX}{meant}?");
                self.problems.push(Problem::new(name, message));
            }
        }
    }
}

const MILLI: Duration = Duration::from_millis(1);
const MILLIS_10: Duration = Duration::from_millis(10);
const MILLIS_100: Duration = Duration::from_millis(100);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const MINUTES_5: Duration = Duration::from_secs(300);
const MINUTES_10: Duration = Duration::from_secs(600);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

pub(super) fn known(key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.key == key)
}
