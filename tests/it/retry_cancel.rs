//! Runs that are tried again, cancelled, split and given up.

use std::time::Duration;

use haier_integration::proto::{
    CancelSyncRequest, ListSyncLogsRequest, RetrySyncRequest, SyncProductsRequest, SyncProgress, SyncStatus,
    SyncType,
};
use serde_json::json;
use tonic::Code;

use crate::support::{Plan, World, collect, on_both_databases, refusal, within};

on_both_databases!(
    a_retry_runs_exactly_the_codes_that_failed,
    a_retry_asks_for_what_the_run_asked_for,
    what_has_nothing_to_retry_is_refused,
    a_cancelled_run_keeps_what_is_decided_and_ends_at_once,
    a_pending_run_can_be_cancelled,
    cancelling_an_ended_run_changes_nothing,
    one_poison_code_fails_alone,
    a_known_poison_code_is_asked_apart_until_it_is_cured,
    an_outage_leaves_no_code_marked_as_poison,
    a_run_waits_for_haier_and_loses_no_code,
    a_run_that_waited_too_long_ends_upstream_down,
    a_run_that_kills_its_workers_is_given_up,
    a_code_listed_well_once_and_badly_once_counts_once,
    a_token_call_that_hangs_holds_up_the_next_run_for_its_time_limit_only,
);

fn prices() -> SyncProductsRequest {
    SyncProductsRequest { sync_prices: true, ..Default::default() }
}

async fn retry(world: &World, sync_log_id: i64) -> SyncProgress {
    let stream = world.client().retry_sync(RetrySyncRequest { sync_log_id }).await.unwrap().into_inner();
    collect(stream).await.unwrap().pop().unwrap()
}

async fn codes_failed(world: &World, id: i64) -> Vec<(String, i64)> {
    let failures = world.failures(id).await;
    let mut codes: Vec<_> =
        failures.into_iter().map(|failure| (failure.product_code, failure.attempt)).collect();
    codes.sort();
    codes
}

async fn a_retry_runs_exactly_the_codes_that_failed(plan: Plan) {
    let world = plan.start().await;
    let mut poison = world.codes(3).await;
    poison.remove(1);
    for code in &poison {
        world.haier.fault(json!({ "kind": "poison", "endpoint": "H2", "product_code": code })).await;
    }
    let first = world.sync(prices()).await;
    assert_eq!((first.success_count, first.failed_count), (43, 2));
    let expected = |attempt| poison.iter().map(|code| (code.clone(), attempt)).collect::<Vec<_>>();
    assert_eq!(codes_failed(&world, first.sync_log_id).await, expected(1));

    let second = retry(&world, first.sync_log_id).await;
    assert_eq!((second.status(), second.total_count, second.failed_count), (SyncStatus::Failed, 2, 2));
    assert_eq!(codes_failed(&world, second.sync_log_id).await, expected(2));
    let log = world.log(second.sync_log_id).await;
    assert_eq!((log.trigger.as_str(), log.parent_id), ("RETRY", Some(first.sync_log_id)));

    world.haier.clear_faults().await;
    let third = retry(&world, second.sync_log_id).await;
    assert_eq!((third.status(), third.total_count, third.success_count), (SyncStatus::Success, 2, 2));
    world.finish().await;
}

async fn a_retry_asks_for_what_the_run_asked_for(plan: Plan) {
    let world = plan.start().await;
    let code = world.codes(1).await.remove(0);
    world.haier.fault(json!({ "kind": "forbidden", "endpoint": "H3", "product_code": code })).await;
    let request = SyncProductsRequest {
        kind: SyncType::Stock.into(),
        county_code: "310101".to_owned(),
        product_codes: world.codes(4).await,
        ..Default::default()
    };
    let first = world.sync(request).await;
    assert_eq!((first.success_count, first.failed_count), (3, 1));
    world.haier.clear_faults().await;
    let second = retry(&world, first.sync_log_id).await;
    assert_eq!((second.status(), second.success_count), (SyncStatus::Success, 1));
    assert_eq!(world.log(second.sync_log_id).await.sync_type(), SyncType::Stock);
    let stored = "SELECT count(*) FROM stock_levels WHERE county_code = '310101'";
    assert_eq!(world.database.number(stored).await, 4);
    world.finish().await;
}

async fn what_has_nothing_to_retry_is_refused(plan: Plan) {
    let world = plan.start().await;
    let good = world.sync(prices()).await.sync_log_id;
    let refused = world.client().retry_sync(RetrySyncRequest { sync_log_id: good }).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::FailedPrecondition, "NOTHING_TO_RETRY".to_owned()));
    let unknown = world.client().retry_sync(RetrySyncRequest { sync_log_id: 1 }).await.unwrap_err();
    assert_eq!(refusal(&unknown), (Code::NotFound, "NOT_FOUND".to_owned()));
    world.finish().await;
}

async fn cancel(world: &World, sync_log_id: i64) -> haier_integration::proto::SyncLog {
    within(world.client().cancel_sync(CancelSyncRequest { sync_log_id })).await.unwrap().into_inner()
}

async fn a_cancelled_run_keeps_what_is_decided_and_ends_at_once(plan: Plan) {
    let world = plan
        .products(200)
        .settings(|settings| {
            settings.sync.flush_interval = Duration::from_millis(10);
            settings.sync.calls_in_flight = 1;
        })
        .start()
        .await;
    let codes = world.codes(200).await;
    // The last batch never comes back.
    world.haier.fault(json!({ "kind": "hang", "endpoint": "H2", "product_code": codes[199] })).await;
    let mut stream = world.client().sync_products(prices()).await.unwrap().into_inner();
    let id = loop {
        let progress = within(stream.message()).await.unwrap().unwrap();
        if progress.success_count == 180 {
            break progress.sync_log_id;
        }
    };
    let log = cancel(&world, id).await;
    assert_eq!((log.status(), log.end_reason.as_str()), (SyncStatus::Partial, "CANCELLED"));
    assert_eq!((log.total_count, log.success_count, log.failed_count), (180, 180, 0));
    assert_eq!(log.planned_count, Some(200));
    assert!(log.message.starts_with("CANCELLED 已取消"), "{}", log.message);
    let end = collect(stream).await.unwrap().pop().unwrap();
    assert_eq!((end.status(), end.success_count), (SyncStatus::Partial, 180));
    world.haier.clear_faults().await;
    // Nothing holds the place of the cancelled run.
    assert_eq!(world.sync(prices()).await.status(), SyncStatus::Success);
    assert_eq!(world.log(id).await.success_count, 180);
    world.finish().await;
}

async fn a_pending_run_can_be_cancelled(plan: Plan) {
    let mut world = plan.start().await;
    world.haier.fault(json!({ "kind": "hang", "endpoint": "H1" })).await;
    let mut stream = world.client().sync_products(prices()).await.unwrap().into_inner();
    let id = within(stream.message()).await.unwrap().unwrap().sync_log_id;
    let log = cancel(&world, id).await;
    assert_eq!((log.status(), log.end_reason.as_str()), (SyncStatus::Failed, "CANCELLED"));
    assert_eq!((log.total_count, log.success_count, log.failed_count), (0, 0, 0));
    world.stop().await;
    world.haier.clear_faults().await;
    world.serve().await;
    world.finish().await;
}

async fn cancelling_an_ended_run_changes_nothing(plan: Plan) {
    let world = plan.start().await;
    let id = world.sync(prices()).await.sync_log_id;
    let before = world.log(id).await;
    assert_eq!(cancel(&world, id).await, before);
    let unknown = world.client().cancel_sync(CancelSyncRequest { sync_log_id: 1 }).await.unwrap_err();
    assert_eq!(refusal(&unknown), (Code::NotFound, "NOT_FOUND".to_owned()));
    world.finish().await;
}

async fn one_poison_code_fails_alone(plan: Plan) {
    let world = plan.start().await;
    let code = world.codes(30).await.pop().unwrap();
    world.haier.fault(json!({ "kind": "poison", "endpoint": "H2", "product_code": code })).await;
    let end = world.sync(prices()).await;
    assert_eq!((end.status(), end.success_count, end.failed_count), (SyncStatus::Partial, 44, 1));
    let failure = world.failures(end.sync_log_id).await.remove(0);
    assert_eq!((failure.product_code, failure.reason.as_str()), (code, "VALIDATION_ERROR"));
    world.finish().await;
}

async fn a_known_poison_code_is_asked_apart_until_it_is_cured(plan: Plan) {
    let world = plan.start().await;
    let code = world.codes(30).await.pop().unwrap();
    world.haier.fault(json!({ "kind": "poison", "endpoint": "H2", "product_code": code })).await;
    world.sync(prices()).await;
    // 45 codes: 20, 9, the poison one, 15. Splitting anew would take more.
    let calls = async || world.haier.calls("H2").await;
    let before = calls().await;
    assert_eq!(world.sync(prices()).await.failed_count, 1);
    assert_eq!(calls().await - before, 4);
    world.haier.clear_faults().await;
    let before = calls().await;
    assert_eq!(world.sync(prices()).await.status(), SyncStatus::Success);
    assert_eq!(calls().await - before, 4);
    let before = calls().await;
    assert_eq!(world.sync(prices()).await.status(), SyncStatus::Success);
    assert_eq!(calls().await - before, 3, "it is cured");
    world.finish().await;
}

async fn an_outage_leaves_no_code_marked_as_poison(plan: Plan) {
    let world =
        plan.settings(|settings| settings.upstream.retry_base = Duration::from_millis(1)).start().await;
    // A page of maintenance instead of every answer.
    world.haier.fault(json!({ "kind": "html", "endpoint": "H2" })).await;
    assert_eq!(world.sync(prices()).await.failed_count, 45);
    assert_eq!(world.database.number("SELECT count(*) FROM poison_codes").await, 0);
    world.haier.clear_faults().await;
    let before = world.haier.calls("H2").await;
    assert_eq!(world.sync(prices()).await.status(), SyncStatus::Success);
    assert_eq!(world.haier.calls("H2").await - before, 3, "whole batches");
    world.finish().await;
}

/// Breakers that open soon and not for long.
fn with_nervous_breakers(plan: Plan, failures: u32, open: Duration) -> Plan {
    plan.settings(|settings| {
        settings.upstream.breaker_failures = failures;
        settings.upstream.breaker_open = open;
        settings.upstream.retry_base = Duration::from_millis(1);
    })
}

async fn a_run_waits_for_haier_and_loses_no_code(plan: Plan) {
    let world = with_nervous_breakers(plan, 2, Duration::from_millis(50)).start().await;
    // Enough for many breakers' worth of failed probes.
    world.haier.fault(json!({ "kind": "server_error", "endpoint": "H2", "count": 30 })).await;
    let end = world.sync(prices()).await;
    assert_eq!((end.status(), end.success_count, end.failed_count), (SyncStatus::Success, 45, 0));
    world.finish().await;
}

async fn a_run_that_waited_too_long_ends_upstream_down(plan: Plan) {
    let world = with_nervous_breakers(plan, 1, Duration::from_millis(20))
        .settings(|settings| settings.sync.outage_wait = Duration::from_millis(200))
        .start()
        .await;
    world.haier.fault(json!({ "kind": "server_error", "endpoint": "H1" })).await;
    let end = world.sync(prices()).await;
    let log = world.log(end.sync_log_id).await;
    assert_eq!((log.status(), log.end_reason.as_str()), (SyncStatus::Failed, "UPSTREAM_DOWN"), "{log:?}");
    assert!(log.message.starts_with("UPSTREAM_DOWN 上游不可用"), "{}", log.message);
    world.finish().await;
}

async fn a_run_that_kills_its_workers_is_given_up(plan: Plan) {
    let mut world = plan.start().await;
    world.haier.fault(json!({ "kind": "hang", "endpoint": "H1" })).await;
    let mut stream = world.client().sync_products(prices()).await.unwrap().into_inner();
    let id = within(stream.message()).await.unwrap().unwrap().sync_log_id;
    world.haier.struck(1).await;
    world.stop().await;
    // As if five workers had been killed one after the other: stopping gives the run back, dying does not.
    world
        .database
        .execute("UPDATE sync_runs SET worker = 'dead', takeovers = 5, lease_until = NULL")
        .await
        .unwrap();
    world.serve().await;
    let end = world.watch(id).await.pop().unwrap();
    assert_eq!(end.status(), SyncStatus::Failed);
    assert_eq!(world.log(id).await.end_reason, "WORKER_LOST");
    world.haier.clear_faults().await;
    world.finish().await;
}

async fn a_code_listed_well_once_and_badly_once_counts_once(plan: Plan) {
    let mut world = plan
        .settings(|settings| {
            settings.sync.batch_size = 5;
            settings.sync.calls_in_flight = 1;
            settings.sync.flush_interval = Duration::from_millis(10);
        })
        .start()
        .await;
    let mut codes = world.codes(45).await;
    codes.sort();
    let bad =
        |code: &str| json!({ "kind": "wrong_type", "endpoint": "H1", "product_code": code, "count": 1 });
    world.haier.fault(bad(&codes[42])).await;
    world.haier.fault(json!({ "kind": "hang", "endpoint": "H2", "product_code": codes[38] })).await;
    let mut stream = world.client().sync_products(prices()).await.unwrap().into_inner();
    let id = loop {
        let progress = within(stream.message()).await.unwrap().unwrap();
        if progress.success_count == 35 {
            break progress.sync_log_id;
        }
    };
    drop(stream);
    world.stop().await;
    // Which was decided on the other listing.
    world.haier.clear_faults().await;
    world.haier.fault(bad(&codes[3])).await;
    world.serve().await;
    let end = world.watch(id).await.pop().unwrap();
    assert_eq!((end.total_count, end.success_count, end.failed_count), (45, 44, 1), "{}", end.message);
    assert_eq!(codes_failed(&world, id).await, [(codes[42].clone(), 1)]);
    world.haier.clear_faults().await;
    world.finish().await;
}

async fn a_token_call_that_hangs_holds_up_the_next_run_for_its_time_limit_only(plan: Plan) {
    let mut world = plan
        .settings(|settings| settings.upstream.token_timeout = Duration::from_millis(500))
        .prepare()
        .await;
    world.haier.fault(json!({ "kind": "hang", "endpoint": "H0", "count": 1 })).await;
    world.serve().await;
    world.haier.struck(1).await;
    let first = world.logs(ListSyncLogsRequest::default()).await.remove(0).id;
    assert_eq!(cancel(&world, first).await.end_reason, "CANCELLED");
    assert_eq!(world.sync(prices()).await.status(), SyncStatus::Success);
    world.finish().await;
}
