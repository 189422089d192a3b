//! Starts what schedules say, as soon as it is due. Every replica looks; the first one that finds it due fires for all.

use std::sync::Arc;

use chrono::TimeDelta;

use crate::{app::App, error::Causes};

/// How often is looked: so soon a changed schedule takes effect, and a run that is owed starts.
const PERIOD: TimeDelta = TimeDelta::seconds(1);

/// Fires until the process goes down.
pub async fn run(app: Arc<App>) {
    let mut failing = false;
    while !app.stopping.is_cancelled() {
        match app.schedules_fire().await {
            Ok(()) => failing = false,
            Err(error) => {
                if !std::mem::replace(&mut failing, true) {
                    tracing::warn!(error = %Causes(&error), "schedules cannot be looked at; trying again");
                }
            }
        }
        tokio::select! {
            () = app.stopping.cancelled() => {}
            () = app.clock().sleep_until(app.clock().now() + PERIOD) => {}
        }
    }
}
