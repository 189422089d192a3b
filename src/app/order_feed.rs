//! How orders change, for those who follow along: one of them, or all from a cursor on.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    App, Ctx,
    feeds::{self, FeedEntry, FeedPage, FeedWatch, Place},
    order_watchers::Follower,
    orders::{not_found, seen_by},
};
use crate::{
    domain::orders::{OrderChange, SoId, StoredOrder},
    error::{Causes, Error, Interrupted, Result},
    store::{self, Conn, order_changes},
};

/// How often entries are numbered that nobody reads.
const LOOK: TimeDelta = TimeDelta::seconds(1);
/// Entries numbered in one transaction at most.
const TOGETHER: i64 = 500;

impl FeedEntry for OrderChange {
    const FEED: &'static str = "orders";
    const REMEDY: &'static str = "the database was put back to an earlier state: read the orders again (ListOrders), then go \
                                  on from the current cursor";

    fn number(&self) -> i64 {
        self.seq
    }

    fn at(&self) -> DateTime<Utc> {
        self.changed_at
    }

    fn list(
        conn: &mut Conn,
        after: i64,
        limit: i64,
    ) -> impl Future<Output = store::Result<Vec<Self>>> + Send {
        order_changes::list(conn, after, limit)
    }

    fn head(conn: &mut Conn) -> impl Future<Output = store::Result<(i64, i64)>> + Send {
        order_changes::head(conn)
    }

    /// Numbers it first, so that a reader finds what he has committed before.
    fn settle(app: &App) -> impl Future<Output = Result<()>> + Send {
        app.order_changes_number()
    }
}

impl App {
    /// How orders changed after a place, else from the beginning.
    ///
    /// # Errors
    /// When there never was such a place, or the database does not answer.
    pub async fn order_changes_list(
        &self,
        _: &Ctx,
        after: Option<Place>,
        size: i64,
    ) -> Result<FeedPage<OrderChange>> {
        feeds::page(self, after, size).await
    }

    /// Follows how orders change after a place, else from the beginning.
    ///
    /// # Errors
    /// When there never was such a place, or the database does not answer.
    pub async fn order_changes_watch(
        self: &Arc<Self>,
        _: &Ctx,
        after: Option<Place>,
    ) -> Result<FeedWatch<OrderChange>> {
        let after = match after {
            Some(place) => place,
            // Changes are kept for ever: the beginning is a place.
            None => {
                let (epoch, _) = OrderChange::head(&mut self.store.read().await?).await?;
                Place { epoch, number: 0, at: None }
            }
        };
        feeds::follow(self, |app| &app.orders.feed, Some(after)).await
    }

    /// Gives numbers to what is committed, so that it can be read.
    async fn order_changes_number(&self) -> Result<()> {
        if !order_changes::any_unnumbered(&mut self.store.read().await?).await? {
            return Ok(());
        }
        loop {
            let mut tx = self.store.begin().await?;
            let numbered = order_changes::number(&mut tx, TOGETHER).await?;
            tx.commit().await?;
            if i64::try_from(numbered).is_ok_and(|numbered| numbered < TOGETHER) {
                return Ok(());
            }
        }
    }

    /// Does so for what nobody reads, until the process goes down.
    pub async fn order_changes_number_run(&self) {
        let mut database_down = false;
        while !self.stopping.is_cancelled() {
            match self.order_changes_number().await {
                Ok(()) => database_down = false,
                Err(error) => {
                    if !std::mem::replace(&mut database_down, true) {
                        tracing::warn!(error = %Causes(&error), "the feed of orders cannot be numbered; trying again");
                    }
                }
            }
            tokio::select! {
                () = self.stopping.cancelled() => {}
                () = self.clock.sleep_until(self.clock.now() + LOOK) => {}
            }
        }
    }

    /// Reads the feed for those who follow it, until the process goes down.
    pub async fn order_feed_run(&self) {
        self.orders.feed.run(self).await;
    }

    /// Follows one order.
    ///
    /// # Errors
    /// When there is no such order, or the database does not answer.
    pub async fn order_watch(self: &Arc<Self>, ctx: &Ctx, so_id: SoId) -> Result<OrderWatch> {
        let follower = self.orders.watchers.follow(&so_id);
        self.order_find(&so_id).await?.ok_or_else(|| not_found(&so_id))?;
        Ok(OrderWatch { app: Arc::clone(self), ctx: ctx.clone(), so_id, follower, last: None })
    }
}

/// One order, being followed.
pub struct OrderWatch {
    app: Arc<App>,
    ctx: Ctx,
    so_id: SoId,
    follower: Follower,
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
                return Err(Error::ShuttingDown(Interrupted::Stream));
            }
            tokio::select! {
                () = self.app.stopping.cancelled() => {}
                () = self.follower.changed() => {}
            }
        }
    }
}
