//! The record of what operators change: written in the same transaction as the change, or neither is.

use super::{App, Ctx};
use crate::{
    domain::{
        audit::{AuditEvent, AuditFilter, Change},
        pages::{Page, PageRequest},
    },
    error::Result,
    store::{Conn, audit_events},
};

impl App {
    /// Appends who did what to what, in the transaction of the change. Secrets in `changes` are masked by the caller.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(super) async fn audit(
        &self,
        conn: &mut Conn,
        ctx: &Ctx,
        action: &str,
        subject: &str,
        changes: Vec<Change>,
    ) -> Result<()> {
        let at = self.clock.now();
        let event = AuditEvent {
            id: self.ids.next(at),
            at,
            caller: ctx.caller.clone(),
            action: action.to_owned(),
            subject: subject.to_owned(),
            changes,
        };
        Ok(audit_events::append(conn, &event).await?)
    }

    /// One page of what operators changed, newest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn audit_events_list(
        &self,
        _ctx: &Ctx,
        filter: &AuditFilter,
        page: &PageRequest<i64>,
    ) -> Result<Page<AuditEvent, i64>> {
        Ok(audit_events::list(&mut self.store.read().await?, filter, page).await?)
    }
}
