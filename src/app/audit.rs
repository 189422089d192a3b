//! The record of what operators change: written in the same transaction as the change, or neither is.

use super::{App, Ctx, process_numbers::DRAWS};
use crate::{
    domain::{
        audit::{AuditEvent, AuditFilter, Change},
        pages::{Page, PageRequest},
    },
    error::Result,
    store::{self, Conn, audit_events},
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
        let (action, subject) = (action.to_owned(), subject.to_owned());
        let id = self.next_id(at)?;
        let mut event = AuditEvent { id, at, caller: ctx.caller.clone(), action, subject, changes };
        let mut draws = 1;
        loop {
            match audit_events::append(conn, &event).await {
                Err(store::Error::IdTaken) if draws < DRAWS => event.id = self.next_id(at)?,
                outcome => return Ok(outcome?),
            }
            draws += 1;
        }
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
