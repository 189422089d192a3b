//! Which products a sync is about, and what it does to what is stored.

use haier_integration::proto::{ListProductsRequest, Money, Product, SyncProductsRequest, SyncStatus};
use serde_json::json;

use crate::support::{Plan, World, on_both_databases};

on_both_databases!(
    unknown_codes_fail_and_the_others_are_synced,
    a_batch_answered_by_nothing_fails_with_empty_answer,
    category_and_brand_select_and_both_must_match,
    an_assigned_category_and_brand_survive_a_full_sync,
    an_assignment_can_be_replaced_by_another,
    what_an_answer_does_not_carry_stays_as_stored,
    a_reason_without_a_price_clears_the_prices,
    the_display_price_is_the_first_of_supply_invoice_and_market_that_is_not_zero,
    a_reason_is_cut_to_200_characters,
    a_bad_picture_is_left_out_and_noted,
    a_product_without_a_name_is_called_by_its_model,
    a_price_with_more_than_four_decimals_fails_that_code_alone,
    a_haier_that_wraps_its_answers_is_read_alike,
);

fn by_codes(codes: &[String]) -> SyncProductsRequest {
    SyncProductsRequest { product_codes: codes.to_vec(), sync_prices: true, ..Default::default() }
}

fn yuan(units: i64, nanos: i32) -> Option<Money> {
    Some(Money { currency_code: "CNY".to_owned(), units, nanos })
}

async fn unknown_codes_fail_and_the_others_are_synced(plan: Plan) {
    let world = plan.start().await;
    let mut codes = world.codes(3).await;
    codes.extend(["ZZ9999999".to_owned(), " ZZ9999999 ".to_owned(), codes[0].clone()]);
    let end = world.sync(by_codes(&codes)).await;
    assert_eq!(
        (end.status(), end.total_count, end.success_count, end.failed_count),
        (SyncStatus::Partial, 4, 3, 1)
    );
    assert_eq!(end.planned_count, Some(4));
    let log = world.log(end.sync_log_id).await;
    assert_eq!((log.trigger.as_str(), log.requested_by.as_str()), ("CALLER", "local"));
    assert!(
        log.message.starts_with("COMPLETED 已完成：成功 3，失败 1（UNKNOWN_CODE 未知产品编码 1）"),
        "{}",
        log.message
    );
    assert_eq!(log.message, end.message);
    let failures = world.failures(end.sync_log_id).await;
    assert_eq!(failures.len(), 1);
    let failure = &failures[0];
    assert_eq!(
        (failure.product_code.as_str(), failure.stage.as_str(), failure.reason.as_str(), failure.attempt),
        ("ZZ9999999", "CATALOGUE", "UNKNOWN_CODE", 1)
    );
    world.finish().await;
}

async fn a_batch_answered_by_nothing_fails_with_empty_answer(plan: Plan) {
    let world = plan.start().await;
    let end = world.sync(by_codes(&["ZZ1".to_owned(), "ZZ2".to_owned()])).await;
    assert_eq!((end.status(), end.success_count, end.failed_count), (SyncStatus::Failed, 0, 2));
    assert!(end.message.contains("EMPTY_ANSWER 返回空数据 2"), "{}", end.message);
    let failures = world.failures(end.sync_log_id).await;
    assert!(failures.iter().all(|failure| failure.reason == "EMPTY_ANSWER"), "{failures:?}");
    world.finish().await;
}

async fn category_and_brand_select_and_both_must_match(plan: Plan) {
    let world = plan.products(200).start().await;
    let products = world.products().await;
    let (category, brand) = (products[0].product_group.clone(), products[0].brand.clone());
    let count = |matches: &dyn Fn(&Product) -> bool| {
        products.iter().filter(|product| matches(product)).count() as i64
    };
    let (in_category, of_brand, both) = (
        count(&|product| product.product_group == category),
        count(&|product| product.brand == brand),
        count(&|product| product.product_group == category && product.brand == brand),
    );
    assert!(both < in_category && both < of_brand && of_brand < 200, "{both} {in_category} {of_brand}");
    let priced = world.haier.calls("H2").await;
    for (category, brand, expected) in [
        (category.clone(), String::new(), in_category),
        (String::new(), brand.clone(), of_brand),
        (category, brand, both),
        ("没有这个".to_owned(), String::new(), 0),
    ] {
        let end = world.sync(SyncProductsRequest { category, brand, ..Default::default() }).await;
        assert_eq!(
            (end.status(), end.total_count, end.success_count),
            (SyncStatus::Success, expected, expected)
        );
    }
    assert_eq!(world.haier.calls("H2").await, priced, "prices were not asked for");
    world.finish().await;
}

async fn an_assigned_category_and_brand_survive_a_full_sync(plan: Plan) {
    let world = plan.start().await;
    let codes = world.codes(2).await;
    let before = [world.product(&codes[0]).await, world.product(&codes[1]).await];
    let assign = SyncProductsRequest {
        product_codes: codes[..1].to_vec(),
        assign_category: " 热水专区 ".to_owned(),
        assign_brand: "自有".to_owned(),
        ..Default::default()
    };
    assert_eq!(world.sync(assign).await.status(), SyncStatus::Success);
    // Haier's own word changes nothing about it, not even with a record that differs.
    world.haier.fault(json!({ "kind": "bad_picture", "endpoint": "H1", "product_code": codes[0] })).await;
    assert_eq!(world.sync(SyncProductsRequest::default()).await.status(), SyncStatus::Success);
    let after = [world.product(&codes[0]).await, world.product(&codes[1]).await];
    assert_eq!((after[0].category.as_str(), after[0].brand.as_str()), ("热水专区", "自有"));
    assert_eq!(after[0].product_group, before[0].product_group);
    assert_eq!(after[1].category, before[1].category);
    let request = ListProductsRequest { category: "热水专区".to_owned(), ..Default::default() };
    let listed = world.client().list_products(request).await.unwrap().into_inner().products;
    assert_eq!(listed.iter().map(|product| &product.product_code).collect::<Vec<_>>(), [&codes[0]]);
    world.finish().await;
}

async fn an_assignment_can_be_replaced_by_another(plan: Plan) {
    let world = plan.start().await;
    let first = world.products().await.swap_remove(0);
    for word in ["甲", "乙"] {
        let request = SyncProductsRequest {
            category: first.product_group.clone(),
            assign_category: word.to_owned(),
            ..Default::default()
        };
        assert_eq!(world.sync(request).await.status(), SyncStatus::Success);
    }
    for product in world.products().await {
        let ours = product.product_group == first.product_group;
        assert_eq!(product.category, if ours { "乙" } else { &product.product_group });
        assert!(!product.brand.is_empty());
    }
    world.finish().await;
}

async fn priced_product(world: &World) -> Product {
    let products = world.products().await;
    products
        .into_iter()
        .find(|product| product.supply_price.is_some() && product.market_price.is_some())
        .unwrap()
}

async fn what_an_answer_does_not_carry_stays_as_stored(plan: Plan) {
    let world = plan.start().await;
    let before = priced_product(&world).await;
    let code = &before.product_code;
    let change = json!({ "marketPrice": null, "supplyPrice": "7777.0700", "rebateMoney": "0", "stockRebatePolicy": "0" });
    world.haier.change(json!({ "prices": { code: change } })).await;
    assert_eq!(world.sync(by_codes(std::slice::from_ref(code))).await.status(), SyncStatus::Success);
    let after = world.product(code).await;
    assert_eq!(after.market_price, before.market_price);
    assert_eq!((after.supply_price, after.invoice_price), (yuan(7777, 70_000_000), yuan(7777, 70_000_000)));
    assert_eq!((after.name, after.category), (before.name, before.category));
    world.finish().await;
}

async fn a_reason_without_a_price_clears_the_prices(plan: Plan) {
    let world = plan.start().await;
    let before = priced_product(&world).await;
    let code = &before.product_code;
    let none =
        json!({ "supplyPrice": null, "invoicePrice": null, "marketPrice": null, "reason": "价格未生效" });
    world.haier.change(json!({ "prices": { code: none } })).await;
    // It succeeds: that there is no price is an answer.
    let end = world.sync(by_codes(std::slice::from_ref(code))).await;
    assert_eq!((end.status(), end.success_count), (SyncStatus::Success, 1));
    let after = world.product(code).await;
    assert_eq!(
        (after.supply_price, after.invoice_price, after.market_price, after.display_price),
        (None, None, None, None)
    );
    assert_eq!(after.rebate_policy, before.rebate_policy);

    world.haier.change(json!({ "prices": { code: { "supplyPrice": "12.34", "reason": null } } })).await;
    world.sync(by_codes(std::slice::from_ref(code))).await;
    assert_eq!(world.product(code).await.supply_price, yuan(12, 340_000_000));
    world.finish().await;
}

async fn the_display_price_is_the_first_of_supply_invoice_and_market_that_is_not_zero(plan: Plan) {
    let world = plan.start().await;
    let codes = world.codes(3).await;
    let price = |supply: &str, invoice: &str, market: &str| json!({ "supplyPrice": supply, "invoicePrice": invoice, "marketPrice": market, "reason": null });
    let prices = json!({
        &codes[0]: price("1.5", "2.5", "3.5"),
        &codes[1]: price("0.00", "2.5", "3.5"),
        &codes[2]: price("0", "0.0000", "3.5"),
    });
    world.haier.change(json!({ "prices": prices })).await;
    assert_eq!(world.sync(by_codes(&codes)).await.status(), SyncStatus::Success);
    for (code, units) in codes.iter().zip([1, 2, 3]) {
        let product = world.product(code).await;
        assert_eq!(product.display_price, yuan(units, 500_000_000), "{product:?}");
    }
    assert_eq!(world.product(&codes[2]).await.supply_price, yuan(0, 0));
    world.finish().await;
}

async fn a_reason_is_cut_to_200_characters(plan: Plan) {
    let world = plan.start().await;
    let code = world.codes(1).await.remove(0);
    let reason = "停产待换新款".repeat(50);
    let change = json!({ "isSales": "0", "reason": reason });
    world.haier.change(json!({ "prices": { &code: change } })).await;
    assert_eq!(world.sync(by_codes(std::slice::from_ref(&code))).await.status(), SyncStatus::Success);
    let product = world.product(&code).await;
    assert_eq!((product.is_sales, product.no_sales_reason), (false, reason.chars().take(200).collect()));
    world.finish().await;
}

async fn a_bad_picture_is_left_out_and_noted(plan: Plan) {
    let mut world = plan.prepare().await;
    world.haier.fault(json!({ "kind": "bad_picture", "endpoint": "H1" })).await;
    world.serve().await;
    let end = world.first_sync().await;
    assert_eq!((end.status(), end.success_count, end.failed_count), (SyncStatus::Success, 45, 0));
    assert!(end.message.contains("忽略了 1 个无效图片地址"), "{}", end.message);
    let products = world.products().await;
    let without = products.iter().filter(|product| product.product_image_url.is_empty());
    let code = &without.map(|product| &product.product_code).collect::<Vec<_>>()[..];
    let mut had = Vec::new();
    for code in code {
        let shown = world.haier.show(code).await.product;
        had.push(shown["productImageUrl"].is_string());
    }
    assert_eq!(had.iter().filter(|had| **had).count(), 1);
    world.finish().await;
}

async fn a_product_without_a_name_is_called_by_its_model(plan: Plan) {
    let world = plan.start().await;
    let mut nameless = 0;
    for product in world.products().await {
        let shown = world.haier.show(&product.product_code).await.product;
        if shown["productName"].is_null() {
            nameless += 1;
            assert_eq!(product.name, product.product_model);
        }
    }
    assert!(nameless > 5);
    world.finish().await;
}

async fn a_price_with_more_than_four_decimals_fails_that_code_alone(plan: Plan) {
    let world = plan.start().await;
    let codes = world.codes(3).await;
    let before = world.product(&codes[1]).await;
    let prices =
        json!({ &codes[0]: { "marketPrice": "8.8800000" }, &codes[1]: { "marketPrice": "8.88001" } });
    world.haier.change(json!({ "prices": prices })).await;
    let end = world.sync(by_codes(&codes)).await;
    assert_eq!((end.status(), end.success_count, end.failed_count), (SyncStatus::Partial, 2, 1));
    let failure = world.failures(end.sync_log_id).await.remove(0);
    assert_eq!(
        (failure.product_code.as_str(), failure.stage.as_str(), failure.reason.as_str()),
        (codes[1].as_str(), "PRICES", "PRICE_PRECISION")
    );
    assert!(failure.detail.contains("marketPrice"), "{failure:?}");
    assert_eq!((failure.category, failure.brand), (before.category, before.brand));
    assert_eq!(world.product(&codes[0]).await.market_price, yuan(8, 880_000_000));
    assert_eq!(world.product(&codes[1]).await.market_price, before.market_price);
    world.finish().await;
}

async fn a_haier_that_wraps_its_answers_is_read_alike(plan: Plan) {
    let world = plan.sandbox(|options| options.envelope = true).start().await;
    let codes = world.codes(21).await;
    let end = world.sync(by_codes(&codes)).await;
    assert_eq!((end.status(), end.success_count), (SyncStatus::Success, 21));
    assert!(priced_product(&world).await.invoice_price.is_some());
    world.finish().await;
}
