//! Claims orders that are due and works on them: sends them, or their changes. Woken by an event and by a period.

use std::sync::Arc;

use chrono::TimeDelta;
use tokio::task::JoinSet;

use crate::{app::App, domain::clock::is_due, error::Causes};

/// How often orders are looked for by themselves: those of other replicas ring no bell here, and time passes.
const PERIOD: TimeDelta = TimeDelta::seconds(1);

/// Works until the process goes down, then waits until every answer is stored.
pub async fn run(app: Arc<App>) {
    let mut working = JoinSet::new();
    let (mut database_down, mut more) = (false, false);
    let mut beat_at = app.clock().now() + app.orders_heartbeat_period();
    loop {
        let stopping = app.stopping.is_cancelled();
        if stopping && working.is_empty() {
            return;
        }
        while working.try_join_next().is_some() {}
        let free = app.orders_in_flight().saturating_sub(working.len());
        // In a backlog several at a time are claimed, not each as soon as another one is done.
        let worthwhile = free > 0 && (!more || free * 4 >= app.orders_in_flight());
        if worthwhile && !stopping {
            match app.orders_claim(free).await {
                Ok(claimed) => {
                    (database_down, more) = (false, claimed.len() == free);
                    for claim in claimed {
                        working.spawn(Arc::clone(&app).order_work(claim));
                    }
                }
                Err(error) if !std::mem::replace(&mut database_down, true) => {
                    tracing::warn!(error = %Causes(&error), "no order can be claimed; trying again");
                }
                Err(_) => {}
            }
        }
        let now = app.clock().now();
        let period = app.orders_heartbeat_period();
        if is_due(beat_at, period, now) {
            beat_at = now + period;
            if !working.is_empty()
                && let Err(error) = app.orders_heartbeat().await
            {
                tracing::debug!(error = %Causes(&error), "no sign of life could be given");
            }
        }
        tokio::select! {
            () = app.stopping.cancelled(), if !stopping => {}
            () = app.orders_woken(), if !stopping => {}
            Some(_) = working.join_next() => {}
            () = app.clock().sleep_until(beat_at.min(now + PERIOD)) => {}
        }
    }
}
