//! Whatever Haier answers, or does not: the order is there once, or surely not, or in doubt until the truth is known.

use std::time::Duration;

use haier_integration::{
    config::Settings,
    proto::{
        CancelOrderRequest, OrderOutcome, OrderState, ReconcileOrdersRequest, ResolveOrderRequest,
        RetryOrderRequest, SyncStatus,
    },
};
use serde_json::json;
use tonic::Code;

use super::{
    accept, administration, booked, changes_of, get, hurried, kinds, on_sale, order, push, shop, until,
};
use crate::support::{Plan, World, on_both_databases, refusal, within};

on_both_databases!(
    every_way_to_fail_ends_in_one_booked_order,
    an_order_in_doubt_is_not_given_up_and_an_operator_settles_it,
    a_word_about_an_order_says_nothing_of_an_attempt_under_way,
    an_order_that_surely_is_not_there_is_given_up_and_can_be_sent_again,
    an_order_that_was_at_haier_before_is_refused,
    a_refusal_is_kept_in_haiers_words,
    an_order_keeps_the_account_of_its_first_attempt,
    after_an_old_backup_nothing_is_pushed_twice,
    reconciling_finds_what_was_repeated_and_leaves_what_was_refused,
);

/// Faults of one push, and whether they leave a doubt.
const FAULTS: [(&str, u64, bool); 21] = [
    ("server_error", 1, true),
    ("unavailable", 1, true),
    ("bad_gateway", 1, true),
    ("html", 1, true),
    ("truncated_json", 1, true),
    ("reset_after", 1, true),
    ("lost_answer", 1, true),
    ("hang", 1, true),
    ("booked_then_error", 1, true),
    ("booked_then_hang", 1, true),
    ("forbidden", 1, false),
    ("unauthorized", 1, false),
    ("hasty_refusal", 1, true),
    ("system_refusal", 1, true),
    ("wordless_refusal", 1, true),
    ("bare_conflict", 1, true),
    ("weak_repetition", 1, true),
    ("empty_success", 1, true),
    ("booked_without_data", 1, true),
    ("booked_and_refused", 1, true),
    ("byte_order_mark", 1, false),
];

async fn every_way_to_fail_ends_in_one_booked_order(plan: Plan) {
    let (world, code) = shop(plan).await;
    for (kind, count, doubtful) in FAULTS {
        world.haier.clear_faults().await;
        world.haier.fault(json!({ "endpoint": "Y1", "kind": kind, "count": count })).await;
        let so_id = format!("SO-{kind}");
        accept(&world, order(&so_id, &code)).await.unwrap();
        let pushed = until(&mut world.client(), &so_id, OrderState::Pushed).await;
        let states = changes_of(&world, &so_id).await;
        assert_eq!(states.contains(&OrderState::InDoubt), doubtful, "{kind}: {states:?}");
        assert_eq!(booked(&world.haier, &so_id).await.len(), 1, "{kind}");
        assert_eq!(world.log(pushed.sync_log_id).await.status(), SyncStatus::Success, "{kind}");
    }
    world.finish().await;
}

async fn resolve(world: &World, so_id: &str, outcome: OrderOutcome) -> Result<OrderState, tonic::Status> {
    let request = ResolveOrderRequest {
        so_id: so_id.to_owned(),
        outcome: outcome.into(),
        evidence: "asked Haier by phone".to_owned(),
        retail_order_no: String::new(),
    };
    let answer = administration(world).await.resolve_order(request).await?;
    Ok(answer.into_inner().order.unwrap().state())
}

async fn an_order_in_doubt_is_not_given_up_and_an_operator_settles_it(plan: Plan) {
    let plan = plan.settings(|settings| settings.orders.deadline = Duration::from_millis(1));
    let (world, code) = shop(plan).await;
    world.haier.fault(json!({ "endpoint": "Y1", "kind": "server_error" })).await;
    for so_id in ["SO-1", "SO-2"] {
        accept(&world, order(so_id, &code)).await.unwrap();
        until(&mut world.client(), so_id, OrderState::InDoubt).await;
    }
    // Sent again and again, and long past its deadline.
    world.haier.struck(6).await;
    let doubted = get(&mut world.client(), "SO-1").await;
    assert_eq!(doubted.state(), OrderState::InDoubt);
    assert!(doubted.last_error.starts_with("SERVER_ERROR") && doubted.next_attempt_at.is_some());
    assert_eq!(world.log(doubted.sync_log_id).await.status(), SyncStatus::Processing);
    assert_eq!(resolve(&world, "SO-1", OrderOutcome::Booked).await.unwrap(), OrderState::Pushed);
    let refused = resolve(&world, "SO-1", OrderOutcome::Booked).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::FailedPrecondition, "ORDER_STATE".to_owned()));
    // Not there: it is sent again, which this time succeeds.
    world.haier.clear_faults().await;
    resolve(&world, "SO-2", OrderOutcome::NotBooked).await.unwrap();
    until(&mut world.client(), "SO-2", OrderState::Pushed).await;
    assert_eq!(booked(&world.haier, "SO-2").await.len(), 1);
    world.finish().await;
}

async fn a_word_about_an_order_says_nothing_of_an_attempt_under_way(plan: Plan) {
    // What is in doubt waits for as long.
    let longer = |settings: &mut Settings| settings.upstream.request_timeout = Duration::from_secs(4);
    let world = plan.settings(hurried).settings(longer).start().await;
    let code = on_sale(&world).await;
    let first = json!({ "endpoint": "Y1", "kind": "server_error", "count": 1 });
    let second = json!({ "endpoint": "Y1", "kind": "booked_then_hang", "count": 1, "delay_ms": 3_000 });
    world.haier.faults(&json!([first, second])).await;
    accept(&world, order("SO-1", &code)).await.unwrap();
    within(async { while booked(&world.haier, "SO-1").await.is_empty() {} }).await;
    resolve(&world, "SO-1", OrderOutcome::NotBooked).await.unwrap();
    let cancel = CancelOrderRequest { so_id: "SO-1".to_owned(), reason: String::new() };
    let cancelled = world.client().cancel_order(cancel).await.unwrap().into_inner().order.unwrap();
    assert_eq!(cancelled.state(), OrderState::Cancelling, "Haier has booked it meanwhile");
    within(async { while kinds(&world, "SO-1").await.last().unwrap() != "change_ended" {} }).await;
    assert_eq!((booked(&world.haier, "SO-1").await.len(), world.haier.calls("Y2").await), (1, 1));
    world.finish().await;
}

async fn an_order_that_surely_is_not_there_is_given_up_and_can_be_sent_again(plan: Plan) {
    let plan = plan.settings(|settings| settings.orders.deadline = Duration::from_millis(200));
    let (world, code) = shop(plan).await;
    world.haier.fault(json!({ "endpoint": "Y1", "kind": "forbidden" })).await;
    accept(&world, order("SO-1", &code)).await.unwrap();
    let gone = until(&mut world.client(), "SO-1", OrderState::GivenUp).await;
    assert!(gone.last_error.starts_with("FORBIDDEN") && gone.next_attempt_at.is_none(), "{gone:?}");
    assert_eq!(kinds(&world, "SO-1").await.last().unwrap(), "gave_up");
    let first = world.log(gone.sync_log_id).await;
    assert_eq!((first.status(), first.end_reason.as_str()), (SyncStatus::Failed, "GIVEN_UP"));
    world.haier.clear_faults().await;
    let request = RetryOrderRequest { so_id: "SO-1".to_owned() };
    world.client().retry_order(request.clone()).await.unwrap();
    let pushed = until(&mut world.client(), "SO-1", OrderState::Pushed).await;
    assert_eq!(booked(&world.haier, "SO-1").await.len(), 1);
    let second = world.log(pushed.sync_log_id).await;
    assert_eq!((second.status(), second.parent_id), (SyncStatus::Success, Some(first.id)));
    let refused = world.client().retry_order(request).await.unwrap_err();
    assert_eq!(refusal(&refused).1, "ORDER_STATE");
    world.finish().await;
}

async fn an_order_that_was_at_haier_before_is_refused(plan: Plan) {
    let (mut world, code) = shop(plan).await;
    push(&mut world.client(), order("SO-1", &code)).await.unwrap();
    // Another shop's database, as it were: nothing of it is known here.
    world.stop().await;
    world.database.forget_orders().await;
    world.serve().await;
    let refused = push(&mut world.client(), order("SO-1", &code)).await.unwrap();
    assert_eq!(refused.state(), OrderState::Refused);
    assert!(refused.last_error.starts_with("ORDER_REPEATED"), "{}", refused.last_error);
    assert_eq!(booked(&world.haier, "SO-1").await.len(), 1);
    world.finish().await;
}

async fn a_refusal_is_kept_in_haiers_words(plan: Plan) {
    let (world, code) = shop(plan).await;
    let mut wrong = order("SO-1", &code);
    // Haier knows one product less than the shop's copy.
    let sql = format!("UPDATE products SET product_code = 'GONE' WHERE product_code = '{code}'");
    world.database.execute(&sql).await.unwrap();
    wrong.items[0].product_code = "GONE".to_owned();
    let refused = push(&mut world.client(), wrong).await.unwrap();
    assert_eq!(refused.state(), OrderState::Refused, "{}", refused.last_error);
    assert!(refused.last_error.contains("productCode不存在"), "{}", refused.last_error);
    assert!(booked(&world.haier, "SO-1").await.is_empty());
    assert_eq!(world.log(refused.sync_log_id).await.end_reason, "ORDER_REFUSED");
    world.finish().await;
}

async fn an_order_keeps_the_account_of_its_first_attempt(plan: Plan) {
    let (mut world, code) = shop(plan).await;
    world.haier.fault(json!({ "endpoint": "Y1", "kind": "server_error" })).await;
    accept(&world, order("SO-1", &code)).await.unwrap();
    until(&mut world.client(), "SO-1", OrderState::InDoubt).await;
    world.stop().await;
    world.haier.clear_faults().await;
    let first = world.settings.account.clone();
    if let Some(account) = &mut world.settings.account {
        account.name = "second".to_owned();
        account.customer_code = "8800000002".to_owned();
    }
    world.serve().await;
    // What begins now goes out under the other seller; what is in doubt waits for its own.
    let second = push(&mut world.client(), order("SO-2", &code)).await.unwrap();
    assert_eq!((second.state(), second.account.as_str()), (OrderState::Pushed, "second"));
    assert_eq!(booked(&world.haier, "SO-2").await[0]["sellerCode"], "8800000002");
    let waiting = get(&mut world.client(), "SO-1").await;
    assert_eq!((waiting.state(), waiting.account.as_str()), (OrderState::InDoubt, "environment"));
    world.stop().await;
    world.settings.account = first;
    world.serve().await;
    let retry = RetryOrderRequest { so_id: "SO-1".to_owned() };
    // It may have been sent by itself by now; then there is nothing to retry.
    drop(world.client().retry_order(retry).await);
    until(&mut world.client(), "SO-1", OrderState::Pushed).await;
    let book = booked(&world.haier, "SO-1").await;
    assert_eq!((book.len(), &book[0]["sellerCode"]), (1, &json!("8800000001")));
    world.finish().await;
}

async fn after_an_old_backup_nothing_is_pushed_twice(plan: Plan) {
    let (mut world, code) = shop(plan).await;
    let target = haier_integration::proto::UpstreamTarget::OrderPush.into();
    let pushed = push(&mut world.client(), order("SO-1", &code)).await.unwrap();
    // The backup is from before the push.
    world.stop().await;
    world.database.forget_orders().await;
    world.serve().await;
    let mut operator = administration(&world).await;
    let pause = haier_integration::proto::PauseUpstreamRequest { target, ..Default::default() };
    operator.pause_upstream(pause).await.unwrap();
    accept(&world, order("SO-1", &code)).await.unwrap();
    let count = |validate_only| {
        let mut operator = operator.clone();
        async move {
            let request = ReconcileOrdersRequest { validate_only };
            operator.reconcile_orders(request).await.unwrap().into_inner().order_count
        }
    };
    assert_eq!((count(true).await, count(false).await, count(false).await), (1, 1, 0));
    let doubted = get(&mut world.client(), "SO-1").await;
    assert_eq!(doubted.state(), OrderState::InDoubt);
    operator.resume_upstream(haier_integration::proto::ResumeUpstreamRequest { target }).await.unwrap();
    until(&mut world.client(), "SO-1", OrderState::Pushed).await;
    assert_eq!(booked(&world.haier, "SO-1").await.len(), 1);
    assert_eq!(pushed.so_id, "SO-1");
    world.finish().await;
}

async fn reconciling_finds_what_was_repeated_and_leaves_what_was_refused(plan: Plan) {
    let (mut world, code) = shop(plan).await;
    push(&mut world.client(), order("SO-1", &code)).await.unwrap();
    world.stop().await;
    world.database.forget_orders().await;
    world.serve().await;
    // Haier has one of them from a push that is not on record, and does not want the other one.
    let repeated = push(&mut world.client(), order("SO-1", &code)).await.unwrap();
    let sql = format!("UPDATE products SET product_code = 'GONE' WHERE product_code = '{code}'");
    world.database.execute(&sql).await.unwrap();
    let refused = push(&mut world.client(), order("SO-2", "GONE")).await.unwrap();
    assert_eq!([repeated.state(), refused.state()], [OrderState::Refused; 2]);
    let mut operator = administration(&world).await;
    let request = ReconcileOrdersRequest { validate_only: false };
    assert_eq!(operator.reconcile_orders(request).await.unwrap().into_inner().order_count, 1);
    assert_eq!(get(&mut world.client(), "SO-1").await.state(), OrderState::Pushed);
    assert_eq!(get(&mut world.client(), "SO-2").await.state(), OrderState::Refused);
    assert_eq!((world.haier.calls("Y1").await, booked(&world.haier, "SO-1").await.len()), (3, 1));
    world.finish().await;
}
