//! What is taken, and what is not.

use futures_util::future::join_all;
use haier_integration::proto::{
    BatchGetOrdersRequest, ListOrdersRequest, Order, OrderState, PauseUpstreamRequest, ResumeUpstreamRequest,
    SyncProductsRequest, SyncStatus, SyncType, UpstreamTarget,
};
use serde_json::json;
use tonic::Code;
use tonic_types::StatusExt as _;

use super::{
    PERSONAL, accept, administration, booked, changes_of, get, kinds, order, push, shop, until, yuan,
};
use crate::support::{Plan, on_both_databases, refusal, violated};

on_both_databases!(
    an_answer_without_any_record_refuses_no_order,
    an_order_is_pushed_once_and_tells_its_story,
    all_that_is_wrong_is_told_at_once,
    the_same_number_with_other_content_is_refused_by_field,
    pushing_at_the_same_instant_makes_one_order,
    a_product_that_cannot_be_ordered_is_refused_and_a_silent_haier_refuses_nothing,
    the_accounts_names_may_be_given_or_left_out,
    an_old_copy_refuses_nothing_that_haier_does_not_refuse_now,
    without_a_key_nothing_personal_is_taken,
    nothing_personal_stands_in_the_database,
    a_pause_of_new_orders_holds_them_back_and_no_longer,
    facts_cannot_be_changed,
);

async fn an_order_is_pushed_once_and_tells_its_story(plan: Plan) {
    let (world, code) = shop(plan).await;
    let given = order("SO-1", &code);
    let pushed = push(&mut world.client(), given.clone()).await.unwrap();
    assert_eq!(pushed.state(), OrderState::Pushed, "{}", pushed.last_error);
    assert!(!pushed.retail_order_no.is_empty() && pushed.next_attempt_at.is_none());
    assert_eq!((pushed.account.as_str(), pushed.consignee_name.as_str()), ("environment", PERSONAL[0]));
    let book = booked(&world.haier, "SO-1").await;
    assert_eq!(book.len(), 1);
    assert_eq!(book[0]["retailOrderNo"], pushed.retail_order_no.as_str());
    assert_eq!(kinds(&world, "SO-1").await, ["push_began", "push_ended"]);
    assert_eq!(changes_of(&world, "SO-1").await, [OrderState::Accepted, OrderState::Pushed]);
    let log = world.log(pushed.sync_log_id).await;
    assert_eq!((log.sync_type(), log.status()), (SyncType::Order, SyncStatus::Success));
    assert_eq!((log.total_count, log.success_count, log.planned_count), (1, 1, Some(1)));
    assert!(PERSONAL.iter().all(|personal| !log.message.contains(personal)), "{}", log.message);

    // The same again, as it was given and as it is read back: the same order, and no call.
    let calls = world.haier.calls("Y1").await;
    for again in [given, Order { state: 0, ..pushed.clone() }] {
        assert_eq!(push(&mut world.client(), again).await.unwrap(), pushed);
    }
    assert_eq!(world.haier.calls("Y1").await, calls);
    let request = BatchGetOrdersRequest { so_ids: vec!["SO-1".into(), "SO-2".into(), "SO-1".into()] };
    let found = world.client().batch_get_orders(request).await.unwrap().into_inner();
    assert_eq!((found.orders, found.missing_so_ids), (vec![pushed.clone()], vec!["SO-2".to_owned()]));
    let request = ListOrdersRequest { online_no: "TB-SO-1".into(), ..Default::default() };
    assert_eq!(world.client().list_orders(request).await.unwrap().into_inner().orders, [pushed]);
    world.finish().await;
}

async fn all_that_is_wrong_is_told_at_once(plan: Plan) {
    let (world, code) = shop(plan).await;
    let mut bad = order("SO 1", &code);
    bad.consignee_mobile = "139".to_owned();
    bad.city.clear();
    bad.total_amount = yuan(1);
    bad.install_time = Some(prost_types::Timestamp { seconds: 1_767_283_198, nanos: 0 });
    bad.items[0].quantity = 2;
    bad.items[0].actual_price = None;
    let refused = accept(&world, bad).await.unwrap_err();
    let expected = [
        "order.city",
        "order.consignee_mobile",
        "order.install_time",
        "order.items[0].actual_price",
        "order.items[0].quantity",
        "order.so_id",
    ];
    assert_eq!(violated(&refused), expected);
    let refused = world.client().push_order(haier_integration::proto::PushOrderRequest::default()).await;
    assert_eq!(violated(&refused.unwrap_err()), ["order"]);
    assert_eq!(world.database.number("SELECT count(*) FROM orders").await, 0);
    world.finish().await;
}

async fn the_same_number_with_other_content_is_refused_by_field(plan: Plan) {
    let (world, code) = shop(plan).await;
    let first = push(&mut world.client(), order("SO-1", &code)).await.unwrap();
    let mut other = order("SO-1", &code);
    other.consignee_mobile = "13800000000".to_owned();
    other.items[0].retail_price = yuan(2_199);
    other.items[0].discount_amount = yuan(200);
    let refused = push(&mut world.client(), other).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::AlreadyExists, "ORDER_CONFLICT".to_owned()));
    let fields = refused.get_details_error_info().unwrap().metadata["fields"].clone();
    assert_eq!(fields, "consignee_mobile,items[0].retail_price,items[0].discount_amount");
    assert!(!refused.message().contains("138"), "{refused}");
    assert_eq!(get(&mut world.client(), "SO-1").await, first);
    world.finish().await;
}

async fn pushing_at_the_same_instant_makes_one_order(plan: Plan) {
    let (world, code) = shop(plan).await;
    let pushes = (0..12).map(|_| {
        let (mut client, order) = (world.client(), order("SO-1", &code));
        async move { push(&mut client, order).await.unwrap() }
    });
    let answers = join_all(pushes).await;
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert_eq!(booked(&world.haier, "SO-1").await.len(), 1);
    assert_eq!(world.haier.calls("Y1").await, 1);
    world.finish().await;
}

async fn a_product_that_cannot_be_ordered_is_refused_and_a_silent_haier_refuses_nothing(plan: Plan) {
    let (world, code) = shop(plan).await;
    let off_sale = world.products().await.into_iter().find(|product| !product.is_sales);
    let mut wrong = order("SO-1", "NO-SUCH-PRODUCT");
    if let Some(product) = off_sale {
        let item = haier_integration::proto::OrderItem {
            product_code: product.product_code,
            ..wrong.items[0].clone()
        };
        wrong.items.push(item);
        wrong.total_amount = yuan(2 * 1_999);
    }
    let lines: Vec<String> =
        (0..wrong.items.len()).map(|line| format!("order.items[{line}].product_code")).collect();
    assert_eq!(violated(&accept(&world, wrong).await.unwrap_err()), lines);

    // A product that the shop's copy does not hold yet is asked for; a Haier that does not answer is no reason to refuse.
    let sql = format!(
        "UPDATE product_sync SET catalogue_at = NULL WHERE product_id = \
                       (SELECT id FROM products WHERE product_code = '{code}')"
    );
    world.database.execute(&sql).await.unwrap();
    world.haier.fault(json!({ "endpoint": "H1", "kind": "forbidden" })).await;
    let before = world.haier.calls("H1").await;
    let pushed = push(&mut world.client(), order("SO-2", &code)).await.unwrap();
    assert_eq!(pushed.state(), OrderState::Pushed);
    assert_eq!(world.haier.calls("H1").await, before + 1);
    world.haier.clear_faults().await;
    world.finish().await;
}

async fn the_accounts_names_may_be_given_or_left_out(plan: Plan) {
    let (world, code) = shop(plan).await;
    let ylh = world.settings.account.as_ref().and_then(|account| account.ylh.clone()).unwrap();
    let without = order("SO-1", &code);
    let with = Order { source_system: ylh.source_system, shop_name: ylh.shop_name, ..without.clone() };
    let other = Order { shop_name: "another one".to_owned(), ..without.clone() };
    // Before its first attempt and after it.
    let pause = PauseUpstreamRequest { target: UpstreamTarget::OrderPush.into(), ..Default::default() };
    administration(&world).await.pause_upstream(pause).await.unwrap();
    let differ = async || {
        let refused = accept(&world, other.clone()).await.unwrap_err();
        refused.get_details_error_info().unwrap().metadata["fields"].clone()
    };
    accept(&world, with.clone()).await.unwrap();
    accept(&world, without.clone()).await.unwrap();
    assert_eq!(differ().await, "shop_name");
    let resume = ResumeUpstreamRequest { target: UpstreamTarget::OrderPush.into() };
    administration(&world).await.resume_upstream(resume).await.unwrap();
    until(&mut world.client(), "SO-1", OrderState::Pushed).await;
    accept(&world, without).await.unwrap();
    accept(&world, with).await.unwrap();
    assert_eq!(differ().await, "shop_name");
    world.finish().await;
}

async fn an_old_copy_refuses_nothing_that_haier_does_not_refuse_now(plan: Plan) {
    let (world, _) = shop(plan).await;
    let codes = world.codes(2).await;
    let sells = async |flags: [&str; 2]| {
        let [one, other] = flags.map(|flag| json!({ "isSales": flag }));
        world.haier.change(json!({ "prices": { &codes[0]: one, &codes[1]: other } })).await;
    };
    // The copy says the contrary of what Haier says now, and is older than it may be.
    sells(["0", "1"]).await;
    world.sync(SyncProductsRequest { product_codes: codes.clone(), ..Default::default() }).await;
    let products = world.products().await;
    assert!(!products[0].is_sales && products[1].is_sales);
    world.database.execute("UPDATE product_sync SET catalogue_at = NULL").await.unwrap();
    sells(["1", "0"]).await;
    // Haier does not answer, or its record of the product cannot be read.
    let faults = [
        json!({ "endpoint": "H1", "kind": "forbidden" }),
        json!({ "endpoint": "H1", "kind": "wrong_type", "product_code": codes[0] }),
    ];
    for (fault, so_id) in faults.into_iter().zip(["SO-1", "SO-2"]) {
        world.haier.clear_faults().await;
        world.haier.fault(fault).await;
        accept(&world, order(so_id, &codes[0])).await.unwrap();
    }
    world.haier.clear_faults().await;
    accept(&world, order("SO-3", &codes[0])).await.unwrap();
    let refused = accept(&world, order("SO-4", &codes[1])).await.unwrap_err();
    assert_eq!(violated(&refused), ["order.items[0].product_code"]);
    for so_id in ["SO-1", "SO-2", "SO-3"] {
        until(&mut world.client(), so_id, OrderState::Pushed).await;
    }
    world.finish().await;
}

async fn without_a_key_nothing_personal_is_taken(plan: Plan) {
    let (world, code) = shop(plan.settings(|settings| settings.keys = None)).await;
    let refused = accept(&world, order("SO-1", &code)).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::FailedPrecondition, "NO_KEY".to_owned()));
    assert!(refused.message().contains("keys generate"), "{refused}");
    world.finish().await;
}

async fn nothing_personal_stands_in_the_database(plan: Plan) {
    let (world, code) = shop(plan).await;
    // Haier's words name the customer, and are kept without him.
    world.haier.fault(json!({ "endpoint": "Y1", "kind": "booked_then_error", "count": 1 })).await;
    push(&mut world.client(), order("SO-1", &code)).await.unwrap();
    let database = world.finish_leaving_open().await;
    let everything = database.everything().await;
    assert!(everything.contains("SO-1"), "nothing was read");
    for personal in PERSONAL {
        assert!(!everything.contains(personal), "{personal} stands in the database");
    }
}

async fn a_pause_of_new_orders_holds_them_back_and_no_longer(plan: Plan) {
    let (world, code) = shop(plan).await;
    let mut operator = administration(&world).await;
    let target = UpstreamTarget::OrderPush.into();
    let pause = PauseUpstreamRequest { target, reason: "stocktaking".to_owned(), until: None };
    operator.pause_upstream(pause).await.unwrap();
    let held = accept(&world, order("SO-1", &code)).await.unwrap();
    assert_eq!(held.state(), OrderState::Accepted);
    assert!(kinds(&world, "SO-1").await.is_empty());
    assert_eq!(world.haier.calls("Y1").await, 0);
    operator.resume_upstream(ResumeUpstreamRequest { target }).await.unwrap();
    until(&mut world.client(), "SO-1", OrderState::Pushed).await;
    world.finish().await;
}

async fn facts_cannot_be_changed(plan: Plan) {
    let (world, code) = shop(plan).await;
    push(&mut world.client(), order("SO-1", &code)).await.unwrap();
    for sql in [
        "UPDATE order_facts SET kind = 'gave_up'",
        "DELETE FROM order_facts",
        "UPDATE orders SET account = 'another'",
    ] {
        assert!(world.database.execute(sql).await.is_err(), "{sql}");
    }
    world.finish().await;
}

async fn an_answer_without_any_record_refuses_no_order(plan: Plan) {
    let (world, _) = shop(plan).await;
    world.haier.fault(serde_json::json!({ "endpoint": "H1", "kind": "empty" })).await;
    let accepted = accept(&world, order("SO-1", "NOT-STORED")).await.unwrap();
    assert_eq!(accepted.so_id, "SO-1");
    world.haier.clear_faults().await;
    let refused = accept(&world, order("SO-2", "NOT-STORED")).await.unwrap_err();
    assert_eq!(refusal(&refused).0, tonic::Code::InvalidArgument);
    world.finish_leaving_open().await;
}
