//! What is asked of Haier now: stock, balances, logistics, prices, and products that must not be old.

use futures_util::future::join_all;
use haier_integration::{
    proto::{
        CheckStockRequest, GetBalanceRequest, GetLogisticsRequest, GetPricesRequest, GetProductsRequest,
        ListSyncLogsRequest, SyncStatus, SyncType,
    },
    sandbox::StockShape,
};
use prost_types::Duration;
use serde_json::json;
use tonic::Code;

use crate::support::{Plan, World, on_both_databases, refusal, violated};

on_both_databases!(
    stock_is_the_sum_over_the_warehouses_and_is_stored,
    stock_may_come_as_one_bare_object,
    stock_of_a_code_that_nobody_knows_is_not_found,
    identical_live_calls_become_one_call_to_haier,
    balances_are_answered_to_the_cent,
    logistics_are_answered_and_leave_a_log,
    a_logistics_query_that_fails_leaves_a_failed_log,
    prices_asked_for_now_are_stored,
    products_older_than_asked_for_are_asked_of_haier_first,
    products_are_answered_as_stale_when_haier_is_down,
);

fn stock_of(product_code: &str, county_code: &str) -> CheckStockRequest {
    CheckStockRequest { product_code: product_code.to_owned(), county_code: county_code.to_owned() }
}

fn logistics_of(order_code: &str) -> GetLogisticsRequest {
    GetLogisticsRequest { order_code: order_code.to_owned(), ..GetLogisticsRequest::default() }
}

fn fresh(code: &str) -> GetProductsRequest {
    GetProductsRequest { product_codes: vec![code.to_owned()], max_staleness: Some(Duration::default()) }
}

async fn newest_log(world: &World) -> haier_integration::proto::SyncLog {
    world.logs(ListSyncLogsRequest::default()).await.remove(0)
}

async fn stock_is_the_sum_over_the_warehouses_and_is_stored(plan: Plan) {
    let world = plan.start().await;
    let mut seen_several = false;
    for code in world.codes(20).await {
        let answer = world.client().check_stock(stock_of(&code, "")).await.unwrap().into_inner();
        assert_eq!((answer.product_code.as_str(), answer.county_code.as_str()), (code.as_str(), "110101"));
        assert_eq!(answer.stock, answer.warehouses.iter().map(|warehouse| warehouse.stock).sum::<i64>());
        if let Some(fullest) = answer.warehouses.first() {
            assert!(answer.warehouses.iter().all(|warehouse| warehouse.stock <= fullest.stock));
            assert_eq!(answer.warehouse_code, fullest.warehouse_code);
        }
        seen_several |= answer.warehouses.len() > 1;
        let stored = world.product(&code).await;
        assert_eq!((stored.stock, stored.stock_as_of), (Some(answer.stock), answer.as_of));
        // Another county is another figure, and leaves the default one's alone.
        world.client().check_stock(stock_of(&code, "310101")).await.unwrap();
        assert_eq!(world.product(&code).await.stock, Some(answer.stock));
    }
    assert!(seen_several, "some product lies in more than one warehouse");
    assert_eq!(world.logs(ListSyncLogsRequest::default()).await.len(), 1, "live reads leave no log");
    world.finish().await;
}

async fn stock_may_come_as_one_bare_object(plan: Plan) {
    let world = plan.sandbox(|options| options.stock_shape = StockShape::Object).start().await;
    for code in world.codes(10).await {
        let answer = world.client().check_stock(stock_of(&code, "110101")).await.unwrap().into_inner();
        assert_eq!(answer.warehouses.len(), 1);
        assert_eq!(world.product(&code).await.stock, Some(answer.stock));
    }
    world.finish().await;
}

async fn stock_of_a_code_that_nobody_knows_is_not_found(plan: Plan) {
    let world = plan.start().await;
    let status = world.client().check_stock(stock_of("NOSUCHCODE", "")).await.unwrap_err();
    assert_eq!(refusal(&status), (Code::NotFound, "UNKNOWN_CODE".to_owned()));
    let status = world.client().check_stock(stock_of(" ", "31010")).await.unwrap_err();
    assert_eq!(violated(&status), ["county_code", "product_code"]);
    world.finish().await;
}

async fn identical_live_calls_become_one_call_to_haier(plan: Plan) {
    let world = plan.start().await;
    let code = world.codes(1).await.remove(0);
    world.haier.fault(json!({ "kind": "latency", "endpoint": "H3", "delay_ms": 1_000 })).await;
    let calls = (0..20).map(|_| {
        let (mut client, request) = (world.client(), stock_of(&code, ""));
        async move { client.check_stock(request).await.unwrap().into_inner() }
    });
    let answers = join_all(calls).await;
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    assert_eq!(world.haier.calls("H3").await, 1);
    world.finish().await;
}

async fn balances_are_answered_to_the_cent(plan: Plan) {
    let world = plan.start().await;
    let answer = world.client().get_balance(GetBalanceRequest {}).await.unwrap().into_inner();
    assert!(!answer.balances.is_empty());
    for balance in answer.balances {
        assert!(balance.payer_account_code.starts_with("8800000001"), "{balance:?}");
        let money = balance.payer_account_balance.unwrap();
        assert_eq!((money.currency_code.as_str(), money.nanos % 10_000_000), ("CNY", 0));
    }
    world.haier.fault(json!({ "kind": "forbidden", "endpoint": "H5" })).await;
    let status = world.client().get_balance(GetBalanceRequest {}).await.unwrap_err();
    assert_eq!(refusal(&status), (Code::FailedPrecondition, "FORBIDDEN".to_owned()));
    world.finish().await;
}

async fn logistics_are_answered_and_leave_a_log(plan: Plan) {
    let world = plan.start().await;
    let answer = world.client().get_logistics(logistics_of("SO.20190106.000003")).await.unwrap().into_inner();
    let shipments = answer.central_warehouse.iter().chain(&answer.zhihuibao).chain(&answer.third_party);
    let traces: Vec<_> = shipments.flat_map(|shipment| &shipment.traces).collect();
    assert!(
        !traces.is_empty() && traces.iter().all(|trace| trace.time.is_some() && !trace.status.is_empty())
    );
    let log = newest_log(&world).await;
    assert_eq!((log.sync_type(), log.status()), (SyncType::Logistics, SyncStatus::Success));
    assert_eq!((log.total_count, log.success_count, log.failed_count), (1, 1, 0));
    assert!(log.message.contains("SO.20190106.000003"), "{}", log.message);
    let status = world.client().get_logistics(logistics_of("")).await.unwrap_err();
    assert_eq!(violated(&status), ["order_code"]);
    world.finish().await;
}

async fn a_logistics_query_that_fails_leaves_a_failed_log(plan: Plan) {
    let world = plan.start().await;
    world.haier.fault(json!({ "kind": "server_error", "endpoint": "H4" })).await;
    let status = world.client().get_logistics(logistics_of("SO.1")).await.unwrap_err();
    assert_eq!(refusal(&status), (Code::Unavailable, "SERVER_ERROR".to_owned()));
    let log = newest_log(&world).await;
    assert_eq!((log.sync_type(), log.status()), (SyncType::Logistics, SyncStatus::Failed));
    assert_eq!((log.end_reason.as_str(), log.failed_count), ("SERVER_ERROR", 1));
    world.finish().await;
}

async fn prices_asked_for_now_are_stored(plan: Plan) {
    let world = plan.start().await;
    let code = world.codes(1).await.remove(0);
    world.haier.change(json!({ "prices": { &code: { "supplyPrice": "1234.5" } } })).await;
    let request = GetPricesRequest { product_codes: vec![code.clone()] };
    let asked = world.client().get_prices(request).await.unwrap().into_inner().prices.remove(0);
    let money = asked.supply_price.unwrap();
    assert_eq!((money.units, money.nanos), (1_234, 500_000_000));
    assert_eq!(world.product(&code).await.supply_price, Some(money));
    world.finish().await;
}

async fn products_older_than_asked_for_are_asked_of_haier_first(plan: Plan) {
    let world = plan.start().await;
    let code = world.codes(1).await.remove(0);
    world.haier.change(json!({ "prices": { &code: { "supplyPrice": "77" } } })).await;
    let before = (world.haier.calls("H1").await, world.haier.calls("H2").await);
    let young = GetProductsRequest {
        product_codes: vec![code.clone()],
        max_staleness: Some(Duration { seconds: 3_600, nanos: 0 }),
    };
    world.client().get_products(young).await.unwrap();
    assert_eq!((world.haier.calls("H1").await, world.haier.calls("H2").await), before);
    let answer = world.client().get_products(fresh(&code)).await.unwrap().into_inner();
    assert_eq!(answer.products[0].supply_price.as_ref().unwrap().units, 77);
    assert!(answer.stale_codes.is_empty() && answer.missing_codes.is_empty(), "{answer:?}");
    assert_eq!((world.haier.calls("H1").await, world.haier.calls("H2").await), (before.0 + 1, before.1 + 1));
    let backwards =
        GetProductsRequest { max_staleness: Some(Duration { seconds: -1, nanos: 0 }), ..fresh(&code) };
    let status = world.client().get_products(backwards).await.unwrap_err();
    assert_eq!(violated(&status), ["max_staleness"]);
    world.finish().await;
}

async fn products_are_answered_as_stale_when_haier_is_down(plan: Plan) {
    let world = plan.start().await;
    let code = world.codes(1).await.remove(0);
    let stored = world.product(&code).await;
    world.haier.fault(json!({ "kind": "unavailable", "endpoint": "H2" })).await;
    let answer = world.client().get_products(fresh(&code)).await.unwrap().into_inner();
    assert_eq!(answer.stale_codes, [code]);
    assert_eq!(answer.products[0].supply_price, stored.supply_price);
    world.finish().await;
}
