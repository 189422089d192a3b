//! What would change too much is set aside, and a person decides: nothing of it is visible before, and all of it after.

use std::time::Duration;

use haier_integration::proto::{
    ApproveRunRequest, DiscardRunRequest, FieldChange, HeldFinding, HeldRun, HeldRunDecision,
    ListHeldFindingsRequest, ListHeldRunsRequest, ProductChangeKind, Role, RunScheduleNowRequest, SyncLog,
    SyncProductsRequest, SyncProgress, SyncStatus, SyncType,
};
use serde_json::{Value, json};
use tonic::{Code, Status};

use crate::support::{Plan, World, bearing, on_both_databases, refusal, within};

on_both_databases!(
    so_many_delistings_pass_and_more_wait_for_a_person,
    so_many_far_prices_pass_and_more_wait_for_a_person,
    newcomers_make_nothing_look_small,
    what_is_discarded_is_dropped,
    what_nobody_decides_expires,
    a_restart_loses_nothing_of_what_was_set_aside,
    what_haier_says_later_wins_over_what_was_approved,
    of_two_operators_one_decides,
    a_later_run_is_held_in_the_place_of_an_earlier_one,
    a_listing_alone_takes_no_prices_from_a_run_that_waits,
    a_run_that_does_not_reach_its_end_forgets_what_it_set_aside,
    held_runs_are_for_operators,
);

fn prices() -> SyncProductsRequest {
    SyncProductsRequest { sync_prices: true, ..Default::default() }
}

fn only_prices() -> SyncProductsRequest {
    SyncProductsRequest { kind: SyncType::Prices.into(), ..Default::default() }
}

async fn held(world: &World, include_decided: bool) -> Vec<HeldRun> {
    let request = ListHeldRunsRequest { include_decided, ..Default::default() };
    world.administration().await.list_held_runs(request).await.unwrap().into_inner().held_runs
}

async fn findings(world: &World, sync_log_id: i64) -> Vec<HeldFinding> {
    let request = ListHeldFindingsRequest { sync_log_id, page_size: 1_000, ..Default::default() };
    world.administration().await.list_held_findings(request).await.unwrap().into_inner().findings
}

async fn approve(world: &World, sync_log_id: i64) -> Result<SyncLog, Status> {
    let request = ApproveRunRequest { sync_log_id };
    within(world.administration().await.approve_run(request)).await.map(tonic::Response::into_inner)
}

async fn discard(world: &World, sync_log_id: i64) -> Result<HeldRun, Status> {
    let request = DiscardRunRequest { sync_log_id };
    within(world.administration().await.discard_run(request)).await.map(tonic::Response::into_inner)
}

/// Approves a held run and follows the one that applies it.
async fn applied(world: &World, sync_log_id: i64) -> SyncProgress {
    let child = approve(world, sync_log_id).await.unwrap();
    assert_eq!((child.trigger.as_str(), child.parent_id), ("APPROVAL", Some(sync_log_id)));
    world.watch(child.id).await.pop().unwrap()
}

async fn end_reason(world: &World, end: &SyncProgress) -> String {
    world.log(end.sync_log_id).await.end_reason
}

async fn delisted(world: &World) -> usize {
    world.products().await.iter().filter(|product| product.delisted_at.is_some()).count()
}

async fn supply_price(world: &World, code: &str) -> i64 {
    world.product(code).await.supply_price.map_or(0, |price| price.units)
}

/// Codes that have a supply price, and what it is.
async fn priced(world: &World, count: usize) -> Vec<(String, i64)> {
    let products = world.products().await;
    let all = products.iter().filter_map(|product| Some((product, product.supply_price.as_ref()?.units)));
    let some: Vec<_> = all
        .filter(|(_, price)| *price > 100)
        .map(|(product, price)| (product.product_code.clone(), price))
        .collect();
    assert!(some.len() >= count, "{} have a price", some.len());
    some.into_iter().take(count).collect()
}

/// Prices times so many percent.
fn times(priced: &[(String, i64)], percent: i64) -> Value {
    let each = priced
        .iter()
        .map(|(code, price)| (code.clone(), json!({ "supplyPrice": (price * percent / 100).to_string() })));
    json!({ "prices": each.collect::<serde_json::Map<_, _>>() })
}

async fn entries(world: &World) -> i64 {
    world.database.number("SELECT count(*) FROM product_changes").await
}

fn hundred(plan: Plan) -> Plan {
    plan.products(100)
}

async fn so_many_delistings_pass_and_more_wait_for_a_person(plan: Plan) {
    let world = hundred(plan).start().await;
    assert_eq!(held(&world, true).await, [], "a first loading is exempt");
    let codes = world.codes(11).await;
    world.haier.change(json!({ "withdraw": codes[..5] })).await;
    let end = world.sync(prices()).await;
    assert_eq!((end.status(), delisted(&world).await), (SyncStatus::Success, 5));

    // 6 of 95; beside it a price that may move, and is written.
    let before = entries(&world).await;
    let (code, price) = priced(&world, 20).await.pop().unwrap();
    world.haier.change(json!({ "withdraw": codes[5..], "prices": { &code: { "supplyPrice": (price + 1).to_string() } } })).await;
    let end = world.sync(prices()).await;
    assert_eq!((end.status(), end_reason(&world, &end).await.as_str()), (SyncStatus::Partial, "HELD"));
    assert!(end.message.starts_with("HELD 待确认：成功 89"), "{}", end.message);
    assert!(end.message.contains("；暂未写入：下架 6 个（共 95 个，6.3%）"), "{}", end.message);
    assert_eq!((delisted(&world).await, supply_price(&world, &code).await), (5, price + 1));
    assert_eq!(entries(&world).await, before + 1);

    let run = held(&world, false).await.remove(0);
    assert_eq!(run.sync_log_id, end.sync_log_id);
    assert_eq!((run.delisted_count, run.listed_count, run.moved_count), (6, 95, 0));
    let set_aside = findings(&world, run.sync_log_id).await;
    let gone: Vec<_> = set_aside.iter().map(|finding| finding.product_code.as_str()).collect();
    assert_eq!(gone, codes[5..]);
    assert!(set_aside.iter().all(|finding| finding.kind() == ProductChangeKind::Delisted));

    let end = applied(&world, run.sync_log_id).await;
    assert_eq!((end.status(), end.success_count, end.total_count), (SyncStatus::Success, 6, 6));
    assert!(end.message.contains("6 个商品已下架"), "{}", end.message);
    assert_eq!((delisted(&world).await, entries(&world).await), (11, before + 7));
    let run = held(&world, true).await.remove(0);
    assert_eq!((run.decision(), run.successor_id), (HeldRunDecision::Approved, Some(end.sync_log_id)));
    assert_eq!(world.sync(prices()).await.status(), SyncStatus::Success, "nothing is left to hold");
    world.finish().await;
}

async fn newcomers_make_nothing_look_small(plan: Plan) {
    let world = hundred(plan).start().await;
    let codes = world.codes(6).await;
    world.haier.change(json!({ "withdraw": codes, "add": 100 })).await;
    let end = world.sync(prices()).await;
    assert_eq!(end_reason(&world, &end).await, "HELD");
    let run = held(&world, false).await.remove(0);
    assert_eq!((run.delisted_count, run.listed_count), (6, 100));
    world.finish().await;
}

async fn so_many_far_prices_pass_and_more_wait_for_a_person(plan: Plan) {
    let world = hundred(plan).start().await;
    let priced_count =
        world.products().await.iter().filter(|product| product.display_price.is_some()).count();
    let some = priced(&world, 22).await;
    let few = priced_count / 10;
    world.haier.change(times(&some[..few], 150)).await;
    let end = world.sync(only_prices()).await;
    assert_eq!((end.status(), end_reason(&world, &end).await.as_str()), (SyncStatus::Success, "COMPLETED"));
    for (code, price) in &some[..few] {
        assert_eq!(supply_price(&world, code).await, price * 3 / 2);
    }

    let many = &some[few..][..few + 1];
    world.haier.change(times(many, 60)).await;
    let (near, price) = &some[0];
    world
        .haier
        .change(json!({ "prices": { near: { "supplyPrice": (price * 3 / 2 + 1).to_string() } } }))
        .await;
    let end = world.sync(only_prices()).await;
    assert_eq!(end_reason(&world, &end).await, "HELD");
    assert_eq!(end.success_count, 100);
    for (code, price) in many {
        assert_eq!(supply_price(&world, code).await, *price, "it waits");
    }
    assert_eq!(supply_price(&world, near).await, price * 3 / 2 + 1, "the rest is written");
    let set_aside = findings(&world, end.sync_log_id).await;
    assert_eq!(set_aside.len(), many.len());
    let FieldChange { field, old, new } = &set_aside[0].changes[0];
    assert_eq!((field.as_str(), old.is_some(), new.is_some()), ("supply_price", true, true));

    let end = applied(&world, end.sync_log_id).await;
    assert_eq!((end.status(), end.success_count), (SyncStatus::Success, few as i64 + 1));
    for (code, price) in many {
        assert_eq!(supply_price(&world, code).await, price * 60 / 100);
    }
    world.finish().await;
}

/// A run that is held because too much is gone.
async fn held_run(world: &World) -> i64 {
    let codes = world.codes(6).await;
    world.haier.change(json!({ "withdraw": codes })).await;
    let end = world.sync(SyncProductsRequest::default()).await;
    assert_eq!(end_reason(world, &end).await, "HELD");
    end.sync_log_id
}

async fn what_is_discarded_is_dropped(plan: Plan) {
    let world = plan.start().await;
    let id = held_run(&world).await;
    let run = discard(&world, id).await.unwrap();
    assert_eq!((run.decision(), run.decided_by.as_str()), (HeldRunDecision::Discarded, "local"));
    assert_eq!((held(&world, false).await.len(), delisted(&world).await), (0, 0));
    assert_eq!(findings(&world, id).await, []);
    let refused = approve(&world, id).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::FailedPrecondition, "NOT_HELD".to_owned()));
    let unknown = approve(&world, 1).await.unwrap_err();
    assert_eq!(refusal(&unknown), (Code::NotFound, "NOT_FOUND".to_owned()));
    world.finish().await;
}

async fn what_nobody_decides_expires(plan: Plan) {
    let mut world = plan.start().await;
    let id = held_run(&world).await;
    world.stop().await;
    world.database.execute("UPDATE held_runs SET expires_at = held_at").await.unwrap();
    // Housekeeping looks at once.
    world.serve().await;
    let expired = async {
        while held(&world, true).await[0].decision() != HeldRunDecision::Expired {
            tokio::task::yield_now().await;
        }
    };
    within(expired).await;
    assert_eq!(world.database.number("SELECT count(*) FROM held_findings").await, 0);
    let refused = approve(&world, id).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::FailedPrecondition, "NOT_HELD".to_owned()));
    world.finish().await;
}

async fn a_restart_loses_nothing_of_what_was_set_aside(plan: Plan) {
    let mut world = hundred(plan)
        .settings(|settings| {
            settings.sync.calls_in_flight = 1;
            settings.sync.flush_interval = Duration::from_millis(10);
        })
        .start()
        .await;
    let mut codes = world.codes(100).await;
    codes.sort();
    let some = priced(&world, 20).await;
    world.haier.change(times(&some, 200)).await;
    // The last batch never comes back.
    world.haier.fault(json!({ "kind": "hang", "endpoint": "H2", "product_code": codes[99] })).await;
    let mut stream = world.client().sync_products(only_prices()).await.unwrap().into_inner();
    let id = loop {
        let progress = within(stream.message()).await.unwrap().unwrap();
        if progress.success_count == 80 {
            break progress.sync_log_id;
        }
    };
    drop(stream);
    world.stop().await;
    world.haier.clear_faults().await;
    world.serve().await;
    world.watch(id).await;
    assert_eq!(findings(&world, id).await.len(), 20);
    let end = applied(&world, id).await;
    assert_eq!((end.status(), end.success_count), (SyncStatus::Success, 20));
    assert_eq!(supply_price(&world, &some[0].0).await, some[0].1 * 2);
    world.finish().await;
}

async fn what_haier_says_later_wins_over_what_was_approved(plan: Plan) {
    let world = hundred(plan).start().await;
    let some = priced(&world, 20).await;
    world.haier.change(times(&some, 200)).await;
    let id = world.sync(only_prices()).await.sync_log_id;
    // One goes back, and is heard of.
    world.haier.change(times(&some[..1], 100)).await;
    let by_code = SyncProductsRequest { product_codes: vec![some[0].0.clone()], ..only_prices() };
    assert_eq!(world.sync(by_code).await.status(), SyncStatus::Success);
    let end = applied(&world, id).await;
    assert_eq!((end.status(), end.success_count, end.failed_count), (SyncStatus::Partial, 19, 1));
    let failure = world.failures(end.sync_log_id).await.remove(0);
    assert_eq!((&failure.product_code, failure.reason.as_str()), (&some[0].0, "OVERTAKEN"));
    assert_eq!(supply_price(&world, &some[0].0).await, some[0].1);
    assert_eq!(supply_price(&world, &some[1].0).await, some[1].1 * 2);
    world.finish().await;
}

async fn of_two_operators_one_decides(plan: Plan) {
    let world = plan.start().await;
    let id = held_run(&world).await;
    let (one, other) = tokio::join!(approve(&world, id), approve(&world, id));
    let (child, refused) = match (one, other) {
        (Ok(child), Err(refused)) | (Err(refused), Ok(child)) => (child, refused),
        both => panic!("{both:?}"),
    };
    assert_eq!(refusal(&refused), (Code::FailedPrecondition, "NOT_HELD".to_owned()));
    assert!(refused.message().contains(&child.id.to_string()), "{}", refused.message());
    world.watch(child.id).await;
    assert_eq!(delisted(&world).await, 6);
    world.finish().await;
}

async fn a_later_run_is_held_in_the_place_of_an_earlier_one(plan: Plan) {
    let world = plan.start().await;
    let first = held_run(&world).await;
    let second = world.sync(SyncProductsRequest::default()).await.sync_log_id;
    let waiting: Vec<_> = held(&world, false).await.into_iter().map(|run| run.sync_log_id).collect();
    assert_eq!(waiting, [second]);
    let refused = approve(&world, first).await.unwrap_err();
    assert!(refused.message().contains(&second.to_string()), "{}", refused.message());
    assert_eq!(applied(&world, second).await.status(), SyncStatus::Success);
    assert_eq!(delisted(&world).await, 6);
    world.finish().await;
}

async fn a_listing_alone_takes_no_prices_from_a_run_that_waits(plan: Plan) {
    let world = hundred(plan).start().await;
    let some = priced(&world, 20).await;
    let gone: Vec<_> =
        world.codes(100).await.into_iter().filter(|code| some.iter().all(|(of, _)| of != code)).collect();
    world.haier.change(times(&some, 200)).await;
    world.haier.change(json!({ "withdraw": gone[..6] })).await;
    let full = world.sync(prices()).await.sync_log_id;
    let request = RunScheduleNowRequest { name: "new-products".to_owned() };
    let listing =
        world.administration().await.run_schedule_now(request).await.unwrap().into_inner().sync_log_id;
    world.watch(listing).await;
    let waiting: Vec<_> = held(&world, false).await.into_iter().map(|run| run.sync_log_id).collect();
    assert_eq!(waiting, [listing, full]);
    let end = applied(&world, full).await;
    assert_eq!((end.status(), end.success_count), (SyncStatus::Success, 26), "{}", end.message);
    assert_eq!((delisted(&world).await, supply_price(&world, &some[0].0).await), (6, some[0].1 * 2));
    assert_eq!(applied(&world, listing).await.success_count, 6, "they are as they should be");
    world.finish().await;
}

async fn a_run_that_does_not_reach_its_end_forgets_what_it_set_aside(plan: Plan) {
    let world = plan
        .settings(|settings| {
            settings.sync.calls_in_flight = 1;
            settings.sync.flush_interval = Duration::from_millis(10);
        })
        .start()
        .await;
    let mut codes = world.codes(45).await;
    codes.sort();
    let some = priced(&world, 20).await;
    world.haier.change(times(&some, 200)).await;
    world.haier.fault(json!({ "kind": "hang", "endpoint": "H2", "product_code": codes[44] })).await;
    let mut stream = world.client().sync_products(only_prices()).await.unwrap().into_inner();
    let sync_log_id = loop {
        let progress = within(stream.message()).await.unwrap().unwrap();
        if progress.success_count == 40 {
            break progress.sync_log_id;
        }
    };
    let request = haier_integration::proto::CancelSyncRequest { sync_log_id };
    within(world.client().cancel_sync(request)).await.unwrap();
    world.haier.clear_faults().await;
    assert_eq!(world.database.number("SELECT count(*) FROM held_findings").await, 0);
    assert_eq!(held(&world, true).await, []);
    world.finish().await;
}

async fn held_runs_are_for_operators(plan: Plan) {
    let world = plan.start().await;
    let sync_log_id = held_run(&world).await;
    let root = world.make_admin().await;
    let li = world.make_token(&root, "li", Role::Reader).await;
    let mei = world.make_token(&root, "mei", Role::Operator).await;
    let mut client = world.administration().await;
    let refused = client.list_held_runs(bearing(&li, ListHeldRunsRequest::default())).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::PermissionDenied, "PERMISSION_DENIED".to_owned()));
    let runs = client.list_held_runs(bearing(&mei, ListHeldRunsRequest::default())).await.unwrap();
    assert_eq!(runs.into_inner().held_runs.len(), 1);
    let request = ListHeldFindingsRequest { sync_log_id, ..Default::default() };
    let set_aside = client.list_held_findings(bearing(&mei, request)).await.unwrap();
    assert_eq!(set_aside.into_inner().findings.len(), 6);
    let refused = client.approve_run(bearing(&li, ApproveRunRequest { sync_log_id })).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::PermissionDenied, "PERMISSION_DENIED".to_owned()));
    let refused = client.discard_run(bearing(&li, DiscardRunRequest { sync_log_id })).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let run = client.discard_run(bearing(&mei, DiscardRunRequest { sync_log_id })).await.unwrap();
    assert_eq!(run.into_inner().decided_by, "mei");
    let recorded = "SELECT count(*) FROM audit_events WHERE action = 'sync.discard' AND caller = 'mei'";
    assert_eq!(world.database.number(recorded).await, 1);
    world.finish().await;
}
