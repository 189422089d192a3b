//! Keeps the service's idea of its own health fresh.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;

use crate::app::App;

/// Haier is asked less often than the database: wrong credentials must not hammer its token endpoint.
const UPSTREAM_PERIOD: TimeDelta = TimeDelta::seconds(60);

/// Checks the database every `period` and Haier every minute, until the process goes down.
pub async fn run(app: Arc<App>, period: TimeDelta) {
    // Side by side: a Haier that is silent must not keep a lost database unnoticed.
    tokio::join!(check_database(&app, period), check_upstream(&app));
}

async fn check_database(app: &App, period: TimeDelta) {
    let limit = period.to_std().unwrap_or(Duration::from_secs(5));
    while !app.stopping.is_cancelled() {
        app.check_database(limit).await;
        pause(app, period).await;
    }
}

async fn check_upstream(app: &App) {
    while !app.stopping.is_cancelled() {
        tokio::select! {
            () = app.stopping.cancelled() => return,
            () = app.check_upstream() => {}
        }
        pause(app, UPSTREAM_PERIOD).await;
    }
}

async fn pause(app: &App, period: TimeDelta) {
    tokio::select! {
        () = app.stopping.cancelled() => {}
        () = app.clock().sleep_until(app.clock().now() + period) => {}
    }
}
