//! Switching the account: at once and on every replica, and nothing that runs is dropped. And testing one.

use std::sync::atomic::{AtomicBool, Ordering};

use haier_integration::{
    proto::{
        ActivateHaierConfigRequest, CreateHaierConfigRequest, DeactivateHaierConfigRequest,
        DeleteHaierConfigRequest, GetLogisticsRequest, GetPricesRequest, GetUpstreamStatusRequest,
        HaierConfig, ListSyncLogsRequest, SyncProductsRequest, SyncStatus, SyncType, TestHaierConfigRequest,
        TestHaierConfigResponse, UpdateHaierConfigRequest, YlhConfig,
        haier_administration_client::HaierAdministrationClient, haier_config_check::Outcome,
        test_haier_config_request::Account as Tested,
    },
    sandbox::{CLIENT_ID, CUSTOMER_CODES, PASSWORD},
    service::Service,
};
use serde_json::json;
use tonic::{Code, Status, transport::Channel};

use crate::support::{Client, Plan, World, on_both_databases, refusal, violated, within};

on_both_databases!(
    a_switch_fails_no_call_and_a_run_ends_with_the_account_it_began_with,
    a_changed_account_is_used_at_once,
    an_account_that_a_run_needs_is_not_deleted,
    replicas_follow_a_switch,
    the_first_account_fills_an_empty_store,
    a_test_says_which_system_refuses_an_account,
    a_test_tries_every_password,
    the_status_shows_the_account_in_use_once_and_former_ones_while_they_work,
    a_test_of_an_unsaved_account_names_every_fault,
);

pub(crate) async fn administration(world: &World) -> HaierAdministrationClient<Channel> {
    HaierAdministrationClient::new(world.channel().connect().await.unwrap())
}

/// An account at the stand-in, of its first seller or its second.
pub(crate) fn seller(world: &World, name: &str, number: usize) -> HaierConfig {
    let secret = || PASSWORD.to_owned();
    HaierConfig {
        name: name.to_owned(),
        client_id: CLIENT_ID.to_owned(),
        client_secret: secret(),
        base_url: world.haier.base_url(),
        customer_code: CUSTOMER_CODES[number].to_owned(),
        password: secret(),
        seller_password: secret(),
        ..HaierConfig::default()
    }
}

pub(crate) async fn create(world: &World, config: HaierConfig) {
    let request = CreateHaierConfigRequest { haier_config: Some(config), validate_only: false };
    administration(world).await.create_haier_config(request).await.unwrap();
}

pub(crate) async fn activate(world: &World, name: &str) -> String {
    let request = ActivateHaierConfigRequest { name: name.to_owned(), ..Default::default() };
    administration(world).await.activate_haier_config(request).await.unwrap().into_inner().previous
}

/// The account that a call goes under now: a query for parcels leaves a log that names it.
async fn account_in_use(client: &mut Client) -> String {
    let request = GetLogisticsRequest { order_code: "SO.20260101.000001".to_owned(), ..Default::default() };
    client.get_logistics(request).await.unwrap();
    let request = ListSyncLogsRequest {
        sync_type: SyncType::Logistics.into(),
        page_size: 1,
        ..ListSyncLogsRequest::default()
    };
    client.list_sync_logs(request).await.unwrap().into_inner().sync_logs.remove(0).account
}

async fn a_switch_fails_no_call_and_a_run_ends_with_the_account_it_began_with(plan: Plan) {
    let world = plan.keyed().settings(|settings| settings.sync.calls_in_flight = 1).start().await;
    create(&world, seller(&world, "first", 0)).await;
    create(&world, seller(&world, "second", 1)).await;
    assert_eq!(activate(&world, "first").await, "environment");
    let code = world.codes(1).await.remove(0);

    let (reader, over) = (world.client(), AtomicBool::new(false));
    let reading = async {
        let mut answered = 0;
        while !over.load(Ordering::Relaxed) {
            let request = GetPricesRequest { product_codes: vec![code.clone()] };
            reader.clone().get_prices(request).await.unwrap();
            answered += 1;
        }
        answered
    };
    let switching = async {
        // One batch waits at Haier while the account is switched.
        world.haier.fault(json!({ "kind": "latency", "endpoint": "H1", "delay_ms": 300, "count": 1 })).await;
        let request = SyncProductsRequest { sync_prices: true, ..SyncProductsRequest::default() };
        let mut stream = world.client().sync_products(request).await.unwrap().into_inner();
        let log = stream.message().await.unwrap().unwrap().sync_log_id;
        world.haier.struck(1).await;
        assert_eq!(activate(&world, "second").await, "first");
        assert_eq!(account_in_use(&mut world.client()).await, "second");
        let end = world.watch(log).await.pop().unwrap();
        assert_eq!(end.status(), SyncStatus::Success, "{end:?}");
        assert_eq!(world.log(log).await.account, "first");

        let request = DeactivateHaierConfigRequest { name: "second".to_owned(), etag: String::new() };
        administration(&world).await.deactivate_haier_config(request).await.unwrap();
        assert_eq!(account_in_use(&mut world.client()).await, "environment");
        over.store(true, Ordering::Relaxed);
    };
    let (answered, ()) = tokio::join!(within(reading), within(switching));
    assert!(answered > 0);
    world.finish().await;
}

async fn a_changed_account_is_used_at_once(plan: Plan) {
    let world = plan.keyed().start().await;
    create(&world, HaierConfig { client_secret: "wrong".to_owned(), ..seller(&world, "shop", 0) }).await;
    activate(&world, "shop").await;
    let code = world.codes(1).await.remove(0);
    let ask = async || {
        let request = GetPricesRequest { product_codes: vec![code.clone()] };
        world.client().get_prices(request).await.map(drop)
    };
    let refused = ask().await.unwrap_err();
    assert_eq!(refusal(&refused).1, "AUTH_FAILED", "{refused}");
    let request = UpdateHaierConfigRequest {
        haier_config: Some(HaierConfig {
            name: "shop".to_owned(),
            client_secret: PASSWORD.to_owned(),
            ..HaierConfig::default()
        }),
        update_mask: None,
        same_place: false,
    };
    administration(&world).await.update_haier_config(request).await.unwrap();
    ask().await.unwrap();
    world.finish().await;
}

async fn an_account_that_a_run_needs_is_not_deleted(plan: Plan) {
    let world = plan.keyed().start().await;
    create(&world, seller(&world, "first", 0)).await;
    create(&world, seller(&world, "second", 1)).await;
    activate(&world, "first").await;
    world.haier.fault(json!({ "kind": "latency", "endpoint": "H1", "delay_ms": 300, "count": 1 })).await;
    let mut stream = world.client().sync_products(SyncProductsRequest::default()).await.unwrap().into_inner();
    let log = stream.message().await.unwrap().unwrap().sync_log_id;
    activate(&world, "second").await;
    let delete = async || -> Result<(), Status> {
        let request = DeleteHaierConfigRequest { name: "first".to_owned(), etag: String::new() };
        administration(&world).await.delete_haier_config(request).await.map(drop)
    };
    let refused = delete().await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains(&log.to_string()), "{refused}");
    world.watch(log).await;
    delete().await.unwrap();
    world.finish().await;
}

async fn replicas_follow_a_switch(plan: Plan) {
    let world = plan.keyed().start().await;
    create(&world, seller(&world, "shop", 1)).await;
    if world.database.is_postgres() {
        let second = within(Service::start(world.settings.clone())).await.unwrap();
        let mut other = Client::connect(format!("http://{}", second.grpc_addr())).await.unwrap();
        assert_eq!(account_in_use(&mut other).await, "environment");
        activate(&world, "shop").await;
        within(async { while account_in_use(&mut other).await != "shop" {} }).await;
        within(second.stop()).await;
    } else {
        activate(&world, "shop").await;
    }
    // A restart finds it too.
    let mut world = world;
    world.stop().await;
    world.serve().await;
    assert_eq!(account_in_use(&mut world.client()).await, "shop");
    world.finish().await;
}

async fn the_first_account_fills_an_empty_store(plan: Plan) {
    let mut world = plan.keyed().prepare().await;
    world.settings.account = None;
    world.serve().await;
    create(&world, seller(&world, "shop", 0)).await;
    assert_eq!(activate(&world, "shop").await, "");
    assert_eq!(world.first_sync().await.status(), SyncStatus::Success);
    assert_eq!(world.products().await.len(), 45);
    world.finish().await;
}

async fn test(world: &World, account: Option<Tested>) -> Result<TestHaierConfigResponse, Status> {
    let request = TestHaierConfigRequest { account };
    administration(world).await.test_haier_config(request).await.map(tonic::Response::into_inner)
}

pub(crate) fn with_orders(config: HaierConfig) -> HaierConfig {
    let ylh = YlhConfig {
        base_url: config.base_url.clone(),
        username: "sandbox".to_owned(),
        password: PASSWORD.to_owned(),
        client_id: "sandbox".to_owned(),
        client_secret: PASSWORD.to_owned(),
        source_system: "shop".to_owned(),
        shop_name: "旗舰店".to_owned(),
        callback_app_key: "sandbox-app-2".to_owned(),
        callback_secret: "sandbox-callback-secret".to_owned(),
        ..YlhConfig::default()
    };
    HaierConfig { ylh: Some(ylh), ..config }
}

async fn a_test_says_which_system_refuses_an_account(plan: Plan) {
    let world = plan.keyed().start().await;
    let answer = test(&world, None).await.unwrap();
    assert_eq!((answer.name.as_str(), answer.passed), ("environment", true), "{answer:?}");

    create(&world, seller(&world, "no-orders", 0)).await;
    let answer = test(&world, Some(Tested::Name("no-orders".to_owned()))).await.unwrap();
    let outcomes: Vec<_> = answer.checks.iter().map(|check| check.outcome()).collect();
    assert_eq!((answer.passed, outcomes), (true, vec![Outcome::Passed, Outcome::NotConfigured]));

    let mut wrong = with_orders(seller(&world, "", 1));
    wrong.ylh.as_mut().unwrap().password = "s3cret-wrong".to_owned();
    let before = world.haier.calls("H0").await;
    let answer = test(&world, Some(Tested::HaierConfig(wrong))).await.unwrap();
    assert_eq!(world.haier.calls("H0").await - before, 1, "asked for real");
    let [openplat, ylh] = &answer.checks[..] else { panic!("{answer:?}") };
    assert_eq!((openplat.outcome(), ylh.outcome()), (Outcome::Passed, Outcome::Failed));
    assert_eq!((ylh.system.as_str(), ylh.reason.as_str()), ("order-system", "AUTH_FAILED"), "{ylh:?}");
    assert!(ylh.detail.contains("password") && !ylh.detail.contains("s3cret"), "{ylh:?}");
    assert!(!answer.passed);

    // Whoever works goes on working, also where Haier lets only the newest token live.
    let code = world.codes(1).await.remove(0);
    world.client().get_prices(GetPricesRequest { product_codes: vec![code] }).await.unwrap();
    world.finish().await;
}

async fn a_test_tries_every_password(plan: Plan) {
    let world = plan.keyed().start().await;
    let outcomes = |answer: &TestHaierConfigResponse, at: usize| -> Vec<(String, bool)> {
        let parts = answer.checks[at].parts.iter();
        parts.map(|part| (part.part.clone(), part.outcome() == Outcome::Passed)).collect()
    };
    let expected = |parts: &[(&str, bool)]| -> Vec<(String, bool)> {
        parts.iter().map(|(part, passed)| ((*part).to_owned(), *passed)).collect()
    };
    let right = test(&world, Some(Tested::HaierConfig(with_orders(seller(&world, "", 1))))).await.unwrap();
    assert!(right.passed, "{right:?}");
    let all = [("login", true), ("password", true), ("seller_password", true), ("customer_password", true)];
    assert_eq!(outcomes(&right, 0), expected(&all));
    assert_eq!(outcomes(&right, 1), expected(&[("login", true), ("orders", true)]));

    let wrong = "s3cret-wrong".to_owned();
    type Change = fn(&mut HaierConfig, String);
    let changes: [(&str, Change); 3] = [
        ("password", |config, wrong| {
            (config.password, config.customer_password) = (wrong, PASSWORD.to_owned())
        }),
        ("seller_password", |config, wrong| config.seller_password = wrong),
        ("customer_password", |config, wrong| config.customer_password = wrong),
    ];
    for (field, change) in changes {
        let mut config = with_orders(seller(&world, "", 1));
        change(&mut config, wrong.clone());
        let answer = test(&world, Some(Tested::HaierConfig(config))).await.unwrap();
        let parts = all.map(|(part, _)| (part, part != field));
        assert_eq!(outcomes(&answer, 0), expected(&parts), "{field}");
        let openplat = &answer.checks[0];
        assert_eq!((answer.passed, openplat.outcome()), (false, Outcome::Failed));
        assert!(openplat.detail.starts_with(&format!("{field}: ")), "{openplat:?}");
        assert!(
            openplat.detail.contains("customer_code") && !openplat.detail.contains("s3cret"),
            "{openplat:?}"
        );
    }
    world.finish().await;
}

async fn the_status_shows_the_account_in_use_once_and_former_ones_while_they_work(plan: Plan) {
    let world = plan.keyed().settings(|settings| settings.sync.calls_in_flight = 1).start().await;
    let shown = async || -> Vec<(String, bool)> {
        let request = GetUpstreamStatusRequest {};
        let status = administration(&world).await.get_upstream_status(request).await.unwrap().into_inner();
        let systems = status.replicas[0].systems.iter().filter(|system| system.system == "open-platform");
        systems.map(|system| (system.account.clone(), system.former)).collect()
    };
    create(&world, seller(&world, "first", 0)).await;
    create(&world, seller(&world, "second", 1)).await;
    activate(&world, "first").await;
    // Changed again and again it is one account.
    for send_to in ["8800000001", "8800000002", "8800000003"] {
        let config =
            HaierConfig { name: "first".to_owned(), send_to_code: send_to.to_owned(), ..Default::default() };
        let request =
            UpdateHaierConfigRequest { haier_config: Some(config), update_mask: None, same_place: false };
        administration(&world).await.update_haier_config(request).await.unwrap();
    }
    within(async { while shown().await != [("first".to_owned(), false)] {} }).await;

    world.haier.fault(json!({ "kind": "hang", "endpoint": "H1" })).await;
    let mut stream = world.client().sync_products(SyncProductsRequest::default()).await.unwrap().into_inner();
    let log = stream.message().await.unwrap().unwrap().sync_log_id;
    world.haier.struck(1).await;
    activate(&world, "second").await;
    let both = [("second".to_owned(), false), ("first".to_owned(), true)];
    within(async { while shown().await[..2] != both {} }).await;
    world
        .client()
        .cancel_sync(haier_integration::proto::CancelSyncRequest { sync_log_id: log })
        .await
        .unwrap();
    world.haier.clear_faults().await;
    world.finish_leaving_open().await;
}

async fn a_test_of_an_unsaved_account_names_every_fault(plan: Plan) {
    let world = plan.keyed().start().await;
    let refused = test(&world, Some(Tested::HaierConfig(HaierConfig::default()))).await.unwrap_err();
    let fields = violated(&refused);
    for field in ["client_id", "client_secret", "base_url", "customer_code", "password", "seller_password"] {
        assert!(fields.contains(&format!("haier_config.{field}")), "{field}: {fields:?}");
    }
    let missing = test(&world, Some(Tested::Name("nobody".to_owned()))).await.unwrap_err();
    assert_eq!(missing.code(), Code::NotFound);
    world.finish().await;
}
