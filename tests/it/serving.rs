//! What probes, tools and operators see: health, reflection, metrics, and what a start that cannot be says.

use std::time::Duration;

use haier_integration::{
    proto::{GetPricesRequest, ListProductsRequest, ListSyncLogsRequest, SyncProductsRequest},
    service::Service,
};
use serde_json::{Value, json};
use tonic::Code;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::support::{Plan, World, on_both_databases, refusal, within};

on_both_databases!(
    health_names_the_service_readiness_and_liveness,
    readiness_turns_when_the_service_stops_and_watchers_do_not_hold_it_up,
    reflection_lists_every_service_in_both_versions,
    http_answers_probes_and_prometheus,
    without_an_account_what_is_stored_is_served,
    a_database_without_tables_is_migrated_or_says_how,
    a_schema_newer_than_the_program_is_refused,
    a_second_service_on_one_sqlite_file_is_told_who_holds_it,
    a_taken_port_is_named_with_its_flag,
);

async fn health(world: &World, service: &str) -> Result<ServingStatus, tonic::Status> {
    let mut client = HealthClient::new(world.channel().connect().await.unwrap());
    let request = HealthCheckRequest { service: service.to_owned() };
    client.check(request).await.map(|response| response.into_inner().status())
}

async fn health_names_the_service_readiness_and_liveness(plan: Plan) {
    let world = plan.start().await;
    for name in [
        "",
        "readiness",
        "liveness",
        "haier.integration.v1.HaierAdministration",
        "haier.integration.v1.HaierIntegration",
    ] {
        assert_eq!(health(&world, name).await.unwrap(), ServingStatus::Serving, "{name:?}");
    }
    assert_eq!(health(&world, "nobody").await.unwrap_err().code(), Code::NotFound);
    world.finish().await;
}

async fn readiness_turns_when_the_service_stops_and_watchers_do_not_hold_it_up(plan: Plan) {
    // Longer than a test may wait for anything.
    let mut world =
        plan.settings(|settings| settings.drain_timeout = Duration::from_secs(3_600)).start().await;
    let mut client = HealthClient::new(world.channel().connect().await.unwrap());
    let request = HealthCheckRequest { service: "readiness".to_owned() };
    let mut watch = client.watch(request).await.unwrap().into_inner();
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::Serving);
    world.stop().await;
    assert_eq!(within(watch.message()).await.unwrap().unwrap().status(), ServingStatus::NotServing);
    world.finish().await;
}

async fn reflection_lists_every_service_in_both_versions(plan: Plan) {
    const SERVICES: [&str; 5] = [
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
        "haier.integration.v1.HaierAdministration",
        "haier.integration.v1.HaierIntegration",
    ];
    let world = plan.start().await;
    macro_rules! list_by {
        ($version:ident) => {{
            use tonic_reflection::pb::$version::{
                ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
                server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
            };
            let mut client = ServerReflectionClient::new(world.channel().connect().await.unwrap());
            let ask = |what| ServerReflectionRequest { host: String::new(), message_request: Some(what) };
            let requests = [
                ask(MessageRequest::ListServices(String::new())),
                ask(MessageRequest::FileContainingSymbol(SERVICES[4].to_owned())),
            ];
            let mut answers =
                client.server_reflection_info(tokio_stream::iter(requests)).await.unwrap().into_inner();
            let mut next =
                async || within(answers.message()).await.unwrap().unwrap().message_response.unwrap();
            let MessageResponse::ListServicesResponse(list) = next().await else { panic!("no list") };
            let mut names: Vec<_> = list.service.into_iter().map(|service| service.name).collect();
            names.sort();
            assert_eq!(names, SERVICES);
            let MessageResponse::FileDescriptorResponse(files) = next().await else { panic!("no file") };
            assert!(!files.file_descriptor_proto.is_empty());
        }};
    }
    list_by!(v1);
    list_by!(v1alpha);
    world.finish().await;
}

async fn http_answers_probes_and_prometheus(plan: Plan) {
    let world = plan.start().await;
    let product_codes = world.codes(1).await;
    world.client().get_prices(GetPricesRequest { product_codes }).await.unwrap();
    let get = async |path: &str| {
        let url = format!("http://{}{path}", world.service().http_addr());
        let response = reqwest::get(url).await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    assert_eq!(get("/livez").await.0, 200);
    let (status, body) = get("/readyz").await;
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (status, &body["ready"], &body["database"], &body["draining"]),
        (200, &json!(true), &json!(true), &json!(false))
    );
    let (status, metrics) = get("/metrics").await;
    assert_eq!(status, 200);
    for name in [
        r#"haier_grpc_calls_total{method="haier.integration.v1.HaierIntegration/GetPrices",code="Ok"}"#,
        "haier_grpc_call_duration_seconds_bucket",
        r#"haier_upstream_calls_total{endpoint="H2",outcome="OK"}"#,
        "haier_upstream_call_duration_seconds_bucket",
        r#"haier_sync_rows_total{kind="catalogue"}"#,
        r#"haier_sync_runs_total{end_reason="COMPLETED",status="success"}"#,
        r#"haier_dependency_up{dependency="database"} 1"#,
        r#"haier_upstream_breaker_state{operation="H2"} 0"#,
        r#"haier_upstream_paused{target="open-platform"} 0"#,
        r#"haier_upstream_waiting{priority="live"} 0"#,
        "haier_db_connections_in_use",
        "haier_db_connections_max",
    ] {
        assert!(metrics.contains(name), "{name} is not in\n{metrics}");
    }
    assert_eq!(get("/nothing").await.0, 404);
    world.finish().await;
}

async fn without_an_account_what_is_stored_is_served(plan: Plan) {
    let mut world = plan.start().await;
    world.stop().await;
    world.settings.account = None;
    world.serve().await;
    assert_eq!(world.products().await.len(), 45);
    let request = GetPricesRequest { product_codes: vec!["A".to_owned()] };
    let refused = [
        world.client().get_prices(request).await.unwrap_err(),
        world.client().sync_products(SyncProductsRequest::default()).await.unwrap_err(),
    ];
    for status in refused {
        assert_eq!(refusal(&status), (Code::FailedPrecondition, "NOT_CONFIGURED".to_owned()));
        assert!(status.message().contains("HAIER_CLIENT_ID"), "{status}");
    }
    assert_eq!(world.logs(ListSyncLogsRequest::default()).await.len(), 1);
    world.finish().await;
}

/// Why a service with these settings does not start.
async fn refused_start(world: &World) -> String {
    match within(Service::start(world.settings.clone())).await {
        Ok(_) => panic!("the service started"),
        Err(error) => format!("{error:#}"),
    }
}

async fn a_database_without_tables_is_migrated_or_says_how(plan: Plan) {
    let mut world = plan.prepare().await;
    world.database.unmigrate().await;
    if world.database.is_postgres() {
        let words = refused_start(&world).await;
        assert!(words.contains("haier-integration migrate") && words.contains("migration(s)"), "{words}");
        assert!(!words.contains('\n'), "{words}");
        world.settings.migrate = true;
    }
    world.serve().await;
    world.first_sync().await;
    assert_eq!(world.products().await.len(), 45);
    world.finish().await;
}

async fn a_schema_newer_than_the_program_is_refused(plan: Plan) {
    let mut world = plan.start().await;
    world.stop().await;
    let insert = "INSERT INTO __diesel_schema_migrations (version) VALUES ('29991231000000')";
    world.database.execute(insert).await.unwrap();
    let words = refused_start(&world).await;
    assert!(words.contains("newer than this program") && words.contains("29991231000000"), "{words}");
    world.finish().await;
}

async fn a_second_service_on_one_sqlite_file_is_told_who_holds_it(plan: Plan) {
    let world = plan.start().await;
    if world.database.is_postgres() {
        // Two replicas are welcome here.
        let second = Service::start(world.settings.clone()).await.unwrap();
        let address = format!("http://{}", second.grpc_addr());
        let mut client = crate::support::Client::connect(address).await.unwrap();
        let request = ListProductsRequest { page_size: 1_000, ..Default::default() };
        assert_eq!(client.list_products(request).await.unwrap().into_inner().products.len(), 45);
        drop(client);
        within(second.stop()).await;
    } else {
        let words = refused_start(&world).await;
        let holder = format!("process {}", std::process::id());
        assert!(words.contains("in use") && words.contains(&holder) && words.contains("haier.db"), "{words}");
    }
    assert_eq!(world.products().await.len(), 45);
    world.finish().await;
}

async fn a_taken_port_is_named_with_its_flag(plan: Plan) {
    let mut world = plan.prepare().await;
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (taken, free) = (holder.local_addr().unwrap(), world.settings.grpc_addr);
    world.settings.grpc_addr = taken;
    let words = refused_start(&world).await;
    assert!(words.contains(&taken.to_string()) && words.contains("--grpc-addr"), "{words}");
    (world.settings.grpc_addr, world.settings.http_addr) = (free, taken);
    let words = refused_start(&world).await;
    assert!(words.contains(&taken.to_string()) && words.contains("--http-addr"), "{words}");
    drop(holder);
    world.finish_leaving_open().await;
}
