//! The pause switch of one system: while a person holds it, nothing is sent.

use std::sync::Arc;

use tokio::sync::watch;

use super::error::{Error, Result};
use crate::domain::{clock::Clock, pauses::Pause, reasons::Reason};

/// Open unless paused.
pub(super) struct Gate {
    pause: watch::Sender<Option<Pause>>,
    clock: Arc<dyn Clock>,
}

impl Gate {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { pause: watch::Sender::new(None), clock }
    }

    pub(super) fn set(&self, pause: Option<Pause>) {
        self.pause.send_if_modified(|current| {
            let changed = *current != pause;
            *current = pause;
            changed
        });
    }

    /// A pause ends by itself when its time has come.
    pub(super) fn check(&self) -> Result<()> {
        let now = self.clock.now();
        match &*self.pause.borrow() {
            Some(pause) if pause.is_on(now) => {
                let wait = pause.until.and_then(|until| (until - now).to_std().ok());
                Err(Error { retry_after: wait, ..Error::new(Reason::Paused, pause.to_string()) })
            }
            _ => Ok(()),
        }
    }

    /// Returns once it is paused, with what to tell those who wait for a slot.
    pub(super) async fn closed(&self) -> Error {
        let mut pauses = self.pause.subscribe();
        loop {
            pauses.mark_unchanged();
            if let Err(error) = self.check() {
                return error;
            }
            // The sender is this gate's own, so it cannot be gone.
            let _ = pauses.changed().await;
        }
    }
}
