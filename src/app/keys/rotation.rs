//! Sealing anew what other keys sealed: a few values a step, each replaced only where it still is what was read, so that it
//! may be killed at any moment, run twice at once, and go on while others write.

use std::sync::Arc;

use secrecy::ExposeSecret as _;

use crate::{
    app::{App, Ctx},
    domain::audit::Change,
    error::{Causes, Error, Interrupted, Result},
    keyring::{self, KeyRing},
    store::sealed_values::{SealedTable, SealedValue},
};

/// Values a transaction seals anew.
const BATCH: i64 = 100;

/// How far a rotation is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RotationProgress {
    /// The key that values are sealed with.
    pub key_id: String,
    /// Values sealed anew so far.
    pub resealed: i64,
    /// Values that do not open, and stay as they are.
    pub failed: i64,
    /// Values still to be sealed anew.
    pub remaining: i64,
}

/// A rotation under way. It takes a step when asked for its progress; dropped, it stops between two steps.
pub struct KeyRotation {
    app: Arc<App>,
    ctx: Ctx,
    key_ring: Arc<KeyRing>,
    progress: RotationProgress,
    begun: bool,
    /// Tables that are not done.
    tables: Vec<SealedTable>,
    /// The last value looked at of the first of them.
    after: Option<SealedValue>,
}

/// What one step did.
struct Step {
    resealed: i64,
    failed: i64,
    last: Option<SealedValue>,
}

impl KeyRotation {
    pub(super) fn new(app: Arc<App>, ctx: Ctx, key_ring: Arc<KeyRing>) -> Self {
        let progress = RotationProgress { key_id: key_ring.primary(), resealed: 0, failed: 0, remaining: 0 };
        Self { app, ctx, key_ring, progress, begun: false, tables: SealedTable::ALL.to_vec(), after: None }
    }

    /// Takes the next step and says how far it is. `None`: the end was told.
    ///
    /// # Errors
    /// When the database does not answer; asked again it goes on.
    pub async fn next(&mut self) -> Result<Option<RotationProgress>> {
        if !self.begun {
            self.begin().await?;
            self.begun = true;
            return Ok(Some(self.progress.clone()));
        }
        let Some(table) = self.tables.first().copied() else { return Ok(None) };
        if self.app.stopping.is_cancelled() {
            return Err(Error::ShuttingDown(Interrupted::Rotation));
        }
        let step = self.step(table).await?;
        self.progress.resealed += step.resealed;
        self.progress.failed += step.failed;
        self.progress.remaining = (self.progress.remaining - step.resealed - step.failed).max(0);
        self.after = step.last;
        if self.after.is_none() {
            self.tables.remove(0);
        }
        if self.tables.is_empty() {
            // What others sealed anew meanwhile was counted and not found.
            self.progress.remaining = 0;
            let RotationProgress { key_id, resealed, failed, .. } = &self.progress;
            tracing::info!(key_id, resealed, failed, "what other keys sealed is sealed anew");
        }
        Ok(Some(self.progress.clone()))
    }

    async fn begin(&mut self) -> Result<()> {
        let mut conn = self.app.store.read().await?;
        let mut remaining = 0;
        for table in SealedTable::ALL {
            let all = table.count(&mut conn, None).await?;
            remaining += all - table.count(&mut conn, Some(&self.progress.key_id)).await?;
        }
        drop(conn);
        self.progress.remaining = remaining;
        let mut tx = self.app.store.begin().await?;
        let changes = vec![Change::to("values to seal anew", remaining.to_string())];
        self.app.audit(&mut tx, &self.ctx, "keys.rotate", &self.progress.key_id, changes).await?;
        Ok(tx.commit().await?)
    }

    /// Runs in the caller's own task: one who hangs up stops it at once, and what it had not committed is rolled back.
    async fn step(&self, table: SealedTable) -> Result<Step> {
        let mut conn = self.app.store.read().await?;
        let values = table.list_others(&mut conn, &self.progress.key_id, self.after.as_ref(), BATCH).await?;
        drop(conn);
        let mut step = Step { resealed: 0, failed: 0, last: values.last().cloned() };
        let mut tx = self.app.store.begin().await?;
        for value in &values {
            match anew(&self.key_ring, table, value) {
                // One that somebody else replaced meanwhile is sealed with the newest key already.
                Ok(sealed) => step.resealed += i64::from(table.replace(&mut tx, value, &sealed).await?),
                Err(error) => {
                    tracing::warn!(error = %Causes(&error), "a value cannot be sealed anew and stays as it is");
                    step.failed += 1;
                }
            }
        }
        tx.commit().await?;
        Ok(step)
    }
}

fn anew(
    key_ring: &KeyRing,
    table: SealedTable,
    value: &SealedValue,
) -> std::result::Result<crate::domain::sealed::Sealed, keyring::Error> {
    let place = table.place(value);
    key_ring.seal(place, key_ring.open(place, &value.sealed)?.expose_secret())
}
