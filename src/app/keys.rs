//! The keys that seal secrets, as use cases reach them.

use std::sync::Arc;

use super::App;
use crate::{
    error::{Error, Result},
    keyring::KeyRing,
};

impl App {
    /// The keys, for what cannot be done without.
    ///
    /// # Errors
    /// When none were given, with what to do about it.
    pub fn key_ring(&self) -> Result<&Arc<KeyRing>> {
        self.key_ring.as_ref().ok_or(Error::NoKey)
    }

    /// Takes a changed key file into use, and says so. Keys of a file that is broken stay as they were.
    pub async fn keys_follow(&self) {
        let Some(ring) = self.key_ring.clone().filter(|ring| ring.path().is_some()) else { return };
        let reloaded = tokio::task::spawn_blocking(move || {
            let changed = ring.reload()?;
            Ok::<_, crate::keyring::LoadError>(changed.then(|| (ring.primary(), ring.ids())))
        });
        match reloaded.await {
            Ok(Ok(Some((primary, ids)))) => {
                tracing::info!(primary, keys = ids.join(" "), "the key file has changed and is in use");
            }
            Ok(Ok(None)) => {}
            Ok(Err(error)) => {
                tracing::warn!(%error, "the key file cannot be used; the keys stay as they were");
            }
            Err(error) => tracing::warn!(%error, "the key file was not looked at"),
        }
    }
}
