//! What a misbehaving Haier does to a run: the record, batch or run ends with its reason, and what was stored stays.

use std::{collections::BTreeMap, time::Duration};

use futures_util::future::join_all;
use haier_integration::proto::{
    GetPricesRequest, ListSyncLogsRequest, SyncFailure, SyncProductsRequest, SyncProgress, SyncStatus,
};
use serde_json::json;
use tonic::Code;

use crate::support::{Plan, World, on_both_databases, refusal};

on_both_databases!(
    a_html_page_instead_of_the_listing_ends_the_run_and_changes_nothing,
    a_refusal_in_a_200_ends_the_run_with_haiers_words,
    a_batch_that_cannot_be_read_fails_its_codes_alone,
    a_record_of_a_wrong_type_fails_alone,
    a_cut_listing_stores_what_came_and_says_so,
    a_listing_that_ends_in_mid_json_is_a_cut_one,
    an_empty_listing_ends_the_run_and_changes_nothing,
    a_doubled_record_counts_once,
    a_product_that_the_price_answer_leaves_out_fails_in_the_stage_prices,
    a_refused_code_keeps_haiers_words,
    one_401_costs_one_authentication_and_nothing_else,
    a_401_for_ever_ends_the_run_and_no_code_counts_as_tried,
    wrong_credentials_end_the_run_and_say_what_to_check,
    an_unknown_field_is_passed_over,
    many_callers_share_one_token,
    a_refused_live_call_says_why,
);

fn prices() -> SyncProductsRequest {
    SyncProductsRequest { sync_prices: true, ..Default::default() }
}

fn counts(end: &SyncProgress) -> (SyncStatus, i64, i64, i64) {
    (end.status(), end.total_count, end.success_count, end.failed_count)
}

/// How many failures there are of each stage and reason.
fn kinds(failures: &[SyncFailure]) -> BTreeMap<(&str, &str), usize> {
    let mut kinds = BTreeMap::new();
    for failure in failures {
        *kinds.entry((failure.stage.as_str(), failure.reason.as_str())).or_default() += 1;
    }
    kinds
}

async fn ended(world: &World, end: &SyncProgress) -> String {
    let log = world.log(end.sync_log_id).await;
    assert!(log.message.starts_with(&log.end_reason), "{}", log.message);
    log.end_reason
}

async fn a_html_page_instead_of_the_listing_ends_the_run_and_changes_nothing(plan: Plan) {
    let world = plan.start().await;
    let before = world.products().await;
    world.haier.fault(json!({ "kind": "html", "endpoint": "H1" })).await;
    let end = world.sync(prices()).await;
    assert_eq!(counts(&end), (SyncStatus::Failed, 0, 0, 0));
    assert_eq!(ended(&world, &end).await, "MALFORMED_ANSWER");
    assert_eq!(world.products().await, before);
    world.finish().await;
}

async fn a_refusal_in_a_200_ends_the_run_with_haiers_words(plan: Plan) {
    let world = plan.settings(|settings| settings.sync.outage_wait = Duration::from_millis(50)).start().await;
    let before = world.products().await;
    world.haier.fault(json!({ "kind": "error_body", "endpoint": "H1" })).await;
    let end = world.sync(prices()).await;
    assert_eq!(counts(&end), (SyncStatus::Failed, 0, 0, 0));
    assert_eq!(ended(&world, &end).await, "UPSTREAM_DOWN");
    assert!(end.message.contains("系统繁忙"), "{}", end.message);
    assert_eq!(world.products().await, before);
    world.finish().await;
}

async fn a_batch_that_cannot_be_read_fails_its_codes_alone(plan: Plan) {
    let world = plan.start().await;
    let code = world.codes(3).await.remove(2);
    for (kind, reason) in [
        ("empty", "EMPTY_ANSWER"),
        ("html", "MALFORMED_ANSWER"),
        ("truncated_json", "MALFORMED_ANSWER"),
        ("error_body", "SERVER_ERROR"),
    ] {
        world.haier.clear_faults().await;
        let fault = match kind {
            // Which of the three batches is struck is chance; it is an answer like any other and not asked for again.
            "empty" => json!({ "kind": kind, "endpoint": "H2", "count": 1 }),
            _ => json!({ "kind": kind, "endpoint": "H2", "product_code": code }),
        };
        world.haier.fault(fault).await;
        let end = world.sync(prices()).await;
        let failed = end.failed_count;
        match kind {
            // The last batch has five codes.
            "empty" => assert!(failed == 20 || failed == 5, "{end:?}"),
            _ => assert_eq!(failed, 1, "the batch is split: {kind}: {end:?}"),
        }
        assert_eq!(counts(&end), (SyncStatus::Partial, 45, 45 - failed, failed), "{kind}");
        assert_eq!(ended(&world, &end).await, "COMPLETED");
        let failures = world.failures(end.sync_log_id).await;
        assert_eq!(kinds(&failures), BTreeMap::from([(("PRICES", reason), failed as usize)]));
    }
    world.finish().await;
}

async fn a_record_of_a_wrong_type_fails_alone(plan: Plan) {
    let world = plan.start().await;
    let code = world.codes(3).await.remove(2);
    for (endpoint, stage) in [("H1", "LISTING"), ("H2", "PRICES")] {
        world.haier.clear_faults().await;
        world.haier.fault(json!({ "kind": "wrong_type", "endpoint": endpoint, "product_code": code })).await;
        let end = world.sync(prices()).await;
        assert_eq!(counts(&end), (SyncStatus::Partial, 45, 44, 1));
        let failures = world.failures(end.sync_log_id).await;
        assert_eq!(kinds(&failures), BTreeMap::from([((stage, "MALFORMED_ANSWER"), 1)]));
        assert_eq!(failures[0].product_code, code);
        assert!(end.message.contains("数据格式错误 1"), "{}", end.message);
    }
    world.finish().await;
}

async fn a_cut_listing_stores_what_came_and_says_so(plan: Plan) {
    let mut world = plan.products(600).prepare().await;
    world.haier.fault(json!({ "kind": "cut_listing", "count": 1 })).await;
    world.serve().await;
    let end = world.first_sync().await;
    assert_eq!(ended(&world, &end).await, "LISTING_CUT");
    // Not one of them has its price, so none has succeeded.
    assert_eq!(counts(&end), (SyncStatus::Failed, 0, 0, 0));
    assert_eq!(world.products().await.len(), 300);

    world.haier.fault(json!({ "kind": "cut_listing", "count": 1 })).await;
    let end = world.sync(SyncProductsRequest::default()).await;
    assert_eq!(ended(&world, &end).await, "LISTING_CUT");
    assert_eq!(counts(&end), (SyncStatus::Partial, 300, 300, 0));
    world.finish().await;
}

async fn a_listing_that_ends_in_mid_json_is_a_cut_one(plan: Plan) {
    let world = plan.start().await;
    let before = world.products().await.len();
    world.haier.fault(json!({ "kind": "truncated_json", "endpoint": "H1" })).await;
    let end = world.sync(SyncProductsRequest::default()).await;
    assert_eq!(ended(&world, &end).await, "LISTING_CUT");
    assert_eq!(counts(&end), (SyncStatus::Partial, 22, 22, 0));
    assert_eq!(world.products().await.len(), before);
    world.finish().await;
}

async fn an_empty_listing_ends_the_run_and_changes_nothing(plan: Plan) {
    let world = plan.start().await;
    let before = world.products().await;
    world.haier.fault(json!({ "kind": "empty", "endpoint": "H1" })).await;
    let end = world.sync(prices()).await;
    assert_eq!(counts(&end), (SyncStatus::Failed, 0, 0, 0));
    assert_eq!(ended(&world, &end).await, "EMPTY_LISTING");
    assert!(end.message.contains("商品目录为空"), "{}", end.message);
    assert_eq!(world.products().await, before);
    world.finish().await;
}

async fn a_doubled_record_counts_once(plan: Plan) {
    let mut world = plan.prepare().await;
    world.haier.fault(json!({ "kind": "duplicate_rows", "endpoint": "H1" })).await;
    world.haier.fault(json!({ "kind": "duplicate_rows", "endpoint": "H2" })).await;
    world.serve().await;
    let end = world.first_sync().await;
    assert_eq!(counts(&end), (SyncStatus::Success, 45, 45, 0));
    let codes = world.codes(2).await;
    let end = world.sync(SyncProductsRequest { product_codes: codes, ..prices() }).await;
    assert_eq!(counts(&end), (SyncStatus::Success, 2, 2, 0));
    world.haier.struck(2).await;
    world.finish().await;
}

async fn a_product_that_the_price_answer_leaves_out_fails_in_the_stage_prices(plan: Plan) {
    let world = plan.start().await;
    let code = world.codes(1).await.remove(0);
    world.haier.fault(json!({ "kind": "missing_products", "endpoint": "H2", "product_code": code })).await;
    let end = world.sync(prices()).await;
    assert_eq!(counts(&end), (SyncStatus::Partial, 45, 44, 1));
    let failures = world.failures(end.sync_log_id).await;
    assert_eq!(kinds(&failures), BTreeMap::from([(("PRICES", "UNKNOWN_CODE"), 1)]));
    assert_eq!(failures[0].product_code, code);
    world.finish().await;
}

async fn a_refused_code_keeps_haiers_words(plan: Plan) {
    let world = plan.start().await;
    let code = world.codes(1).await.remove(0);
    world.haier.fault(json!({ "kind": "poison", "endpoint": "H2", "product_code": code })).await;
    let end = world.sync(prices()).await;
    assert_eq!(end.status(), SyncStatus::Partial);
    let failures = world.failures(end.sync_log_id).await;
    assert_eq!(failures.len(), 1);
    assert_eq!(
        (failures[0].product_code.as_str(), failures[0].reason.as_str()),
        (code.as_str(), "VALIDATION_ERROR")
    );
    assert!(failures[0].detail.contains("商品编码不合法"), "{failures:?}");
    world.finish().await;
}

async fn one_401_costs_one_authentication_and_nothing_else(plan: Plan) {
    let world = plan.products(200).start().await;
    for endpoint in ["H1", "H2"] {
        let before = world.haier.calls("H0").await;
        world.haier.clear_faults().await;
        world.haier.fault(json!({ "kind": "unauthorized", "endpoint": endpoint, "count": 1 })).await;
        let end = world.sync(prices()).await;
        assert_eq!(counts(&end), (SyncStatus::Success, 200, 200, 0), "{}", end.message);
        assert_eq!(world.haier.calls("H0").await, before + 1);
    }
    world.finish().await;
}

async fn a_401_for_ever_ends_the_run_and_no_code_counts_as_tried(plan: Plan) {
    let world = plan.start().await;
    let before = world.products().await;
    let codes = world.codes(30).await;
    for (endpoint, request) in [
        ("H1", prices()),
        ("H2", prices()),
        ("H1", SyncProductsRequest { product_codes: codes, ..Default::default() }),
    ] {
        world.haier.clear_faults().await;
        world.haier.fault(json!({ "kind": "unauthorized", "endpoint": endpoint })).await;
        let end = world.sync(request).await;
        assert_eq!(counts(&end), (SyncStatus::Failed, 0, 0, 0), "{endpoint}");
        assert_eq!(ended(&world, &end).await, "AUTH_FAILED");
        assert!(end.message.starts_with("AUTH_FAILED 认证失败"), "{}", end.message);
        assert_eq!(world.failures(end.sync_log_id).await, []);
    }
    let prices = |products: Vec<haier_integration::proto::Product>| {
        products.into_iter().map(|product| product.supply_price).collect::<Vec<_>>()
    };
    assert_eq!(prices(world.products().await), prices(before));
    world.finish().await;
}

async fn wrong_credentials_end_the_run_and_say_what_to_check(plan: Plan) {
    let mut world = plan.prepare().await;
    let account = world.settings.account.as_mut().unwrap();
    account.client_secret = "not-the-secret".into();
    world.serve().await;
    let end = world.first_sync().await;
    assert_eq!(counts(&end), (SyncStatus::Failed, 0, 0, 0));
    assert_eq!(ended(&world, &end).await, "AUTH_FAILED");
    assert!(
        end.message.contains("认证失败") && end.message.contains("check client_id and client_secret"),
        "{}",
        end.message
    );
    assert!(!end.message.contains("not-the-secret"));
    for (query, found) in [("认证失败", 1), ("auth_failed", 1), ("请求超时", 0)] {
        let request = ListSyncLogsRequest { query: query.to_owned(), ..Default::default() };
        assert_eq!(world.logs(request).await.len(), found, "{query}");
    }
    let request = GetPricesRequest { product_codes: vec!["A".to_owned()] };
    let refused = world.client().get_prices(request).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::FailedPrecondition, "AUTH_FAILED".to_owned()));
    world.finish().await;
}

async fn an_unknown_field_is_passed_over(plan: Plan) {
    let mut world = plan.prepare().await;
    world.haier.fault(json!({ "kind": "unknown_field" })).await;
    world.serve().await;
    assert_eq!(counts(&world.first_sync().await), (SyncStatus::Success, 45, 45, 0));
    world.haier.struck(4).await;
    world.finish().await;
}

async fn many_callers_share_one_token(plan: Plan) {
    let mut world = plan.start().await;
    let product_codes = world.codes(3).await;
    // A service that was just started has no token, and Haier takes its time to give one.
    world.stop().await;
    world.forget_token().await;
    let before = world.haier.calls("H0").await;
    world.haier.fault(json!({ "kind": "latency", "endpoint": "H0", "delay_ms": 300 })).await;
    world.serve().await;
    let all = async || {
        let one = || async {
            let request = GetPricesRequest { product_codes: product_codes.clone() };
            world.client().get_prices(request).await.unwrap().into_inner().prices.len()
        };
        assert_eq!(join_all((0..40).map(|_| one())).await, [3; 40]);
    };
    all().await;
    assert_eq!(world.haier.calls("H0").await, before + 1);
    // Revoked for all of them at once: again one asks, the others wait.
    world.haier.fault(json!({ "kind": "unauthorized", "endpoint": "H2", "count": 1 })).await;
    all().await;
    assert_eq!(world.haier.calls("H0").await, before + 2);
    world.finish().await;
}

async fn a_refused_live_call_says_why(plan: Plan) {
    let world = plan.start().await;
    let product_codes = world.codes(1).await;
    for (kind, code, reason) in [
        ("html", Code::Internal, "MALFORMED_ANSWER"),
        ("truncated_json", Code::Internal, "MALFORMED_ANSWER"),
        ("error_body", Code::Unavailable, "SERVER_ERROR"),
        ("forbidden", Code::FailedPrecondition, "FORBIDDEN"),
        ("throttled", Code::ResourceExhausted, "RATE_LIMITED"),
        ("unauthorized", Code::FailedPrecondition, "AUTH_FAILED"),
        ("reset_before", Code::Unavailable, "CONNECTION_FAILED"),
    ] {
        world.haier.clear_faults().await;
        world.haier.fault(json!({ "kind": kind, "endpoint": "H2" })).await;
        let request = GetPricesRequest { product_codes: product_codes.clone() };
        let refused = world.client().get_prices(request).await.unwrap_err();
        assert_eq!(refusal(&refused), (code, reason.to_owned()), "{kind}: {refused}");
    }
    // A bad record is told beside the good ones.
    world.haier.clear_faults().await;
    world
        .haier
        .fault(json!({ "kind": "wrong_type", "endpoint": "H2", "product_code": product_codes[0] }))
        .await;
    let product_codes = world.codes(2).await;
    let request = GetPricesRequest { product_codes: product_codes.clone() };
    let answer = world.client().get_prices(request).await.unwrap().into_inner();
    assert_eq!((answer.prices.len(), answer.missing_codes.len(), answer.failures.len()), (1, 0, 1));
    let failure = &answer.failures[0];
    assert_eq!(
        (failure.product_code.as_str(), failure.reason.as_str()),
        (product_codes[0].as_str(), "MALFORMED_ANSWER")
    );
    world.finish().await;
}
