//! Plain HTTP for probes and Prometheus: `/livez`, `/readyz`, `/metrics`; and, on a listener apart, callbacks.

pub mod callbacks;
mod connections;

use std::sync::Arc;

use axum::{Json, Router, extract::State, http::StatusCode, routing::get};
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::{Value, json};

use crate::{app::App, listener::Listener};

#[derive(Clone)]
struct Shared {
    app: Arc<App>,
    metrics: PrometheusHandle,
}

/// Serves on a listener until `stop` is done; longer than the gRPC side, so that probes see the drain.
pub async fn serve(
    app: Arc<App>,
    metrics: PrometheusHandle,
    listener: Listener,
    stop: impl Future<Output = ()> + Send + 'static,
) {
    let router = Router::new()
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(render))
        .with_state(Shared { app, metrics });
    connections::serve(listener, router, stop).await;
}

async fn readyz(State(shared): State<Shared>) -> (StatusCode, Json<Value>) {
    let health = *shared.app.health().borrow();
    let status = if health.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = json!({
        "ready": health.is_ready(),
        "database": health.database,
        "upstream": health.upstream,
        "draining": health.draining,
    });
    (status, Json(body))
}

async fn render(State(shared): State<Shared>) -> String {
    shared.app.record_pool();
    shared.metrics.render()
}
