//! Follows the key file, so that a rotation of keys needs no restart.

use std::sync::Arc;

use chrono::TimeDelta;

use crate::app::App;

/// The file is small, so it is read and compared: a time stamp misses what Kubernetes swaps by a link.
const PERIOD: TimeDelta = TimeDelta::seconds(1);

/// Looks once a second until the process goes down.
pub async fn run(app: Arc<App>) {
    while !app.stopping.is_cancelled() {
        app.keys_follow().await;
        tokio::select! {
            () = app.stopping.cancelled() => {}
            () = app.clock().sleep_until(app.clock().now() + PERIOD) => {}
        }
    }
}
