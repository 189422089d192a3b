//! The policy of calls to Haier, counted at the stand-in: what is sent again and what never, how long a caller waits, and
//! when Haier is left alone.

use std::time::{Duration, Instant};

use haier_integration::proto::{
    CheckStockRequest, GetPricesRequest, GetPricesResponse, SyncProductsRequest, SyncStatus,
};
use serde_json::json;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;

use crate::support::{Plan, World, on_both_databases, refusal, within};

on_both_databases!(
    each_refusal_is_sent_again_as_often_as_the_matrix_says,
    a_fault_that_passes_is_seen_by_nobody,
    the_wait_that_haier_asks_for_is_kept,
    a_wait_that_would_outlast_the_caller_is_not_begun,
    a_send_that_hangs_is_given_up_and_sent_again,
    a_listing_is_asked_for_again_only_before_its_first_record,
    a_token_call_is_sent_again_but_not_for_its_callers_a_second_time,
    refused_credentials_are_not_shown_to_haier_again_at_once,
    an_operation_that_is_down_is_left_alone_and_its_neighbours_are_not,
    a_breaker_that_opens_between_two_sends_ends_the_call,
    probes_close_a_breaker_when_haier_is_back,
    a_silent_haier_opens_a_breaker_though_its_callers_leave_first,
    a_caller_whom_no_slot_can_serve_hears_so_at_once,
    nothing_more_is_sent_for_callers_who_have_gone,
);

/// A world whose breakers never open.
fn patient(plan: Plan) -> Plan {
    plan.settings(|settings| settings.upstream.breaker_failures = 1_000)
}

async fn get_prices(world: &World, codes: &[String]) -> Result<GetPricesResponse, Status> {
    let request = GetPricesRequest { product_codes: codes.to_vec() };
    within(world.client().get_prices(request)).await.map(tonic::Response::into_inner)
}

async fn get_prices_within(world: &World, codes: &[String], limit: Duration) -> Result<(), Status> {
    let mut request = Request::new(GetPricesRequest { product_codes: codes.to_vec() });
    request.set_timeout(limit);
    world.client().get_prices(request).await.map(drop)
}

/// Whether a call ended because its caller's time was up. On a busy machine tonic may say so before the service does.
fn is_out_of_time(refused: &Status) -> bool {
    let by_tonic = refused.code() == Code::Cancelled && refused.message() == "Timeout expired";
    by_tonic || refused.code() == Code::DeadlineExceeded
}

fn retry_delay(status: &Status) -> Option<Duration> {
    status.get_details_retry_info()?.retry_delay
}

async fn each_refusal_is_sent_again_as_often_as_the_matrix_says(plan: Plan) {
    let world = patient(plan).settings(|settings| settings.upstream.tries = 4).start().await;
    let codes = world.codes(1).await;
    for (kind, sends, reason) in [
        ("poison", 1, "VALIDATION_ERROR"),
        ("unauthorized", 2, "AUTH_FAILED"),
        ("forbidden", 1, "FORBIDDEN"),
        ("not_found", 1, "FORBIDDEN"),
        ("request_timeout", 4, "REQUEST_TIMEOUT"),
        ("throttled_without_retry_after", 4, "RATE_LIMITED"),
        ("server_error", 4, "SERVER_ERROR"),
        ("bad_gateway", 4, "SERVER_ERROR"),
        ("unavailable", 4, "SERVER_ERROR"),
        ("gateway_timeout", 4, "SERVER_ERROR"),
        ("reset_before", 4, "CONNECTION_FAILED"),
        ("reset_after", 4, "CONNECTION_FAILED"),
        ("html", 4, "MALFORMED_ANSWER"),
        ("truncated_json", 4, "MALFORMED_ANSWER"),
        ("error_body", 4, "SERVER_ERROR"),
    ] {
        world.haier.clear_faults().await;
        let product_code = (kind == "poison").then_some(&codes[0]);
        world.haier.fault(json!({ "kind": kind, "endpoint": "H2", "product_code": product_code })).await;
        let before = world.haier.calls("H2").await;
        let refused = get_prices(&world, &codes).await.unwrap_err();
        assert_eq!(refusal(&refused).1, reason, "{kind}: {refused}");
        assert_eq!(world.haier.calls("H2").await - before, sends, "{kind}");
    }
    world.finish().await;
}

async fn a_fault_that_passes_is_seen_by_nobody(plan: Plan) {
    let world = patient(plan).start().await;
    let codes = world.codes(2).await;
    for kind in ["server_error", "reset_before", "html", "throttled_without_retry_after", "error_body"] {
        world.haier.clear_faults().await;
        world.haier.fault(json!({ "kind": kind, "endpoint": "H2", "count": 2 })).await;
        assert_eq!(get_prices(&world, &codes).await.unwrap().prices.len(), 2, "{kind}");
    }
    // One try with a stale token, and its repetition, count as one.
    world.haier.clear_faults().await;
    world.haier.fault(json!({ "kind": "server_error", "endpoint": "H2", "count": 2 })).await;
    world.haier.fault(json!({ "kind": "unauthorized", "endpoint": "H2", "count": 1 })).await;
    let before = world.haier.calls("H2").await;
    assert_eq!(get_prices(&world, &codes).await.unwrap().prices.len(), 2);
    assert_eq!(world.haier.calls("H2").await - before, 4);
    world.finish().await;
}

async fn the_wait_that_haier_asks_for_is_kept(plan: Plan) {
    let world = plan.start().await;
    let codes = world.codes(1).await;
    world.haier.fault(json!({ "kind": "throttled", "endpoint": "H2", "count": 1 })).await;
    let began = Instant::now();
    get_prices(&world, &codes).await.unwrap();
    assert!(began.elapsed() >= Duration::from_secs(1), "{:?}", began.elapsed());
    world.finish().await;
}

async fn a_wait_that_would_outlast_the_caller_is_not_begun(plan: Plan) {
    let world = plan.start().await;
    let codes = world.codes(1).await;
    world.haier.fault(json!({ "kind": "throttled", "endpoint": "H2" })).await;
    let before = world.haier.calls("H2").await;
    let refused = get_prices_within(&world, &codes, Duration::from_millis(900)).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::ResourceExhausted, "RATE_LIMITED".to_owned()), "{refused}");
    assert_eq!(retry_delay(&refused), Some(Duration::from_secs(1)));
    assert_eq!(world.haier.calls("H2").await - before, 1);
    world.finish().await;
}

async fn a_send_that_hangs_is_given_up_and_sent_again(plan: Plan) {
    let world = patient(plan)
        .settings(|settings| settings.upstream.request_timeout = Duration::from_millis(400))
        .start()
        .await;
    let codes = world.codes(1).await;
    world.haier.fault(json!({ "kind": "hang", "endpoint": "H2", "count": 1 })).await;
    let before = world.haier.calls("H2").await;
    assert_eq!(get_prices(&world, &codes).await.unwrap().prices.len(), 1);
    assert_eq!(world.haier.calls("H2").await - before, 2);
    world.finish().await;
}

async fn a_listing_is_asked_for_again_only_before_its_first_record(plan: Plan) {
    let world = patient(plan).start().await;
    for (kind, count, sends, status) in [
        ("server_error", 2, 3, SyncStatus::Success),
        ("html", 2, 3, SyncStatus::Success),
        ("error_body", 1, 2, SyncStatus::Success),
        ("truncated_json", 1, 1, SyncStatus::Partial),
    ] {
        world.haier.clear_faults().await;
        world.haier.fault(json!({ "kind": kind, "endpoint": "H1", "count": count })).await;
        let before = world.haier.calls("H1").await;
        let end = world.sync(SyncProductsRequest::default()).await;
        assert_eq!(end.status(), status, "{kind}: {end:?}");
        assert_eq!(world.haier.calls("H1").await - before, sends, "{kind}");
    }
    world.finish().await;
}

async fn a_token_call_is_sent_again_but_not_for_its_callers_a_second_time(plan: Plan) {
    let mut world = patient(plan).start().await;
    let codes = world.codes(1).await;
    world.stop().await;
    world.forget_token().await;
    world.haier.fault(json!({ "kind": "server_error", "endpoint": "H0", "count": 2 })).await;
    let before = world.haier.calls("H0").await;
    world.serve().await;
    get_prices(&world, &codes).await.unwrap();
    assert_eq!(world.haier.calls("H0").await - before, 3);

    // Down for good: whoever asks is told after one round of tries.
    world.haier.clear_faults().await;
    world.haier.fault(json!({ "kind": "unauthorized", "endpoint": "H2" })).await;
    world.haier.fault(json!({ "kind": "unavailable", "endpoint": "H0" })).await;
    let before = world.haier.calls("H0").await;
    let refused = get_prices(&world, &codes).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::Unavailable, "SERVER_ERROR".to_owned()));
    assert_eq!(world.haier.calls("H0").await - before, 3);
    world.finish().await;
}

async fn refused_credentials_are_not_shown_to_haier_again_at_once(plan: Plan) {
    let mut world = plan.start().await;
    let codes = world.codes(1).await;
    world.stop().await;
    world.settings.account.as_mut().unwrap().client_secret = "not-the-secret".into();
    let before = world.haier.calls("H0").await;
    world.serve().await;
    for _ in 0..5 {
        let refused = get_prices(&world, &codes).await.unwrap_err();
        assert_eq!(refusal(&refused), (Code::FailedPrecondition, "AUTH_FAILED".to_owned()));
        assert!(refused.message().contains("check client_id and client_secret"), "{refused}");
    }
    assert_eq!(world.haier.calls("H0").await - before, 1);
    world.finish().await;
}

async fn an_operation_that_is_down_is_left_alone_and_its_neighbours_are_not(plan: Plan) {
    let world = plan
        .settings(|settings| {
            settings.upstream.tries = 1;
            settings.upstream.breaker_failures = 3;
            settings.upstream.breaker_open = Duration::from_secs(3_600);
        })
        .start()
        .await;
    let codes = world.codes(4).await;
    world.haier.fault(json!({ "kind": "unavailable", "endpoint": "H2" })).await;
    for code in 0..3 {
        let refused = get_prices(&world, &codes[code..=code]).await.unwrap_err();
        assert_eq!(refusal(&refused), (Code::Unavailable, "SERVER_ERROR".to_owned()));
    }
    let before = world.haier.calls("H2").await;
    let refused = get_prices(&world, &codes[3..]).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::Unavailable, "BREAKER_OPEN".to_owned()), "{refused}");
    assert!(retry_delay(&refused).unwrap() > Duration::from_secs(3_500), "{refused:?}");
    assert_eq!(world.haier.calls("H2").await, before);
    let request = CheckStockRequest { product_code: codes[0].clone(), county_code: String::new() };
    world.client().check_stock(request).await.unwrap();
    world.finish().await;
}

async fn a_breaker_that_opens_between_two_sends_ends_the_call(plan: Plan) {
    let world = plan
        .settings(|settings| {
            settings.upstream.tries = 5;
            settings.upstream.breaker_failures = 1;
        })
        .start()
        .await;
    let codes = world.codes(1).await;
    world.haier.fault(json!({ "kind": "server_error", "endpoint": "H2" })).await;
    let before = world.haier.calls("H2").await;
    let refused = get_prices(&world, &codes).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::Unavailable, "BREAKER_OPEN".to_owned()), "{refused}");
    assert_eq!(world.haier.calls("H2").await - before, 1);
    world.finish().await;
}

async fn probes_close_a_breaker_when_haier_is_back(plan: Plan) {
    let world = plan
        .settings(|settings| {
            settings.upstream.breaker_failures = 1;
            settings.upstream.breaker_probes = 2;
            settings.upstream.breaker_open = Duration::from_millis(50);
        })
        .start()
        .await;
    let codes = world.codes(1).await;
    world.haier.fault(json!({ "kind": "server_error", "endpoint": "H2", "count": 1 })).await;
    let refused = get_prices(&world, &codes).await.unwrap_err();
    assert_eq!(refusal(&refused).1, "BREAKER_OPEN");
    // Two probes, one after the other, then everything.
    let mut answered = 0;
    let back = async {
        while answered < 5 {
            match get_prices(&world, &codes).await {
                Ok(_) => answered += 1,
                Err(refused) => assert_eq!((refusal(&refused).1.as_str(), answered), ("BREAKER_OPEN", 0)),
            }
        }
    };
    within(back).await;
    world.finish().await;
}

async fn a_silent_haier_opens_a_breaker_though_its_callers_leave_first(plan: Plan) {
    let world = plan
        .settings(|settings| {
            settings.upstream.request_timeout = Duration::from_secs(2);
            settings.upstream.breaker_failures = 1;
        })
        .start()
        .await;
    let codes = world.codes(1).await;
    world.haier.fault(json!({ "kind": "hang", "endpoint": "H2" })).await;
    // Who leaves at once proves nothing about Haier; who leaves after half the limit of a send does.
    let hasty = get_prices_within(&world, &codes, Duration::from_millis(100)).await.unwrap_err();
    assert!(is_out_of_time(&hasty), "{hasty}");
    let mut left = 0;
    let opened = async {
        loop {
            let refused = get_prices_within(&world, &codes, Duration::from_millis(1_500)).await.unwrap_err();
            if !is_out_of_time(&refused) {
                break refused;
            }
            left += 1;
        }
    };
    assert_eq!(refusal(&within(opened).await), (Code::Unavailable, "BREAKER_OPEN".to_owned()));
    assert!(left >= 1);
    world.finish().await;
}

async fn a_caller_whom_no_slot_can_serve_hears_so_at_once(plan: Plan) {
    let world = plan.products(5).settings(|settings| settings.upstream_rate = 1).start().await;
    let codes = world.codes(1).await;
    let limit = Duration::from_millis(700);
    // The next slot may come in time for a first call; the one after it is a whole second away.
    let (refused, waited) = loop {
        let began = Instant::now();
        match get_prices_within(&world, &codes, limit).await {
            Err(refused) if !is_out_of_time(&refused) => break (refused, began.elapsed()),
            Ok(()) | Err(_) => {}
        }
    };
    assert_eq!(refusal(&refused), (Code::ResourceExhausted, "BUDGET_EXHAUSTED".to_owned()), "{refused}");
    assert!(retry_delay(&refused).is_some_and(|wait| wait > Duration::ZERO), "{refused:?}");
    assert!(waited < limit, "{waited:?}");
    world.finish().await;
}

async fn nothing_more_is_sent_for_callers_who_have_gone(plan: Plan) {
    let world = patient(plan).start().await;
    let codes = world.codes(1).await;
    world.haier.fault(json!({ "kind": "latency", "endpoint": "H2", "delay_ms": 300 })).await;
    world.haier.fault(json!({ "kind": "server_error", "endpoint": "H2" })).await;
    world.haier.fault(json!({ "kind": "latency", "endpoint": "H3", "delay_ms": 1_500 })).await;
    let before = world.haier.calls("H2").await;
    tokio::select! {
        answer = get_prices(&world, &codes) => panic!("{answer:?}"),
        () = world.haier.struck(1) => {}
    }
    // As long as this takes, the two other tries would have been made.
    let request = CheckStockRequest { product_code: codes[0].clone(), county_code: String::new() };
    world.client().check_stock(request).await.unwrap();
    assert_eq!(world.haier.calls("H2").await - before, 1);
    world.finish().await;
}
