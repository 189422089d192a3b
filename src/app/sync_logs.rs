//! Reading the record of runs.

use super::{App, Ctx};
use crate::{
    domain::{
        pages::{Page, PageRequest},
        sync_logs::{SyncFailure, SyncLog, SyncLogFilter},
    },
    error::{Error, Result},
    store::{sync_failures, sync_logs},
};

impl App {
    /// One log.
    ///
    /// # Errors
    /// When it does not exist, or the database does not answer.
    pub async fn sync_log_fetch(&self, _: &Ctx, id: i64) -> Result<SyncLog> {
        let mut conn = self.store.read().await?;
        sync_logs::find(&mut conn, id).await?.ok_or_else(|| not_found(id))
    }

    /// One page of the logs that match, newest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn sync_logs_list(
        &self,
        _: &Ctx,
        filter: &SyncLogFilter,
        page: &PageRequest<i64>,
    ) -> Result<Page<SyncLog, i64>> {
        let mut conn = self.store.read().await?;
        Ok(sync_logs::list(&mut conn, filter, page).await?)
    }

    /// One page of a run's failures, in the order in which they happened.
    ///
    /// # Errors
    /// When there is no such run, or the database does not answer.
    pub async fn sync_failures_list(
        &self,
        _: &Ctx,
        log_id: i64,
        page: &PageRequest<i64>,
    ) -> Result<Page<SyncFailure, i64>> {
        let mut conn = self.store.read().await?;
        sync_logs::find(&mut conn, log_id).await?.ok_or_else(|| not_found(log_id))?;
        Ok(sync_failures::list(&mut conn, log_id, page).await?)
    }
}

pub(super) fn not_found(id: i64) -> Error {
    Error::NotFound { what: "sync log", key: id.to_string() }
}
