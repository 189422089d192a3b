//! What happens to an order after it was stored: cancelled, given other times, looked up.

use std::{collections::BTreeSet, time::Duration};

use futures_util::future::join_all;
use haier_integration::proto::{
    CancelOrderRequest, ListCourierNumbersRequest, ListDeliveryPhotosRequest, ListOrderChangesRequest, Order,
    OrderOutcome, OrderState, PauseUpstreamRequest, ReconcileOrdersRequest, RescheduleOrderRequest,
    ResolveOrderRequest, ResumeUpstreamRequest, RetryOrderRequest, UpstreamTarget, WatchOrderChangesRequest,
};
use prost_types::Timestamp;
use serde_json::json;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::{
    PERSONAL, accept, administration, booked, changes_of, facts, get, kinds, order, place, push, shop, until,
    whole,
};
use crate::support::{Plan, World, on_both_databases, refusal, violated, within};

on_both_databases!(
    what_was_never_sent_is_cancelled_without_a_call,
    cancelling_what_is_in_doubt_waits_for_the_truth,
    changes_are_told_in_the_order_in_which_they_were_asked_for,
    a_refused_cancellation_only_ends_cancelling,
    a_cancellation_of_which_nothing_is_heard_is_asked_for_again,
    other_times_are_days,
    times_that_haier_has_taken_are_shown_beside_those_that_were_ordered,
    what_people_write_about_an_order_is_kept_without_numbers_to_call,
    what_changes_nothing_closes_no_connection,
    photos_come_by_haiers_number,
    the_feed_is_followed_from_a_cursor,
    a_slow_reader_is_cut_and_goes_on_from_its_cursor,
    a_burst_is_stored_and_each_order_once,
);

/// 2026-12-31 23:59:59 in Shanghai.
const DAY: Timestamp = Timestamp { seconds: 1_798_732_799, nanos: 0 };

async fn cancel(world: &World, so_id: &str) -> Result<Order, Status> {
    let request = CancelOrderRequest { so_id: so_id.to_owned(), reason: "买家取消".to_owned() };
    world.client().cancel_order(request).await.map(whole)
}

async fn reschedule(world: &World, so_id: &str, time: Timestamp) -> Result<Order, Status> {
    let request =
        RescheduleOrderRequest { so_id: so_id.to_owned(), distribution_time: Some(time), install_time: None };
    world.client().reschedule_order(request).await.map(whole)
}

async fn what_was_never_sent_is_cancelled_without_a_call(plan: Plan) {
    let (world, code) = shop(plan).await;
    let mut operator = administration(&world).await;
    let target = UpstreamTarget::OrderPush.into();
    operator.pause_upstream(PauseUpstreamRequest { target, ..Default::default() }).await.unwrap();
    accept(&world, order("SO-1", &code)).await.unwrap();
    assert_eq!(cancel(&world, "SO-1").await.unwrap().state(), OrderState::Cancelled);
    assert_eq!(cancel(&world, "SO-1").await.unwrap().state(), OrderState::Cancelled);
    operator.resume_upstream(ResumeUpstreamRequest { target }).await.unwrap();
    assert_eq!(kinds(&world, "SO-1").await, ["cancel_requested"]);
    assert_eq!((world.haier.calls("Y1").await, world.haier.calls("Y2").await), (0, 0));
    assert_eq!(refusal(&reschedule(&world, "SO-1", DAY).await.unwrap_err()).1, "ORDER_STATE");
    world.finish().await;
}

async fn cancelling_what_is_in_doubt_waits_for_the_truth(plan: Plan) {
    let (world, code) = shop(plan).await;
    world.haier.fault(json!({ "endpoint": "Y1", "kind": "booked_then_error", "count": 1 })).await;
    accept(&world, order("SO-1", &code)).await.unwrap();
    until(&mut world.client(), "SO-1", OrderState::InDoubt).await;
    assert_eq!(cancel(&world, "SO-1").await.unwrap().state(), OrderState::Cancelling);
    assert_eq!(cancel(&world, "SO-1").await.unwrap().state(), OrderState::Cancelling);
    let told = async { while facts(&world, "SO-1").await.last().unwrap().kind != "change_ended" {} };
    within(told).await;
    let expected = [
        "push_began",
        "push_ended",
        "cancel_requested",
        "push_began",
        "push_ended",
        "change_began",
        "change_ended",
    ];
    assert_eq!(kinds(&world, "SO-1").await, expected);
    assert_eq!(booked(&world.haier, "SO-1").await.len(), 1);
    world.finish().await;
}

async fn changes_are_told_in_the_order_in_which_they_were_asked_for(plan: Plan) {
    let (world, code) = shop(plan).await;
    let mut operator = administration(&world).await;
    let target = UpstreamTarget::OrderSystem.into();
    push(&mut world.client(), order("SO-1", &code)).await.unwrap();
    operator.pause_upstream(PauseUpstreamRequest { target, ..Default::default() }).await.unwrap();
    reschedule(&world, "SO-1", DAY).await.unwrap();
    cancel(&world, "SO-1").await.unwrap();
    operator.resume_upstream(ResumeUpstreamRequest { target }).await.unwrap();
    let told = async {
        while kinds(&world, "SO-1").await.iter().filter(|kind| *kind == "change_ended").count() < 2 {}
    };
    within(told).await;
    let told: Vec<(i64, String)> =
        facts(&world, "SO-1").await.into_iter().map(|fact| (fact.change_number, fact.kind)).collect();
    let expected = [
        (0, "push_began"),
        (0, "push_ended"),
        (1, "reschedule_requested"),
        (2, "cancel_requested"),
        (1, "change_began"),
        (1, "change_ended"),
        (2, "change_began"),
        (2, "change_ended"),
    ];
    assert_eq!(told, expected.map(|(number, kind)| (number, kind.to_owned())));
    assert_eq!((world.haier.calls("Y3").await, world.haier.calls("Y2").await), (1, 1));
    // Whether it is cancelled Haier tells by a callback.
    assert_eq!(changes_of(&world, "SO-1").await.last(), Some(&OrderState::Cancelling));
    world.finish().await;
}

async fn a_refused_cancellation_only_ends_cancelling(plan: Plan) {
    let (world, code) = shop(plan).await;
    push(&mut world.client(), order("SO-1", &code)).await.unwrap();
    world.haier.fault(json!({ "endpoint": "Y2", "kind": "error_body", "count": 1 })).await;
    assert_eq!(cancel(&world, "SO-1").await.unwrap().state(), OrderState::Cancelling);
    // Refused in words, or a fault and then taken: either way the order itself stands as it stood.
    let answered = async { while !kinds(&world, "SO-1").await.contains(&"change_ended".to_owned()) {} };
    within(answered).await;
    let last = changes_of(&world, "SO-1").await;
    assert!(matches!(last.last(), Some(OrderState::Pushed | OrderState::Cancelling)), "{last:?}");
    world.finish().await;
}

async fn a_cancellation_of_which_nothing_is_heard_is_asked_for_again(plan: Plan) {
    let (world, code) = shop(plan).await;
    push(&mut world.client(), order("SO-1", &code)).await.unwrap();
    cancel(&world, "SO-1").await.unwrap();
    within(async { while kinds(&world, "SO-1").await.last().unwrap() != "change_ended" {} }).await;
    // Haier took it; what came of it a callback would tell, and none comes here.
    assert_eq!(cancel(&world, "SO-1").await.unwrap().state(), OrderState::Cancelling);
    let retry = RetryOrderRequest { so_id: "SO-1".to_owned() };
    world.client().retry_order(retry).await.unwrap();
    until(&mut world.client(), "SO-1", OrderState::Cancelled).await;
    assert_eq!(world.haier.calls("Y2").await, 2);
    world.finish().await;
}

async fn other_times_are_days(plan: Plan) {
    let (world, code) = shop(plan).await;
    push(&mut world.client(), order("SO-1", &code)).await.unwrap();
    let noon = Timestamp { seconds: DAY.seconds - 43_200, nanos: 0 };
    assert_eq!(violated(&reschedule(&world, "SO-1", noon).await.unwrap_err()), ["distribution_time"]);
    let request = RescheduleOrderRequest { so_id: "SO-1".to_owned(), ..Default::default() };
    let refused = world.client().reschedule_order(request).await.unwrap_err();
    assert_eq!(violated(&refused), ["distribution_time"]);
    assert_eq!(world.haier.calls("Y3").await, 0);
    world.finish().await;
}

async fn times_that_haier_has_taken_are_shown_beside_those_that_were_ordered(plan: Plan) {
    const ORDERED: Timestamp = Timestamp { seconds: DAY.seconds - 5 * 86_400, nanos: 0 };
    let (world, code) = shop(plan).await;
    let given =
        Order { distribution_time: Some(ORDERED), install_time: Some(ORDERED), ..order("SO-1", &code) };
    let pushed = push(&mut world.client(), given).await.unwrap();
    assert_eq!(pushed.current_distribution_time, Some(ORDERED));
    reschedule(&world, "SO-1", DAY).await.unwrap();
    let told = async { while kinds(&world, "SO-1").await.last().unwrap() != "change_ended" {} };
    within(told).await;
    let now = get(&mut world.client(), "SO-1").await;
    assert_eq!((now.distribution_time, now.install_time), (Some(ORDERED), Some(ORDERED)));
    assert_eq!((now.current_distribution_time, now.current_install_time), (Some(DAY), Some(ORDERED)));
    // As it is read, it is the same order.
    assert_eq!(push(&mut world.client(), now.clone()).await.unwrap(), now);
    world.finish().await;
}

async fn what_people_write_about_an_order_is_kept_without_numbers_to_call(plan: Plan) {
    const NEIGHBOUR: &str = "13698765432";
    let (world, code) = shop(plan).await;
    world.haier.fault(json!({ "endpoint": "Y1", "kind": "server_error" })).await;
    accept(&world, order("SO-1", &code)).await.unwrap();
    until(&mut world.client(), "SO-1", OrderState::InDoubt).await;
    let request = ResolveOrderRequest {
        so_id: "SO-1".to_owned(),
        outcome: OrderOutcome::Booked.into(),
        evidence: format!("{} of {NEIGHBOUR} has seen it", PERSONAL[0]),
        retail_order_no: String::new(),
    };
    administration(&world).await.resolve_order(request).await.unwrap();
    let reason = format!("邻居{NEIGHBOUR}已购买");
    let request = CancelOrderRequest { so_id: "SO-1".to_owned(), reason };
    world.client().cancel_order(request).await.unwrap();
    let written: String = facts(&world, "SO-1").await.into_iter().map(|fact| fact.detail).collect();
    for kept in ["**** of *********** has seen it", "邻居***********已购买"] {
        assert!(written.contains(kept), "{written}");
    }
    let everything = world.finish_leaving_open().await.everything().await;
    assert!(everything.contains("已购买") && !everything.contains(NEIGHBOUR), "a number is kept");
}

async fn what_changes_nothing_closes_no_connection(plan: Plan) {
    let (world, code) = shop(plan).await;
    let mut operator = administration(&world).await;
    let target = UpstreamTarget::OrderPush.into();
    operator.pause_upstream(PauseUpstreamRequest { target, ..Default::default() }).await.unwrap();
    for so_id in ["SO-1", "SO-2"] {
        accept(&world, order(so_id, &code)).await.unwrap();
    }
    cancel(&world, "SO-1").await.unwrap();
    // Only PostgreSQL says who is connected.
    let postgres = world.database.is_postgres();
    if postgres {
        let all = "CREATE TABLE connected AS SELECT pid FROM pg_stat_activity \
                   WHERE application_name = 'haier-integration' AND datname = current_database()";
        world.database.execute(all).await.unwrap();
    }
    for _ in 0..8 {
        cancel(&world, "SO-1").await.unwrap();
        reschedule(&world, "SO-1", DAY).await.unwrap_err();
        cancel(&world, "SO-3").await.unwrap_err();
        let request = ReconcileOrdersRequest { validate_only: true };
        operator.reconcile_orders(request).await.unwrap();
    }
    if postgres {
        let gone = "SELECT count(*) FROM connected WHERE pid NOT IN (SELECT pid FROM pg_stat_activity)";
        assert_eq!(world.database.number(gone).await, 0);
    }
    world.finish().await;
}

async fn photos_come_by_haiers_number(plan: Plan) {
    let (world, code) = shop(plan).await;
    push(&mut world.client(), order("SO-1", &code)).await.unwrap();
    let request = ListDeliveryPhotosRequest { so_id: "SO-1".to_owned() };
    world.client().list_delivery_photos(request).await.unwrap();
    assert_eq!(world.haier.calls("Y4").await, 1);
    let request = ListCourierNumbersRequest { so_ids: vec!["SO-1".to_owned(), "SO-2".to_owned()] };
    let answer = world.client().list_courier_numbers(request).await.unwrap().into_inner();
    assert_eq!(answer.unknown_so_ids, ["SO-2", "SO-1"], "no callback has told Haier's number yet");
    world.finish().await;
}

async fn the_feed_is_followed_from_a_cursor(plan: Plan) {
    let (world, code) = shop(plan).await;
    let request = WatchOrderChangesRequest::default();
    let mut stream = world.client().watch_order_changes(request).await.unwrap().into_inner();
    for number in 0..20 {
        accept(&world, order(&format!("SO-{number}"), &code)).await.unwrap();
    }
    let mut seen = Vec::new();
    within(async {
        while seen.len() < 40 {
            seen.extend(stream.message().await.unwrap().unwrap().changes);
        }
    })
    .await;
    let numbers: Vec<i64> = seen.iter().map(|change| place(&change.cursor).1).collect();
    assert_eq!(numbers, (1..=40).collect::<Vec<_>>());
    drop(stream);
    world.finish().await;
}

async fn a_slow_reader_is_cut_and_goes_on_from_its_cursor(plan: Plan) {
    // No time at all to take what it is sent.
    let (world, code) =
        shop(plan.settings(|settings| settings.changes.reader_patience = Duration::ZERO)).await;
    let (mut cursor, mut seen) = (String::new(), Vec::new());
    let watch = async |cursor: &str| {
        let request = WatchOrderChangesRequest { cursor: cursor.to_owned() };
        world.client().watch_order_changes(request).await
    };
    push(&mut world.client(), order("SO-1", &code)).await.unwrap();
    while seen.len() < 2 {
        let mut stream = watch(&cursor).await.unwrap().into_inner();
        let message = within(stream.message()).await.unwrap().unwrap();
        seen.extend(message.changes.iter().map(|change| place(&change.cursor).1));
        cursor = message.cursor;
        let cut = within(stream.message()).await.unwrap_err();
        assert_eq!(refusal(&cut), (Code::ResourceExhausted, "SLOW_READER".to_owned()));
        assert_eq!(cut.get_details_error_info().unwrap().metadata["cursor"], cursor);
    }
    assert_eq!((seen, place(&cursor)), (vec![1, 2], (1, 2)));
    // Nothing new: a sign of life, so that the reader knows that it is heard.
    let alive = within(watch(&cursor).await.unwrap().into_inner().message()).await.unwrap().unwrap();
    assert_eq!((alive.changes, &alive.cursor), (Vec::new(), &cursor));
    // As if the database had been put back.
    world.database.execute("DELETE FROM order_changes WHERE seq = 2").await.unwrap();
    world.database.execute("UPDATE order_feed_head SET seq = 1").await.unwrap();
    let beyond = watch(&cursor).await.unwrap_err();
    assert_eq!(refusal(&beyond), (Code::OutOfRange, "CURSOR_EXPIRED".to_owned()));
    assert_eq!(place(&beyond.get_details_error_info().unwrap().metadata["cursor"]), (1, 1));
    world.finish().await;
}

async fn a_burst_is_stored_and_each_order_once(plan: Plan) {
    const ORDERS: usize = 80;
    let (world, code) = shop(plan).await;
    let target = UpstreamTarget::OrderPush.into();
    let mut operator = administration(&world).await;
    operator.pause_upstream(PauseUpstreamRequest { target, ..Default::default() }).await.unwrap();
    // Each twice at once.
    let pushes =
        (0..2 * ORDERS).map(|number| accept(&world, order(&format!("SO-{}", number % ORDERS), &code)));
    for accepted in within(join_all(pushes)).await {
        assert_eq!(accepted.unwrap().state(), OrderState::Accepted);
    }
    let request = ListOrderChangesRequest { cursor: String::new(), page_size: 1_000 };
    let answer = world.client().list_order_changes(request).await.unwrap().into_inner();
    let numbers: Vec<i64> = answer.changes.iter().map(|change| place(&change.cursor).1).collect();
    let orders: BTreeSet<String> = answer.changes.into_iter().map(|change| change.so_id).collect();
    assert_eq!((numbers, orders.len()), ((1..=ORDERS as i64).collect(), ORDERS));
    for table in ["orders", "order_items", "order_pushes"] {
        assert_eq!(world.database.number(&format!("SELECT count(*) FROM {table}")).await, ORDERS as i64);
    }
    operator.resume_upstream(ResumeUpstreamRequest { target }).await.unwrap();
    for number in 0..ORDERS {
        until(&mut world.client(), &format!("SO-{number}"), OrderState::Pushed).await;
    }
    world.finish().await;
}
