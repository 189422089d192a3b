//! The table of settings: the one place that knows what there is, for reading, hints and the README.

/// One setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// Its key in the file; a dot stands for a table.
    pub key: &'static str,
    /// Its variable.
    pub env: &'static str,
    /// Its default as it would be written; empty: none.
    pub default: &'static str,
    /// What it means, with unit and range.
    pub help: &'static str,
}

macro_rules! settings {
    ($($key:literal $env:literal $default:literal $help:literal)*) => {
        &[$(Setting { key: $key, env: concat!("HAIER_INTEGRATION_", $env), default: $default, help: $help }),*]
    };
}

/// All settings of the service.
#[rustfmt::skip]
pub const SETTINGS: &[Setting] = settings![
    "grpc_addr" "GRPC_ADDR" "127.0.0.1:50051" "Where gRPC listens; port 0 takes a free one"
    "http_addr" "HTTP_ADDR" "127.0.0.1:8080" "Where metrics and health listen; port 0 takes a free one"
    "admin_token" "ADMIN_TOKEN" "" "A token of an admin that comes from outside, at least 32 characters; the others are made with it"
    "admin_token_file" "ADMIN_TOKEN_FILE" "" "A file that holds it, such as a mounted secret"
    "insecure" "INSECURE" "false" "Take calls from other machines although nobody needs a token: everybody is an admin"
    "reflection" "REFLECTION" "true" "Whether callers may ask what is served; once there are tokens a reader's is needed"
    "tls.cert" "TLS_CERT" "" "File with the certificate of the gRPC listener and those behind it, in PEM; without it the listener is plain"
    "tls.key" "TLS_KEY" "" "File with its private key, in PEM"
    "tls.client_ca" "TLS_CLIENT_CA" "" "File with the authorities of client certificates, in PEM; without it none is asked for"
    "tls.client_auth" "TLS_CLIENT_AUTH" "" "With `tls.client_ca`: whether a client certificate is `required` (also if nothing is said), or `optional` and only looked at if one is shown"
    "tls.client_role" "TLS_CLIENT_ROLE" "" "What certificates allow: a list of `NAME=ROLE`, by comma or as an array; the name is exact, the role `reader`, `operator` or `admin`"
    "callback_addr" "CALLBACK_ADDR" "127.0.0.1:8081" "Where the order system's callbacks come, and nothing else; port 0 takes a free one"
    "callback_window" "CALLBACK_WINDOW" "5m" "How far a callback's `TimeStamp` may be from now, 1s to 1day"
    "callback_body_timeout" "CALLBACK_BODY_TIMEOUT" "10s" "Longest time to the last byte of a callback, 10ms to 1m"
    "callback_parked_warning" "CALLBACK_PARKED_WARNING" "3days" "How long a callback may lie without an order before the log warns of it, 1s to 365days"
    "database_url" "DATABASE_URL" "sqlite://haier.db" "The database: `sqlite://FILE` or `postgres://…`"
    "database_url_file" "DATABASE_URL_FILE" "" "A file that holds the database's address, so that no password stands elsewhere"
    "keys" "KEYS" "" "Keys that seal secrets in the database, as `haier-integration keys generate` prints them"
    "key_file" "KEY_FILE" "" "A file that holds them, read again when it changes; made beside the database with `--sandbox`"
    "migrate" "MIGRATE" "false" "Apply missing migrations at the start; on SQLite always"
    "database_pool_size" "DATABASE_POOL_SIZE" "10" "Connections to PostgreSQL, 1 to 200; two more are kept for the budget of calls and the token, two for searches"
    "database_wait" "DATABASE_WAIT" "5s" "Longest wait for a connection of the pool, 10ms to 5m"
    "statement_timeout" "STATEMENT_TIMEOUT" "30s" "Longest time of one statement on PostgreSQL, 100ms to 1h; not of a migration"
    "upstream_rate" "UPSTREAM_RATE" "100" "Calls a second to Haier's open platform, token calls included, of all replicas together, 0 (no limit) to 10000"
    "order_rate" "ORDER_RATE" "100" "The same to Haier's order system, which has a budget of its own"
    "allow_plain_http" "ALLOW_PLAIN_HTTP" "false" "Call Haier without TLS on other hosts than this one"
    "allow_private_hosts" "ALLOW_PRIVATE_HOSTS" "false" "Accounts that come by RPC may name hosts of this machine and of private networks; with `--sandbox` always"
    "upstream.ca" "UPSTREAM_CA" "" "File with the authorities of Haier's certificate, in PEM, instead of the system's"
    "upstream.request_timeout" "UPSTREAM_REQUEST_TIMEOUT" "30s" "Longest time of one request to Haier, 100ms to 10m"
    "upstream.token_timeout" "UPSTREAM_TOKEN_TIMEOUT" "10s" "Longest time of a request for a token, 100ms to 10m"
    "upstream.listing_timeout" "UPSTREAM_LISTING_TIMEOUT" "1h" "Longest time of the whole-catalogue answer, 1s to 1day"
    "upstream.tries" "UPSTREAM_TRIES" "3" "Sends of one call to Haier in all, 1 to 10; the one with a fresh token after a 401 is not counted"
    "upstream.retry_base" "UPSTREAM_RETRY_BASE" "200ms" "Longest wait before the second send, 1ms to 1m; doubled before each further one, and drawn anew from 0 up"
    "upstream.retry_max" "UPSTREAM_RETRY_MAX" "5s" "Longest wait before any send, `upstream.retry_base` to 1m; a `Retry-After` of Haier's counts up to 1m"
    "upstream.breaker_failures" "UPSTREAM_BREAKER_FAILURES" "5" "Failures in a row, each about another product or order, after which an operation is left alone, 1 to 1000"
    "upstream.breaker_open" "UPSTREAM_BREAKER_OPEN" "30s" "How long it is left alone before it is probed, 10ms to 1h"
    "upstream.breaker_probes" "UPSTREAM_BREAKER_PROBES" "3" "Probes that must all succeed before calls pass again, 1 to 100"
    "upstream.cancelled_words" "UPSTREAM_CANCELLED_WORDS" "已取消,已经取消,cancelled,canceled" "Words in which Haier refuses to cancel an order that is cancelled, with commas between; one of them in its message is enough"
    "sync.batch_size" "SYNC_BATCH_SIZE" "20" "Codes a call, 1 to 20"
    "sync.calls_in_flight" "SYNC_CALLS_IN_FLIGHT" "64" "Calls of one run at the same time, 1 to 256"
    "sync.flush_rows" "SYNC_FLUSH_ROWS" "2000" "Rows after which a run is written down, 1 to 10000"
    "sync.flush_interval" "SYNC_FLUSH_INTERVAL" "200ms" "Time after which a run is written down, 10ms to 1m"
    "sync.lease" "SYNC_LEASE" "15s" "Silence after which another replica takes a run over, 100ms to 10m"
    "sync.heartbeat" "SYNC_HEARTBEAT" "5s" "Time between two signs of life of a run, less than half of `sync.lease`"
    "sync.outage_wait" "SYNC_OUTAGE_WAIT" "30m" "How long a run waits while Haier is down, 10ms to 1day; then it ends `UPSTREAM_DOWN`"
    "guard.delisted" "GUARD_DELISTED" "5" "Percent of the listed products that a run may delist without approval, 0 to 100; 100 lets all pass"
    "guard.price_move" "GUARD_PRICE_MOVE" "30" "Percent by which a price may move before it counts as far, 1 to 1000"
    "guard.moved" "GUARD_MOVED" "10" "Percent of the stored prices that a run may move so far without approval, 0 to 100; 100 lets all pass"
    "guard.held_for" "GUARD_HELD_FOR" "7days" "How long what a run has set aside waits for approval, 1m to 365days"
    "schedules.enabled" "SCHEDULES_ENABLED" "true" "Whether this replica starts what schedules say; with all of them off nothing syncs by itself but a first start"
    "schedules.time_zone" "SCHEDULES_TIME_ZONE" "Asia/Shanghai" "The zone of times of day in schedules, as the IANA names it"
    "schedules.budget_percent" "SCHEDULES_BUDGET_PERCENT" "50" "The share of `upstream_rate` that scheduled runs count on, 1 to 100"
    "schedules.low_stock" "SCHEDULES_LOW_STOCK" "5" "Stock below this is low and asked for before that of others, 0 to 1000000; a product may have a threshold of its own"
    "schedules.selling_for" "SCHEDULES_SELLING_FOR" "7days" "How long a product that was ordered counts as selling, 1h to 365days"
    "changes.kept" "CHANGES_KEPT" "30days" "How long entries of the feed of changes are kept, 1h to 3650days"
    "changes.reader_patience" "CHANGES_READER_PATIENCE" "30s" "How long a reader of the feed may take over what it was sent, 100ms to 10m; then it is told so when it reads on, and its stream is reset after half that time more, a second at least"
    "orders.calls_in_flight" "ORDERS_CALLS_IN_FLIGHT" "32" "Orders a replica has in flight to Haier, 1 to 256"
    "orders.schedule" "ORDERS_SCHEDULE" "5s,1m,5m,30m,2h" "Waits after the first failed try of an order, the second, and so on, 1 to 20 of them, each 10ms to 1day; the last one repeats"
    "orders.doubt_wait" "ORDERS_DOUBT_WAIT" "30s" "How long an attempt whose outcome is unknown may still arrive; the order is not sent again before, 10ms to 1h and never less than `upstream.request_timeout`"
    "orders.duplicate_codes" "ORDERS_DUPLICATE_CODES" "409" "Codes of Haier's \"duplicate order\" refusal, with commas between: strong evidence that Haier has the order"
    "orders.duplicate_phrases" "ORDERS_DUPLICATE_PHRASES" "重复,已存在,duplicate" "Phrases of that refusal, with commas between: strong evidence beside the order's `so_id`, its `online_no` or a number of Haier's, else weak evidence, after which the order is in doubt"
    "orders.doubt_codes" "ORDERS_DOUBT_CODES" "-1,9999" "Codes of a failure of Haier's system, with commas between: after such a refusal the order is in doubt"
    "orders.doubt_phrases" "ORDERS_DOUBT_PHRASES" "重复提交,稍后,系统繁忙,请勿,系统异常,处理中" "Phrases of haste or of a failure of Haier's system, with commas between: after such a refusal the order is in doubt"
    "orders.weak_evidence_suffices" "ORDERS_WEAK_EVIDENCE_SUFFICES" "false" "Whether a duplicate phrase alone proves that Haier has an order; switch it on only after you have seen Haier's real words"
    "orders.deadline" "ORDERS_DEADLINE" "1day" "How long an order that Haier surely does not have is sent again, 1s to 30days; then it is given up. What is in doubt never is"
    "orders.lease" "ORDERS_LEASE" "15s" "Silence after which another replica takes an order over, 100ms to 10m"
    "orders.heartbeat" "ORDERS_HEARTBEAT" "5s" "Time between two signs of life of whoever sends an order, less than half of `orders.lease`"
    "orders.unconfirmed_after" "ORDERS_UNCONFIRMED_AFTER" "1day" "How long Haier may call nothing back about an order that it has, or is to cancel, before the log warns of it, 1s to 365days"
    "limits.grpc_connections" "LIMITS_GRPC_CONNECTIONS" "1000" "Connections to the gRPC port, 1 to 100000; fewer where the system lets the process open too few files"
    "limits.http_connections" "LIMITS_HTTP_CONNECTIONS" "256" "The same for the port of metrics and health"
    "limits.callback_connections" "LIMITS_CALLBACK_CONNECTIONS" "256" "The same for the port of callbacks"
    "limits.address_share" "LIMITS_ADDRESS_SHARE" "50" "Percent of a port's connections that one address may hold while others want one, 1 to 100"
    "limits.streams" "LIMITS_STREAMS" "200" "Calls at a time on one gRPC connection, 1 to 10000"
    "limits.first_request" "LIMITS_FIRST_REQUEST" "10s" "Longest time from a connection to the head of its first request, TLS included, 100ms to 5m; over HTTP/1 also between two requests"
    "limits.write" "LIMITS_WRITE" "30s" "Longest time for a peer to take what it was sent before it is cut, 100ms to 10m"
    "limits.idle" "LIMITS_IDLE" "15m" "How long a gRPC connection without a call is kept, 100ms to 1day"
    "limits.connection_age" "LIMITS_CONNECTION_AGE" "30m" "Age at which a connection is asked to end, so that clients find new replicas, 100ms to 30days; up to a tenth is added. Calls that run go on"
    "default_deadline" "DEFAULT_DEADLINE" "30s" "Deadline of a unary call that brings none, and longest time for any request to come, 100ms to 10m"
    "drain_timeout" "DRAIN_TIMEOUT" "20s" "Longest time for calls to end when the service stops, 0s to 1h"
    "health_interval" "HEALTH_INTERVAL" "5s" "Time between two checks of the database, 100ms to 1h"
    "health.upstream_interval" "HEALTH_UPSTREAM_INTERVAL" "5m" "Time between two checks whether Haier lets us in, 1s to 1day; an outage is seen as soon as a breaker opens or a listing fails"
    "log_format" "LOG_FORMAT" "text" "Log lines as `text` or `json`"
    "log_level" "LOG_LEVEL" "info" "A level, or directives such as `info,haier_integration::store=debug`"
];

/// The settings as a table of markdown, as the README shows it.
pub fn settings_table() -> String {
    let mut table = String::from("| setting | variable | default | meaning |\n|---|---|---|---|\n");
    for Setting { key, env, default, help } in SETTINGS {
        let default = if default.is_empty() { String::new() } else { format!("`{default}`") };
        table.push_str(&format!("| `{key}` | `{env}` | {default} | {help} |\n"));
    }
    table
}

/// The known name that this one was probably meant to be.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let (distance, best) =
        known.map(|known| (strsim::damerau_levenshtein(name, known), known)).min_by_key(|pair| pair.0)?;
    (distance <= (name.len() / 4).clamp(1, 3)).then_some(best)
}
