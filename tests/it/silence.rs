//! A database that goes silent: connections stay open and nothing comes any more, as after a power cut, a partition or a
//! failover. Nobody waits for minutes, and what a silent client holds holds up nobody else.

use std::time::{Duration, Instant};

use chrono::DateTime;
use haier_integration::{
    domain::{
        audit::{AuditEvent, Change},
        callers::{Caller, Role},
    },
    proto::{ListProductsRequest, OrderState},
    store::{self, Store, audit_events},
};
use tonic::Code;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use url::Url;

use crate::{
    orders::{get, on_sale, order, push, until},
    support::{Plan, Wire, World, on_postgres, refusal, within},
};

on_postgres!(
    connections_that_went_silent_are_replaced_while_new_ones_work,
    a_database_that_was_wholly_silent_is_found_again,
    what_a_silent_client_holds_is_free_soon,
    a_statement_that_nobody_waits_for_is_cancelled,
    a_pooler_that_takes_no_start_options_serves,
);

/// Ten times what it should take, and far less than the kernel would.
const SOON: Duration = Duration::from_secs(150);

/// The same database behind a wire.
async fn wired(plan: &Plan) -> (Wire, String) {
    let mut address = Url::parse(&plan.database.address).unwrap();
    let wire = Wire::to(address.port().unwrap()).await;
    address.set_port(Some(wire.port())).unwrap();
    (wire, address.into())
}

async fn connections_that_went_silent_are_replaced_while_new_ones_work(plan: Plan) {
    let (wire, address) = wired(&plan).await;
    let world = plan
        .settings(|settings| {
            settings.database_url = address.parse().unwrap();
            settings.database_wait = Duration::from_secs(5);
            // What was under way notices it by this, and what rested by the sign of life that it does not give.
            settings.statement_timeout = Duration::from_secs(5);
        })
        .start()
        .await;
    let code = on_sale(&world).await;
    push(&mut world.client(), order("SO-1", &code)).await.unwrap();
    let (before, began) = (wire.accepted(), Instant::now());
    wire.silence_old();
    let mut number = 1;
    while let Err(status) = push(&mut world.client(), order(&format!("SO-{number}-later"), &code)).await {
        assert!(matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded), "{status:?}");
        assert!(began.elapsed() < SOON, "still silent: {status:?}");
        number += 1;
    }
    assert!(began.elapsed() < SOON && wire.accepted() > before);
    until(&mut world.client(), &format!("SO-{number}-later"), OrderState::Pushed).await;
    assert_eq!(get(&mut world.client(), "SO-1").await.state(), OrderState::Pushed);
    world.finish().await;
}

async fn readiness(world: &World, wanted: ServingStatus) {
    let mut client = HealthClient::new(world.channel().connect().await.unwrap());
    let request = HealthCheckRequest { service: "readiness".to_owned() };
    let mut ready = client.watch(request).await.unwrap().into_inner();
    while within(ready.message()).await.unwrap().expect("health is watched for ever").status() != wanted {}
}

async fn a_database_that_was_wholly_silent_is_found_again(plan: Plan) {
    let (wire, address) = wired(&plan).await;
    let world = plan
        .settings(|settings| {
            settings.database_url = address.parse().unwrap();
            settings.database_wait = Duration::from_secs(1);
            settings.health_interval = Duration::from_millis(500);
        })
        .start()
        .await;
    let code = on_sale(&world).await;
    wire.silence();
    readiness(&world, ServingStatus::NotServing).await;
    let refused = push(&mut world.client(), order("SO-1", &code)).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::Unavailable, "STORE_UNAVAILABLE".to_owned()), "{refused:?}");
    wire.mend();
    readiness(&world, ServingStatus::Serving).await;
    push(&mut world.client(), order("SO-2", &code)).await.unwrap();
    until(&mut world.client(), "SO-2", OrderState::Pushed).await;
    world.finish().await;
}

fn event() -> AuditEvent {
    AuditEvent {
        id: 1,
        at: DateTime::from_timestamp(1_790_000_000, 0).unwrap(),
        caller: Caller { name: "mei".to_owned(), role: Role::Admin, address: "127.0.0.1".to_owned() },
        action: "upstream.pause".to_owned(),
        subject: "open-platform".to_owned(),
        changes: vec![Change::to("reason", "Haier moves house")],
    }
}

async fn what_a_silent_client_holds_is_free_soon(plan: Plan) {
    let (wire, address) = wired(&plan).await;
    let options = store::Options {
        database: store::Database::Postgres { url: address.into() },
        pool_size: 2,
        wait: Duration::from_secs(60),
        statement_timeout: Duration::from_secs(3_600),
    };
    let silent = Store::open(&options).await.unwrap();
    let mut held = silent.begin().await.unwrap();
    audit_events::append(&mut held, &event()).await.unwrap();
    wire.silence();

    // The same row waits for what becomes of the first one.
    let other = plan.database.store().await.unwrap();
    let began = Instant::now();
    let mut tx = other.begin().await.unwrap();
    within(audit_events::append(&mut tx, &event())).await.unwrap();
    tx.commit().await.unwrap();
    assert!(began.elapsed() < SOON);
    drop(held);
}

async fn a_statement_that_nobody_waits_for_is_cancelled(plan: Plan) {
    let world =
        plan.settings(|settings| settings.statement_timeout = Duration::from_secs(3_600)).start().await;
    let locking = world.database.asker().await;
    locking.execute("BEGIN; LOCK TABLE products IN ACCESS EXCLUSIVE MODE").await;
    for query in ["", "nothing"] {
        let mut request =
            tonic::Request::new(ListProductsRequest { query: query.to_owned(), ..Default::default() });
        request.set_timeout(Duration::from_millis(500));
        let refused = world.client().list_products(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::DeadlineExceeded, "{refused:?}");
    }
    let waiting = "SELECT count(*) FROM pg_stat_activity \
                   WHERE datname = current_database() AND wait_event_type = 'Lock'";
    within(async { while world.database.number(waiting).await > 0 {} }).await;
    locking.execute("ROLLBACK").await;
    assert!(!world.products().await.is_empty());
    world.finish().await;
}

async fn a_pooler_that_takes_no_start_options_serves(plan: Plan) {
    let mut address = Url::parse(&plan.database.address).unwrap();
    let pooler = Wire::refusing_options_to(address.port().unwrap()).await;
    address.set_port(Some(pooler.port())).unwrap();
    let told = plan.settings(|settings| settings.database_url = address.as_str().parse().unwrap());
    let mut world = told.start().await;
    address.query_pairs_mut().append_pair("options", "-c work_mem=8MB");
    world.stop().await;
    world.settings.database_url = address.as_str().parse().unwrap();
    let service = haier_integration::service::Service::start(world.settings.clone());
    let Err(refused) = Box::pin(service).await.map(drop) else { panic!("the pooler takes no options") };
    let refused = format!("{refused:#}");
    assert!(refused.contains("unsupported startup parameter: options"), "{refused}");
    assert!(refused.contains("pool_mode = session"), "{refused}");
    world.finish().await;
}
