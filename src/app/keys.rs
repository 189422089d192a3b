//! The keys that seal secrets, as use cases reach them.

mod rotation;

use std::sync::Arc;

pub use rotation::{KeyRotation, RotationProgress};

use super::{App, Ctx};
use crate::{
    error::{Causes, Error, Result},
    keyring::KeyRing,
    store::sealed_values::SealedTable,
};

/// A key, and how much it has sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyUse {
    /// Its id. Empty: keys that are missing here, together.
    pub id: String,
    /// Whether it seals from now on.
    pub primary: bool,
    /// Values that it has sealed.
    pub sealed_count: i64,
    /// Whether it is missing.
    pub missing: bool,
}

impl App {
    /// The keys, for what cannot be done without.
    ///
    /// # Errors
    /// When none were given, with what to do about it.
    pub fn key_ring(&self) -> Result<&Arc<KeyRing>> {
        self.key_ring.as_ref().ok_or(Error::NoKey)
    }

    /// The keys of this process, by id, and what missing ones have sealed.
    ///
    /// # Errors
    /// When no keys were given, or the database does not answer.
    pub async fn keys_list(&self, _: &Ctx) -> Result<Vec<KeyUse>> {
        let key_ring = self.key_ring()?;
        let (primary, ids) = (key_ring.primary(), key_ring.ids());
        let mut conn = self.store.read().await?;
        let mut keys = Vec::new();
        for id in ids {
            let mut sealed_count = 0;
            for table in SealedTable::ALL {
                sealed_count += table.count(&mut conn, Some(&id)).await?;
            }
            keys.push(KeyUse { primary: id == primary, id, sealed_count, missing: false });
        }
        let mut all = 0;
        for table in SealedTable::ALL {
            all += table.count(&mut conn, None).await?;
        }
        let lost = all - keys.iter().map(|key| key.sealed_count).sum::<i64>();
        if lost > 0 {
            keys.push(KeyUse { id: String::new(), primary: false, sealed_count: lost, missing: true });
        }
        Ok(keys)
    }

    /// Begins to seal anew with the primary key what others sealed; whoever has it asks for its steps.
    ///
    /// # Errors
    /// When no keys were given.
    pub fn keys_rotate(self: &Arc<Self>, ctx: &Ctx) -> Result<KeyRotation> {
        let key_ring = Arc::clone(self.key_ring()?);
        Ok(KeyRotation::new(Arc::clone(self), ctx.clone(), key_ring))
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
                tracing::warn!(error = %Causes(&error), "the key file cannot be used; the keys stay as they were");
            }
            Err(error) => tracing::warn!(error = %Causes(&error), "the key file was not looked at"),
        }
    }
}
