//! Outages of our own surroundings: the database gone or full, Haier's port closed, while runs and calls are under way.
//! Nothing may be lost or counted twice, and what does not need the missing part goes on.

use std::time::Duration;

use haier_integration::{
    config::Settings,
    proto::{
        CheckStockRequest, GetPricesRequest, ListProductsRequest, ListSyncLogsRequest, OrderState,
        PushOrderRequest, SyncProductsRequest, SyncProgress, SyncStatus,
    },
};
use serde_json::json;
use tonic::{Code, Status, Streaming, transport::Channel};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse, health_check_response::ServingStatus,
    health_client::HealthClient,
};
use tonic_types::StatusExt as _;
use url::Url;

use crate::{
    orders::{booked, get, on_sale, order, push, until},
    support::{
        Backend, Client, Plan, Wire, World, collect, on_both_databases, on_postgres, refusal, run, within,
    },
};

on_both_databases!(
    a_run_waits_while_haiers_port_is_closed,
    what_haier_answered_is_kept_until_it_can_be_stored,
);
on_postgres!(
    a_database_that_only_reads_is_an_outage_and_costs_no_answer,
    a_replica_starts_while_the_database_only_reads,
);

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

/// Readiness, as it changes.
async fn watched(channel: Channel) -> Streaming<HealthCheckResponse> {
    let request = HealthCheckRequest { service: "readiness".to_owned() };
    HealthClient::new(channel).watch(request).await.unwrap().into_inner()
}

async fn ready(health: &mut Streaming<HealthCheckResponse>, wanted: ServingStatus) {
    while within(health.message()).await.unwrap().expect("health is watched for ever").status() != wanted {}
}

/// Waits until readiness is as given; liveness is SERVING all the while.
async fn readiness(world: &World, wanted: ServingStatus) {
    let channel = world.channel().connect().await.unwrap();
    ready(&mut watched(channel.clone()).await, wanted).await;
    let request = HealthCheckRequest { service: "liveness".to_owned() };
    let alive = HealthClient::new(channel).check(request).await.unwrap().into_inner();
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
        assert_unavailable(&refused, &["CONNECTION_FAILED", "BREAKER_OPEN"]);
    }
    let listed = world.client().list_products(ListProductsRequest::default()).await.unwrap().into_inner();
    assert!(!listed.products.is_empty());

    world.haier.come_back().await;
    assert_all(collect(stream).await.unwrap().last().unwrap(), 200);
    world.finish().await;
}

/// Pushes an order and returns when Haier has booked it, which answers a moment later.
async fn booked_soon(world: &World, so_id: &str, code: &str) {
    let pushed = PushOrderRequest { order: Some(order(so_id, code)), wait: None };
    world.client().push_order(pushed).await.unwrap();
    within(async { while booked(&world.haier, so_id).await.is_empty() {} }).await;
}

async fn what_haier_answered_is_kept_until_it_can_be_stored(plan: Plan) {
    let world = plan.start().await;
    let code = on_sale(&world).await;
    let database = &world.database;
    let (refuse, allow) = if database.is_postgres() {
        (
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'something odd'; END $$; \
             CREATE TRIGGER refuse BEFORE INSERT ON order_facts FOR EACH ROW WHEN (NEW.kind = 'push_ended') \
             EXECUTE FUNCTION refuse()",
            "DROP TRIGGER refuse ON order_facts",
        )
    } else {
        (
            "CREATE TRIGGER refuse BEFORE INSERT ON order_facts WHEN NEW.kind = 'push_ended' \
             BEGIN SELECT RAISE(ABORT, 'something odd'); END",
            "DROP TRIGGER refuse",
        )
    };
    database.execute(refuse).await.unwrap();
    booked_soon(&world, "SO-1", &code).await;
    // Long enough for the first try to store the answer.
    booked_soon(&world, "SO-2", &code).await;
    booked_soon(&world, "SO-3", &code).await;
    assert_eq!(get(&mut world.client(), "SO-1").await.state(), OrderState::Accepted);
    database.execute(allow).await.unwrap();
    for so_id in ["SO-1", "SO-2", "SO-3"] {
        let pushed = until(&mut world.client(), so_id, OrderState::Pushed).await;
        assert!(!pushed.retail_order_no.is_empty(), "Haier's number is lost: {pushed:?}");
    }
    assert_eq!(world.haier.calls("Y1").await, 3, "an order was sent again");
    world.finish().await;
}

async fn a_database_that_only_reads_is_an_outage_and_costs_no_answer(plan: Plan) {
    let world = plan.settings(|settings| settings.health_interval = Duration::from_millis(100)).start().await;
    let code = on_sale(&world).await;
    world.haier.fault(json!({ "kind": "latency", "endpoint": "Y1", "delay_ms": 1_500 })).await;
    let operator = world.database.asker().await;
    let turn = async |read_only| operator.execute(&only_reads(&world, read_only)).await;
    let pushed = PushOrderRequest { order: Some(order("SO-1", &code)), wait: None };
    world.client().push_order(pushed).await.unwrap();
    within(async { while world.haier.calls("Y1").await == 0 {} }).await;
    turn("on").await;
    readiness(&world, ServingStatus::NotServing).await;
    let refused = push(&mut world.client(), order("SO-2", &code)).await.unwrap_err();
    assert_unavailable(&refused, &["STORE_UNAVAILABLE"]);
    within(async { while booked(&world.haier, "SO-1").await.is_empty() {} }).await;
    assert!(!world.products().await.is_empty(), "it still reads");
    turn("off").await;
    readiness(&world, ServingStatus::Serving).await;
    let pushed = until(&mut world.client(), "SO-1", OrderState::Pushed).await;
    assert!(!pushed.retail_order_no.is_empty(), "Haier's number is lost: {pushed:?}");
    assert_eq!(world.haier.calls("Y1").await, 1, "the order was sent again");
    world.finish().await;
}

/// A statement by which the database only reads, or not: for a session from before, which goes on writing.
fn only_reads(world: &World, read_only: &str) -> String {
    let name = world.database.address.rsplit('/').next().unwrap().split('?').next().unwrap();
    format!(
        "ALTER DATABASE {name} SET default_transaction_read_only = {read_only}; \
         SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
}

async fn a_replica_starts_while_the_database_only_reads(plan: Plan) {
    let mut world =
        plan.settings(|settings| settings.health_interval = Duration::from_millis(100)).start().await;
    let code = on_sale(&world).await;
    let operator = world.database.asker().await;
    world.stop().await;
    operator.execute(&only_reads(&world, "on")).await;
    world.serve().await;
    readiness(&world, ServingStatus::NotServing).await;
    assert!(!world.products().await.is_empty(), "it reads");
    operator.execute(&only_reads(&world, "off")).await;
    readiness(&world, ServingStatus::Serving).await;
    // It has its number, so that it makes ids.
    let pushed = within(async {
        loop {
            if let Ok(order) = push(&mut world.client(), order("SO-1", &code)).await {
                return order;
            }
        }
    });
    assert_eq!(pushed.await.so_id, "SO-1");
    until(&mut world.client(), "SO-1", OrderState::Pushed).await;
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
    let mut service = Running::start(Running::service(&plan, &haier));
    let address = service.told("gRPC ");
    let channel = tonic::transport::Endpoint::from_shared(format!("http://{address}")).unwrap();
    let channel = channel.connect().await.unwrap();
    let (mut client, mut health) = (Client::new(channel.clone()), watched(channel).await);
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
    // Nothing can be written, so calls go elsewhere.
    ready(&mut health, ServingStatus::NotServing).await;

    service.limit_files("unlimited");
    ready(&mut health, ServingStatus::Serving).await;
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
