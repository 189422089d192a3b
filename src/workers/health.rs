//! Keeps the service's idea of its own health fresh.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;

use crate::app::App;

/// How often what is checked.
#[derive(Debug, Clone, Copy)]
pub struct Periods {
    /// The database, and what calls have shown of Haier.
    pub database: TimeDelta,
    /// Whether Haier lets us in. Less often: wrong credentials must not hammer its token endpoint.
    pub upstream: TimeDelta,
}

/// Checks until the process goes down.
pub async fn run(app: Arc<App>, periods: Periods) {
    // Side by side: a Haier that is silent must not keep a lost database unnoticed.
    tokio::join!(check_database(&app, periods.database), check_upstream(&app, periods.upstream));
}

async fn check_database(app: &App, period: TimeDelta) {
    let limit = period.to_std().unwrap_or(Duration::from_secs(5));
    while !app.stopping.is_cancelled() {
        app.judge_upstream();
        app.check_database(limit).await;
        pause(app, period).await;
    }
}

async fn check_upstream(app: &App, period: TimeDelta) {
    while !app.stopping.is_cancelled() {
        tokio::select! {
            () = app.stopping.cancelled() => return,
            () = app.check_upstream() => {}
        }
        pause(app, period).await;
    }
}

async fn pause(app: &App, period: TimeDelta) {
    tokio::select! {
        () = app.stopping.cancelled() => {}
        () = app.clock().sleep_until(app.clock().now() + period) => {}
    }
}
