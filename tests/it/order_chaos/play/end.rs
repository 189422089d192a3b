//! The end of a play: nothing goes wrong any more, time passes until nothing moves, and what is left is judged.

use std::{collections::BTreeSet, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use haier_integration::domain::{
    clock::Clock as _,
    orders::{SoId, StoredOrder},
    pages::PageRequest,
};
use serde_json::json;

use super::{DOUBT_WAIT, Play};
use crate::{
    order_chaos::{
        invariants::{Left, is_alerted},
        replica::{Replica, operator},
    },
    support::within,
};

/// Turns of the clock after which everything must be over.
const TURNS: usize = 200;

impl Play {
    pub(in crate::order_chaos) async fn end(mut self) {
        self.replicas.iter_mut().for_each(Replica::go_on);
        self.heal().await;
        self.resume(0).await;
        // A client who heard nothing asks again.
        for order in 0..self.schedule.orders {
            self.push(order, self.awake(order % self.replicas.len()), TimeDelta::zero()).await;
        }
        within(async { while self.clients.join_next().await.is_some() {} }).await;
        self.haier.settle_orders().await;
        // Who is found under whose name makes no difference in the end: each has his turn.
        self.time_passes().await;
        self.rename().await;
        // Longer than an order waits that nobody can send.
        self.house.clock.turn(TimeDelta::seconds(61));
        self.time_passes().await;
        let left = self.left().await;
        for replica in std::mem::take(&mut self.replicas) {
            replica.drain(&self.house.clock).await;
        }
        let mut complaints = left.complaints();
        // Going down in good order leaves nothing behind either.
        if self.asker.number("SELECT count(*) FROM order_pushes WHERE worker IS NOT NULL").await > 0 {
            complaints.push("something is leased when everybody has gone".to_owned());
        }
        assert!(complaints.is_empty(), "{:#?}\n{}", self.schedule, left.story(&complaints));
    }

    /// Turns the clock until nothing moves, but for orders that Haier never answers for.
    async fn time_passes(&self) {
        let unanswered = self.unanswered();
        for _ in 0..TURNS {
            self.quiet().await;
            self.haier.settle_callbacks().await;
            self.quiet().await;
            match self.next_due(&unanswered).await {
                Some(due) => {
                    self.house.clock.turn_to(due.max(self.house.clock.now() + TimeDelta::seconds(1)))
                }
                // One whose answer was too slow is sent again.
                None if self.haier.callbacks().await["waiting"] != json!([]) => {}
                None => {
                    self.quiet().await;
                    return;
                }
            }
        }
        let complaints = ["it never comes to rest".to_owned()];
        panic!("{:#?}\n{}", self.schedule, self.left().await.story(&complaints));
    }

    /// When something is done next. An order that is never answered for is looked at until it is past its deadline.
    async fn next_due(&self, unanswered: &BTreeSet<String>) -> Option<DateTime<Utc>> {
        let replica = &self.replicas[0];
        let app = Arc::clone(&replica.app);
        let page = PageRequest { size: 1_000, after: None };
        let listed = async move { app.orders_list(&operator(), &Default::default(), &page).await };
        let orders = within(replica.ask(listed)).await.unwrap().unwrap().items;
        let now = self.house.clock.now();
        let app = Arc::clone(&replica.app);
        let displaced =
            within(replica.ask(async move { app.orders_displaced().await })).await.unwrap().unwrap();
        let displaced: BTreeSet<SoId> = displaced.into_iter().flat_map(|orders| orders.so_ids).collect();
        let log = self.house.log.text();
        // What somebody asks for after the deadline is no look.
        let is_looked_at = |order: &StoredOrder| {
            order.updated_at > order.deadline_at
                && (!order.summary.in_doubt || is_alerted(&log, order.order.so_id.as_str()))
        };
        let over = |order: &StoredOrder| {
            displaced.contains(&order.order.so_id)
                || unanswered.contains(order.order.so_id.as_str()) && is_looked_at(order)
        };
        let due = orders.iter().filter(|order| !over(order)).filter_map(|order| order.next_attempt_at);
        due.min().map(|due| due.max(now))
    }

    fn unanswered(&self) -> BTreeSet<String> {
        if self.schedule.lasting { [self.so_id(0)].into() } else { BTreeSet::new() }
    }

    pub(in crate::order_chaos) async fn left(&self) -> Left {
        let replica = &self.replicas[self.awake(0)];
        let store = replica.app.store().clone();
        let left = within(replica.ask(async move { Left::read(&store).await })).await.unwrap();
        let callbacks = self.haier.callbacks().await;
        let accepted = self.accepted.lock().unwrap().clone();
        Left {
            accepted,
            leased: self.leased().await,
            unapplied: self.asker.number("SELECT count(*) FROM callbacks WHERE applied_at IS NULL").await,
            open_logs: self
                .asker
                .number("SELECT count(*) FROM sync_logs WHERE sync_type = 'order' AND completed_at IS NULL")
                .await,
            log: self.house.log.text(),
            unanswered: self.unanswered(),
            doubt_wait: DOUBT_WAIT,
            ..left.and_haiers(&self.haier.orders().await, &callbacks)
        }
    }

    /// Orders in somebody's hands, but for those that Haier never answers for: these are looked at for ever.
    async fn leased(&self) -> i64 {
        let never: Vec<String> = self.unanswered().iter().map(|so_id| format!("'{so_id}'")).collect();
        let never = if never.is_empty() { "''".to_owned() } else { never.join(", ") };
        let orders = format!("SELECT id FROM orders WHERE so_id NOT IN ({never})");
        let leased = "SELECT count(*) FROM order_pushes WHERE worker IS NOT NULL";
        self.asker.number(&format!("{leased} AND order_id IN ({orders})")).await
    }
}
