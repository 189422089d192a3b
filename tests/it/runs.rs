//! Runs while they run: one at a time, watched, left and taken up again, within deadline and budget.

use std::time::Duration;

use haier_integration::proto::{
    CancelSyncRequest, GetPricesRequest, ListSyncLogsRequest, SyncProductsRequest, SyncProgress, SyncStatus,
    WatchSyncRequest,
};
use serde_json::json;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::support::{Client, Plan, World, on_both_databases, refusal, within};

on_both_databases!(
    a_second_full_sync_is_refused_with_the_id_of_the_first,
    runs_by_code_go_on_beside_a_full_one,
    a_fifth_run_beside_it_waits_over_all_replicas_and_says_so,
    progress_only_grows_and_ends_with_the_log,
    watching_an_ended_run_gives_its_end_once,
    a_client_that_hangs_up_does_not_stop_the_run,
    a_run_left_by_a_stopped_service_goes_on_at_the_next_start,
    a_run_by_codes_goes_on_after_the_last_decided_code,
    a_deadline_is_kept_while_haier_is_slow,
    the_budget_is_never_exceeded,
);

fn prices() -> SyncProductsRequest {
    SyncProductsRequest { sync_prices: true, ..Default::default() }
}

/// Starts a sync and returns with its first message; the stream is hung up.
async fn begin(world: &World, request: SyncProductsRequest) -> i64 {
    let mut stream = world.client().sync_products(request).await.unwrap().into_inner();
    within(stream.message()).await.unwrap().unwrap().sync_log_id
}

/// Lets a held run end: the service is stopped, Haier behaves again, the service is started.
async fn let_go(world: &mut World) {
    world.stop().await;
    world.haier.clear_faults().await;
    world.serve().await;
}

async fn a_second_full_sync_is_refused_with_the_id_of_the_first(plan: Plan) {
    let mut world = plan.start().await;
    world.haier.fault(json!({ "kind": "hang", "endpoint": "H1" })).await;
    let first = begin(&world, SyncProductsRequest::default()).await;
    let refused = world.client().sync_products(prices()).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::Aborted, "RUN_IN_PROGRESS".to_owned()));
    let metadata = refused.get_details_error_info().unwrap().metadata;
    assert_eq!(metadata["sync_log_id"], first.to_string());
    assert_eq!(world.logs(ListSyncLogsRequest::default()).await.len(), 2);
    let_go(&mut world).await;
    let end = world.watch(first).await.pop().unwrap();
    assert_eq!((end.status(), end.success_count), (SyncStatus::Success, 45));
    world.finish().await;
}

async fn runs_by_code_go_on_beside_a_full_one(plan: Plan) {
    let mut world = plan.start().await;
    let product_codes = world.codes(2).await;
    world.haier.fault(json!({ "kind": "hang", "endpoint": "H1", "count": 1 })).await;
    let first = begin(&world, SyncProductsRequest::default()).await;
    world.haier.struck(1).await;
    let end = world.sync(SyncProductsRequest { product_codes, ..prices() }).await;
    assert_eq!((end.status(), end.success_count), (SyncStatus::Success, 2));
    assert_eq!(world.log(first).await.status(), SyncStatus::Processing);
    let_go(&mut world).await;
    assert_eq!(world.watch(first).await.pop().unwrap().status(), SyncStatus::Success);
    world.finish().await;
}

async fn a_fifth_run_beside_it_waits_over_all_replicas_and_says_so(plan: Plan) {
    let mut world = plan.start().await;
    let mut clients = vec![world.client()];
    let mut other = None;
    if world.database.is_postgres() {
        let service = world.replica().await;
        clients.push(Client::connect(format!("http://{}", service.grpc_addr())).await.unwrap());
        other = Some(service);
    }
    world.haier.fault(json!({ "kind": "hang", "endpoint": "H1" })).await;
    let full = begin(&world, SyncProductsRequest::default()).await;
    let (mut ids, mut watched) = (Vec::new(), Vec::new());
    for (code, client) in world.codes(6).await.into_iter().zip(clients.iter().cycle()) {
        let request = SyncProductsRequest { product_codes: vec![code], ..SyncProductsRequest::default() };
        let mut stream = client.clone().sync_products(request).await.unwrap().into_inner();
        let first = within(stream.message()).await.unwrap().unwrap();
        ids.push(first.sync_log_id);
        watched.push((first, stream));
    }
    // The full one and four beside it.
    world.haier.struck(5).await;
    for (progress, stream) in &mut watched[4..] {
        while !progress.message.contains("4 个同步正在进行") {
            assert_eq!(progress.status(), SyncStatus::Pending);
            *progress = within(stream.message()).await.unwrap().unwrap();
        }
    }
    let open = |status| format!("SELECT count(*) FROM sync_logs WHERE status = '{status}'");
    let counts =
        (world.database.number(&open("processing")).await, world.database.number(&open("pending")).await);
    assert_eq!(counts, (5, 2));
    // One goes, and the next one comes.
    let cancel = CancelSyncRequest { sync_log_id: ids[1] };
    world.client().cancel_sync(cancel).await.unwrap();
    world.haier.struck(6).await;
    assert_eq!(world.log(ids[5]).await.status(), SyncStatus::Pending);
    drop(watched);
    if let Some(other) = other {
        within(Box::pin(other.stop())).await;
    }
    let_go(&mut world).await;
    for id in ids.into_iter().chain([full]) {
        world.watch(id).await;
    }
    world.finish().await;
}

fn assert_grows(all: &[SyncProgress]) {
    for pair in all.windows(2) {
        let (before, after) = (&pair[0], &pair[1]);
        assert!(
            before.success_count <= after.success_count
                && before.failed_count <= after.failed_count
                && before.total_count <= after.total_count
                && before.status <= after.status,
            "{before:?} then {after:?}"
        );
        assert!(after.success_count + after.failed_count <= after.total_count, "{after:?}");
    }
}

async fn progress_only_grows_and_ends_with_the_log(plan: Plan) {
    let world = plan
        .products(400)
        .settings(|settings| {
            settings.sync.flush_interval = Duration::from_millis(10);
            settings.sync.calls_in_flight = 1;
        })
        .start()
        .await;
    let code = world.codes(1).await.remove(0);
    world.haier.fault(json!({ "kind": "wrong_type", "endpoint": "H2", "product_code": code })).await;
    world.haier.fault(json!({ "kind": "latency", "endpoint": "H2", "delay_ms": 25 })).await;
    let all = world.follow(prices()).await;
    assert_grows(&all);
    let (end, before) = all.split_last().unwrap();
    assert!(before.len() >= 4, "{before:?}");
    assert!(
        before
            .iter()
            .all(|progress| progress.message.is_empty() && progress.status < SyncStatus::Success as i32)
    );
    assert!(before.iter().any(|progress| progress.stage == "PRICES"
        && progress.success_count > 0
        && progress.rate > 0.0
        && progress.remaining.is_some()));
    let log = world.log(end.sync_log_id).await;
    assert_eq!((end.status, &end.message, end.planned_count), (log.status, &log.message, log.planned_count));
    assert_eq!((end.total_count, end.success_count, end.failed_count), (400, 399, 1));
    assert_eq!((log.total_count, log.success_count, log.failed_count), (400, 399, 1));
    assert!(log.duration.is_some() && log.started_at.is_some() && log.completed_at.is_some());
    world.finish().await;
}

async fn watching_an_ended_run_gives_its_end_once(plan: Plan) {
    let world = plan.start().await;
    let first = world.first_sync().await;
    assert_eq!(world.watch(first.sync_log_id).await, [first]);
    for sync_log_id in [0, -1, i64::MAX] {
        let refused = world.client().watch_sync(WatchSyncRequest { sync_log_id }).await.unwrap_err();
        assert_eq!(refusal(&refused), (Code::NotFound, "NOT_FOUND".to_owned()));
    }
    world.finish().await;
}

async fn a_client_that_hangs_up_does_not_stop_the_run(plan: Plan) {
    let world = plan.start().await;
    world.haier.fault(json!({ "kind": "latency", "endpoint": "H2", "delay_ms": 200 })).await;
    let id = begin(&world, prices()).await;
    let end = world.watch(id).await.pop().unwrap();
    assert_eq!((end.status(), end.success_count), (SyncStatus::Success, 45));
    world.finish().await;
}

/// Follows a run until some codes are decided, then stops the service under it.
async fn stop_in_mid_run(world: &mut World, id: i64) -> SyncProgress {
    let mut stream =
        world.client().watch_sync(WatchSyncRequest { sync_log_id: id }).await.unwrap().into_inner();
    let decided = loop {
        let progress = within(stream.message()).await.unwrap().expect("the run ended too early");
        assert!(progress.status < SyncStatus::Success as i32, "the run ended too early: {progress:?}");
        if progress.success_count > 0 {
            break progress;
        }
    };
    drop(stream);
    world.stop().await;
    decided
}

async fn a_run_left_by_a_stopped_service_goes_on_at_the_next_start(plan: Plan) {
    let mut world = plan
        .products(200)
        .settings(|settings| {
            settings.sync.calls_in_flight = 1;
            settings.sync.flush_interval = Duration::from_millis(10);
        })
        .start()
        .await;
    // The sixth of ten batches is never answered: the run cannot end before it is stopped.
    let code = world.codes(111).await.remove(110);
    world.haier.fault(json!({ "kind": "hang", "endpoint": "H2", "product_code": code })).await;
    let id = begin(&world, prices()).await;
    let decided = stop_in_mid_run(&mut world, id).await;
    assert!(decided.success_count <= 100, "{decided:?}");
    world.haier.clear_faults().await;
    let asked = world.haier.calls("H2").await;
    world.serve().await;
    let end = world.watch(id).await.pop().unwrap();
    assert_eq!(
        (end.status(), end.total_count, end.success_count, end.failed_count),
        (SyncStatus::Success, 200, 200, 0)
    );
    assert_eq!(end.planned_count, Some(200));
    // Not from the beginning: what was decided was not asked for again.
    let again = world.haier.calls("H2").await - asked;
    assert!((5..10).contains(&again), "{again}");
    assert_eq!(world.products().await.len(), 200);
    assert_eq!(world.logs(ListSyncLogsRequest::default()).await.len(), 2);
    world.finish().await;
}

async fn a_run_by_codes_goes_on_after_the_last_decided_code(plan: Plan) {
    let mut world = plan
        .products(100)
        .settings(|settings| {
            settings.sync.calls_in_flight = 1;
            settings.sync.flush_interval = Duration::from_millis(10);
        })
        .start()
        .await;
    let mut product_codes = world.codes(100).await;
    product_codes.push("AA0000000".to_owned());
    let last = product_codes[99].clone();
    world.haier.fault(json!({ "kind": "hang", "endpoint": "H1", "product_code": last })).await;
    let id = begin(&world, SyncProductsRequest { product_codes, ..prices() }).await;
    let decided = stop_in_mid_run(&mut world, id).await;
    assert!(decided.success_count < 100);
    world.haier.clear_faults().await;
    world.serve().await;
    let all = world.watch(id).await;
    assert_grows(&all);
    let end = all.last().unwrap();
    assert_eq!(
        (end.status(), end.total_count, end.success_count, end.failed_count),
        (SyncStatus::Partial, 101, 100, 1)
    );
    assert_eq!(world.failures(id).await.len(), 1);
    world.finish().await;
}

async fn a_deadline_is_kept_while_haier_is_slow(plan: Plan) {
    let world = plan.start().await;
    let product_codes = world.codes(1).await;
    world.haier.fault(json!({ "kind": "latency", "endpoint": "H2", "delay_ms": 10_000 })).await;
    let mut request = tonic::Request::new(GetPricesRequest { product_codes });
    // Long enough for the service to be surely quicker than tonic, which says something else.
    request.set_timeout(Duration::from_secs(5));
    let refused = within(world.client().get_prices(request)).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::DeadlineExceeded, "REQUEST_TIMEOUT".to_owned()), "{refused}");
    world.finish().await;
}

async fn the_budget_is_never_exceeded(plan: Plan) {
    let world = plan.products(1_500).settings(|settings| settings.upstream_rate = 50).start().await;
    let stats = world.haier.stats().await;
    assert_eq!(stats["endpoints"]["H2"]["calls"], 75);
    let most = stats["max_in_any_second"]["openplat"].as_u64().unwrap();
    assert!(most <= 50, "{most}");
    world.finish().await;
}
