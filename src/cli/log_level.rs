//! The log level of a running service: SIGHUP reads it anew from where the settings come from, SIGUSR1 switches to debug
//! and back.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{
    config::{self, Sources},
    telemetry::{self, LevelHandle},
};

/// What SIGUSR1 raises the level to.
const RAISED: &str = "debug";

/// Listens for both signals for as long as the process lives. `configured` is the level in force.
pub(super) fn follow_signals(level: LevelHandle, sources: Sources, configured: String) -> io::Result<()> {
    let (reread, toggle) = (signal(SignalKind::hangup())?, signal(SignalKind::user_defined1())?);
    tokio::spawn(follow(level, sources, Levels { configured, raised: false }, reread, toggle));
    Ok(())
}

async fn follow(
    level: LevelHandle,
    sources: Sources,
    mut levels: Levels,
    mut reread: Signal,
    mut toggle: Signal,
) {
    loop {
        let signal = tokio::select! {
            Some(()) = reread.recv() => {
                match config::read_log_level(&sources) {
                    Ok(configured) => levels = Levels { configured, raised: false },
                    Err(error) => {
                        tracing::warn!(%error, "the log level stays as it is: it could not be read anew");
                        continue;
                    }
                }
                "SIGHUP"
            }
            Some(()) = toggle.recv() => {
                levels.raised = !levels.raised;
                "SIGUSR1"
            }
            else => return,
        };
        if let Err(error) = switch(&level, levels.in_force(), signal) {
            tracing::warn!(%error, "the log level could not be changed");
        }
    }
}

/// Told at INFO also where one of the two levels would hide it.
fn switch(level: &LevelHandle, to: &str, signal: &str) -> Result<(), telemetry::Error> {
    level.set("info")?;
    tracing::info!(directives = to, signal, "log level changed");
    level.set(to)
}

/// The level of the settings, and whether a person has raised it.
struct Levels {
    configured: String,
    raised: bool,
}

impl Levels {
    fn in_force(&self) -> &str {
        if self.raised { RAISED } else { &self.configured }
    }
}
