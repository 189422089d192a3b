//! Orders: stored before anything else is done with them, read back, and followed. What is done with them is in
//! `order_push`; how they change in `order_facts`.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future;
use tokio::sync::{Notify, Semaphore};

use super::{
    App, Ctx,
    feeds::Feed,
    order_deferrals::Gate,
    order_leases::Leases,
    order_watchers::{Follower, Watchers},
    process_numbers::{DRAWS, is_to_be_drawn_again},
    to_its_end,
};
use crate::{
    domain::{
        callers::Role,
        orders::{
            Failure, Order, OrderChange, OrderFilter, OrderState, OrderSummary, Personal, Sender, SoId,
            StoredOrder, ToldTimes,
            facts::Fact,
            plan::PushRules,
            sealing::{PersonalPart, SealedOrder, place},
        },
        pages::{Page, PageRequest},
        reasons::Reason,
        sealed::Sealed,
    },
    error::{Causes, Error, Result},
    store::{self, Store, order_changes, order_facts, order_pushes, orders},
    upstream::account_identity,
};

/// So long before the caller's deadline a wait for the outcome ends, so that the answer is there in time.
const HEAD_START: Duration = Duration::from_millis(100);

/// Why an order has no people.
const UNREADABLE: &str = "name, number, address and remark do not open with the keys of this service: give it the key file that \
                          they were sealed with";

/// How orders are pushed. All of it is settings.
#[derive(Debug, Clone)]
pub struct OrderSettings {
    /// When they are sent again.
    pub rules: PushRules,
    /// Orders a replica has in flight at most.
    pub calls_in_flight: usize,
    /// How long a worker that shows no sign of life keeps an order.
    pub lease: TimeDelta,
    /// How often a worker shows one.
    pub heartbeat: TimeDelta,
    /// How long Haier may call nothing back about an order that it has, before the log warns.
    pub unconfirmed_after: TimeDelta,
}

/// What orders need beside the store.
pub(super) struct Orders {
    pub(super) settings: OrderSettings,
    /// Rung when an order may be due.
    pub(super) wake: Notify,
    /// How orders change, for those who follow all of them.
    pub(super) feed: Feed<OrderChange>,
    /// Who follows single orders here.
    pub(super) watchers: Arc<Watchers>,
    /// Why new orders are not claimed, while they are not.
    pub(super) gate: Gate,
    /// Of the orders that are worked on here.
    pub(super) leases: Leases,
    /// For storing what is done with them: a backlog leaves connections to those who push new ones.
    pub(super) storing: Semaphore,
}

impl Orders {
    pub(super) fn new(settings: OrderSettings, store: &Store) -> Self {
        let (watchers, gate) = (Arc::default(), Gate::default());
        let (wake, feed) = (Notify::new(), Feed::default());
        // On SQLite there is one that writes.
        let storing = if store.is_exclusive() { 1 } else { (store.pool_use().max / 2).max(1) };
        Self {
            settings,
            wake,
            feed,
            watchers,
            gate,
            leases: Leases::default(),
            storing: Semaphore::new(storing),
        }
    }

    /// Tells whoever follows an order, and whoever works on it if something is due, after a commit.
    pub(super) fn announce(&self, order: &StoredOrder, now: DateTime<Utc>) {
        if order.next_attempt_at.is_some_and(|at| at <= now) {
            self.wake.notify_one();
        }
        self.feed.wake();
        self.watchers.notify(&order.order.so_id);
    }
}

/// Orders by number.
#[derive(Debug, Default)]
pub struct FoundOrders {
    /// Those that are stored, in the order asked.
    pub orders: Vec<StoredOrder>,
    /// Those that are not.
    pub missing: Vec<SoId>,
}

impl App {
    /// Stores an order, and waits so long for its outcome. The same order again is the one that is stored.
    ///
    /// # Errors
    /// When its products cannot be ordered, another order of this number is stored, there is no account at the order
    /// system or no key, or the database does not answer.
    pub async fn order_push(
        self: &Arc<Self>,
        ctx: &Ctx,
        order: Order,
        wait: TimeDelta,
    ) -> Result<StoredOrder> {
        let so_id = order.so_id.clone();
        let follower = self.orders.watchers.follow(&so_id);
        // Both are wanted of every new order: neither waits for the other.
        let (stored, products) =
            future::try_join(self.order_find(&so_id), self.order_products_stored(&order)).await?;
        let stored = match stored {
            Some(stored) => self.order_same(stored, &order)?,
            None => {
                // Asked before it is stored: an order that nobody could send is not accepted.
                self.ylh()?;
                self.key_ring()?;
                self.order_products_check(ctx, &order, products).await?;
                let (app, by) = (Arc::clone(self), ctx.caller.name.clone());
                to_its_end(async move {
                    let mut draws = DRAWS;
                    loop {
                        let inserted = app.order_insert(order.clone(), by.clone()).await;
                        if !is_to_be_drawn_again(&inserted, &mut draws) {
                            return inserted;
                        }
                    }
                })
                .await?
            }
        };
        let stored = if wait > TimeDelta::zero() && !stored.summary.state.is_outcome() {
            self.order_outcome(ctx, &so_id, wait, follower).await?
        } else {
            stored
        };
        Ok(seen_by(ctx, stored))
    }

    async fn order_insert(&self, order: Order, requested_by: String) -> Result<StoredOrder> {
        let now = self.clock.now();
        let id = self.next_id(now)?;
        let ring = self.key_ring()?;
        let personal = order
            .personal()
            .try_map(|field, personal: &Personal| ring.seal(place(id, field), personal.expose()))?;
        let summary = OrderSummary {
            state: OrderState::Accepted,
            retail_order_no: None,
            haier_order_no: None,
            last_error: None,
            in_doubt: false,
            told: ToldTimes::default(),
        };
        let stored = StoredOrder {
            id,
            order,
            requested_by,
            sender: None,
            summary,
            deadline_at: now + self.orders.settings.rules.deadline,
            sync_log_id: None,
            created_at: now,
            updated_at: now,
            next_attempt_at: Some(now),
            deferral: None,
            in_hand: false,
        };
        if !self.order_store(&stored, &personal).await? {
            // Another caller stored it at the same instant. If none did, it was the id that was taken.
            return match self.order_find(&stored.order.so_id).await? {
                Some(other) => self.order_same(other, &stored.order),
                None => Err(store::Error::IdTaken.into()),
            };
        }
        tracing::info!(so_id = stored.order.so_id.as_str(), by = stored.requested_by, "order accepted");
        self.orders.announce(&stored, now);
        Ok(stored)
    }

    /// Stores a new order with what follows from it; whether it was new.
    async fn order_store(&self, order: &StoredOrder, personal: &PersonalPart<Sealed>) -> Result<bool> {
        let mut tx = self.store.begin().await?;
        if !orders::insert(&mut tx, order, personal).await? {
            tx.rollback().await?;
            return Ok(false);
        }
        let (pipeline, entry) = (tx.pipeline(), change(order, None, order.created_at));
        future::try_join3(
            orders::insert_items(&pipeline, order),
            order_pushes::insert(&pipeline, order),
            order_changes::add(&pipeline, &entry),
        )
        .await?;
        tx.commit().await?;
        Ok(true)
    }

    /// The stored order, if the one given says the same, names that are left out filled in on both sides: as they were sent,
    /// or as they would be now.
    fn order_same(&self, stored: StoredOrder, given: &Order) -> Result<StoredOrder> {
        let sender = stored.sender.clone().or_else(|| self.order_sender_now());
        let fields = stored.order.differences(given, sender.as_ref());
        if fields.is_empty() {
            return Ok(stored);
        }
        Err(Error::OrderConflict { so_id: stored.order.so_id.as_str().to_owned(), fields })
    }

    /// Under whose name an order would be sent now that gives none itself.
    pub(super) fn order_sender_now(&self) -> Option<Sender> {
        let haier = self.upstreams.find_active()?;
        let (account, ylh) = (haier.openplat.account(), haier.ylh.as_ref()?.account());
        Some(Sender {
            account: account.name.clone(),
            identity: account_identity(account),
            seller_code: account.customer_code.clone(),
            source_system: ylh.source_system.clone(),
            shop_name: ylh.shop_name.clone(),
        })
    }

    /// The order when its outcome is known, or as it stands when the time is up.
    async fn order_outcome(
        &self,
        ctx: &Ctx,
        so_id: &SoId,
        wait: TimeDelta,
        mut follower: Follower,
    ) -> Result<StoredOrder> {
        let patience = ctx.deadline.map_or(wait, |deadline| {
            let left = deadline.saturating_duration_since(Instant::now()).saturating_sub(HEAD_START);
            wait.min(TimeDelta::from_std(left).unwrap_or(wait))
        });
        let until = self.clock.now() + patience;
        loop {
            let order = self.order_find(so_id).await?.ok_or_else(|| not_found(so_id))?;
            if order.summary.state.is_outcome() || self.clock.now() >= until {
                return Ok(order);
            }
            // When the time is up it is read once more.
            tokio::select! {
                () = follower.changed() => {}
                () = self.stopping.cancelled() => return Ok(order),
                () = self.clock.sleep_until(until) => {}
            }
        }
    }

    /// One order.
    ///
    /// # Errors
    /// When it does not exist, or the database does not answer.
    pub async fn order_fetch(&self, ctx: &Ctx, so_id: &SoId) -> Result<StoredOrder> {
        let order = self.order_find(so_id).await?.ok_or_else(|| not_found(so_id))?;
        Ok(seen_by(ctx, order))
    }

    /// Orders by number.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn orders_get(&self, ctx: &Ctx, so_ids: Vec<SoId>) -> Result<FoundOrders> {
        let mut conn = self.store.read().await?;
        let stored = orders::list_by_so_id(&mut conn, &so_ids).await?;
        drop(conn);
        let mut by_id: HashMap<SoId, SealedOrder> =
            stored.into_iter().map(|order| (order.so_id().clone(), order)).collect();
        let mut found = FoundOrders::default();
        for so_id in so_ids {
            match by_id.remove(&so_id) {
                Some(order) => found.orders.push(seen_by(ctx, self.order_open_or_say_so(order)?)),
                None => found.missing.push(so_id),
            }
        }
        Ok(found)
    }

    /// One page of the orders that match, newest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn orders_list(
        &self,
        ctx: &Ctx,
        filter: &OrderFilter,
        page: &PageRequest<i64>,
    ) -> Result<Page<StoredOrder, i64>> {
        let mut conn = self.store.read().await?;
        let page = orders::list(&mut conn, filter, page).await?;
        drop(conn);
        let items = page.items.into_iter().map(|order| Ok(seen_by(ctx, self.order_open_or_say_so(order)?)));
        Ok(Page { items: items.collect::<Result<_>>()?, next: page.next })
    }

    /// One page of what is known about an order, in the order in which it was learnt.
    ///
    /// # Errors
    /// When there is no such order, or the database does not answer.
    pub async fn order_facts_list(
        &self,
        _: &Ctx,
        so_id: &SoId,
        page: &PageRequest<i64>,
    ) -> Result<Page<(i64, Fact), i64>> {
        let mut conn = self.store.read().await?;
        let order = orders::find(&mut conn, so_id).await?.ok_or_else(|| not_found(so_id))?;
        let facts = order_facts::list_page(&conn.pipeline(), order.id(), page).await?;
        Ok(Page::cut(facts, page.size, |(seq, _)| *seq))
    }

    pub(super) async fn order_find(&self, so_id: &SoId) -> Result<Option<StoredOrder>> {
        let sealed = orders::find(&mut self.store.read().await?, so_id).await?;
        sealed.map(|sealed| self.order_open(sealed)).transpose()
    }

    /// The order as it is shown among others: if its people cannot be read, it says so and comes without them.
    fn order_open_or_say_so(&self, sealed: SealedOrder) -> Result<StoredOrder> {
        self.key_ring()?;
        self.order_open(sealed.clone()).or_else(|error| {
            tracing::debug!(so_id = sealed.so_id().as_str(), error = %Causes(&error), "an order does not open");
            let cause = Failure { reason: Reason::NoKey, words: UNREADABLE.to_owned() };
            Ok(StoredOrder { in_hand: false, deferral: Some(cause), ..sealed.without_people() })
        })
    }

    pub(super) fn order_open(&self, sealed: SealedOrder) -> Result<StoredOrder> {
        use secrecy::ExposeSecret as _;
        let ring = self.key_ring()?;
        let order = sealed.open(|place, sealed| {
            ring.open(place, sealed).map(|opened| Personal::new(opened.expose_secret()))
        })?;
        Ok(self.order_with_deferral(order))
    }
}

pub(super) fn not_found(so_id: &SoId) -> Error {
    Error::NotFound { what: "order", key: so_id.as_str().to_owned() }
}

/// The order as this caller may see it.
pub(super) fn seen_by(ctx: &Ctx, order: StoredOrder) -> StoredOrder {
    if ctx.caller.role > Role::Reader {
        return order;
    }
    StoredOrder { order: order.order.masked(), ..order }
}

/// The feed's entry for an order that stands as it does.
pub(super) fn change(order: &StoredOrder, before: Option<OrderState>, now: DateTime<Utc>) -> OrderChange {
    OrderChange {
        seq: 0,
        so_id: order.order.so_id.clone(),
        online_no: order.order.online_no.clone(),
        before,
        state: order.summary.state,
        retail_order_no: order.summary.retail_order_no.clone(),
        haier_order_no: order.summary.haier_order_no.clone(),
        last_error: order.summary.last_error.clone(),
        changed_at: now,
    }
}
