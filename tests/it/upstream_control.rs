//! The pause switch, and what an operator sees of the calls to Haier on every replica.

use std::time::Duration;

use chrono::TimeDelta;
use futures_util::future::join_all;
use haier_integration::{
    app::SystemClock,
    domain::clock::Clock as _,
    proto::{
        BreakerState, GetPricesRequest, GetUpstreamStatusRequest, GetUpstreamStatusResponse,
        PauseUpstreamRequest, Replica, ResumeUpstreamRequest, UpstreamPause, UpstreamTarget,
        haier_administration_client::HaierAdministrationClient,
        haier_integration_client::HaierIntegrationClient,
    },
    service::Service,
};
use prost_types::Timestamp;
use serde_json::json;
use tonic::{Code, Status, transport::Channel};
use tonic_types::StatusExt as _;

use crate::support::{Plan, World, on_both_databases, refusal, violated, within};

on_both_databases!(
    a_pause_holds_calls_back_at_once_and_says_how_it_ends,
    a_pause_with_an_end_ends_by_itself,
    a_pause_of_orders_leaves_the_open_platform_alone,
    a_pause_that_makes_no_sense_is_refused,
    a_pause_outlives_a_restart,
    a_pause_ends_the_wait_for_a_slot,
    the_status_shows_budget_breakers_and_token,
    replicas_obey_and_show_each_other,
);

async fn administration(world: &World) -> HaierAdministrationClient<Channel> {
    HaierAdministrationClient::new(world.channel().connect().await.unwrap())
}

fn open_platform(reason: &str, until: Option<Timestamp>) -> PauseUpstreamRequest {
    PauseUpstreamRequest { target: UpstreamTarget::OpenPlatform.into(), reason: reason.to_owned(), until }
}

async fn pause(world: &World, request: PauseUpstreamRequest) -> Result<UpstreamPause, Status> {
    administration(world).await.pause_upstream(request).await.map(tonic::Response::into_inner)
}

async fn resume(world: &World) -> bool {
    let request = ResumeUpstreamRequest { target: UpstreamTarget::OpenPlatform.into() };
    administration(world).await.resume_upstream(request).await.unwrap().into_inner().was_paused
}

async fn status(world: &World) -> GetUpstreamStatusResponse {
    let request = GetUpstreamStatusRequest {};
    administration(world).await.get_upstream_status(request).await.unwrap().into_inner()
}

async fn get_prices(world: &World, codes: &[String]) -> Result<usize, Status> {
    let request = GetPricesRequest { product_codes: codes.to_vec() };
    world.client().get_prices(request).await.map(|answer| answer.into_inner().prices.len())
}

fn in_millis(millis: i64) -> Option<Timestamp> {
    let instant = SystemClock::new().now() + TimeDelta::milliseconds(millis);
    let nanos = instant.timestamp_subsec_nanos().try_into().unwrap();
    Some(Timestamp { seconds: instant.timestamp(), nanos })
}

async fn a_pause_holds_calls_back_at_once_and_says_how_it_ends(plan: Plan) {
    let world = plan.start().await;
    let codes = world.codes(1).await;
    let first = pause(&world, open_platform("Haier moves house", None)).await.unwrap();
    assert_eq!((first.target(), first.paused_by.as_str()), (UpstreamTarget::OpenPlatform, "local"));
    let before = world.haier.calls("H2").await;
    let refused = get_prices(&world, &codes).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::Unavailable, "PAUSED".to_owned()), "{refused}");
    assert!(
        refused.message().contains("Haier moves house") && refused.message().contains("ResumeUpstream"),
        "{refused}"
    );
    assert!(refused.get_details_retry_info().is_none(), "nobody knows when it ends");
    assert_eq!(world.haier.calls("H2").await, before);
    assert_eq!(world.products().await.len(), 45, "what is stored is served");

    // The same again changes the words and not the beginning.
    let again = pause(&world, open_platform("still moving", None)).await.unwrap();
    assert_eq!((again.since, again.reason.as_str()), (first.since, "still moving"));
    assert_eq!(status(&world).await.pauses, [again]);
    assert!(resume(&world).await);
    assert_eq!(get_prices(&world, &codes).await.unwrap(), 1);
    assert!(!resume(&world).await);
    assert_eq!(status(&world).await.pauses, []);
    world.finish().await;
}

async fn a_pause_with_an_end_ends_by_itself(plan: Plan) {
    let world = plan.start().await;
    let codes = world.codes(1).await;
    pause(&world, open_platform("", in_millis(1_500))).await.unwrap();
    let refused = get_prices(&world, &codes).await.unwrap_err();
    assert_eq!(refusal(&refused).1, "PAUSED");
    let wait = refused.get_details_retry_info().unwrap().retry_delay.unwrap();
    assert!(wait > Duration::ZERO && wait <= Duration::from_millis(1_500), "{wait:?}");
    let passed = async { while get_prices(&world, &codes).await.is_err() {} };
    within(passed).await;
    assert_eq!(status(&world).await.pauses, []);
    assert_eq!(world.database.number("SELECT count(*) FROM upstream_pauses").await, 0);
    world.finish().await;
}

async fn a_pause_of_orders_leaves_the_open_platform_alone(plan: Plan) {
    let world = plan.start().await;
    let codes = world.codes(1).await;
    for target in [UpstreamTarget::OrderSystem, UpstreamTarget::OrderPush] {
        pause(&world, PauseUpstreamRequest { target: target.into(), ..open_platform("stocktaking", None) })
            .await
            .unwrap();
    }
    assert_eq!(get_prices(&world, &codes).await.unwrap(), 1);
    let mut targets: Vec<_> = status(&world).await.pauses.iter().map(UpstreamPause::target).collect();
    targets.sort();
    assert_eq!(targets, [UpstreamTarget::OrderSystem, UpstreamTarget::OrderPush]);
    world.finish().await;
}

async fn a_pause_that_makes_no_sense_is_refused(plan: Plan) {
    let world = plan.start().await;
    let past = Some(Timestamp { seconds: 1_700_000_000, nanos: 0 });
    assert_eq!(violated(&pause(&world, open_platform("", past)).await.unwrap_err()), ["until"]);
    let request = PauseUpstreamRequest {
        target: 99,
        reason: "a".repeat(201),
        until: Some(Timestamp { seconds: i64::MAX, nanos: 0 }),
    };
    assert_eq!(violated(&pause(&world, request).await.unwrap_err()), ["reason", "target", "until"]);
    let request = ResumeUpstreamRequest { target: 0 };
    let refused = administration(&world).await.resume_upstream(request).await.unwrap_err();
    assert_eq!(violated(&refused), ["target"]);
    assert_eq!(status(&world).await.pauses, []);
    world.finish().await;
}

async fn a_pause_outlives_a_restart(plan: Plan) {
    let mut world = plan.start().await;
    let codes = world.codes(1).await;
    pause(&world, open_platform("", None)).await.unwrap();
    world.stop().await;
    let before = world.haier.calls("H0").await;
    world.serve().await;
    assert_eq!(refusal(&get_prices(&world, &codes).await.unwrap_err()).1, "PAUSED");
    assert_eq!(world.haier.calls("H0").await, before, "not even a token was asked for");
    assert!(resume(&world).await);
    assert_eq!(get_prices(&world, &codes).await.unwrap(), 1);
    world.finish().await;
}

async fn a_pause_ends_the_wait_for_a_slot(plan: Plan) {
    let world = plan.products(10).settings(|settings| settings.upstream_rate = 1).start().await;
    let codes = world.codes(8).await;
    let calls = codes.iter().map(|code| get_prices(&world, std::slice::from_ref(code)));
    // At one call a second, the last of eight would be served after seven seconds.
    let paused = async {
        within(async {
            while status(&world).await.replicas[0].systems[0].budget.unwrap().waiting_live < 4 {}
        })
        .await;
        pause(&world, open_platform("enough", None)).await.unwrap();
    };
    let (answers, ()) = tokio::join!(join_all(calls), paused);
    let refused = answers.iter().filter_map(|answer| answer.as_ref().err());
    let reasons: Vec<_> = refused.map(|status| refusal(status).1).collect();
    assert!(reasons.len() >= 4 && reasons.iter().all(|reason| reason == "PAUSED"), "{reasons:?}");
    assert_eq!(status(&world).await.replicas[0].systems[0].budget.unwrap().waiting_live, 0);
    world.finish().await;
}

async fn the_status_shows_budget_breakers_and_token(plan: Plan) {
    let world = plan
        .settings(|settings| {
            settings.upstream_rate = 1_000;
            settings.order_rate = 50;
            settings.upstream.breaker_failures = 1;
        })
        .start()
        .await;
    let codes = world.codes(1).await;
    world.haier.fault(json!({ "kind": "server_error", "endpoint": "H2" })).await;
    get_prices(&world, &codes).await.unwrap_err();
    let all = status(&world).await;
    let [replica] = all.replicas.as_slice() else { panic!("{all:?}") };
    assert!(replica.answering && replica.version == env!("CARGO_PKG_VERSION"), "{replica:?}");
    let [system, orders] = replica.systems.as_slice() else { panic!("{replica:?}") };
    assert_eq!((system.system.as_str(), system.account.as_str()), ("open-platform", "environment"));
    let budget = system.budget.unwrap();
    // A token, the listing, three batches of prices, and the one that failed.
    assert_eq!(
        (budget.limit, budget.last_minute, budget.waiting_live, budget.waiting_bulk),
        (1_000, 6, 0, 0)
    );
    let states: Vec<_> =
        system.breakers.iter().map(|breaker| (breaker.operation.as_str(), breaker.state())).collect();
    let closed = BreakerState::Closed;
    assert_eq!(
        states,
        [
            ("H0", closed),
            ("H1", closed),
            ("H2", BreakerState::Open),
            ("H3", closed),
            ("H4", closed),
            ("H5", closed)
        ]
    );
    let open = &system.breakers[2];
    assert!(open.failures == 1 && open.probe_at.unwrap().seconds > open.since.unwrap().seconds, "{open:?}");
    let token = system.token.as_ref().unwrap();
    assert_eq!(token.account, "environment");
    // Of an hour, ten minutes early.
    assert_eq!(token.refresh_at.unwrap().seconds - token.issued_at.unwrap().seconds, 3_000);

    assert_eq!((orders.system.as_str(), orders.account.as_str()), ("order-system", "environment"));
    assert_eq!((orders.budget.unwrap().limit, orders.budget.unwrap().last_minute), (50, 0));
    let operations = orders.breakers.iter().map(|breaker| (breaker.operation.as_str(), breaker.state()));
    assert!(operations.eq(["Y0", "Y1", "Y2", "Y3", "Y4", "Y5"].map(|operation| (operation, closed))));
    assert!(orders.token.is_none(), "nothing was sent there");
    world.finish().await;
}

async fn replicas_obey_and_show_each_other(plan: Plan) {
    let world = plan.start().await;
    if !world.database.is_postgres() {
        // One process at a time holds an SQLite file.
        let names = "SELECT count(*) FROM replicas";
        within(async { while world.database.number(names).await != 1 {} }).await;
        let database = world.finish_leaving_open().await;
        assert_eq!(database.number(names).await, 0, "a replica that stops takes leave");
        return;
    }
    let codes = world.codes(1).await;
    let second = within(Service::start(world.settings.clone())).await.unwrap();
    let other = HaierIntegrationClient::connect(format!("http://{}", second.grpc_addr())).await.unwrap();
    let ask_other = async || {
        let request = GetPricesRequest { product_codes: codes.clone() };
        other.clone().get_prices(request).await
    };
    ask_other().await.unwrap();
    // A replica reports itself before it has a client, since its ids need a number.
    let has_client = |replica: &Replica| !replica.systems.is_empty();
    let both = async {
        loop {
            let replicas = status(&world).await.replicas;
            if replicas.len() == 2 && replicas.iter().all(has_client) {
                return;
            }
        }
    };
    within(both).await;
    let replicas = status(&world).await.replicas;
    assert!(replicas[0].answering && !replicas[1].answering, "{replicas:?}");
    assert_eq!(replicas[1].systems[0].breakers.len(), 6);

    let began = std::time::Instant::now();
    pause(&world, open_platform("both", None)).await.unwrap();
    let obeyed = async {
        loop {
            if let Err(refused) = ask_other().await {
                return refusal(&refused).1;
            }
        }
    };
    assert_eq!(within(obeyed).await, "PAUSED");
    // Two seconds are promised.
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    assert!(resume(&world).await);
    within(async { while ask_other().await.is_err() {} }).await;
    within(second.stop()).await;
    assert_eq!(status(&world).await.replicas.len(), 1, "a replica that stops takes leave");
    world.finish().await;
}
