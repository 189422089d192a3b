//! Orders that cannot be sent for a cause of ours: they wait, say why, leave no fact, and are not given up for it.

use std::time::Duration;

use chrono::TimeDelta;
use haier_integration::{
    proto::{ListOrderFactsRequest, OrderState, PauseUpstreamRequest, ResumeUpstreamRequest, UpstreamTarget},
    store::order_pushes::{self, ClaimLimits, Claimable, PushScope},
};
use serde_json::json;

use super::{accept, administration, booked, get, hurried, kinds, on_sale, order, push, shop, until};
use crate::support::{Plan, World, on_both_databases, within};

on_both_databases!(
    a_pause_longer_than_the_deadline_gives_nothing_up,
    a_pause_that_ends_sooner_holds_nothing_back,
    an_open_breaker_costs_no_attempt_and_says_why,
    an_order_without_an_account_waits_and_says_why,
    what_a_lost_worker_began_is_ended_while_orders_are_paused,
    changes_that_are_due_starve_no_probe,
    a_night_of_silence_leaves_few_facts,
    facts_come_in_pages,
    an_order_that_haier_never_confirms_is_warned_of_once,
    a_doubt_beyond_its_deadline_is_told_while_orders_are_paused,
);

async fn pause(world: &World) {
    let pause = PauseUpstreamRequest { target: UpstreamTarget::OrderPush.into(), ..Default::default() };
    administration(world).await.pause_upstream(pause).await.unwrap();
}

async fn resume(world: &World) {
    let resume = ResumeUpstreamRequest { target: UpstreamTarget::OrderPush.into() };
    administration(world).await.resume_upstream(resume).await.unwrap();
}

async fn a_pause_longer_than_the_deadline_gives_nothing_up(plan: Plan) {
    let world = plan.turned().settings(hurried).start().await;
    let code = on_sale(&world).await;
    pause(&world).await;
    let accepted = accept(&world, order("SO-1", &code)).await.unwrap();
    let waiting = get(&mut world.client(), "SO-1").await;
    assert_eq!(waiting.state(), OrderState::Accepted);
    assert!(waiting.last_error.starts_with("PAUSED") && waiting.next_attempt_at.is_some(), "{waiting:?}");
    // The deadline is a day; then Haier is busy for a moment.
    world.clock().turn(TimeDelta::days(3));
    assert!(kinds(&world, "SO-1").await.is_empty());
    let busy = json!({ "endpoint": "Y1", "kind": "throttled_without_retry_after", "count": 3 });
    world.haier.fault(busy).await;
    resume(&world).await;
    let pushed = until(&mut world.client(), "SO-1", OrderState::Pushed).await;
    assert_eq!(kinds(&world, "SO-1").await, ["push_began", "push_ended", "push_began", "push_ended"]);
    let moved = pushed.deadline.unwrap().seconds - accepted.deadline.unwrap().seconds;
    assert!((3 * 86_400 - 10..3 * 86_400 + 3_600).contains(&moved), "moved by {moved} s");
    assert_eq!(booked(&world.haier, "SO-1").await.len(), 1);
    world.finish_leaving_open().await;
}

async fn a_pause_that_ends_sooner_holds_nothing_back(plan: Plan) {
    let world = plan.settings(hurried).start().await;
    let code = on_sale(&world).await;
    pause(&world).await;
    accept(&world, order("SO-1", &code)).await.unwrap();
    // As an order is left that was in hand when a long pause began.
    let deferred = "UPDATE order_pushes SET epoch = 1, deferred_reason = 'PAUSED', deferred_words = 'stocktaking', \
                    next_attempt_at = '2100-01-01T00:00:00.000000Z'";
    world.database.execute(deferred).await.unwrap();
    resume(&world).await;
    until(&mut world.client(), "SO-1", OrderState::Pushed).await;
    world.finish().await;
}

async fn an_open_breaker_costs_no_attempt_and_says_why(plan: Plan) {
    let world = plan
        .settings(hurried)
        .settings(|settings| {
            settings.upstream.breaker_failures = 2;
            settings.upstream.breaker_open = Duration::from_secs(3_600);
        })
        .start()
        .await;
    let code = on_sale(&world).await;
    world.haier.fault(json!({ "endpoint": "Y1", "kind": "unavailable" })).await;
    for so_id in ["SO-1", "SO-2"] {
        accept(&world, order(so_id, &code)).await.unwrap();
        until(&mut world.client(), so_id, OrderState::InDoubt).await;
    }
    let before = world.haier.calls("Y1").await;
    accept(&world, order("SO-3", &code)).await.unwrap();
    let waiting = get(&mut world.client(), "SO-3").await;
    assert!(waiting.last_error.starts_with("BREAKER_OPEN"), "{waiting:?}");
    let (next, now) = (waiting.next_attempt_at.unwrap().seconds, waiting.created_at.unwrap().seconds);
    assert!(next > now + 3_000, "it is not tried before the breaker lets it pass");
    let doubted = get(&mut world.client(), "SO-1").await;
    assert!(doubted.last_error.starts_with("BREAKER_OPEN"), "{}", doubted.last_error);
    assert!(doubted.last_error.contains("before that SERVER_ERROR"), "{}", doubted.last_error);
    // Nothing came of any of them, and nothing was written.
    assert!(kinds(&world, "SO-3").await.is_empty());
    assert_eq!(world.haier.calls("Y1").await, before);
    world.finish_leaving_open().await;
}

async fn an_order_without_an_account_waits_and_says_why(plan: Plan) {
    let plan = plan.settings(|settings| settings.orders.deadline = Duration::from_millis(200));
    let (mut world, code) = shop(plan).await;
    pause(&world).await;
    accept(&world, order("SO-1", &code)).await.unwrap();
    world.stop().await;
    let account = world.settings.account.take();
    world.serve().await;
    resume(&world).await;
    let waits = within(async {
        loop {
            let waiting = get(&mut world.client(), "SO-1").await;
            if waiting.last_error.starts_with("NOT_CONFIGURED") {
                return waiting;
            }
        }
    });
    assert_eq!(waits.await.state(), OrderState::Accepted);
    assert!(kinds(&world, "SO-1").await.is_empty());
    world.stop().await;
    world.settings.account = account;
    world.serve().await;
    until(&mut world.client(), "SO-1", OrderState::Pushed).await;
    assert_eq!(booked(&world.haier, "SO-1").await.len(), 1);
    world.finish().await;
}

async fn what_a_lost_worker_began_is_ended_while_orders_are_paused(plan: Plan) {
    let (world, code) = shop(plan).await;
    pause(&world).await;
    accept(&world, order("SO-1", &code)).await.unwrap();
    // As a worker leaves it that was killed in mid-send.
    let began = r#"{"attempt":1,"round":0,"account":"environment"}"#;
    let sql = format!(
        "INSERT INTO order_facts (order_id, seq, at, kind, data) \
         SELECT id, 1, created_at, 'push_began', '{began}' FROM orders"
    );
    world.database.execute(&sql).await.unwrap();
    let lost = "UPDATE order_pushes SET worker = 'gone', lease_until = '2026-01-01T00:00:00.000000Z'";
    world.database.execute(lost).await.unwrap();
    let doubted = until(&mut world.client(), "SO-1", OrderState::InDoubt).await;
    assert!(doubted.last_error.contains("WORKER_LOST"), "{}", doubted.last_error);
    assert_eq!(kinds(&world, "SO-1").await, ["push_began", "push_ended"]);
    // Nor does anybody log in for it: that may take as long as a call.
    assert_eq!((world.haier.calls("Y0").await, world.haier.calls("Y1").await), (0, 0));
    world.finish_leaving_open().await;
}

async fn changes_that_are_due_starve_no_probe(plan: Plan) {
    let (mut world, code) = shop(plan).await;
    pause(&world).await;
    for so_id in ["SO-1", "SO-2", "SO-3"] {
        accept(&world, order(so_id, &code)).await.unwrap();
    }
    world.stop().await;
    // Older than the order, and as many as are taken at a time.
    let changes = "UPDATE order_pushes SET step = 'change', next_attempt_at = '2026-01-01T00:00:00.000000Z' \
                   WHERE order_id IN (SELECT id FROM orders WHERE so_id <> 'SO-3')";
    world.database.execute(changes).await.unwrap();
    let scope = Claimable { pushes: PushScope::All, changes: true, lost: false };
    let limits = ClaimLimits { pushes: 1, all: 2 };
    let (now, lease) = ("2100-01-01T00:00:00Z".parse().unwrap(), TimeDelta::seconds(15));
    let store = world.database.store().await.unwrap();
    let mut tx = store.begin().await.unwrap();
    let claimed = order_pushes::claim(&mut tx, "a", &scope, limits, now, lease).await.unwrap();
    tx.rollback().await.unwrap();
    let so_ids: Vec<_> = claimed.iter().map(|order| order.so_id.as_str()).collect();
    assert!(so_ids.len() == 2 && so_ids.contains(&"SO-3"), "{so_ids:?}");
    world.finish_leaving_open().await;
}

/// Orders of the night, and how often the clock is turned by eight minutes: eight hours in all.
const ORDERS: usize = 40;
const TURNS: usize = 60;

async fn a_night_of_silence_leaves_few_facts(plan: Plan) {
    let world = plan
        .turned()
        .settings(|settings| {
            settings.schedules.enabled = false;
            settings.upstream.request_timeout = Duration::from_millis(200);
            settings.orders.doubt_wait = Duration::from_secs(30);
            // The clock is turned while calls are under way.
            settings.orders.lease = Duration::from_secs(7 * 24 * 3_600);
        })
        .start()
        .await;
    let code = on_sale(&world).await;
    // Logged in, so that the short limit of time meets no token call.
    world.haier.fault(json!({ "endpoint": "Y1", "kind": "hang" })).await;
    let so_ids: Vec<String> = (0..ORDERS).map(|number| format!("SO-{number}")).collect();
    for so_id in &so_ids {
        accept(&world, order(so_id, &code)).await.unwrap();
    }
    let leased = "SELECT count(*) FROM order_pushes WHERE worker IS NOT NULL";
    let sent = async || world.haier.calls("Y1").await;
    for _ in 0..TURNS {
        let before = sent().await;
        world.clock().turn(TimeDelta::minutes(8));
        within(async {
            while sent().await == before || world.database.number(leased).await > 0 {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
    let (facts, sends) = (world.database.number("SELECT count(*) FROM order_facts").await, sent().await);
    let most = 2 * sends as i64 + 3 * ORDERS as i64;
    assert!(facts <= most, "{facts} facts for {sends} sends of {ORDERS} orders");
    // Three probes each time, not every order.
    assert!(sends <= (32 + 4 * TURNS) as u64, "{sends} sends");
    let book = world.haier.orders().await;
    for so_id in &so_ids {
        let received = book["received"][so_id].as_i64().unwrap_or(0);
        let known = kinds(&world, so_id).await.len() as i64;
        assert!(known <= 2 * received + 3, "{so_id}: {known} facts, received {received} times");
    }
    // In the morning all of them go out, and none was given up.
    world.haier.clear_faults().await;
    within(async {
        let pushed = "SELECT count(*) FROM orders WHERE state IN ('pushed', 'confirmed')";
        while world.database.number(pushed).await < ORDERS as i64 {
            world.clock().turn(TimeDelta::seconds(40));
            tokio::task::yield_now().await;
        }
    })
    .await;
    for so_id in &so_ids {
        assert_eq!(booked(&world.haier, so_id).await.len(), 1, "{so_id}");
        assert!(!kinds(&world, so_id).await.contains(&"gave_up".to_owned()), "{so_id}");
    }
    world.finish_leaving_open().await;
}

async fn facts_come_in_pages(plan: Plan) {
    let (world, code) = shop(plan).await;
    world.haier.fault(json!({ "endpoint": "Y1", "kind": "server_error", "count": 1 })).await;
    push(&mut world.client(), order("SO-1", &code)).await.unwrap();
    let all = kinds(&world, "SO-1").await;
    let (mut paged, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListOrderFactsRequest { so_id: "SO-1".to_owned(), page_size: 3, page_token };
        let page = world.client().list_order_facts(request).await.unwrap().into_inner();
        assert!(page.facts.len() <= 3);
        paged.extend(page.facts.into_iter().map(|fact| fact.kind));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert!(all.len() >= 4 && paged == all, "{paged:?} of {all:?}");
    world.finish().await;
}

async fn an_order_that_haier_never_confirms_is_warned_of_once(plan: Plan) {
    let world = plan.turned().settings(hurried).start().await;
    let code = on_sale(&world).await;
    world.haier.fault(json!({ "endpoint": "Y1", "kind": "lost" })).await;
    push(&mut world.client(), order("SO-1", &code)).await.unwrap();
    let warned = "SELECT count(*) FROM order_warnings";
    world.clock().turn(TimeDelta::hours(23));
    assert_eq!(world.database.number(warned).await, 0);
    world.clock().turn(TimeDelta::hours(2));
    within(async { while world.database.number(warned).await == 0 {} }).await;
    world.database.execute("CREATE TABLE told AS SELECT warned_at FROM order_warnings").await.unwrap();
    world.clock().turn(TimeDelta::minutes(3));
    // Whoever looks again finds that it was warned of.
    let first = "SELECT count(*) FROM order_warnings JOIN told USING (warned_at)";
    assert_eq!(world.database.number(first).await, 1);
    world.finish_leaving_open().await;
}

async fn a_doubt_beyond_its_deadline_is_told_while_orders_are_paused(plan: Plan) {
    let world = plan.turned().settings(hurried).start().await;
    let code = on_sale(&world).await;
    world.haier.fault(json!({ "endpoint": "Y1", "kind": "server_error" })).await;
    accept(&world, order("SO-1", &code)).await.unwrap();
    until(&mut world.client(), "SO-1", OrderState::InDoubt).await;
    pause(&world).await;
    let leased = "SELECT count(*) FROM order_pushes WHERE worker IS NOT NULL";
    within(async { while world.database.number(leased).await > 0 {} }).await;
    let warned = "SELECT count(*) FROM order_warnings";
    assert_eq!(world.database.number(warned).await, 0);
    world.clock().turn(TimeDelta::hours(25));
    within(async { while world.database.number(warned).await == 0 {} }).await;
    assert_eq!(get(&mut world.client(), "SO-1").await.state(), OrderState::InDoubt);
    world.finish_leaving_open().await;
}
