//! A database that was restored from a backup, or that failed over: cursors of before are over, and nothing is pushed twice
//! or refused for it.
//!
//! On SQLite an older file is really copied back. PostgreSQL's answer is not changed here, but what was seen last: to the
//! service that is the same.

use std::fs;

use haier_integration::proto::{
    BatchGetOrdersRequest, GetUpstreamStatusRequest, ListOrderChangesRequest, ListOrdersRequest,
    ListProductChangesRequest, OrderState, PauseUpstreamRequest, ReconcileOrdersRequest,
    ResumeUpstreamRequest, UpstreamTarget, WatchOrderChangesRequest,
};
use tonic::Code;

use crate::{
    orders::{booked, get, hurried, on_sale, order, place, push, until},
    support::{Plan, World, on_both_databases, on_postgres, refusal, within},
};

on_both_databases!(
    a_restore_begins_a_new_epoch_and_freezes_orders,
    a_restart_and_a_crash_are_no_restore,
    an_order_that_cannot_be_read_holds_up_no_reconciliation,
    an_order_that_cannot_be_read_is_listed_without_its_people,
    an_entry_that_took_the_number_of_another_is_not_gone_on_from,
);
on_postgres!(
    a_disk_that_was_put_back_is_a_restore,
    an_order_whose_records_a_failover_lost_counts_as_sent,
    a_failover_that_loses_the_beginning_of_an_attempt_refuses_nothing,
    an_order_that_cannot_be_read_holds_up_no_other_after_a_failover,
    a_failover_raises_the_epoch_only_if_entries_are_missing,
);

async fn product_cursor(world: &World) -> String {
    let request = ListProductChangesRequest { page_size: 1_000, ..Default::default() };
    world.client().list_product_changes(request).await.unwrap().into_inner().cursor
}

async fn order_cursor(world: &World) -> String {
    let request = ListOrderChangesRequest { page_size: 1_000, ..Default::default() };
    world.client().list_order_changes(request).await.unwrap().into_inner().next_cursor
}

/// Reads both feeds from these cursors on; how that fails.
async fn read_on(world: &World, products: &str, orders: &str) -> [Option<(Code, String)>; 2] {
    let request = ListProductChangesRequest { after: products.to_owned(), ..Default::default() };
    let of_products = world.client().list_product_changes(request).await;
    let request = ListOrderChangesRequest { cursor: orders.to_owned(), ..Default::default() };
    let of_orders = world.client().list_order_changes(request).await;
    [of_products.err().map(|status| refusal(&status)), of_orders.err().map(|status| refusal(&status))]
}

fn expired() -> [Option<(Code, String)>; 2] {
    let expired = (Code::OutOfRange, "CURSOR_EXPIRED".to_owned());
    [Some(expired.clone()), Some(expired)]
}

async fn is_frozen(world: &World) -> bool {
    let status = world.administration().await.get_upstream_status(GetUpstreamStatusRequest {}).await;
    status.unwrap().into_inner().orders_frozen_at.is_some()
}

async fn frozen_metric(world: &World) -> String {
    let url = format!("http://{}/metrics", world.service().http_addr());
    let text = reqwest::get(url).await.unwrap().text().await.unwrap();
    text.lines().find_map(|line| line.strip_prefix("haier_orders_frozen ")).unwrap().to_owned()
}

async fn reconcile(world: &World, validate_only: bool) -> i64 {
    let request = ReconcileOrdersRequest { validate_only };
    world.administration().await.reconcile_orders(request).await.unwrap().into_inner().order_count
}

/// What is in the backup: the file, or on PostgreSQL nothing, since its orders are taken out by hand.
async fn back_up(world: &mut World) {
    world.stop().await;
    if !world.database.is_postgres() {
        fs::copy(world.database.file(), world.database.folder().join("backup.db")).unwrap();
    }
    world.serve().await;
}

/// On SQLite with the service down; on PostgreSQL underneath it.
async fn restore(world: &mut World) {
    if world.database.is_postgres() {
        world.database.forget_orders().await;
        let earlier = "DELETE FROM order_changes; UPDATE order_feed_head SET seq = 0; \
                       UPDATE database_identity SET identity = 'another server'";
        world.database.execute(earlier).await.unwrap();
        within(async { while !is_frozen(world).await {} }).await;
    } else {
        world.stop().await;
        fs::copy(world.database.folder().join("backup.db"), world.database.file()).unwrap();
        world.serve().await;
    }
}

async fn a_restore_begins_a_new_epoch_and_freezes_orders(plan: Plan) {
    let mut world = plan.settings(hurried).start().await;
    let code = on_sale(&world).await;
    back_up(&mut world).await;
    let before = (product_cursor(&world).await, order_cursor(&world).await);
    for so_id in ["SO-1", "SO-2"] {
        push(&mut world.client(), order(so_id, &code)).await.unwrap();
        assert_eq!(get(&mut world.client(), so_id).await.state(), OrderState::Pushed);
    }
    let after = (product_cursor(&world).await, order_cursor(&world).await);
    assert_eq!(read_on(&world, &before.0, &before.1).await, [None, None]);
    assert!(!is_frozen(&world).await);

    restore(&mut world).await;
    assert!(is_frozen(&world).await);
    // Those that the backup knows are over too: entries after them were read that are gone.
    assert_eq!(read_on(&world, &before.0, &before.1).await, expired());
    assert_eq!(read_on(&world, &after.0, &after.1).await, expired());
    assert_eq!((place(&before.1).0, place(&order_cursor(&world).await).0), (1, 2));
    // The shop pushes again what it does not find, and Haier has it.
    let request =
        haier_integration::proto::PushOrderRequest { order: Some(order("SO-1", &code)), wait: None };
    world.client().push_order(request).await.unwrap();
    let calls = world.haier.calls("Y1").await;
    // A restart changes nothing.
    world.stop().await;
    world.serve().await;
    assert!(is_frozen(&world).await);
    let waiting = get(&mut world.client(), "SO-1").await;
    assert!(waiting.last_error.starts_with("ORDERS_FROZEN"), "{waiting:?}");
    assert!(waiting.last_error.contains("`haier-integration orders reconcile`"), "{waiting:?}");
    assert!(waiting.next_attempt_at.is_some() && frozen_metric(&world).await == "1");
    assert_eq!(reconcile(&world, true).await, 1);
    assert_eq!(
        (get(&mut world.client(), "SO-1").await.state(), world.haier.calls("Y1").await),
        (OrderState::Accepted, calls)
    );

    assert_eq!(reconcile(&world, false).await, 1);
    assert!(!is_frozen(&world).await);
    let pushed = until(&mut world.client(), "SO-1", OrderState::Pushed).await;
    assert!(!pushed.last_error.contains("ORDERS_FROZEN"), "{pushed:?}");
    assert_eq!(frozen_metric(&world).await, "0");
    // What the shop misses only now was sent before, too.
    push(&mut world.client(), order("SO-2", &code)).await.unwrap();
    until(&mut world.client(), "SO-2", OrderState::Pushed).await;
    for so_id in ["SO-1", "SO-2"] {
        assert_eq!(booked(&world.haier, so_id).await.len(), 1);
    }
    world.finish().await;
}

/// Identity and timeline are those that the database always had: only its contents are of before.
async fn a_disk_that_was_put_back_is_a_restore(plan: Plan) {
    let mut world = plan.settings(hurried).start().await;
    let code = on_sale(&world).await;
    push(&mut world.client(), order("SO-1", &code)).await.unwrap();
    let cursors = (product_cursor(&world).await, order_cursor(&world).await);
    // Each start looks where the feeds end.
    world.stop().await;
    world.serve().await;
    let calls = world.haier.calls("Y1").await;
    let earlier = "DELETE FROM order_changes WHERE seq > 1; UPDATE order_feed_head SET seq = 1";
    world.database.execute(earlier).await.unwrap();
    within(async { while !is_frozen(&world).await {} }).await;
    assert_eq!(read_on(&world, &cursors.0, &cursors.1).await, expired());
    assert_eq!(world.haier.calls("Y1").await, calls);
    world.finish_leaving_open().await;
}

/// As a database does that lost its last moments and went on since.
async fn an_entry_that_took_the_number_of_another_is_not_gone_on_from(plan: Plan) {
    let world = plan.settings(hurried).start().await;
    let code = on_sale(&world).await;
    push(&mut world.client(), order("SO-1", &code)).await.unwrap();
    let before = (product_cursor(&world).await, order_cursor(&world).await);
    push(&mut world.client(), order("SO-2", &code)).await.unwrap();
    let after = (product_cursor(&world).await, order_cursor(&world).await);
    assert_eq!(read_on(&world, &before.0, &after.1).await, [None, None]);
    let follow = WatchOrderChangesRequest { cursor: after.1.clone() };
    let mut stream = world.client().watch_order_changes(follow).await.unwrap().into_inner();
    stream.message().await.unwrap();
    let other = "UPDATE order_changes SET changed_at = (SELECT min(changed_at) FROM order_changes) \
                 WHERE seq = (SELECT max(seq) FROM order_changes)";
    world.database.execute(other).await.unwrap();
    let [_, expired] = expired();
    assert_eq!(read_on(&world, &before.0, &after.1).await, [None, expired.clone()]);
    assert_eq!(read_on(&world, &before.0, &before.1).await, [None, None]);
    // Nor is it in a stream that follows.
    let refused = expired.map(|(code, _)| code);
    let ended = within(async {
        loop {
            if let Err(status) = stream.message().await {
                return status.code();
            }
        }
    });
    assert_eq!(Some(ended.await), refused);
    world.finish().await;
}

async fn a_restart_and_a_crash_are_no_restore(plan: Plan) {
    let mut world = plan.settings(hurried).start().await;
    let cursors = (product_cursor(&world).await, order_cursor(&world).await);
    for _ in 0..2 {
        world.stop().await;
        world.serve().await;
    }
    if !world.database.is_postgres() {
        world.stop().await;
        // The process ended between the two writes of a raise.
        world.database.execute("UPDATE database_identity SET generation = generation + 1").await.unwrap();
        world.serve().await;
        world.stop().await;
        // Or between the first two.
        world.database.execute("UPDATE database_identity SET generation = 0").await.unwrap();
        fs::remove_file(world.database.folder().join("haier.db.identity")).unwrap();
        world.serve().await;
    }
    assert_eq!(read_on(&world, &cursors.0, &cursors.1).await, [None, None]);
    assert!(!is_frozen(&world).await);
    world.finish().await;
}

/// The timeline that was seen last is another one than the present.
const FAIL_OVER: &str = "UPDATE database_identity SET generation = generation - 1";
const FAILED_OVER: &str = "SELECT count(*) FROM database_identity WHERE generation = \
                           ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::bigint";

async fn a_failover_that_loses_the_beginning_of_an_attempt_refuses_nothing(plan: Plan) {
    let world = plan.settings(hurried).start().await;
    let code = on_sale(&world).await;
    push(&mut world.client(), order("SO-1", &code)).await.unwrap();
    let mut operator = world.administration().await;
    let target = UpstreamTarget::OrderPush.into();
    operator.pause_upstream(PauseUpstreamRequest { target, ..Default::default() }).await.unwrap();
    // What is left of it is that it was accepted.
    world.database.forget_orders().await;
    let request =
        haier_integration::proto::PushOrderRequest { order: Some(order("SO-1", &code)), wait: None };
    world.client().push_order(request).await.unwrap();
    world.database.execute(FAIL_OVER).await.unwrap();
    operator.resume_upstream(ResumeUpstreamRequest { target }).await.unwrap();
    let pushed = until(&mut world.client(), "SO-1", OrderState::Pushed).await;
    assert_eq!(pushed.so_id, "SO-1");
    assert_eq!(booked(&world.haier, "SO-1").await.len(), 1);
    assert!(!is_frozen(&world).await, "the service has reconciled by itself");
    // Others go on as ever.
    let other = push(&mut world.client(), order("SO-2", &code)).await.unwrap();
    assert_eq!(other.state(), OrderState::Pushed);
    world.finish().await;
}

async fn an_order_whose_records_a_failover_lost_counts_as_sent(plan: Plan) {
    let world = plan.settings(hurried).start().await;
    let code = on_sale(&world).await;
    push(&mut world.client(), order("SO-1", &code)).await.unwrap();
    world.database.forget_orders().await;
    world.database.execute(FAIL_OVER).await.unwrap();
    within(async { while world.database.number(FAILED_OVER).await == 0 {} }).await;
    push(&mut world.client(), order("SO-1", &code)).await.unwrap();
    until(&mut world.client(), "SO-1", OrderState::Pushed).await;
    assert_eq!(booked(&world.haier, "SO-1").await.len(), 1);
    world.finish().await;
}

/// Two orders that wait, one of which the key does not open.
async fn with_a_damaged_order(plan: Plan) -> World {
    let world = plan.keyed().settings(hurried).start().await;
    let code = on_sale(&world).await;
    let target = UpstreamTarget::OrderPush.into();
    let pause = PauseUpstreamRequest { target, ..Default::default() };
    world.administration().await.pause_upstream(pause).await.unwrap();
    for so_id in ["SO-1", "SO-2"] {
        let request =
            haier_integration::proto::PushOrderRequest { order: Some(order(so_id, &code)), wait: None };
        world.client().push_order(request).await.unwrap();
    }
    let damage = "UPDATE orders SET consignee_name = detail_address WHERE so_id = 'SO-1'";
    world.database.execute(damage).await.unwrap();
    world
}

async fn an_order_that_cannot_be_read_holds_up_no_reconciliation(plan: Plan) {
    let world = with_a_damaged_order(plan).await;
    assert_eq!(reconcile(&world, true).await, 2);
    assert_eq!(reconcile(&world, false).await, 2);
    world.finish_leaving_open().await;
}

async fn an_order_that_cannot_be_read_is_listed_without_its_people(plan: Plan) {
    let world = with_a_damaged_order(plan).await;
    let listed = world.client().list_orders(ListOrdersRequest::default()).await.unwrap().into_inner().orders;
    let so_ids = vec!["SO-2".to_owned(), "SO-1".to_owned()];
    let request = BatchGetOrdersRequest { so_ids };
    let got = world.client().batch_get_orders(request).await.unwrap().into_inner().orders;
    for orders in [listed, got] {
        let [whole, damaged] = &*orders else { panic!("{} orders", orders.len()) };
        assert_eq!((whole.so_id.as_str(), damaged.so_id.as_str()), ("SO-2", "SO-1"));
        assert!(!whole.consignee_name.is_empty() && !whole.last_error.contains("NO_KEY"));
        assert_eq!((damaged.consignee_name.as_str(), damaged.detail_address.as_str()), ("", ""));
        assert!(damaged.last_error.starts_with("NO_KEY: "), "{}", damaged.last_error);
        assert_eq!(damaged.items, whole.items);
    }
    world.finish_leaving_open().await;
}

async fn an_order_that_cannot_be_read_holds_up_no_other_after_a_failover(plan: Plan) {
    let mut world = with_a_damaged_order(plan).await;
    world.database.execute(FAIL_OVER).await.unwrap();
    within(async { while world.database.number(FAILED_OVER).await == 0 {} }).await;
    let target = UpstreamTarget::OrderPush.into();
    world.administration().await.resume_upstream(ResumeUpstreamRequest { target }).await.unwrap();
    until(&mut world.client(), "SO-2", OrderState::Pushed).await;
    let doubted = "SELECT count(*) FROM orders WHERE so_id = 'SO-1' AND state = 'in_doubt'";
    assert_eq!(world.database.number(doubted).await, 1);
    // Nor does it keep the service from starting.
    world.stop().await;
    world.database.execute(FAIL_OVER).await.unwrap();
    world.serve().await;
    assert_eq!(get(&mut world.client(), "SO-2").await.state(), OrderState::Pushed);
    world.finish_leaving_open().await;
}

async fn a_failover_raises_the_epoch_only_if_entries_are_missing(plan: Plan) {
    let world = plan.settings(hurried).start().await;
    let code = on_sale(&world).await;
    push(&mut world.client(), order("SO-1", &code)).await.unwrap();
    let cursors = (product_cursor(&world).await, order_cursor(&world).await);
    let followed = async || within(async { while world.database.number(FAILED_OVER).await == 0 {} }).await;
    world.database.execute(FAIL_OVER).await.unwrap();
    followed().await;
    assert_eq!(read_on(&world, &cursors.0, &cursors.1).await, [None, None]);
    let lost = "DELETE FROM order_changes WHERE seq = (SELECT max(seq) FROM order_changes); \
                UPDATE order_feed_head SET seq = seq - 1";
    world.database.execute(&format!("{lost}; {FAIL_OVER}")).await.unwrap();
    followed().await;
    assert_eq!(read_on(&world, &cursors.0, &cursors.1).await, expired());
    world.finish().await;
}
