//! What waits says why: runs, comparisons and dry runs that a pause, an open breaker or a throttle holds up say so while it
//! lasts, and afterwards for how long.

use std::time::Duration;

use haier_integration::proto::{
    CancelSyncRequest, GetPricesRequest, PauseUpstreamRequest, ResumeUpstreamRequest, SyncProductsRequest,
    SyncProgress, SyncStatus, SyncType, SyncWait, UpstreamTarget, VerifyCatalogueRequest,
    haier_administration_client::HaierAdministrationClient,
};
use serde_json::{Value, json};
use tonic::{Streaming, transport::Channel};

use crate::support::{Plan, World, collect, on_both_databases, within};

on_both_databases!(
    a_run_that_a_pause_holds_up_says_so,
    a_run_that_a_breaker_holds_up_says_so_and_so_does_its_log,
    a_dry_run_and_a_comparison_say_what_holds_them_up,
    a_run_that_haier_throttles_says_so,
    a_throttle_longer_than_a_calls_tries_fails_no_code,
    an_outage_is_one_wait_however_often_haier_is_tried,
    a_haier_that_answers_no_call_is_not_up,
    a_haier_that_answers_no_listing_is_not_up,
);

fn prices() -> SyncProductsRequest {
    SyncProductsRequest { kind: SyncType::Prices.into(), ..Default::default() }
}

async fn administration(world: &World) -> HaierAdministrationClient<Channel> {
    HaierAdministrationClient::new(world.channel().connect().await.unwrap())
}

/// The first progress that says why the run waits.
async fn waiting(stream: &mut Streaming<SyncProgress>) -> (SyncProgress, SyncWait) {
    within(async {
        loop {
            let progress = stream.message().await.unwrap().expect("it waits before it ends");
            if let Some(wait) = progress.wait.clone() {
                return (progress, wait);
            }
        }
    })
    .await
}

fn is_longer(waited: Option<prost_types::Duration>, than: Duration) -> bool {
    Duration::try_from(waited.unwrap()).unwrap() > than
}

/// A service whose breakers open at the first failure, and for long.
async fn broken(plan: Plan) -> World {
    let world = plan
        .settings(|settings| {
            settings.upstream.breaker_failures = 1;
            settings.upstream.breaker_open = Duration::from_secs(3_000);
        })
        .start()
        .await;
    world.haier.fault(json!({ "kind": "server_error" })).await;
    world
}

async fn a_run_that_a_pause_holds_up_says_so(plan: Plan) {
    let world = plan.start().await;
    let mut operator = administration(&world).await;
    let target = UpstreamTarget::OpenPlatform.into();
    let reason = "Haier moves house".to_owned();
    operator.pause_upstream(PauseUpstreamRequest { target, reason, until: None }).await.unwrap();
    let mut stream = world.client().sync_products(prices()).await.unwrap().into_inner();
    let (progress, wait) = waiting(&mut stream).await;
    assert_eq!((wait.reason.as_str(), wait.until), ("PAUSED", None));
    assert!(wait.detail.contains("Haier moves house") && wait.since.is_some(), "{wait:?}");
    assert!(progress.message.starts_with("等待中：PAUSED 已暂停"), "{}", progress.message);
    assert_eq!(progress.status(), SyncStatus::Processing);

    operator.resume_upstream(ResumeUpstreamRequest { target }).await.unwrap();
    let end = collect(stream).await.unwrap().pop().unwrap();
    assert_eq!((end.status(), end.wait), (SyncStatus::Success, None));
    let log = world.log(end.sync_log_id).await;
    assert!(is_longer(log.waited, Duration::ZERO) && log.wait.is_none(), "{log:?}");
    world.finish().await;
}

async fn a_run_that_a_breaker_holds_up_says_so_and_so_does_its_log(plan: Plan) {
    let world = broken(plan).await;
    let mut stream = world.client().sync_products(prices()).await.unwrap().into_inner();
    let (progress, wait) = waiting(&mut stream).await;
    assert_eq!(wait.reason, "BREAKER_OPEN");
    assert!(wait.until.unwrap().seconds - wait.since.unwrap().seconds > 1_000, "{wait:?}");
    // Whoever looks the log up, on any replica, reads the same.
    let sync_log_id = progress.sync_log_id;
    assert_eq!(world.log(sync_log_id).await.wait, Some(wait));
    world.client().cancel_sync(CancelSyncRequest { sync_log_id }).await.unwrap();
    let log = world.log(sync_log_id).await;
    assert!(is_longer(log.waited, Duration::ZERO) && log.wait.is_none(), "{log:?}");
    world.finish().await;
}

async fn a_dry_run_and_a_comparison_say_what_holds_them_up(plan: Plan) {
    let world = broken(plan).await;
    let request = SyncProductsRequest { validate_only: true, ..prices() };
    let mut stream = world.client().sync_products(request).await.unwrap().into_inner();
    let (progress, wait) = waiting(&mut stream).await;
    assert_eq!((progress.sync_log_id, wait.reason.as_str()), (0, "BREAKER_OPEN"));
    assert!(progress.message.contains("BREAKER_OPEN"), "{}", progress.message);

    let request = VerifyCatalogueRequest { price_sample_size: None };
    let mut stream = administration(&world).await.verify_catalogue(request).await.unwrap().into_inner();
    let said = async {
        loop {
            let message = stream.message().await.unwrap().expect("it waits before it ends");
            if let Some(wait) = message.wait {
                return wait;
            }
        }
    };
    let wait = within(said).await;
    assert!(["BREAKER_OPEN", "SERVER_ERROR"].contains(&wait.reason.as_str()), "{wait:?}");
    world.finish().await;
}

async fn a_run_that_haier_throttles_says_so(plan: Plan) {
    let world = plan.start().await;
    world.haier.fault(json!({ "kind": "throttled", "endpoint": "H2", "count": 3 })).await;
    let mut stream = world.client().sync_products(prices()).await.unwrap().into_inner();
    let (_, wait) = waiting(&mut stream).await;
    assert_eq!(wait.reason, "RATE_LIMITED");
    let end = collect(stream).await.unwrap().pop().unwrap();
    assert_eq!(end.status(), SyncStatus::Success);
    assert!(end.message.contains("；其中等待 "), "{}", end.message);
    assert!(is_longer(world.log(end.sync_log_id).await.waited, Duration::from_millis(900)));
    world.finish().await;
}

async fn a_throttle_longer_than_a_calls_tries_fails_no_code(plan: Plan) {
    let world = plan.settings(|settings| settings.upstream.tries = 1).start().await;
    world.haier.fault(json!({ "kind": "throttled_without_retry_after", "endpoint": "H2", "count": 1 })).await;
    let before = world.haier.calls("H2").await;
    let end = world.sync(prices()).await;
    assert_eq!((end.status(), end.failed_count), (SyncStatus::Success, 0), "{end:?}");
    // The same batch again, and no halves of it.
    let batches = (end.success_count + 19) / 20;
    assert_eq!((world.haier.calls("H2").await - before) as i64, batches + 1, "{end:?}");
    world.finish().await;
}

async fn an_outage_is_one_wait_however_often_haier_is_tried(plan: Plan) {
    let world = plan.settings(|settings| settings.upstream.tries = 1).start().await;
    // Each try takes longer than what a run calls a moment.
    let fault = json!({ "kind": "throttled", "endpoint": "H1", "count": 2, "delay_ms": 800 });
    world.haier.fault(fault).await;
    let request = SyncProductsRequest::default();
    let progress = collect(world.client().sync_products(request).await.unwrap().into_inner()).await.unwrap();
    let mut since: Vec<_> = progress.iter().map(|said| said.wait.as_ref().map(|wait| wait.since)).collect();
    since.dedup();
    let first = since.iter().position(Option::is_some).expect("it says that it waits");
    assert_eq!(since.len() - first, 2, "it waits once, then goes on: {since:?}");
    let end = progress.last().unwrap();
    assert_eq!(end.status(), SyncStatus::Success);
    // Twice a second of Retry-After, and the try in between.
    assert!(is_longer(world.log(end.sync_log_id).await.waited, Duration::from_millis(2_700)));
    world.finish().await;
}

async fn upstream_is(world: &World, up: bool) {
    let url = format!("http://{}/readyz", world.service().http_addr());
    let told = async {
        while reqwest::get(&url).await.unwrap().json::<Value>().await.unwrap()["upstream"] != json!(up) {}
    };
    within(told).await;
}

async fn a_haier_that_answers_no_call_is_not_up(plan: Plan) {
    let world = plan
        .settings(|settings| {
            settings.health_interval = Duration::from_millis(100);
            settings.upstream.breaker_failures = 1;
            settings.upstream.breaker_open = Duration::from_millis(50);
        })
        .start()
        .await;
    let upstream = async |up: bool| upstream_is(&world, up).await;
    upstream(true).await;
    world.haier.fault(json!({ "kind": "unavailable", "endpoint": "H2" })).await;
    let request = GetPricesRequest { product_codes: world.codes(1).await };
    // The token is good, and yet nothing works.
    world.client().get_prices(request.clone()).await.unwrap_err();
    upstream(false).await;
    world.haier.clear_faults().await;
    within(async { while world.client().get_prices(request.clone()).await.is_err() {} }).await;
    upstream(true).await;
    world.finish().await;
}

async fn a_haier_that_answers_no_listing_is_not_up(plan: Plan) {
    let world = plan.settings(|settings| settings.health_interval = Duration::from_millis(100)).start().await;
    upstream_is(&world, true).await;
    world.haier.fault(json!({ "kind": "unavailable", "endpoint": "H1" })).await;
    let request = SyncProductsRequest::default();
    let mut stream = world.client().sync_products(request).await.unwrap().into_inner();
    let (progress, wait) = waiting(&mut stream).await;
    assert_eq!(wait.reason, "SERVER_ERROR", "no breaker has opened");
    upstream_is(&world, false).await;
    // Whatever it answers, it is there.
    let request = GetPricesRequest { product_codes: world.codes(1).await };
    world.client().get_prices(request).await.unwrap();
    upstream_is(&world, true).await;
    let sync_log_id = progress.sync_log_id;
    world.client().cancel_sync(CancelSyncRequest { sync_log_id }).await.unwrap();
    world.finish().await;
}
