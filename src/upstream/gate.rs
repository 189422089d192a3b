//! The pause switch of one system: while a person holds back an operation, it is not sent.

use std::sync::Arc;

use tokio::sync::watch;

use super::{
    endpoint::Endpoint,
    error::{Error, Result},
};
use crate::domain::{clock::Clock, pauses::Pause, reasons::Reason};

/// Open unless paused.
pub(super) struct Gate {
    pauses: watch::Sender<Vec<Pause>>,
    clock: Arc<dyn Clock>,
}

impl Gate {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { pauses: watch::Sender::new(Vec::new()), clock }
    }

    /// All pauses in force, of whatever target.
    pub(super) fn set(&self, pauses: &[Pause]) {
        self.pauses.send_if_modified(|current| {
            let changed = *current != pauses;
            *current = pauses.to_vec();
            changed
        });
    }

    /// A pause ends by itself when its time has come.
    pub(super) fn check(&self, endpoint: Endpoint) -> Result<()> {
        let now = self.clock.now();
        let pauses = self.pauses.borrow();
        match pauses.iter().find(|pause| endpoint.is_held_by(pause.target) && pause.is_on(now)) {
            Some(pause) => {
                let wait = pause.until.and_then(|until| (until - now).to_std().ok());
                Err(Error { retry_after: wait, ..Error::new(Reason::Paused, pause.to_string()) })
            }
            None => Ok(()),
        }
    }

    /// Returns once it is paused, with what to tell those who wait for a slot.
    pub(super) async fn closed(&self, endpoint: Endpoint) -> Error {
        let mut pauses = self.pauses.subscribe();
        loop {
            pauses.mark_unchanged();
            if let Err(error) = self.check(endpoint) {
                return error;
            }
            // The sender is this gate's own, so it cannot be gone.
            let _ = pauses.changed().await;
        }
    }
}
