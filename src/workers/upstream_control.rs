//! Keeps up with the other replicas: reads which account is active and what operators hold back, and reports how calls to Haier stand here.

use std::sync::Arc;

use chrono::TimeDelta;

use crate::{
    app::{App, DisplacedWatch},
    error::Causes,
};

/// A switch of accounts and a pause are obeyed on every replica within two seconds: once a second, and time for the database to answer.
const PERIOD: TimeDelta = TimeDelta::seconds(1);

/// Reads and reports until the process goes down, then takes leave.
pub async fn run(app: Arc<App>) {
    let (mut database_down, mut displaced) = (false, DisplacedWatch::default());
    loop {
        let outcome = async {
            // Before the pauses, which hold for a new account's client too.
            app.upstreams_follow().await?;
            app.pauses_refresh().await?;
            app.order_accounts_watch(&mut displaced).await?;
            app.replica_report().await
        };
        match outcome.await {
            Ok(()) => database_down = false,
            Err(error) => {
                if !std::mem::replace(&mut database_down, true) {
                    tracing::warn!(error = %Causes(&error), "accounts and pauses cannot be read; what was read last stays in force");
                }
            }
        }
        tokio::select! {
            () = app.stopping.cancelled() => break,
            () = app.clock().sleep_until(app.clock().now() + PERIOD) => {}
        }
    }
    if let Err(error) = app.replica_leave().await {
        tracing::debug!(error = %Causes(&error), "the other replicas will notice by themselves that this one is gone");
    }
}
