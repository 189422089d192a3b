//! Reading the record of runs.

use super::{App, Ctx};
use crate::{
    domain::{
        callers::Role,
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
    /// When it does not exist or is not for this caller, or the database does not answer.
    pub async fn sync_log_fetch(&self, ctx: &Ctx, id: i64) -> Result<SyncLog> {
        let found = sync_logs::find(&mut self.store.read().await?, id).await?;
        found.filter(|log| log.is_shown_to(&ctx.caller)).ok_or_else(|| not_found(id))
    }

    /// One page of the logs that match and are for this caller, newest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn sync_logs_list(
        &self,
        ctx: &Ctx,
        mut filter: SyncLogFilter,
        page: &PageRequest<i64>,
    ) -> Result<Page<SyncLog, i64>> {
        filter.shown_to = (ctx.caller.role < Role::Admin).then(|| ctx.caller.name.clone());
        let mut conn = match filter.query {
            Some(_) => self.store.search().await?,
            None => self.store.read().await?,
        };
        Ok(sync_logs::list(&mut conn, &filter, page).await?)
    }

    /// One page of a run's failures, in the order in which they happened.
    ///
    /// # Errors
    /// When there is no such run, or the database does not answer.
    pub async fn sync_failures_list(
        &self,
        ctx: &Ctx,
        log_id: i64,
        page: &PageRequest<i64>,
    ) -> Result<Page<SyncFailure, i64>> {
        self.sync_log_fetch(ctx, log_id).await?;
        Ok(sync_failures::list(&mut self.store.read().await?, log_id, page).await?)
    }
}

pub(super) fn not_found(id: i64) -> Error {
    Error::NotFound { what: "sync log", key: id.to_string() }
}
