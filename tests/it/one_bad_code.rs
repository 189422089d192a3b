//! One product or order for which Haier always fails: it fails alone, is named, and stops nobody else, neither the batches
//! beside it nor live calls.

use std::time::Duration;

use haier_integration::proto::{
    BreakerState, CheckStockRequest, GetPricesRequest, GetUpstreamStatusRequest, OrderState,
    SyncProductsRequest, SyncStatus, SyncType, haier_administration_client::HaierAdministrationClient,
};
use serde_json::json;

use crate::{
    orders::{get, on_sale, order, push, until},
    support::{Plan, World, on_both_databases, refusal, within},
};

on_both_databases!(
    one_product_that_haier_always_fails_for_stops_no_other,
    bad_codes_in_every_batch_hold_up_no_other,
    bad_codes_that_fill_all_batches_in_flight_hold_up_no_other,
    others_are_priced_while_a_bad_code_is_still_looked_for,
    live_calls_for_a_bad_code_open_no_breaker,
    a_batch_of_nothing_but_bad_codes_fails_while_others_succeed,
    a_bad_code_does_not_keep_a_breaker_open_after_an_outage,
    one_order_that_haier_always_fails_for_stops_no_other,
);

fn prices() -> SyncProductsRequest {
    SyncProductsRequest { kind: SyncType::Prices.into(), ..Default::default() }
}

async fn ask_prices(world: &World, code: &str) -> Result<(), tonic::Status> {
    let request = GetPricesRequest { product_codes: vec![code.to_owned()] };
    within(world.client().get_prices(request)).await.map(drop)
}

/// How an operation's breaker stands on the first replica.
async fn breaker(world: &World, operation: &str) -> BreakerState {
    let mut client = HaierAdministrationClient::new(world.channel().connect().await.unwrap());
    let status = client.get_upstream_status(GetUpstreamStatusRequest {}).await.unwrap().into_inner();
    let systems = status.replicas[0].systems.iter().flat_map(|system| &system.breakers);
    systems.filter(|breaker| breaker.operation == operation).map(|breaker| breaker.state()).next().unwrap()
}

fn fast(plan: Plan) -> Plan {
    plan.products(200).settings(|settings| {
        settings.upstream_rate = 0;
        settings.upstream.retry_base = Duration::from_millis(1);
        settings.upstream.breaker_open = Duration::from_millis(50);
    })
}

/// Haier fails for these from now on.
async fn spoil(world: &World, codes: impl IntoIterator<Item = &String>) {
    for code in codes {
        world.haier.fault(json!({ "kind": "server_error", "endpoint": "H2", "product_code": code })).await;
    }
}

async fn one_product_that_haier_always_fails_for_stops_no_other(plan: Plan) {
    let world = fast(plan).start().await;
    let mut codes = world.codes(200).await;
    codes.sort();
    // Several of them, the first one and the last one too: more than a breaker takes.
    let bad: Vec<&String> = codes.iter().step_by(33).chain(codes.last()).collect();
    spoil(&world, bad.iter().copied()).await;
    for _ in 0..2 {
        let end = world.sync(prices()).await;
        assert_eq!((end.status(), end.failed_count), (SyncStatus::Partial, bad.len() as i64), "{end:?}");
        for failure in world.failures(end.sync_log_id).await {
            assert!(bad.contains(&&failure.product_code), "{failure:?}");
            assert_eq!(failure.reason, "SERVER_ERROR");
            assert!(failure.detail.contains(&failure.product_code), "{failure:?}");
        }
        ask_prices(&world, &codes[1]).await.unwrap();
        assert_eq!(breaker(&world, "H2").await, BreakerState::Closed);
    }
    world.haier.clear_faults().await;
    assert_eq!(world.sync(prices()).await.status(), SyncStatus::Success);
    world.finish().await;
}

/// The breaker opens, and no call that is tried again is about anything good.
async fn bad_codes_in_every_batch_hold_up_no_other(plan: Plan) {
    let world = fast(plan).start().await;
    let mut codes = world.codes(200).await;
    codes.sort();
    let bad: Vec<&String> = codes.iter().step_by(20).collect();
    spoil(&world, bad.iter().copied()).await;
    for _ in 0..2 {
        let end = world.sync(prices()).await;
        assert_eq!((end.success_count, end.failed_count), (190, 10), "{end:?}");
    }
    world.finish().await;
}

/// Only what Haier has answered before shows that it is not down.
async fn bad_codes_that_fill_all_batches_in_flight_hold_up_no_other(plan: Plan) {
    let world = fast(plan).settings(|settings| settings.sync.calls_in_flight = 2).start().await;
    let mut codes = world.codes(200).await;
    codes.sort();
    spoil(&world, &codes[20..120]).await;
    for _ in 0..2 {
        let end = world.sync(prices()).await;
        assert_eq!((end.success_count, end.failed_count), (100, 100), "{end:?}");
    }
    world.finish().await;
}

async fn others_are_priced_while_a_bad_code_is_still_looked_for(plan: Plan) {
    let mut world = fast(plan).prepare().await;
    let mut codes = world.haier.listed().await;
    codes.sort();
    // Hangs until the test says otherwise: its batch is the first one, and stays undecided.
    world.haier.fault(json!({ "kind": "hang", "endpoint": "H2", "product_code": codes[0] })).await;
    world.serve().await;
    let priced = "SELECT count(*) FROM product_prices";
    within(async { while world.database.number(priced).await < 180 {} }).await;
    let log = world.logs(Default::default()).await.remove(0);
    assert_eq!((log.status(), log.success_count), (SyncStatus::Processing, 0), "{log:?}");
    // Nor does another worker lose or double anything.
    world.stop().await;
    world.haier.clear_faults().await;
    world.serve().await;
    let end = world.first_sync().await;
    assert_eq!(
        (end.status(), end.success_count, end.total_count),
        (SyncStatus::Success, 200, 200),
        "{end:?}"
    );
    world.finish().await;
}

async fn a_batch_of_nothing_but_bad_codes_fails_while_others_succeed(plan: Plan) {
    let world = fast(plan).settings(|settings| settings.sync.batch_size = 4).start().await;
    let mut codes = world.codes(200).await;
    codes.sort();
    spoil(&world, &codes[196..]).await;
    let end = world.sync(prices()).await;
    assert_eq!((end.status(), end.success_count, end.failed_count), (SyncStatus::Partial, 196, 4), "{end:?}");
    world.finish().await;
}

async fn live_calls_for_a_bad_code_open_no_breaker(plan: Plan) {
    let world = fast(plan).start().await;
    let codes = world.codes(2).await;
    for endpoint in ["H2", "H3"] {
        world
            .haier
            .fault(json!({ "kind": "server_error", "endpoint": endpoint, "product_code": codes[0] }))
            .await;
    }
    let ask_stock = async |code: &str| {
        let request = CheckStockRequest { product_code: code.to_owned(), county_code: String::new() };
        within(world.client().check_stock(request)).await.map(drop)
    };
    for _ in 0..7 {
        let refused = ask_prices(&world, &codes[0]).await.unwrap_err();
        assert_eq!(refusal(&refused).1, "SERVER_ERROR", "{refused}");
        let refused = ask_stock(&codes[0]).await.unwrap_err();
        assert_eq!(refusal(&refused).1, "SERVER_ERROR", "{refused}");
    }
    ask_prices(&world, &codes[1]).await.unwrap();
    ask_stock(&codes[1]).await.unwrap();
    world.finish().await;
}

async fn a_bad_code_does_not_keep_a_breaker_open_after_an_outage(plan: Plan) {
    let world = fast(plan)
        .settings(|settings| {
            settings.upstream.breaker_failures = 2;
            settings.upstream.breaker_open = Duration::from_millis(50);
        })
        .start()
        .await;
    let codes = world.codes(3).await;
    world.haier.fault(json!({ "kind": "server_error", "endpoint": "H2" })).await;
    for code in &codes[..2] {
        ask_prices(&world, code).await.unwrap_err();
    }
    assert_eq!(refusal(&ask_prices(&world, &codes[2]).await.unwrap_err()).1, "BREAKER_OPEN");
    // It is over, but for one product.
    world.haier.clear_faults().await;
    world.haier.fault(json!({ "kind": "server_error", "endpoint": "H2", "product_code": codes[0] })).await;
    let end = world.sync(prices()).await;
    assert_eq!((end.success_count, end.failed_count), (199, 1), "{end:?}");
    assert_eq!(breaker(&world, "H2").await, BreakerState::Closed);
    world.finish().await;
}

async fn one_order_that_haier_always_fails_for_stops_no_other(plan: Plan) {
    let world = plan
        .settings(|settings| {
            settings.upstream.breaker_failures = 3;
            settings.upstream.request_timeout = Duration::from_millis(100);
            settings.orders.schedule = vec![Duration::from_millis(20)];
            settings.orders.doubt_wait = Duration::from_millis(100);
        })
        .start()
        .await;
    let code = on_sale(&world).await;
    world.haier.fault(json!({ "endpoint": "Y1", "kind": "server_error", "so_id": "SO-BAD" })).await;
    let request =
        haier_integration::proto::PushOrderRequest { order: Some(order("SO-BAD", &code)), wait: None };
    world.client().push_order(request).await.unwrap();
    // More often than a breaker takes: in doubt, it is sent again and again.
    world.haier.struck(5).await;
    for number in 0..4 {
        let pushed = push(&mut world.client(), order(&format!("SO-{number}"), &code)).await.unwrap();
        assert_ne!(pushed.state(), OrderState::InDoubt, "{pushed:?}");
        until(&mut world.client(), &pushed.so_id, OrderState::Pushed).await;
    }
    assert_eq!(get(&mut world.client(), "SO-BAD").await.state(), OrderState::InDoubt);
    assert_eq!(breaker(&world, "Y1").await, BreakerState::Closed);
    world.haier.clear_faults().await;
    until(&mut world.client(), "SO-BAD", OrderState::Pushed).await;
    world.finish().await;
}
