//! An order belongs to the place and customer of its first attempt. Whatever else leads there by the account's name gets
//! nothing of it, and nothing that is signed elsewhere touches it.

use haier_integration::{
    proto::{
        CancelOrderRequest, DeactivateHaierConfigRequest, DeleteHaierConfigRequest, DisplacedOrders,
        GetUpstreamStatusRequest, HaierConfig, ListAuditEventsRequest, Order, OrderState, RetryOrderRequest,
        UpdateHaierConfigRequest, YlhConfig,
    },
    sandbox::Options,
};
use prost_types::FieldMask;
use serde_json::json;
use tonic::{Code, Status};

use super::{accept, booked, get, hurried, on_sale, order, push, until};
use crate::{
    callbacks::{count, post, until as callbacks_until},
    support::{Haier, Plan, World, on_both_databases, refusal, within},
    switching::{activate, administration, create, seller, with_orders},
};

on_both_databases!(
    an_order_in_doubt_stays_with_the_environment_account_it_was_sent_under,
    an_account_does_not_move_while_its_orders_are_unsettled,
    an_account_that_moved_sends_nothing_of_the_orders_of_before,
    an_account_made_again_under_its_name_is_another_one,
    orders_of_before_identities_are_bound_at_the_start,
    an_admin_binds_the_orders_of_the_environment_anew,
);

/// A second order system with a book of its own.
async fn elsewhere() -> Haier {
    let addr = ([127, 0, 0, 1], 0).into();
    Haier::start(Options { addr, products: 45, throttle: None, ..Options::default() }).await
}

/// An order that Haier has booked and never says so.
async fn in_doubt(world: &World, so_id: &str, code: &str) {
    world.haier.fault(json!({ "kind": "booked_then_error", "endpoint": "Y1", "so_id": so_id })).await;
    accept(world, order(so_id, code)).await.unwrap();
    until(&mut world.client(), so_id, OrderState::InDoubt).await;
    assert_eq!(booked(&world.haier, so_id).await.len(), 1);
}

/// The order once it says that it waits for its account.
async fn until_displaced(world: &World, so_id: &str) -> Order {
    within(async {
        loop {
            let order = get(&mut world.client(), so_id).await;
            if order.last_error.contains("OTHER_PLACE") {
                return order;
            }
        }
    })
    .await
}

async fn displaced(world: &World) -> Vec<DisplacedOrders> {
    let mut client = administration(world).await;
    client.get_upstream_status(GetUpstreamStatusRequest {}).await.unwrap().into_inner().displaced_orders
}

async fn received(haier: &Haier, so_id: &str) -> u64 {
    haier.orders().await["received"][so_id].as_u64().unwrap_or(0)
}

async fn update(
    world: &World,
    config: HaierConfig,
    paths: &[&str],
    same_place: bool,
) -> Result<HaierConfig, Status> {
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    let request = UpdateHaierConfigRequest {
        haier_config: Some(config),
        update_mask: Some(FieldMask { paths }),
        same_place,
    };
    administration(world).await.update_haier_config(request).await.map(tonic::Response::into_inner)
}

/// The account `shop` with another address of the order system.
fn moved(address: &str) -> HaierConfig {
    let ylh = YlhConfig { base_url: address.to_owned(), ..YlhConfig::default() };
    HaierConfig { name: "shop".to_owned(), ylh: Some(ylh), ..HaierConfig::default() }
}

async fn cancel(world: &World, so_id: &str) {
    let request = CancelOrderRequest { so_id: so_id.to_owned(), reason: "不要了".to_owned() };
    world.client().cancel_order(request).await.unwrap();
}

/// A callback of the second seller's key, signed with this secret.
async fn called(world: &World, method: &str, so_id: &str, state: i64, secret: &str) {
    let data = json!({ "ExtOrderNo": "SO.9", "PlatformOrderNo": so_id, "State": state });
    let callback = post(method, &data).with("AppKey", "sandbox-app-2").signed_with(secret);
    callback.taken_as_it_is(world).await;
}

async fn an_order_in_doubt_stays_with_the_environment_account_it_was_sent_under(plan: Plan) {
    let mut world = plan.settings(hurried).start().await;
    let code = on_sale(&world).await;
    in_doubt(&world, "SO-1", &code).await;
    world.stop().await;
    let first = world.settings.account.clone().unwrap();
    let other = elsewhere().await;
    world.settings.account = Some(other.account());
    world.serve().await;
    let order = until_displaced(&world, "SO-1").await;
    assert_eq!(order.state(), OrderState::InDoubt);
    assert!(order.last_error.contains("environment"), "{}", order.last_error);
    let displaced = displaced(&world).await;
    assert_eq!(displaced.len(), 1, "{displaced:?}");
    assert_eq!((displaced[0].account.as_str(), displaced[0].count), ("environment", 1));
    assert_eq!(displaced[0].so_ids, ["SO-1"]);
    // What comes from there is no word about it, whatever signs it.
    post("oostock", &json!({ "ExtOrderNo": "", "PlatformOrderNo": "SO-1", "State": 0 })).taken(&world).await;
    callbacks_until(&world, "parked_at IS NOT NULL", 1).await;
    assert_eq!(get(&mut world.client(), "SO-1").await.state(), OrderState::InDoubt);
    assert_eq!(received(&other, "SO-1").await, 0);

    world.stop().await;
    world.haier.clear_faults().await;
    world.settings.account = Some(first);
    world.serve().await;
    world.client().retry_order(RetryOrderRequest { so_id: "SO-1".to_owned() }).await.unwrap();
    until(&mut world.client(), "SO-1", OrderState::Pushed).await;
    assert_eq!((booked(&world.haier, "SO-1").await.len(), received(&other, "SO-1").await), (1, 0));
    world.finish().await;
}

async fn an_account_does_not_move_while_its_orders_are_unsettled(plan: Plan) {
    let world = plan.keyed().settings(hurried).start().await;
    let code = on_sale(&world).await;
    create(&world, with_orders(seller(&world, "shop", 0))).await;
    activate(&world, "shop").await;
    in_doubt(&world, "SO-1", &code).await;
    let other = elsewhere().await;
    let same = world.haier.base_url().replace("127.0.0.1", "localhost");

    let preset =
        HaierConfig { name: "shop".to_owned(), preset: "production".to_owned(), ..Default::default() };
    let customer = HaierConfig { customer_code: "8800000002".to_owned(), ..moved("") };
    let user = YlhConfig { username: "somebody".to_owned(), ..YlhConfig::default() };
    let user = HaierConfig { ylh: Some(user), ..moved("") };
    for (config, path) in [
        (moved(&other.base_url()), "ylh.base_url"),
        (preset, "preset"),
        (customer, "customer_code"),
        (user, "ylh.username"),
        (HaierConfig { ylh: None, ..moved("") }, "ylh"),
    ] {
        let refused = update(&world, config, &[path], false).await.unwrap_err();
        assert_eq!(refusal(&refused), (Code::FailedPrecondition, "OTHER_PLACE".to_owned()), "{path}");
        assert!(refused.message().contains("SO-1") && refused.message().contains("shop"), "{refused}");
    }
    // Secrets, and what is none of the order system's, change freely.
    let secret = YlhConfig { callback_secret: "another one".to_owned(), ..YlhConfig::default() };
    let config = HaierConfig { send_to_code: "8800000009".to_owned(), ylh: Some(secret), ..moved("") };
    update(&world, config, &["send_to_code", "ylh.callback_secret"], false).await.unwrap();

    // It is the same machine under another name: an admin says so, and the order goes there.
    let changed = update(&world, moved(&same), &["ylh.base_url"], true).await.unwrap();
    assert_eq!((changed.name.as_str(), changed.rebound_order_count), ("shop", 1));
    assert_eq!(displaced(&world).await, []);
    let mut client = administration(&world).await;
    let request = ListAuditEventsRequest { action: "account.update".to_owned(), ..Default::default() };
    let event = client.list_audit_events(request).await.unwrap().into_inner().audit_events.remove(0);
    assert!(event.changes.iter().any(|change| change.field == "same_place"), "{event:?}");
    world.haier.clear_faults().await;
    until(&mut world.client(), "SO-1", OrderState::Pushed).await;
    assert_eq!((booked(&world.haier, "SO-1").await.len(), received(&other, "SO-1").await), (1, 0));
    world.finish().await;
}

async fn an_account_that_moved_sends_nothing_of_the_orders_of_before(plan: Plan) {
    let world = plan.keyed().settings(hurried).start().await;
    let code = on_sale(&world).await;
    create(&world, with_orders(seller(&world, "shop", 1))).await;
    activate(&world, "shop").await;
    assert_eq!(push(&mut world.client(), order("SO-1", &code)).await.unwrap().state(), OrderState::Pushed);
    // Nothing is under way: the account may move.
    let other = elsewhere().await;
    let ylh = YlhConfig {
        base_url: other.base_url(),
        callback_secret: "theirs".to_owned(),
        ..YlhConfig::default()
    };
    let config = HaierConfig { ylh: Some(ylh), ..moved("") };
    update(&world, config, &["ylh.base_url", "ylh.callback_secret"], false).await.unwrap();

    cancel(&world, "SO-1").await;
    assert_eq!(until_displaced(&world, "SO-1").await.state(), OrderState::Cancelling);
    called(&world, "oostock", "SO-1", 0, "theirs").await;
    callbacks_until(&world, "parked_at IS NOT NULL", 1).await;
    assert_eq!(get(&mut world.client(), "SO-1").await.state(), OrderState::Cancelling);
    assert_eq!(other.calls("Y2").await, 0);
    // New orders go where the account leads now, and that way back is open.
    assert_eq!(push(&mut world.client(), order("SO-2", &code)).await.unwrap().state(), OrderState::Pushed);
    assert_eq!((booked(&world.haier, "SO-2").await.len(), booked(&other, "SO-2").await.len()), (0, 1));
    update(&world, moved(&world.haier.base_url()), &["ylh.base_url"], false).await.unwrap();
    drop(world.client().retry_order(RetryOrderRequest { so_id: "SO-1".to_owned() }).await);
    within(async { while world.haier.calls("Y2").await == 0 {} }).await;
    world.finish().await;
}

async fn an_account_made_again_under_its_name_is_another_one(plan: Plan) {
    let world = plan.keyed().settings(hurried).start().await;
    let code = on_sale(&world).await;
    create(&world, with_orders(seller(&world, "shop", 1))).await;
    activate(&world, "shop").await;
    push(&mut world.client(), order("SO-1", &code)).await.unwrap();
    called(&world, "confirm", "SO-1", 1, "sandbox-callback-secret").await;
    until(&mut world.client(), "SO-1", OrderState::Confirmed).await;
    let mut client = administration(&world).await;
    let request = DeactivateHaierConfigRequest { name: "shop".to_owned(), etag: String::new() };
    client.deactivate_haier_config(request).await.unwrap();
    let request = DeleteHaierConfigRequest { name: "shop".to_owned(), etag: String::new() };
    client.delete_haier_config(request).await.unwrap();

    let other = elsewhere().await;
    let mut again = with_orders(HaierConfig { base_url: other.base_url(), ..seller(&world, "other", 1) });
    again.ylh.as_mut().unwrap().callback_secret = "theirs".to_owned();
    let named = HaierConfig { name: "shop".to_owned(), ..again.clone() };
    let request = haier_integration::proto::CreateHaierConfigRequest {
        haier_config: Some(named),
        validate_only: false,
    };
    let refused = client.create_haier_config(request).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::AlreadyExists, "ALREADY_EXISTS".to_owned()));
    assert!(refused.message().contains("shop") && refused.message().contains("SO-1"), "{refused}");

    // Even where it came to be, it is another account.
    create(&world, again).await;
    let renamed = "UPDATE haier_configs SET name = 'shop', version = version + 1 WHERE name = 'other'";
    world.database.execute(renamed).await.unwrap();
    activate(&world, "shop").await;
    cancel(&world, "SO-1").await;
    assert_eq!(until_displaced(&world, "SO-1").await.state(), OrderState::Cancelling);
    called(&world, "oostock", "SO-1", 0, "theirs").await;
    callbacks_until(&world, "parked_at IS NOT NULL", 1).await;
    let order = get(&mut world.client(), "SO-1").await;
    assert_eq!((order.state(), other.calls("Y2").await), (OrderState::Cancelling, 0));
    assert_eq!(displaced(&world).await[0].so_ids, ["SO-1"]);
    world.finish().await;
}

async fn orders_of_before_identities_are_bound_at_the_start(plan: Plan) {
    let mut world = plan.settings(hurried).start().await;
    let code = on_sale(&world).await;
    in_doubt(&world, "SO-1", &code).await;
    world.stop().await;
    let before = if world.database.is_postgres() {
        "UPDATE orders SET sender = (sender::jsonb - 'place' - 'account_id')::json"
    } else {
        "UPDATE orders SET sender = json_remove(sender, '$.place', '$.account_id')"
    };
    world.database.execute(before).await.unwrap();
    world.serve().await;
    assert_eq!(world.database.number("SELECT count(*) FROM orders WHERE sender->>'place' IS NULL").await, 0);
    // From now on it is held to that.
    world.stop().await;
    let other = elsewhere().await;
    world.settings.account = Some(other.account());
    world.serve().await;
    until_displaced(&world, "SO-1").await;
    assert_eq!((received(&other, "SO-1").await, count(&world, "TRUE").await), (0, 0));
    // In doubt for ever, and with it its log.
    world.finish_leaving_open().await;
}

async fn an_admin_binds_the_orders_of_the_environment_anew(plan: Plan) {
    let mut world = plan.settings(hurried).start().await;
    let code = on_sale(&world).await;
    in_doubt(&world, "SO-1", &code).await;
    world.stop().await;
    // The same machine by another name.
    let ylh = world.settings.account.as_mut().unwrap().ylh.as_mut().unwrap();
    for address in [&mut ylh.base_url, &mut ylh.auth_url] {
        *address = address.replace("127.0.0.1", "localhost");
    }
    world.serve().await;
    until_displaced(&world, "SO-1").await;
    post("confirm", &json!({ "ExtOrderNo": "SO.1", "PlatformOrderNo": "SO-1", "State": 1 }))
        .taken(&world)
        .await;
    callbacks_until(&world, "parked_at IS NOT NULL", 1).await;
    let named = HaierConfig { name: "environment".to_owned(), ..HaierConfig::default() };
    let refused = update(&world, named.clone(), &["customer_code"], true).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    let rebound = update(&world, named.clone(), &[], true).await.unwrap();
    assert_eq!(rebound, HaierConfig { rebound_order_count: 1, ..named });
    assert_eq!(displaced(&world).await, []);
    // What was said of it meanwhile counts now.
    until(&mut world.client(), "SO-1", OrderState::Confirmed).await;
    assert_eq!(booked(&world.haier, "SO-1").await.len(), 1);
    world.finish().await;
}
