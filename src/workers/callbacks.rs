//! Applies stored callbacks to their orders: at once those that came here, and what another replica or a kill left over.

use std::sync::Arc;

use chrono::TimeDelta;

use crate::app::{App, CallbackRounds};

/// How often it looks by itself: what other replicas store and change rings no bell here.
const PERIOD: TimeDelta = TimeDelta::seconds(1);

/// Works until the process goes down; what is left then is applied by another replica, or at the next start.
pub async fn run(app: Arc<App>) {
    let mut rounds = CallbackRounds::default();
    let mut failing = false;
    while !app.stopping.is_cancelled() {
        match app.callbacks_apply(&mut rounds).await {
            Ok(()) => failing = false,
            Err(error) => {
                if !std::mem::replace(&mut failing, true) {
                    tracing::warn!(
                        error = format!("{error:#}"),
                        "callbacks are stored, and not all could be applied; trying again"
                    );
                }
            }
        }
        tokio::select! {
            () = app.stopping.cancelled() => {}
            () = app.callback_stored() => {}
            () = app.clock().sleep_until(app.clock().now() + PERIOD) => {}
        }
    }
}
