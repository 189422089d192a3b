//! What runs by itself: on a clock that is turned, over several replicas, and changed while it works.

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use haier_integration::{
    domain::clock::Clock as _,
    proto::{
        ActivateHaierConfigRequest, CheckStockRequest, CreateHaierConfigRequest, GetPricesRequest,
        HaierConfig, ListAuditEventsRequest, ListSchedulesRequest, ListSchedulesResponse,
        ListSyncLogsRequest, RunScheduleNowRequest, Schedule, ScheduleOutcome, SetProductAttentionRequest,
        SyncLog, SyncProductsRequest, SyncStatus, SyncType, UpdateScheduleRequest, schedule::Cadence,
    },
    sandbox::{CLIENT_ID, CUSTOMER_CODES, PASSWORD},
};
use prost_types::FieldMask;
use serde_json::json;
use tonic::{Code, Status};

use crate::support::{Plan, World, on_both_databases, refusal, violated, within};

on_both_databases!(
    every_slot_fires_once_over_all_replicas,
    what_was_missed_while_all_were_down_runs_once,
    a_schedule_is_changed_while_it_works,
    a_change_that_makes_no_sense_is_refused,
    where_a_run_is_under_way_a_schedule_is_skipped_and_says_so,
    what_is_new_or_back_gets_its_price_and_stock_at_once,
    only_what_is_due_is_asked_for,
    what_is_low_or_watched_is_asked_before_the_rest,
    the_rest_rotates_within_the_budget,
    a_switch_of_accounts_owes_a_full_sync,
);

pub(super) fn from_wire(time: prost_types::Timestamp) -> DateTime<Utc> {
    DateTime::from_timestamp(time.seconds, u32::try_from(time.nanos).unwrap()).unwrap()
}

async fn listed(world: &World) -> ListSchedulesResponse {
    world.administration().await.list_schedules(ListSchedulesRequest {}).await.unwrap().into_inner()
}

async fn schedule(world: &World, name: &str) -> Schedule {
    let all = listed(world).await.schedules;
    all.into_iter().find(|schedule| schedule.name == name).unwrap()
}

async fn update(world: &World, schedule: Schedule, paths: &[&str]) -> Result<Schedule, Status> {
    let update_mask = Some(FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() });
    let request = UpdateScheduleRequest { schedule: Some(schedule), update_mask };
    world.administration().await.update_schedule(request).await.map(tonic::Response::into_inner)
}

async fn run_now(world: &World, name: &str) -> Result<i64, Status> {
    let request = RunScheduleNowRequest { name: name.to_owned() };
    let answer = world.administration().await.run_schedule_now(request).await?;
    Ok(answer.into_inner().sync_log_id)
}

/// The logs of what schedules have started, oldest first.
async fn fired(world: &World) -> Vec<SyncLog> {
    let mut logs = world.logs(ListSyncLogsRequest { page_size: 1_000, ..Default::default() }).await;
    logs.retain(|log| log.trigger == "SCHEDULE");
    logs.reverse();
    logs
}

/// Waits until this holds.
async fn until(holds: impl AsyncFn() -> bool) {
    within(async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

/// Turns the clock to when the next schedule fires, and waits until all that is due has fired and run.
async fn next(world: &World) {
    let all = listed(world).await.schedules;
    let soonest = all
        .iter()
        .filter(|schedule| !schedule.paused)
        .filter_map(|schedule| schedule.next_at.map(from_wire))
        .min();
    world.clock().turn_to(soonest.unwrap());
    settled(world).await;
}

/// Waits until nothing is due any more and nothing runs.
async fn settled(world: &World) {
    until(async || {
        let now = world.clock().now();
        let due = |schedule: &Schedule| !schedule.paused && from_wire(schedule.next_at.unwrap()) <= now;
        let idle = !listed(world).await.schedules.iter().any(due);
        idle && world.database.number("SELECT count(*) FROM sync_runs").await == 0
    })
    .await;
}

async fn every_slot_fires_once_over_all_replicas(plan: Plan) {
    let world = plan.turned().start().await;
    let mut others = Vec::new();
    if world.database.is_postgres() {
        others = vec![world.replica().await, world.replica().await];
    }
    let begun = world.clock().now();
    while world.clock().now() < begun + TimeDelta::minutes(125) {
        next(&world).await;
    }
    // Two whole hours have gone by: slots are at whole hours and quarters.
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    let logs = fired(&world).await;
    for log in &logs {
        assert_eq!((log.status(), &*log.requested_by), (SyncStatus::Success, ""), "{log:?}");
        *times.entry(log.sync_type().as_str_name()).or_default() += 1;
    }
    // The first hour may strike so soon after the first loading that nothing is due.
    let hourly = 1..=3;
    assert!(hourly.contains(&times["SYNC_TYPE_PRICES"]), "{times:?}");
    // Listings hourly, and once a day the full one, which may be among them.
    assert!((2..=4).contains(&times["SYNC_TYPE_PRODUCTS"]), "{times:?}");
    // What is in front, if anything is, and the rest.
    assert!((8..=20).contains(&times["SYNC_TYPE_STOCK"]), "{times:?}");
    for one in listed(&world).await.schedules {
        let last = one.last_firing.clone().unwrap_or_default();
        assert!(
            last.outcome() == ScheduleOutcome::Started || one.name == "stock" || one.name == "full",
            "{one:?}"
        );
        let reach = one.reach.unwrap();
        if let Some(oldest) = reach.oldest_at.filter(|_| one.name == "prices" || one.name == "stock-rest") {
            let age = world.clock().now() - from_wire(oldest);
            assert!(
                age.num_seconds() <= reach.age.unwrap().seconds,
                "{}: {age} is older than promised",
                one.name
            );
            assert_eq!(reach.never_asked_count, 0, "{}", one.name);
        }
    }
    for service in others {
        within(Box::pin(service.stop())).await;
    }
    world.finish().await;
}

async fn what_was_missed_while_all_were_down_runs_once(plan: Plan) {
    let mut world = plan.turned().start().await;
    let before = fired(&world).await.len();
    world.stop().await;
    world.clock().turn(TimeDelta::days(3));
    world.serve().await;
    settled(&world).await;
    let mut names: Vec<_> = fired(&world).await.split_off(before).iter().map(|log| log.sync_type()).collect();
    names.sort_by_key(|kind| i32::from(*kind));
    names.dedup();
    assert!(fired(&world).await.len() - before <= 5, "each schedule at most once");
    assert!(names.contains(&SyncType::Products) && names.contains(&SyncType::Prices), "{names:?}");
    world.finish().await;
}

async fn a_schedule_is_changed_while_it_works(plan: Plan) {
    let world = plan.turned().start().await;
    let before = schedule(&world, "prices").await;
    let cadence = Some(Cadence::DailyAt("04:30".to_owned()));
    let daily =
        Schedule { name: "prices".to_owned(), cadence, etag: before.etag.clone(), ..Schedule::default() };
    let changed = update(&world, daily.clone(), &["daily_at", "jitter"]).await.unwrap();
    // In Shanghai, eight hours ahead.
    assert_eq!(from_wire(changed.next_at.unwrap()).format("%H:%M:%S").to_string(), "20:30:00");
    assert_ne!(changed.etag, before.etag);
    let refused = update(&world, daily, &["daily_at"]).await.unwrap_err();
    assert_eq!(refusal(&refused).1, "ETAG_MISMATCH");

    let name = || "prices".to_owned();
    let paused = Schedule { name: name(), paused: true, ..Schedule::default() };
    update(&world, paused, &["paused"]).await.unwrap();
    world.clock().turn(TimeDelta::days(2));
    settled(&world).await;
    let stays = schedule(&world, "prices").await;
    assert!(stays.paused && stays.last_firing.is_none(), "{stays:?}");
    // Resumed, it goes on from its next time and does not catch up.
    let resumed = Schedule { name: name(), ..Schedule::default() };
    let resumed = update(&world, resumed, &["paused"]).await.unwrap();
    assert!(from_wire(resumed.next_at.unwrap()) > world.clock().now());
    // By hand at any time.
    let id = run_now(&world, "prices").await.unwrap();
    assert_eq!(world.watch(id).await.pop().unwrap().status(), SyncStatus::Success);
    assert_eq!(schedule(&world, "prices").await.last_firing.unwrap().sync_log_id, id);

    let request = ListAuditEventsRequest { action: "schedule.update".to_owned(), ..Default::default() };
    let events = world.administration().await.list_audit_events(request).await.unwrap().into_inner();
    let told: Vec<_> = events.audit_events.iter().map(|event| &*event.changes[0].field).collect();
    assert_eq!(told, ["paused", "paused", "cadence"]);
    settled(&world).await;
    world.finish().await;
}

async fn a_change_that_makes_no_sense_is_refused(plan: Plan) {
    let world = plan.start().await;
    let refuse = async |schedule: Schedule, paths: &[&str]| {
        let refused = update(&world, schedule, paths).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        violated(&refused)
    };
    let span = |seconds| Some(prost_types::Duration { seconds, nanos: 0 });
    let nothing = Schedule { name: "nightly".to_owned(), ..Schedule::default() };
    assert_eq!(refuse(nothing, &["jitters"]).await, ["schedule.name", "update_mask"]);
    let short = Schedule {
        name: "stock".to_owned(),
        cadence: span(30).map(Cadence::Every),
        jitter: span(60),
        ..Schedule::default()
    };
    assert_eq!(refuse(short, &["*"]).await, ["schedule.every", "schedule.jitter"]);
    let late = Schedule {
        name: "full".to_owned(),
        cadence: Some(Cadence::DailyAt("25:00".to_owned())),
        ..Schedule::default()
    };
    assert_eq!(refuse(late, &["daily_at"]).await, ["schedule.daily_at"]);
    assert_eq!(run_now(&world, "nightly").await.unwrap_err().code(), Code::InvalidArgument);
    world.finish().await;
}

async fn where_a_run_is_under_way_a_schedule_is_skipped_and_says_so(plan: Plan) {
    let world = plan.turned().start().await;
    // It would hang too, if this happens to be its hour.
    let paused = Schedule { name: "full".to_owned(), paused: true, ..Schedule::default() };
    update(&world, paused, &["paused"]).await.unwrap();
    world.haier.fault(json!({ "kind": "hang", "endpoint": "H2" })).await;
    let request = SyncProductsRequest { kind: SyncType::Prices.into(), ..SyncProductsRequest::default() };
    let mut stream = world.client().sync_products(request).await.unwrap().into_inner();
    let open = within(stream.message()).await.unwrap().unwrap().sync_log_id;
    world.haier.struck(1).await;
    let due = schedule(&world, "prices").await.next_at.unwrap();
    world.clock().turn_to(from_wire(due));
    until(async || schedule(&world, "prices").await.last_firing.is_some()).await;
    let last = schedule(&world, "prices").await.last_firing.unwrap();
    assert_eq!((last.outcome(), last.sync_log_id), (ScheduleOutcome::Skipped, open), "{last:?}");
    assert!(last.detail.contains(&open.to_string()), "{last:?}");
    let refused = run_now(&world, "prices").await.unwrap_err();
    assert_eq!(refusal(&refused).1, "RUN_IN_PROGRESS");
    world.haier.clear_faults().await;
    let cancel = haier_integration::proto::CancelSyncRequest { sync_log_id: open };
    world.client().cancel_sync(cancel).await.unwrap();
    settled(&world).await;
    world.finish().await;
}

async fn what_is_new_or_back_gets_its_price_and_stock_at_once(plan: Plan) {
    let world = plan.start().await;
    let calls = async || (world.haier.calls("H2").await, world.haier.calls("H3").await);
    let before = calls().await;
    world.haier.change(json!({ "add": 2 })).await;
    let id = run_now(&world, "new-products").await.unwrap();
    let end = world.watch(id).await.pop().unwrap();
    assert_eq!((end.status(), end.total_count, end.success_count), (SyncStatus::Success, 47, 47));
    let asked = (before.0 + 1, before.1 + 2);
    assert_eq!(calls().await, asked, "nothing is asked of what was stored before");
    let priced = world.products().await.into_iter().filter(|product| product.stock.is_some());
    assert_eq!(priced.filter(|product| product.supply_price.is_some()).count(), 2);
    // What is known of a product that comes back is as old as its going.
    let code = world.codes(1).await.remove(0);
    for (change, asked) in [("withdraw", asked), ("restore", (asked.0 + 1, asked.1 + 1))] {
        world.haier.change(json!({ change: [&code] })).await;
        let id = run_now(&world, "new-products").await.unwrap();
        assert_eq!(world.watch(id).await.pop().unwrap().status(), SyncStatus::Success);
        assert_eq!(calls().await, asked, "{change}");
    }
    world.finish().await;
}

async fn only_what_is_due_is_asked_for(plan: Plan) {
    let world = plan.turned().settings(|settings| settings.schedules.enabled = false).start().await;
    let id = run_now(&world, "prices").await.unwrap();
    assert_eq!(world.watch(id).await.pop().unwrap().total_count, 0, "all of it was asked for just now");
    world.clock().turn(TimeDelta::minutes(40));
    let live = world.codes(3).await;
    let request = GetPricesRequest { product_codes: live };
    world.client().get_prices(request).await.unwrap();
    // Whoever reads afterwards reads what was learnt.
    world.codes(1).await;
    let id = run_now(&world, "prices").await.unwrap();
    assert_eq!(world.watch(id).await.pop().unwrap().total_count, 42);
    world.finish().await;
}

async fn what_is_low_or_watched_is_asked_before_the_rest(plan: Plan) {
    let world = plan.turned().settings(|settings| settings.schedules.enabled = false).start().await;
    let first = run_now(&world, "stock-rest").await.unwrap();
    assert_eq!(world.watch(first).await.pop().unwrap().total_count, 45);
    let low = |threshold: i64| {
        format!("SELECT count(*) FROM stock_levels WHERE county_code = '110101' AND stock < {threshold}")
    };
    let low = world.database.number(&low(5)).await;
    let full =
        world.products().await.into_iter().filter(|product| product.stock.is_some_and(|stock| stock >= 5));
    let codes: Vec<_> = full.map(|product| product.product_code).take(3).collect();
    let request = |codes: &[String], watched, low_stock| SetProductAttentionRequest {
        product_codes: codes.to_vec(),
        watched,
        low_stock,
        reset_low_stock: false,
    };
    let mut administration = world.administration().await;
    let asked = [&codes[..2], &["NO-SUCH".to_owned()]].concat();
    let set =
        administration.set_product_attention(request(&asked, Some(true), None)).await.unwrap().into_inner();
    assert_eq!((set.products.len(), &set.missing_codes[..]), (2, &["NO-SUCH".to_owned()][..]));
    assert!(set.products.iter().all(|product| product.watched && product.low_stock.is_none()));
    administration.set_product_attention(request(&codes[2..], None, Some(1_000_000))).await.unwrap();
    let reach = schedule(&world, "stock").await.reach.unwrap();
    assert_eq!(reach.product_count, low + 3);

    world.clock().turn(TimeDelta::minutes(10));
    let id = run_now(&world, "stock").await.unwrap();
    assert_eq!(world.watch(id).await.pop().unwrap().total_count, low + 3);
    // A live look at one of the rest is as good as a run's.
    let rest = 45 - (low + 3);
    let mut looked = world.products().await.into_iter().map(|product| product.product_code);
    let one = looked.rfind(|code| !codes.contains(code)).unwrap();
    let _ = world.client().check_stock(CheckStockRequest { product_code: one, ..Default::default() }).await;
    let id = run_now(&world, "stock-rest").await.unwrap();
    let left = world.watch(id).await.pop().unwrap().total_count;
    assert!(left == rest || left == rest - 1, "{left} of {rest}");
    world.finish().await;
}

async fn the_rest_rotates_within_the_budget(plan: Plan) {
    let plan = plan.turned().settings(|settings| {
        settings.schedules.enabled = false;
        // A call in ten seconds for what runs by itself.
        settings.upstream_rate = 10;
        settings.schedules.budget_percent = 1;
    });
    let world = plan.start().await;
    let period = prost_types::Duration { seconds: 120, nanos: 0 };
    let cadence = Some(Cadence::Every(period));
    let often = Schedule { name: "stock-rest".to_owned(), cadence, ..Schedule::default() };
    update(&world, often, &["every", "jitter"]).await.unwrap();
    let mut never_asked = 45;
    for _ in 0..2 {
        let reach = schedule(&world, "stock-rest").await.reach.unwrap();
        assert_eq!((reach.product_count, reach.never_asked_count), (45, never_asked));
        assert!((8..=12).contains(&reach.products_at_a_time), "{reach:?}");
        assert!(reach.age.unwrap().seconds >= 4 * period.seconds, "{reach:?}");
        let id = run_now(&world, "stock-rest").await.unwrap();
        let end = world.watch(id).await.pop().unwrap();
        assert_eq!((end.status(), end.total_count), (SyncStatus::Success, reach.products_at_a_time));
        never_asked -= end.total_count;
        world.clock().turn(TimeDelta::minutes(2));
    }
    world.finish().await;
}

async fn a_switch_of_accounts_owes_a_full_sync(plan: Plan) {
    let world = plan.keyed().turned().start().await;
    let secret = || PASSWORD.to_owned();
    let config = HaierConfig {
        name: "second".to_owned(),
        client_id: CLIENT_ID.to_owned(),
        client_secret: secret(),
        base_url: world.haier.base_url(),
        customer_code: CUSTOMER_CODES[1].to_owned(),
        password: secret(),
        seller_password: secret(),
        ..HaierConfig::default()
    };
    let mut administration = world.administration().await;
    let create = CreateHaierConfigRequest { haier_config: Some(config), validate_only: false };
    administration.create_haier_config(create).await.unwrap();
    // It waits for a run over the catalogue that is under way, and for nothing else.
    world.haier.fault(json!({ "kind": "hang", "endpoint": "H1" })).await;
    let mut stream = world.client().sync_products(SyncProductsRequest::default()).await.unwrap().into_inner();
    let open = within(stream.message()).await.unwrap().unwrap().sync_log_id;
    world.haier.struck(1).await;
    let paused = Schedule { name: "full".to_owned(), paused: true, ..Schedule::default() };
    update(&world, paused, &["paused"]).await.unwrap();
    let activate = ActivateHaierConfigRequest { name: "second".to_owned(), ..Default::default() };
    administration.activate_haier_config(activate).await.unwrap();
    assert_eq!(schedule(&world, "full").await.wanted, "ACCOUNT_SWITCH");
    world.haier.clear_faults().await;
    let cancel = haier_integration::proto::CancelSyncRequest { sync_log_id: open };
    world.client().cancel_sync(cancel).await.unwrap();
    until(async || schedule(&world, "full").await.wanted.is_empty()).await;
    let last = schedule(&world, "full").await.last_firing.unwrap();
    world.watch(last.sync_log_id).await;
    let log = world.log(last.sync_log_id).await;
    assert_eq!(
        (&*log.trigger, &*log.account, log.status()),
        ("ACCOUNT_SWITCH", "second", SyncStatus::Success)
    );
    settled(&world).await;
    world.finish().await;
}
