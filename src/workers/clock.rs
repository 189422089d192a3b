//! Keeps the clock true: to the database's time, or with SQLite to the wall clock's.

use std::{sync::Arc, time::Duration};

use crate::{
    app::{App, SystemClock},
    domain::clock::Clock as _,
};

/// How often the machine's clocks are looked at. Reading them costs nothing.
const LOOK: Duration = Duration::from_secs(1);
/// How often the authority is asked, so long as nothing jumps: replicas disagree about the time for no longer after a step
/// of the database's clock.
const MEASURE: Duration = Duration::from_secs(10);

/// Measures every ten seconds, and at once after a step of the wall clock or a time in which the machine stood still, until
/// the process goes down.
pub async fn run(app: Arc<App>, clock: Arc<SystemClock>) {
    let mut measured_at = clock.uptime();
    let mut jumped = false;
    loop {
        tokio::select! {
            () = app.stopping.cancelled() => return,
            // Not by the clock that is to be kept.
            () = tokio::time::sleep(LOOK) => {}
        }
        jumped |= clock.has_jumped(LOOK);
        if (jumped || clock.uptime() >= measured_at + MEASURE) && clock.measure(app.store()).await {
            (jumped, measured_at) = (false, clock.uptime());
        }
    }
}
