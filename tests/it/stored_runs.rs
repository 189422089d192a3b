//! Runs with stock, and runs over what is stored: prices or stock only.

use haier_integration::proto::{SyncProductsRequest, SyncStatus, SyncType};
use serde_json::json;

use crate::support::{Plan, on_both_databases};

on_both_databases!(
    a_sync_with_stock_stores_it_and_a_code_without_fails,
    a_stock_run_is_about_stored_products_only,
    a_price_run_over_everything_stored_refreshes_every_price,
    a_run_over_a_stored_category_leaves_the_others_alone,
);

fn of_kind(kind: SyncType) -> SyncProductsRequest {
    SyncProductsRequest { kind: kind.into(), ..SyncProductsRequest::default() }
}

async fn a_sync_with_stock_stores_it_and_a_code_without_fails(plan: Plan) {
    let world = plan.start().await;
    let codes = world.codes(25).await;
    let fault = json!({ "kind": "wrong_type", "endpoint": "H3", "product_code": codes[3] });
    world.haier.fault(fault).await;
    let request = SyncProductsRequest {
        product_codes: codes.clone(),
        sync_prices: true,
        sync_stock: true,
        county_code: "110101".to_owned(),
        ..SyncProductsRequest::default()
    };
    let end = world.sync(request).await;
    let failures = world.failures(end.sync_log_id).await;
    // A product that lies in no warehouse has no record to be of the wrong type.
    let failed = i64::try_from(failures.len()).unwrap();
    assert_eq!((end.success_count, end.failed_count, end.total_count), (25 - failed, failed, 25));
    for failure in &failures {
        assert_eq!(failure.product_code, codes[3]);
        assert_eq!((failure.stage.as_str(), failure.reason.as_str()), ("STOCK", "MALFORMED_ANSWER"));
        assert_eq!(failure.county_code, "110101");
    }
    for code in codes.iter().filter(|code| **code != codes[3]) {
        assert!(world.product(code).await.stock.is_some(), "{code}");
    }
    world.finish().await;
}

async fn a_stock_run_is_about_stored_products_only(plan: Plan) {
    let world = plan.start().await;
    let listings = world.haier.calls("H1").await;
    let mut request = of_kind(SyncType::Stock);
    request.product_codes = [world.codes(3).await, vec!["NOTSTORED".to_owned()]].concat();
    let end = world.sync(request).await;
    assert_eq!((end.status(), end.success_count, end.failed_count), (SyncStatus::Partial, 3, 1));
    let failure = world.failures(end.sync_log_id).await.remove(0);
    assert_eq!((failure.product_code.as_str(), failure.reason.as_str()), ("NOTSTORED", "UNKNOWN_CODE"));
    assert_eq!(world.log(end.sync_log_id).await.sync_type(), SyncType::Stock);
    assert_eq!((world.haier.calls("H1").await, world.haier.calls("H3").await), (listings, 3));
    world.finish().await;
}

async fn a_price_run_over_everything_stored_refreshes_every_price(plan: Plan) {
    let world = plan.products(130).start().await;
    let code = world.codes(1).await.remove(0);
    world.haier.change(json!({ "prices": { &code: { "supplyPrice": "88.8" } } })).await;
    let end = world.sync(of_kind(SyncType::Prices)).await;
    assert_eq!((end.status(), end.success_count, end.planned_count), (SyncStatus::Success, 130, Some(130)));
    assert_eq!(world.log(end.sync_log_id).await.sync_type(), SyncType::Prices);
    assert_eq!(world.product(&code).await.supply_price.unwrap().units, 88);
    world.finish().await;
}

async fn a_run_over_a_stored_category_leaves_the_others_alone(plan: Plan) {
    let world = plan.start().await;
    let products = world.products().await;
    let category = products[0].category.clone();
    let chosen = products.iter().filter(|product| product.category == category).count();
    let end = world.sync(SyncProductsRequest { category, ..of_kind(SyncType::Stock) }).await;
    assert_eq!(usize::try_from(end.success_count).unwrap(), chosen);
    let with_stock = world.products().await.iter().filter(|product| product.stock.is_some()).count();
    assert_eq!(with_stock, chosen);
    world.finish().await;
}
