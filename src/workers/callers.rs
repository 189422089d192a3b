//! Keeps up with the tokens that are made and revoked on other replicas, and writes when they were last used.

use std::sync::Arc;

use chrono::TimeDelta;

use crate::{app::App, error::Causes};

/// A revocation is obeyed on every replica within two seconds: once a second, and time for the database to answer.
const PERIOD: TimeDelta = TimeDelta::seconds(1);

/// Reads and writes until the process goes down, and then once more what is left to write.
pub async fn run(app: Arc<App>) {
    let mut database_down = false;
    loop {
        let outcome = async {
            app.api_tokens_refresh().await?;
            app.api_token_uses_store().await
        };
        match outcome.await {
            Ok(()) => database_down = false,
            Err(error) => {
                if !std::mem::replace(&mut database_down, true) {
                    tracing::warn!(error = %Causes(&error), "tokens cannot be read; what was read last stays in force");
                }
            }
        }
        tokio::select! {
            () = app.stopping.cancelled() => break,
            () = app.clock().sleep_until(app.clock().now() + PERIOD) => {}
        }
    }
    if let Err(error) = app.api_token_uses_store().await {
        tracing::debug!(error = %Causes(&error), "the last uses of some tokens are lost");
    }
}
