//! The signals of a service. They are caught before anything else is done: as process 1 of a container a process ignores a
//! signal that it does not catch, and elsewhere one kills it without a drain.

use std::io::{self, IsTerminal as _, stdin};

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Sent to a process that writes beyond its limit of file sizes (`ulimit -f`). Uncaught it kills; caught, the write fails
/// with an error, which says what happened.
const FILE_TOO_LARGE: i32 = 25;

/// Caught signals, to be asked when there is time for them: none is lost in between.
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
    file_too_large: Signal,
}

impl Signals {
    /// Catches them from now on, for the life of the process.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn catch() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            file_too_large: signal(SignalKind::from_raw(FILE_TOO_LARGE))?,
        })
    }

    /// Returns when the process shall stop: at SIGTERM, Ctrl-C, or when its terminal was closed.
    pub async fn stop(&mut self) {
        let in_terminal = stdin().is_terminal();
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                // Any other hangup means that the log level is to be read anew.
                _ = self.hangup.recv() => {
                    if in_terminal && !stdin().is_terminal() {
                        return;
                    }
                }
                _ = self.file_too_large.recv() => tracing::error!(
                    "a file has reached the limit of file sizes (`ulimit -f`), and nothing more is written to it: raise the limit"
                ),
            }
        }
    }
}
