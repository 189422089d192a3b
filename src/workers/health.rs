//! Keeps the service's idea of its own health fresh.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;

use crate::app::App;

/// Haier is asked less often than the database: wrong credentials must not hammer its token endpoint.
const UPSTREAM_PERIOD: TimeDelta = TimeDelta::seconds(60);

/// Checks the database every `period` and Haier every minute, until the process goes down.
pub async fn run(app: Arc<App>, period: TimeDelta) {
    let limit = period.to_std().unwrap_or(Duration::from_secs(5));
    let mut next_upstream = app.clock().now();
    loop {
        app.check_database(limit).await;
        let now = app.clock().now();
        if now >= next_upstream {
            app.check_upstream().await;
            next_upstream = now + UPSTREAM_PERIOD;
        }
        tokio::select! {
            () = app.stopping.cancelled() => return,
            () = app.clock().sleep_until(now + period) => {}
        }
    }
}
