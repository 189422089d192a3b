//! Callbacks find their orders: by which number, whose orders, and when the order comes later than what is said of it.

use haier_integration::{
    domain::{
        callbacks::{ReceivedCallback, Signer},
        orders::facts::CallbackMethod,
    },
    proto::{
        Callback, CancelOrderRequest, CreateHaierConfigRequest, ListCallbacksRequest, ListOrderFactsRequest,
        Order, OrderState, PauseUpstreamRequest, PushOrderRequest, ResumeUpstreamRequest, UpstreamTarget,
        haier_administration_client::HaierAdministrationClient,
    },
    sandbox::CUSTOMER_CODES,
    store::callbacks,
    upstream::account_identity,
};
use serde_json::json;

use super::{count, listing::list, now, post, until as counted};
use crate::{
    keys::rotated,
    orders::{PERSONAL, get, on_sale, order, push, until},
    support::{Plan, World, account, on_both_databases, within},
};

on_both_databases!(
    a_callback_is_applied_to_its_order_by_either_number,
    a_callback_that_comes_before_its_order_is_applied_when_that_comes,
    words_about_an_order_that_is_not_here_are_sealed_until_it_comes,
    a_number_that_several_orders_share_decides_nothing,
    another_accounts_callback_touches_no_order,
    another_accounts_callback_touches_no_order_that_was_never_sent,
    what_a_kill_left_unapplied_is_applied_at_the_next_start,
    what_another_replica_left_unapplied_is_applied,
    the_stand_ins_callbacks_confirm_and_cancel_what_was_pushed,
    an_order_that_was_not_sent_from_here_is_cancelled_in_the_accounts_name,
);

pub(super) async fn pushed(world: &World, order: Order) -> Order {
    let order = push(&mut world.client(), order).await.unwrap();
    assert_eq!(order.state(), OrderState::Pushed);
    order
}

/// Haier's number, and ours.
pub(super) async fn tell(world: &World, method: &str, ext: &str, number: &str, state: i64) {
    let data = json!({ "ExtOrderNo": ext, "PlatformOrderNo": number, "State": state, "FailMsg": "13912345678 缺货" });
    post(method, &data).taken(world).await;
}

async fn a_callback_is_applied_to_its_order_by_either_number(plan: Plan) {
    let world = plan.start().await;
    let code = on_sale(&world).await;
    for so_id in ["S-1", "S-2"] {
        pushed(&world, order(so_id, &code)).await;
    }
    tell(&world, "confirm", "SO.1", "S-1", 1).await;
    tell(&world, "oostock", "", "TB-S-2", 0).await;
    let confirmed = until(&mut world.client(), "S-1", OrderState::Confirmed).await;
    assert_eq!(confirmed.haier_order_no, "SO.1");
    let out = until(&mut world.client(), "S-2", OrderState::OutOfStock).await;
    assert!(out.last_error.contains("缺货") && !out.last_error.contains("13912345678"), "{}", out.last_error);
    // The same again, and an older fact after a newer one: nothing moves.
    tell(&world, "confirm", "SO.2", "S-2", 1).await;
    counted(&world, "order_id IS NOT NULL AND applied_at IS NOT NULL", 3).await;
    assert_eq!(get(&mut world.client(), "S-2").await.state(), OrderState::OutOfStock);
    world.finish().await;
}

async fn a_callback_that_comes_before_its_order_is_applied_when_that_comes(plan: Plan) {
    let world = plan.start().await;
    let code = on_sale(&world).await;
    tell(&world, "confirm", "SO.1", "TB-S-1", 1).await;
    tell(&world, "confirm", "SO.9", "never", 1).await;
    counted(&world, "parked_at IS NOT NULL", 2).await;
    // Not waited for: Haier has confirmed it before it was pushed, as far as anybody knows.
    push(&mut world.client(), order("S-1", &code)).await.unwrap();
    until(&mut world.client(), "S-1", OrderState::Confirmed).await;
    assert_eq!(count(&world, "applied_at IS NULL").await, 1);
    world.finish().await;
}

/// What Haier says may name people of whom nothing is known here yet.
async fn words_about_an_order_that_is_not_here_are_sealed_until_it_comes(plan: Plan) {
    let world = plan.keyed().start().await;
    let code = on_sale(&world).await;
    let words = format!("{}的订单缺货", PERSONAL[0]);
    let data = json!({ "ExtOrderNo": "", "PlatformOrderNo": "S-1", "State": 0, "FailMsg": words });
    // In a field that nobody knows, and no words.
    let more = json!({ "PlatformOrderNo": "S-3", "State": 1, "Receiver": { "name": PERSONAL[0] } });
    // The name in escapes, as some write JSON.
    let escaped: String = words.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
    let in_escapes = data.to_string().replace(&words, &escaped).replace("S-1", "S-2");
    post("oostock", &data).taken(&world).await;
    post("oostock", &data).with("Data", &in_escapes).taken(&world).await;
    post("confirm", &more).taken(&world).await;
    counted(&world, "parked_at IS NOT NULL AND sealed LIKE 'v1.%'", 3).await;
    let tells = format!("words LIKE '%缺货%' OR data LIKE '%缺货%' OR data LIKE '%{}%'", &escaped[..6]);
    assert_eq!(count(&world, &tells).await, 0);
    assert_eq!(count(&world, "data LIKE '%Receiver%'").await, 0);
    // The people who may read it do, under another key as well.
    let shown = |callbacks: Vec<Callback>| callbacks.into_iter().map(|one| one.words).collect::<Vec<_>>();
    let all = ["", words.as_str(), words.as_str()];
    assert_eq!(shown(list(&world, ListCallbacksRequest::default()).await.0), all);
    assert_eq!(rotated(&world).await, 3);
    assert_eq!(shown(list(&world, ListCallbacksRequest::default()).await.0), all);

    for so_id in ["S-1", "S-2"] {
        push(&mut world.client(), order(so_id, &code)).await.unwrap();
        let out = until(&mut world.client(), so_id, OrderState::OutOfStock).await;
        assert!(out.last_error.contains("的订单缺货") && !out.last_error.contains(PERSONAL[0]), "{out:?}");
    }
    push(&mut world.client(), order("S-3", &code)).await.unwrap();
    until(&mut world.client(), "S-3", OrderState::Confirmed).await;
    assert_eq!(count(&world, "sealed IS NULL AND data LIKE '%Receiver%'").await, 1);
    assert_eq!(count(&world, &format!("words LIKE '%{0}%' OR data LIKE '%{0}%'", PERSONAL[0])).await, 0);
    assert_eq!(count(&world, "sealed IS NULL AND words LIKE '%缺货' AND data LIKE '%缺货%'").await, 2);
    world.finish().await;
}

async fn a_number_that_several_orders_share_decides_nothing(plan: Plan) {
    let world = plan.start().await;
    let code = on_sale(&world).await;
    for so_id in ["S-1", "S-2"] {
        pushed(&world, Order { online_no: "TB".to_owned(), ..order(so_id, &code) }).await;
    }
    tell(&world, "oostock", "SO.2", "TB", 0).await;
    counted(&world, "parked_at IS NOT NULL", 1).await;
    // From here on Haier's number of the second one is known, and tells what was meant.
    tell(&world, "confirm", "SO.2", "S-2", 1).await;
    until(&mut world.client(), "S-2", OrderState::OutOfStock).await;
    counted(&world, "applied_at IS NOT NULL", 2).await;
    assert_eq!(get(&mut world.client(), "S-1").await.state(), OrderState::Pushed);
    world.finish().await;
}

async fn another_accounts_callback_touches_no_order(plan: Plan) {
    let mut world = plan.start().await;
    let code = on_sale(&world).await;
    pushed(&world, order("S-1", &code)).await;
    world.stop().await;
    let first = world.settings.account.clone().unwrap();
    let mut second = first.clone();
    second.name = "second".to_owned();
    second.customer_code = CUSTOMER_CODES[1].to_owned();
    second.ylh.as_mut().unwrap().callback_app_key = "sandbox-app-2".to_owned();
    world.settings.account = Some(second);
    world.serve().await;
    let confirm = json!({ "ExtOrderNo": "SO.1", "PlatformOrderNo": "S-1", "State": 1 });
    post("confirm", &confirm).with("AppKey", "sandbox-app-2").taken(&world).await;
    counted(&world, "parked_at IS NOT NULL", 1).await;
    assert_eq!(get(&mut world.client(), "S-1").await.state(), OrderState::Pushed);
    world.stop().await;
    world.settings.account = Some(first);
    world.serve().await;
    post("confirm", &confirm).taken(&world).await;
    until(&mut world.client(), "S-1", OrderState::Confirmed).await;
    assert_eq!(count(&world, "applied_at IS NULL").await, 1);
    world.finish().await;
}

/// Both systems may use the same numbers.
async fn another_accounts_callback_touches_no_order_that_was_never_sent(plan: Plan) {
    let world = plan.keyed().start().await;
    let mut operator = world.administration().await;
    let other = account("other");
    let secret = other.ylh.as_ref().unwrap().callback_secret.clone();
    let request = CreateHaierConfigRequest { haier_config: Some(other), validate_only: false };
    operator.create_haier_config(request).await.unwrap();
    let code = on_sale(&world).await;
    let target = UpstreamTarget::OrderPush.into();
    operator.pause_upstream(PauseUpstreamRequest { target, ..Default::default() }).await.unwrap();
    let request = PushOrderRequest { order: Some(order("S-1", &code)), wait: None };
    world.client().push_order(request).await.unwrap();
    let data = json!({ "ExtOrderNo": "SO.1", "PlatformOrderNo": "S-1", "State": 1 });
    let callback = post("confirm", &data).with("AppKey", "app").with_secret(&secret);
    // Once the account is known.
    within(async { while callback.clone().send(&world).await.1["success"] != true {} }).await;
    counted(&world, "parked_at IS NOT NULL", 1).await;
    assert_eq!(get(&mut world.client(), "S-1").await.state(), OrderState::Accepted);
    operator.resume_upstream(ResumeUpstreamRequest { target }).await.unwrap();
    until(&mut world.client(), "S-1", OrderState::Pushed).await;
    world.finish().await;
}

/// A callback that is stored and not applied.
pub(super) fn left(world: &World, id: i64, so_id: &str) -> ReceivedCallback {
    let account = world.settings.account.as_ref().unwrap();
    ReceivedCallback {
        id,
        received_at: now(),
        app_key: "sandbox-app".to_owned(),
        signers: vec![Signer {
            account: account.name.clone(),
            seller_code: account.customer_code.clone(),
            identity: account_identity(account),
        }],
        method: CallbackMethod::Confirm,
        time_stamp: "20260101120000".to_owned(),
        platform_order_no: so_id.to_owned(),
        haier_order_no: Some("SO.1".to_owned()),
        success: true,
        words: String::new(),
        data: "{}".to_owned(),
        sealed: None,
        digest: id.to_be_bytes().repeat(4),
    }
}

/// What is left when the process dies after the answer and before it is applied.
async fn leave_unapplied(world: &World, so_id: &str) {
    let callback = left(world, 1, so_id);
    let store = world.database.store().await.unwrap();
    let mut tx = store.begin().await.unwrap();
    assert!(callbacks::insert(&mut tx, &callback).await.unwrap());
    tx.commit().await.unwrap();
}

async fn what_a_kill_left_unapplied_is_applied_at_the_next_start(plan: Plan) {
    let mut world = plan.start().await;
    let code = on_sale(&world).await;
    pushed(&world, order("S-1", &code)).await;
    world.stop().await;
    leave_unapplied(&world, "S-1").await;
    world.serve().await;
    until(&mut world.client(), "S-1", OrderState::Confirmed).await;
    world.finish().await;
}

async fn what_another_replica_left_unapplied_is_applied(plan: Plan) {
    let world = plan.start().await;
    if world.database.is_postgres() {
        let code = on_sale(&world).await;
        pushed(&world, order("S-1", &code)).await;
        leave_unapplied(&world, "S-1").await;
        until(&mut world.client(), "S-1", OrderState::Confirmed).await;
    }
    world.finish().await;
}

async fn the_stand_ins_callbacks_confirm_and_cancel_what_was_pushed(plan: Plan) {
    let world = plan.sandbox(|options| options.callback_delay = std::time::Duration::ZERO).start().await;
    let code = on_sale(&world).await;
    world.haier.call_back(&world.service().callback_url()).await;
    push(&mut world.client(), order("S-1", &code)).await.unwrap();
    let confirmed = until(&mut world.client(), "S-1", OrderState::Confirmed).await;
    assert!(!confirmed.haier_order_no.is_empty());
    let request = CancelOrderRequest { so_id: "S-1".to_owned(), reason: "不想要了".to_owned() };
    within(world.client().cancel_order(request)).await.unwrap();
    until(&mut world.client(), "S-1", OrderState::Cancelled).await;
    counted(&world, "applied_at IS NOT NULL", 2).await;
    world.finish().await;
}

/// It was sent before the backup that this database comes from.
async fn an_order_that_was_not_sent_from_here_is_cancelled_in_the_accounts_name(plan: Plan) {
    let mut world = plan.start().await;
    let code = on_sale(&world).await;
    pushed(&world, order("S-1", &code)).await;
    world.stop().await;
    world.database.forget_orders().await;
    world.serve().await;
    let mut operator = HaierAdministrationClient::new(world.channel().connect().await.unwrap());
    let target = UpstreamTarget::OrderPush.into();
    operator.pause_upstream(PauseUpstreamRequest { target, ..Default::default() }).await.unwrap();
    let request = PushOrderRequest { order: Some(order("S-1", &code)), wait: None };
    world.client().push_order(request).await.unwrap();
    tell(&world, "confirm", "SO.1", "S-1", 1).await;
    until(&mut world.client(), "S-1", OrderState::Confirmed).await;
    let cancel = CancelOrderRequest { so_id: "S-1".to_owned(), reason: "不要了".to_owned() };
    world.client().cancel_order(cancel).await.unwrap();
    let request = ListOrderFactsRequest { so_id: "S-1".to_owned(), ..Default::default() };
    let ended = within(async {
        loop {
            let facts = world.client().list_order_facts(request.clone()).await.unwrap().into_inner().facts;
            if let Some(ended) = facts.into_iter().find(|fact| fact.kind == "change_ended") {
                return ended;
            }
        }
    });
    // Not refused for want of a name.
    let ended = ended.await;
    let order = get(&mut world.client(), "S-1").await;
    assert_eq!((order.state(), order.last_error.as_str()), (OrderState::Cancelling, ""), "{ended:?}");
    world.finish().await;
}
