//! The clock follows its authority: the database's time on PostgreSQL, the machine's wall clock on SQLite; and what a clock
//! that was wrong has stored does not stand in the way.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta, Utc};
use haier_integration::{
    app::{SystemClock, TimeSource},
    domain::clock::Clock as _,
    proto::{
        CheckStockRequest, GetPricesRequest, OrderState, PauseUpstreamRequest, PushOrderRequest,
        RepairCatalogueRequest, ResumeUpstreamRequest, SyncProductsRequest, SyncStatus, UpstreamTarget,
        VerifyCatalogueRequest,
    },
};
use serde_json::json;

use crate::{
    orders::{hurried, on_sale, order, until},
    support::{Plan, World, on_both_databases},
};

on_both_databases!(
    a_step_of_the_wall_clock_is_followed_where_it_is_the_authority,
    instants_from_a_clock_that_was_ahead_freeze_nothing,
    a_comparison_sees_what_they_hide_and_a_repair_mends_it,
    an_order_that_was_accepted_while_the_clock_was_ahead_is_sent,
);

/// A machine whose wall clock is set by hand.
#[derive(Clone)]
struct Machine(Arc<Mutex<DateTime<Utc>>>, Instant);

impl TimeSource for Machine {
    fn wall(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap()
    }

    fn uptime(&self) -> Duration {
        self.1.elapsed()
    }
}

async fn a_step_of_the_wall_clock_is_followed_where_it_is_the_authority(plan: Plan) {
    let is_postgres = plan.database.is_postgres();
    let store = plan.database.store().await.unwrap();
    let true_time = SystemClock::new().now();
    let wrong = true_time + TimeDelta::days(400);
    let machine = Machine(Arc::new(Mutex::new(wrong)), Instant::now());
    let clock = SystemClock::from_source(Box::new(machine.clone()));
    let near = |expected: DateTime<Utc>| (clock.now() - expected).abs() < TimeDelta::minutes(10);
    assert!(near(wrong));
    assert!(clock.measure(&store).await);
    assert!(near(if is_postgres { true_time } else { wrong }));
    *machine.0.lock().unwrap() = true_time - TimeDelta::days(2);
    assert!(clock.has_jumped(Duration::from_secs(1)));
    assert!(clock.measure(&store).await);
    assert!(near(if is_postgres { true_time } else { true_time - TimeDelta::days(2) }));
}

fn tomorrow(world: &World) -> &'static str {
    if world.database.is_postgres() {
        "now() + interval '1 day'"
    } else {
        "strftime('%Y-%m-%dT%H:%M:%S.000000Z', 'now', '+1 day')"
    }
}

/// As a replica has left it whose clock was a day ahead.
async fn go_ahead(world: &World) {
    let ahead = tomorrow(world);
    let sql = format!(
        "UPDATE product_prices SET price_at = {ahead}; \
         UPDATE product_sync SET catalogue_at = {ahead}, stock_at = {ahead}; UPDATE stock_levels SET as_of = {ahead}"
    );
    world.database.execute(&sql).await.unwrap();
}

async fn cheaper(world: &World, code: &str, price: &str) {
    world.haier.change(json!({ "prices": { code: { "supplyPrice": price } } })).await;
}

async fn supply_price(world: &World, code: &str) -> i64 {
    crate::support::money_e4(&world.product(code).await.supply_price.unwrap())
}

async fn instants_from_a_clock_that_was_ahead_freeze_nothing(plan: Plan) {
    let world = plan.start().await;
    let codes = world.codes(2).await;
    let code = &codes[0];
    world
        .client()
        .check_stock(CheckStockRequest { product_code: code.clone(), ..Default::default() })
        .await
        .unwrap();
    go_ahead(&world).await;
    let was = supply_price(&world, code).await;
    let near = format!("{}.{:04}", (was + 100) / 10_000, (was + 100) % 10_000);
    cheaper(&world, code, &near).await;
    world.haier.change(json!({ "withdraw": [&codes[1]] })).await;
    let stock = world
        .client()
        .check_stock(CheckStockRequest { product_code: code.clone(), ..Default::default() })
        .await
        .unwrap()
        .into_inner();
    assert_eq!(world.product(code).await.stock_as_of, stock.as_of);
    let request = SyncProductsRequest { sync_prices: true, ..Default::default() };
    let end = world.sync(request).await;
    assert_eq!(end.status(), SyncStatus::Success, "{}", end.message);
    assert_eq!(supply_price(&world, code).await, was + 100);
    assert!(world.product(&codes[1]).await.delisted_at.is_some(), "what is gone is marked all the same");
    // The instants are true again.
    let ahead = "SELECT count(*) FROM product_sync WHERE product_id IN \
                 (SELECT id FROM products WHERE delisted_at IS NULL) AND catalogue_at > ";
    let now = if world.database.is_postgres() {
        "now() + interval '1 hour'"
    } else {
        "strftime('%Y-%m-%dT%H:%M:%S.000000Z', 'now', '+1 hour')"
    };
    assert_eq!(world.database.number(&format!("{ahead}{now}")).await, 0);
    go_ahead(&world).await;
    cheaper(&world, code, "77.7").await;
    let request = GetPricesRequest { product_codes: vec![code.clone()] };
    world.client().get_prices(request).await.unwrap();
    assert_eq!(supply_price(&world, code).await, 777_000, "a live answer is stored too");
    world.finish().await;
}

async fn a_comparison_sees_what_they_hide_and_a_repair_mends_it(plan: Plan) {
    let world = plan.start().await;
    let code = world.codes(1).await.remove(0);
    go_ahead(&world).await;
    cheaper(&world, &code, "55.5").await;
    let differing = async || {
        let request = VerifyCatalogueRequest { price_sample_size: Some(45) };
        let mut stream = world.administration().await.verify_catalogue(request).await.unwrap().into_inner();
        let mut last = None;
        while let Some(message) = stream.message().await.unwrap() {
            last = message.comparison.or(last);
        }
        last.unwrap().differing_price_count
    };
    assert_eq!(differing().await, 1);
    let repair =
        world.administration().await.repair_catalogue(RepairCatalogueRequest {}).await.unwrap().into_inner();
    assert_eq!(world.watch(repair.id).await.pop().unwrap().status(), SyncStatus::Success);
    assert_eq!(supply_price(&world, &code).await, 555_000);
    assert_eq!(differing().await, 0);
    world.finish().await;
}

async fn an_order_that_was_accepted_while_the_clock_was_ahead_is_sent(plan: Plan) {
    let world = plan.settings(hurried).start().await;
    let code = on_sale(&world).await;
    let mut operator = world.administration().await;
    let target = UpstreamTarget::OrderPush.into();
    operator.pause_upstream(PauseUpstreamRequest { target, ..Default::default() }).await.unwrap();
    let request = PushOrderRequest { order: Some(order("SO-1", &code)), wait: None };
    world.client().push_order(request).await.unwrap();
    let ahead = tomorrow(&world);
    let sql = format!(
        "UPDATE orders SET created_at = {ahead}, updated_at = {ahead}; UPDATE order_pushes SET next_attempt_at = {ahead}"
    );
    world.database.execute(&sql).await.unwrap();
    operator.resume_upstream(ResumeUpstreamRequest { target }).await.unwrap();
    let sent = until(&mut world.client(), "SO-1", OrderState::Pushed).await;
    let sent_at = sent.updated_at.unwrap().seconds;
    assert!(sent_at < sent.created_at.unwrap().seconds, "what happens from now on has its true time");
    world.finish().await;
}
