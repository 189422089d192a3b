//! The process's metrics: one recorder, described for whoever reads `/metrics`.

use std::sync::OnceLock;

use anyhow::Context as _;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// Upper bounds of durations in seconds.
const SECONDS: [f64; 12] = [0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

/// Installs the recorder, once a process however many services it runs.
pub(super) fn install() -> anyhow::Result<PrometheusHandle> {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    if let Some(handle) = HANDLE.get() {
        return Ok(handle.clone());
    }
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
        .context("cannot set up metrics")?
        .build_recorder();
    let handle = HANDLE.get_or_init(|| recorder.handle());
    // Fails when another service of this process was faster; then its recorder serves both.
    if metrics::set_global_recorder(recorder).is_ok() {
        describe();
    }
    Ok(handle.clone())
}

fn describe() {
    metrics::describe_counter!("haier_grpc_calls_total", "Finished gRPC calls by method and code");
    metrics::describe_histogram!(
        "haier_grpc_call_duration_seconds",
        "Time of gRPC calls by method, streams to their end"
    );
    metrics::describe_counter!("haier_upstream_calls_total", "Calls to Haier by endpoint and outcome");
    metrics::describe_histogram!(
        "haier_upstream_call_duration_seconds",
        "Time of a send to Haier to its answer, of a listing to its first record"
    );
    metrics::describe_gauge!(
        "haier_upstream_breaker_state",
        "An operation's breaker: 0 closed, 1 half open, 2 open"
    );
    metrics::describe_gauge!("haier_upstream_paused", "1 while an operator holds back calls to this target");
    metrics::describe_gauge!("haier_upstream_waiting", "Callers that wait for a slot in the budget");
    metrics::describe_counter!(
        "haier_callbacks_total",
        "Callbacks of the order system by outcome: accepted, repeated, refused or failed, the latter two by reason"
    );
    metrics::describe_counter!(
        "haier_callbacks_applied_total",
        "Callbacks applied to their orders, by method"
    );
    metrics::describe_gauge!(
        "haier_orders_displaced",
        "Orders that are not sent because their account leads elsewhere or is gone"
    );
    metrics::describe_gauge!(
        "haier_orders_frozen",
        "1 while no order is sent because the database was restored and `orders reconcile` has not run"
    );
    metrics::describe_gauge!("haier_callbacks_parked", "Callbacks that have found no order so far");
    metrics::describe_counter!("haier_sync_rows_total", "Records committed by runs, by kind");
    metrics::describe_counter!("haier_sync_runs_total", "Runs ended here, by end reason and status");
    metrics::describe_gauge!(
        "haier_tls_certificate_expires_seconds",
        "When the service's own certificate ends, in seconds since 1970"
    );
    metrics::describe_counter!(
        "haier_tls_handshakes_failed_total",
        "Connections refused before they spoke TLS right"
    );
    metrics::describe_gauge!("haier_dependency_up", "1 while what the service stands on answers");
    metrics::describe_gauge!("haier_db_connections_in_use", "Database connections in use");
    metrics::describe_gauge!("haier_db_connections_max", "Most database connections");
}
