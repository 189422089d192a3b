//! Small chores: held runs that nobody decides, partitions for the months ahead, and old entries of the feed.

use std::sync::Arc;

use chrono::TimeDelta;

use crate::{
    app::{App, make_partitions},
    error::Causes,
};

const PERIOD: TimeDelta = TimeDelta::minutes(1);
/// Entries of the feed are kept for days, so that an hour more does not matter.
const TRIM_PERIOD: TimeDelta = TimeDelta::hours(1);
/// Partitions are made two months ahead, so once a day is often enough.
const PARTITION_PERIOD: TimeDelta = TimeDelta::days(1);

/// Drops what was held for too long every minute, removes old entries every hour and looks after the partitions every day,
/// until the process goes down.
pub async fn run(app: Arc<App>) {
    let mut next_partitions = app.clock().now();
    let mut next_trim = next_partitions;
    loop {
        let now = app.clock().now();
        if now >= next_partitions && make_partitions(app.store(), now).await {
            next_partitions = now + PARTITION_PERIOD;
        }
        if now >= next_trim {
            match app.product_changes_trim().await {
                Ok(removed) => {
                    next_trim = now + TRIM_PERIOD;
                    tracing::debug!(removed, "old entries of the feed are removed");
                }
                Err(error) => {
                    tracing::warn!(error = %Causes(&error), "old entries of the feed stay; trying again")
                }
            }
        }
        if let Err(error) = app.held_runs_expire().await {
            tracing::warn!(error = %Causes(&error), "held runs stay; trying again");
        }
        if let Err(error) = app.orders_complain().await {
            tracing::warn!(error = %Causes(&error), "overdue orders could not be looked up; trying again");
        }
        app.record_pool();
        tokio::select! {
            () = app.stopping.cancelled() => return,
            () = app.clock().sleep_until(now + PERIOD) => {}
        }
    }
}
