//! Claims runs and works on them. How many run at a time is the store's rule, over all replicas.

use std::sync::Arc;

use chrono::TimeDelta;
use tokio::task::JoinSet;

use crate::{app::App, error::Causes};

/// How often runs are looked for by themselves: those of other replicas ring no bell here.
const PERIOD: TimeDelta = TimeDelta::seconds(1);

/// Works until the process goes down, then waits until every run has been given back.
pub async fn run(app: Arc<App>) {
    let mut running = JoinSet::new();
    let mut database_down = false;
    while !app.stopping.is_cancelled() {
        loop {
            match app.run_claim().await {
                Ok(Some(claimed)) => {
                    let app = Arc::clone(&app);
                    running.spawn(async move { app.run_execute(claimed).await });
                    database_down = false;
                }
                Ok(None) => {
                    database_down = false;
                    break;
                }
                Err(error) => {
                    if !std::mem::replace(&mut database_down, true) {
                        tracing::warn!(error = %Causes(&error), "no run can be claimed; trying again");
                    }
                    break;
                }
            }
        }
        tokio::select! {
            () = app.stopping.cancelled() => {}
            () = app.wake.notified() => {}
            Some(_) = running.join_next() => {}
            () = app.clock().sleep_until(app.clock().now() + PERIOD) => {}
        }
    }
    while running.join_next().await.is_some() {}
}
