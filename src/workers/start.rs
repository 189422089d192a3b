//! Writes what the start of this replica could not, since the database only read or was full then.

use std::sync::Arc;

use chrono::TimeDelta;

use crate::{app::App, error::Causes};

const PERIOD: TimeDelta = TimeDelta::seconds(1);

/// Tries until it is written, or the process goes down.
pub async fn run(app: Arc<App>) {
    loop {
        tokio::select! {
            () = app.stopping.cancelled() => return,
            () = app.clock().sleep_until(app.clock().now() + PERIOD) => {}
        }
        match app.write_at_start().await {
            Ok(()) => {
                tracing::info!("what a start writes is written now");
                return;
            }
            Err(error) => tracing::debug!(error = %Causes(&error), "what a start writes is not written yet"),
        }
    }
}
