//! What people ask of a replica: clients push orders and want them changed, operators tell what they know and hold pushes
//! back.

use std::sync::Arc;

use chrono::TimeDelta;
use haier_integration::{
    app::OrderWish,
    domain::{
        decimal::Money,
        orders::{ItemDraft, Order, OrderDraft, SoId, facts::ResolvedOutcome},
        pauses::PauseTarget,
        violations::Violations,
    },
    error::Error,
};

use super::{LOOK_AGAIN, Play};
use crate::{order_chaos::replica::operator, orders::PERSONAL, support::within};

impl Play {
    pub(super) async fn push(&self, order: usize, replica: usize, wait: TimeDelta) {
        let (replica, order) = (&self.replicas[replica], self.order(order));
        let (app, so_id) = (Arc::clone(&replica.app), order.so_id.to_string());
        let mut asked = replica.ask(async move { app.order_push(&operator(), order, wait).await });
        let answered = within(async {
            loop {
                match tokio::time::timeout(LOOK_AGAIN, &mut asked).await {
                    Ok(answered) => return answered,
                    // Whoever waits for an outcome waits by the turned clock.
                    Err(_) if wait > TimeDelta::zero() => self.house.clock.turn(wait),
                    Err(_) => {}
                }
            }
        });
        match answered.await.unwrap() {
            Ok(_) => drop(self.accepted.lock().unwrap().insert(so_id)),
            Err(error) => panic!("{so_id} is not taken: {error}"),
        }
    }

    /// Accepted only if it is the first of its number, which it must not be.
    pub(super) async fn push_other(&self, order: usize, replica: usize) {
        self.push(order, replica, TimeDelta::zero()).await;
        let mut other = self.order(order);
        other.city = "上海市".to_owned();
        let app = Arc::clone(&self.replicas[replica].app);
        let refused = async move { app.order_push(&operator(), other, TimeDelta::zero()).await };
        let refused = within(self.replicas[replica].ask(refused)).await.unwrap();
        assert!(matches!(refused, Err(Error::OrderConflict { .. })), "{refused:?}");
    }

    /// What is wanted of an order may be out of place; then it is refused, and that is all.
    pub(super) async fn wish(&self, order: usize, replica: usize, wish: OrderWish) {
        let so_id = SoId::from_stored(self.so_id(order));
        let replica = &self.replicas[self.awake(replica)];
        let app = Arc::clone(&replica.app);
        let done = within(replica.ask(async move { app.order_wish(&operator(), so_id, wish).await })).await;
        match done.unwrap() {
            Ok(_) | Err(Error::OrderState { .. } | Error::NotFound { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }

    pub(super) async fn resolve(&self, order: usize, replica: usize) {
        // Whoever is asked at Haier knows what has arrived.
        self.haier.settle_orders().await;
        let book = self.haier.orders().await;
        let so_id = self.so_id(order);
        let entry = book["orders"].as_array().unwrap().iter().find(|booked| booked["soId"] == so_id.as_str());
        let wish = OrderWish::Resolve {
            outcome: if entry.is_some() { ResolvedOutcome::Booked } else { ResolvedOutcome::NotBooked },
            evidence: format!("{} asked by phone {}", PERSONAL[0], PERSONAL[1]),
            retail_order_no: entry.and_then(|booked| Some(booked["retailOrderNo"].as_str()?.to_owned())),
        };
        self.wish(order, replica, wish).await;
    }

    pub(super) async fn pause(&self, replica: usize) {
        let replica = &self.replicas[self.awake(replica)];
        let app = Arc::clone(&replica.app);
        let paused = async move {
            app.upstream_pause(&operator(), PauseTarget::OrderPush, "stocktaking".to_owned(), None).await
        };
        within(replica.ask(paused)).await.unwrap().unwrap();
    }

    pub(super) async fn resume(&self, replica: usize) {
        let replica = &self.replicas[self.awake(replica)];
        let app = Arc::clone(&replica.app);
        let resumed = async move { app.upstream_resume(&operator(), PauseTarget::OrderPush).await };
        within(replica.ask(resumed)).await.unwrap().unwrap();
    }

    fn order(&self, order: usize) -> Order {
        let [name, mobile, address, remark] = PERSONAL.map(str::to_owned);
        let money = |yuan: &str| Some(Money::parse(yuan).unwrap());
        let so_id = self.so_id(order);
        let draft = OrderDraft {
            online_no: format!("TB-{so_id}"),
            so_id,
            consignee_name: name,
            consignee_mobile: mobile,
            province: "北京市".to_owned(),
            city: "北京市".to_owned(),
            area: "东城区".to_owned(),
            detail_address: address,
            remark,
            total_amount: money("1999"),
            items: vec![ItemDraft {
                product_code: self.product_code.clone(),
                quantity: 1,
                retail_price: money("2099"),
                discount_amount: money("100"),
                actual_price: money("1999"),
                is_gift: false,
            }],
            ..OrderDraft::default()
        };
        draft.check(&mut Violations::default()).unwrap()
    }
}
