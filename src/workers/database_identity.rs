//! Looks whether the database is the one that was seen last: a restore or a failover underneath a running service.

use std::sync::Arc;

use chrono::TimeDelta;

use crate::{app::App, error::Causes};

/// How often it is looked. Orders are not claimed before it was.
const LOOK: TimeDelta = TimeDelta::seconds(1);
/// SQLite: how often the generation is raised. A copy that is younger is not known as one.
const RAISE: TimeDelta = TimeDelta::seconds(10);

/// Looks until the process goes down.
pub async fn run(app: Arc<App>) {
    let (exclusive, mut down) = (app.store().is_exclusive(), false);
    loop {
        let now = app.clock().now();
        let next = now + if exclusive { RAISE } else { LOOK };
        tokio::select! {
            () = app.stopping.cancelled() => return,
            () = app.clock().sleep_until(next) => {}
        }
        // An SQLite file is exchanged only while nobody holds it.
        let outcome = if exclusive { app.database_seal().await } else { app.database_follow().await };
        match outcome {
            Ok(()) => down = false,
            Err(error) if !std::mem::replace(&mut down, true) => {
                tracing::warn!(error = %Causes(&error), "the database's identity cannot be followed; trying again");
            }
            Err(_) => {}
        }
    }
}
