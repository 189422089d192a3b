//! How orders change, for those who follow along: one of them, or all from a cursor on.

use std::sync::Arc;

use tokio::sync::broadcast;

use super::{
    App, Ctx,
    orders::{not_found, seen_by},
};
use crate::{
    domain::orders::{OrderChange, SoId, StoredOrder},
    error::{Error, Result},
    store::order_changes,
};

/// Changes that are read at a time by whoever follows all of them.
const BATCH: i64 = 500;

/// Changes from a cursor on.
#[derive(Debug, Default)]
pub struct OrderChanges {
    /// In their order.
    pub changes: Vec<OrderChange>,
    /// The number of the last one there is.
    pub head: i64,
}

impl App {
    /// How orders changed after a cursor.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn order_changes_list(&self, _: &Ctx, cursor: i64, limit: i64) -> Result<OrderChanges> {
        let mut conn = self.store.read().await?;
        let changes = order_changes::list(&mut conn, cursor, limit).await?;
        // Read after the changes, so that it is never behind them.
        Ok(OrderChanges { changes, head: order_changes::head(&mut conn).await? })
    }

    /// Follows how orders change after a cursor.
    #[must_use]
    pub fn order_changes_watch(self: &Arc<Self>, _: &Ctx, cursor: i64) -> OrderChangesWatch {
        OrderChangesWatch { app: Arc::clone(self), cursor, bell: self.orders.changed.subscribe() }
    }

    /// Follows one order.
    ///
    /// # Errors
    /// When there is no such order, or the database does not answer.
    pub async fn order_watch(self: &Arc<Self>, ctx: &Ctx, so_id: SoId) -> Result<OrderWatch> {
        let bell = self.orders.changed.subscribe();
        self.order_find(&so_id).await?.ok_or_else(|| not_found(&so_id))?;
        Ok(OrderWatch { app: Arc::clone(self), ctx: ctx.clone(), so_id, bell, last: None })
    }
}

/// All orders, being followed.
pub struct OrderChangesWatch {
    app: Arc<App>,
    cursor: i64,
    bell: broadcast::Receiver<SoId>,
}

impl OrderChangesWatch {
    /// The next changes, at least one.
    ///
    /// # Errors
    /// When the database does not answer, or this process goes down.
    pub async fn next(&mut self) -> Result<Vec<OrderChange>> {
        loop {
            // What rings from here on is looked for once more.
            self.bell = self.bell.resubscribe();
            let mut conn = self.app.store.read().await?;
            let changes = order_changes::list(&mut conn, self.cursor, BATCH).await?;
            drop(conn);
            if let Some(last) = changes.last() {
                self.cursor = last.seq;
                return Ok(changes);
            }
            if self.app.stopping.is_cancelled() {
                return Err(Error::ShuttingDown);
            }
            self.app.any_order_rings(&mut self.bell).await;
        }
    }
}

/// One order, being followed.
pub struct OrderWatch {
    app: Arc<App>,
    ctx: Ctx,
    so_id: SoId,
    bell: broadcast::Receiver<SoId>,
    last: Option<StoredOrder>,
}

impl OrderWatch {
    /// The order as it stands at first, then whenever it has changed.
    ///
    /// # Errors
    /// When the database does not answer, or this process goes down.
    pub async fn next(&mut self) -> Result<StoredOrder> {
        loop {
            let order = self.app.order_find(&self.so_id).await?.ok_or_else(|| not_found(&self.so_id))?;
            if self.last.as_ref() != Some(&order) {
                self.last = Some(order.clone());
                return Ok(seen_by(&self.ctx, order));
            }
            if self.app.stopping.is_cancelled() {
                return Err(Error::ShuttingDown);
            }
            self.app.order_rings(&self.so_id, &mut self.bell).await;
        }
    }
}
