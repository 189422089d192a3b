//! Outages of our own surroundings: the database gone or full, Haier's port closed, while runs and calls are under way.
//! Nothing may be lost or counted twice, and what does not need the missing part goes on.

use std::time::Duration;

use haier_integration::{
    config::Settings,
    proto::{
        CheckStockRequest, GetPricesRequest, ListProductsRequest, ListSyncLogsRequest, SyncProductsRequest,
        SyncProgress, SyncStatus,
    },
};
use serde_json::json;
use tonic::{Code, Status, Streaming};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_types::StatusExt as _;
use url::Url;

use crate::support::{Backend, Client, Plan, Wire, World, collect, on_both_databases, refusal, run, within};

on_both_databases!(a_run_waits_while_haiers_port_is_closed);

fn prices() -> SyncProductsRequest {
    SyncProductsRequest { sync_prices: true, ..Default::default() }
}

/// Refused for an outage, with the reason given and the time after which to ask again.
fn assert_unavailable(status: &Status, reasons: &[&str]) {
    let (code, reason) = refusal(status);
    assert!(code == Code::Unavailable && reasons.contains(&reason.as_str()), "{status:?}");
    let again = status.get_details_retry_info().and_then(|info| info.retry_delay);
    assert!(again.is_some_and(|delay| !delay.is_zero()), "{status:?}");
}

/// Follows a run until it has decided something and has something left.
async fn half_way(stream: &mut Streaming<SyncProgress>) -> i64 {
    loop {
        let progress = within(stream.message()).await.unwrap().expect("the run ended too early");
        if progress.success_count > 0 {
            assert_eq!(progress.status(), SyncStatus::Processing);
            return progress.sync_log_id;
        }
    }
}

/// Waits until readiness is as given; liveness is SERVING all the while.
async fn readiness(world: &World, wanted: ServingStatus) {
    let mut client = HealthClient::new(world.channel().connect().await.unwrap());
    let request = |service: &str| HealthCheckRequest { service: service.to_owned() };
    let mut ready = client.watch(request("readiness")).await.unwrap().into_inner();
    while within(ready.message()).await.unwrap().expect("health is watched for ever").status() != wanted {}
    let alive = client.check(request("liveness")).await.unwrap().into_inner();
    assert_eq!(alive.status(), ServingStatus::Serving);
}

fn assert_all(end: &SyncProgress, codes: i64) {
    assert_eq!(
        (end.status(), end.total_count, end.success_count, end.failed_count),
        (SyncStatus::Success, codes, codes, 0),
        "{}",
        end.message
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_database_the_service_answers_what_it_can_and_runs_go_on_afterwards() {
    run(Backend::Postgres, |plan| Box::pin(database_gone(plan))).await;
}

/// So that a run over 200 products can be met half-way.
fn in_small_steps(settings: &mut Settings) {
    settings.sync.flush_interval = Duration::from_millis(10);
    settings.sync.batch_size = 5;
    settings.sync.calls_in_flight = 1;
}

async fn database_gone(plan: Plan) {
    let mut address = Url::parse(&plan.database.address).unwrap();
    let wire = Wire::to(address.port().unwrap()).await;
    address.set_port(Some(wire.port())).unwrap();
    let world = plan
        .products(200)
        .settings(|settings| {
            settings.database_url = address.as_str().parse().unwrap();
            settings.database_wait = Duration::from_secs(1);
            settings.health_interval = Duration::from_millis(100);
            settings.sync.lease = Duration::from_secs(1);
            settings.sync.heartbeat = Duration::from_millis(200);
            in_small_steps(settings);
        })
        .start()
        .await;
    let code = world.codes(1).await.remove(0);
    world.haier.fault(json!({ "kind": "latency", "endpoint": "H2", "delay_ms": 30 })).await;
    let mut stream = world.client().sync_products(prices()).await.unwrap().into_inner();
    let id = half_way(&mut stream).await;

    wire.cut();
    readiness(&world, ServingStatus::NotServing).await;
    let refused = collect(stream).await.unwrap_err();
    assert_unavailable(&refused, &["STORE_UNAVAILABLE"]);
    assert_live_calls_without_a_store(&world, &code).await;

    wire.mend();
    readiness(&world, ServingStatus::Serving).await;
    assert_all(world.watch(id).await.last().unwrap(), 200);
    let answer = world.client().get_prices(prices_of(&code)).await.unwrap().into_inner();
    assert_eq!(answer.prices.len(), 1);
    world.finish().await;
}

fn prices_of(code: &str) -> GetPricesRequest {
    GetPricesRequest { product_codes: vec![code.to_owned()] }
}

async fn assert_live_calls_without_a_store(world: &World, code: &str) {
    let mut client: Client = world.client();
    for refused in [
        client.list_products(ListProductsRequest::default()).await.map(drop),
        client.list_sync_logs(ListSyncLogsRequest::default()).await.map(drop),
        client.sync_products(prices()).await.map(drop),
    ] {
        assert_unavailable(&refused.unwrap_err(), &["STORE_UNAVAILABLE"]);
    }
    let request = CheckStockRequest { product_code: code.to_owned(), county_code: String::new() };
    assert_eq!(within(client.check_stock(request)).await.unwrap().into_inner().product_code, code);
    let answer = within(client.get_prices(prices_of(code))).await.unwrap().into_inner();
    assert_eq!(answer.prices.len(), 1);
}

async fn a_run_waits_while_haiers_port_is_closed(plan: Plan) {
    let mut world = plan
        .products(200)
        .settings(|settings| {
            settings.upstream.retry_base = Duration::from_millis(1);
            settings.upstream.retry_max = Duration::from_millis(5);
            settings.upstream.breaker_open = Duration::from_millis(200);
            in_small_steps(settings);
        })
        .start()
        .await;
    let code = world.codes(1).await.remove(0);
    world.haier.fault(json!({ "kind": "latency", "endpoint": "H2", "delay_ms": 30 })).await;
    let mut stream = world.client().sync_products(prices()).await.unwrap().into_inner();
    half_way(&mut stream).await;

    world.haier.go().await;
    for _ in 0..3 {
        let refused = within(world.client().get_prices(prices_of(&code))).await.unwrap_err();
        assert_unavailable(&refused, &["REQUEST_TIMEOUT", "BREAKER_OPEN"]);
    }
    let listed = world.client().list_products(ListProductsRequest::default()).await.unwrap().into_inner();
    assert!(!listed.products.is_empty());

    world.haier.come_back().await;
    assert_all(collect(stream).await.unwrap().last().unwrap(), 200);
    world.finish().await;
}

/// The file system takes nothing more: the process may write no file beyond its first page, as `ulimit -f` has it.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_room_for_its_database_the_service_reads_on_and_runs_go_on_afterwards() {
    run(Backend::Sqlite, |plan| Box::pin(database_full(plan))).await;
}

#[cfg(target_os = "linux")]
async fn database_full(plan: Plan) {
    use crate::processes::Running;
    let (_sandbox, haier) = Running::sandbox_with(plan.database.folder(), &["--products", "400"]);
    haier.fault(json!({ "kind": "latency", "endpoint": "H2", "delay_ms": 30 })).await;
    let mut service = Running::start(Running::heeding_no_limit(&Running::service(&plan, &haier)));
    let mut client = service.client().await;
    let logs = client.list_sync_logs(ListSyncLogsRequest::default()).await.unwrap().into_inner().sync_logs;
    let id = logs[0].id;
    let watching = haier_integration::proto::WatchSyncRequest { sync_log_id: id };
    let mut stream = client.watch_sync(watching).await.unwrap().into_inner();
    half_way(&mut stream).await;

    service.limit_files("4096");
    let refused = loop {
        let request = SyncProductsRequest { product_codes: vec!["ZZ9999999".to_owned()], ..prices() };
        match within(client.sync_products(request)).await {
            // A page that the journal had room for already.
            Ok(_) => {}
            Err(status) => break status,
        }
    };
    assert_unavailable(&refused, &["STORE_UNAVAILABLE"]);
    let listed = client.list_products(ListProductsRequest::default()).await.unwrap().into_inner();
    assert!(!listed.products.is_empty(), "it still reads");

    service.limit_files("unlimited");
    assert_all(collect(stream).await.unwrap().last().unwrap(), 400);
    let request = ListSyncLogsRequest { page_size: 1_000, ..Default::default() };
    for log in client.list_sync_logs(request).await.unwrap().into_inner().sync_logs {
        let watching = haier_integration::proto::WatchSyncRequest { sync_log_id: log.id };
        collect(client.watch_sync(watching).await.unwrap().into_inner()).await.unwrap();
    }
    drop(client);
    assert_eq!(service.terminate().await, Some(0));
    assert_eq!(plan.database.number("SELECT count(*) FROM sync_runs").await, 0);
}
