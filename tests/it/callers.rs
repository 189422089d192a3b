//! Who may call what: every method that is served, by everybody.

use std::net::SocketAddr;

use haier_integration::{
    domain::callers,
    grpc,
    proto::{CreateApiTokenRequest, GetUpstreamStatusRequest, ListProductsRequest, Role},
    service::Service,
};
use tonic::{Code, Request, Status, transport::Channel};
use tonic_prost::ProstCodec;
use tonic_types::StatusExt as _;

use crate::support::{Plan, World, bearing, on_both_databases, refusal, within};

on_both_databases!(
    every_method_lets_in_whom_it_was_promised_to,
    tokens_that_are_gone_for_a_moment_open_nothing,
    what_has_no_rule_is_served_to_nobody,
    nobody_elsewhere_is_let_in_while_there_is_no_token,
    an_admin_token_comes_from_outside,
    reflection_is_there_by_setting,
);

/// Who may call what, written by hand from what was promised: an expectation that comes from the table of rules would agree
/// with any table. A new method needs a line here too.
const BY_HAND: &[(Option<callers::Role>, &str, &[&str])] = &[
    (
        Some(callers::Role::Reader),
        "haier.integration.v1.HaierIntegration",
        &[
            "GetProducts",
            "ListProducts",
            "ListProductChanges",
            "WatchProductChanges",
            "ExplainProduct",
            "GetPrices",
            "CheckStock",
            "GetBalance",
            "GetLogistics",
            "GetOrder",
            "BatchGetOrders",
            "ListOrders",
            "WatchOrder",
            "ListOrderFacts",
            "ListOrderChanges",
            "WatchOrderChanges",
            "ListCourierNumbers",
        ],
    ),
    (
        Some(callers::Role::Operator),
        "haier.integration.v1.HaierIntegration",
        &[
            "SyncProducts",
            "WatchSync",
            "RetrySync",
            "CancelSync",
            "ListSyncLogs",
            "GetSyncLog",
            "ListSyncFailures",
            "PushOrder",
            "CancelOrder",
            "RescheduleOrder",
            "RetryOrder",
            "ListDeliveryPhotos",
        ],
    ),
    (
        Some(callers::Role::Reader),
        "haier.integration.v1.HaierAdministration",
        &["GetUpstreamStatus", "ListCallbacks"],
    ),
    (
        Some(callers::Role::Operator),
        "haier.integration.v1.HaierAdministration",
        &[
            "PauseUpstream",
            "ResumeUpstream",
            "ListHeldRuns",
            "ListHeldFindings",
            "ApproveRun",
            "DiscardRun",
            "VerifyCatalogue",
            "RepairCatalogue",
            "ListSchedules",
            "UpdateSchedule",
            "RunScheduleNow",
            "SetProductAttention",
            "ResolveOrder",
            "ReconcileOrders",
        ],
    ),
    (
        Some(callers::Role::Admin),
        "haier.integration.v1.HaierAdministration",
        &[
            "CreateApiToken",
            "ListApiTokens",
            "RevokeApiToken",
            "ListAuditEvents",
            "CreateHaierConfig",
            "GetHaierConfig",
            "ListHaierConfigs",
            "UpdateHaierConfig",
            "DeleteHaierConfig",
            "ActivateHaierConfig",
            "DeactivateHaierConfig",
            "TestHaierConfig",
            "ListKeys",
            "RotateKeys",
        ],
    ),
    (None, "grpc.health.v1.Health", &["Check", "Watch"]),
    (Some(callers::Role::Reader), "grpc.reflection.v1.ServerReflection", &["ServerReflectionInfo"]),
    (Some(callers::Role::Reader), "grpc.reflection.v1alpha.ServerReflection", &["ServerReflectionInfo"]),
];

/// Whom a method lets in. `None`: anybody.
fn needed(method: &grpc::Method) -> Option<callers::Role> {
    let of = |(_, service, methods): &&(_, &str, &[&str])| {
        *service == method.service && methods.contains(&method.name.as_str())
    };
    let lines: Vec<_> = BY_HAND.iter().filter(of).collect();
    assert_eq!(lines.len(), 1, "{} is not written down once, by hand, in this test", method.path());
    lines[0].0
}

#[test]
fn what_is_written_down_by_hand_is_served() {
    let served = grpc::methods().unwrap();
    for (_, service, methods) in BY_HAND {
        for name in *methods {
            let is_served = served.iter().any(|method| method.service == *service && method.name == *name);
            assert!(is_served, "{service}/{name} is not served");
        }
    }
}

/// Calls a method with an empty request. `Ok`: it was let in and is being answered.
async fn call(channel: &Channel, path: &str, token: Option<&str>) -> Result<(), Status> {
    let mut client = tonic::client::Grpc::new(channel.clone());
    client.ready().await.unwrap();
    let requests = tokio_stream::once(());
    let request =
        token.map_or_else(|| Request::new(requests), |token| bearing(token, tokio_stream::once(())));
    let path = path.parse().unwrap();
    client.streaming(request, path, ProstCodec::<(), ()>::default()).await.map(drop)
}

/// Who is asked for with whom, and the role it has if it opens anything.
struct Credentials {
    what: &'static str,
    token: Option<String>,
    role: Option<callers::Role>,
}

async fn everybody(world: &World) -> Vec<Credentials> {
    let admin = world.make_admin().await;
    let make = async |name: &str, role| Some(world.make_token(&admin, name, role).await);
    let (expired, revoked) = (make("expired", Role::Admin).await, make("revoked", Role::Admin).await);
    let credentials = |what, token, role| Credentials { what, token, role };
    let all = vec![
        credentials("no token", None, None),
        credentials("reader", make("reader", Role::Reader).await, Some(callers::Role::Reader)),
        credentials("operator", make("operator", Role::Operator).await, Some(callers::Role::Operator)),
        credentials("expired", expired.clone(), None),
        credentials("revoked", revoked.clone(), None),
        credentials("unknown", Some("hi_1_bm9ib2R5".to_owned()), None),
        credentials("admin", Some(admin), Some(callers::Role::Admin)),
    ];
    let end = |column: &str, name: &str| {
        format!("UPDATE api_tokens SET {column} = '2026-01-01T00:00:00.000000Z' WHERE name = '{name}'")
    };
    world.database.execute(&end("expires_at", "expired")).await.unwrap();
    world.database.execute(&end("revoked_at", "revoked")).await.unwrap();
    let mut client = world.administration().await;
    for token in [expired.unwrap(), revoked.unwrap()] {
        let request = || bearing(&token, GetUpstreamStatusRequest {});
        within(async { while client.get_upstream_status(request()).await.is_ok() {} }).await;
    }
    all
}

async fn every_method_lets_in_whom_it_was_promised_to(plan: Plan) {
    let world = plan.products(5).start().await;
    let everybody = everybody(&world).await;
    let channel = world.channel().connect().await.unwrap();
    let methods = grpc::methods().unwrap();
    assert!(methods.len() >= 20, "{methods:?}");
    let mut wrong = Vec::new();
    for method in &methods {
        let (path, need) = (method.path(), needed(method));
        for Credentials { what, token, role } in &everybody {
            let answer = within(call(&channel, &path, token.as_deref())).await;
            let refused = answer
                .err()
                .filter(|status| matches!(status.code(), Code::Unauthenticated | Code::PermissionDenied));
            let expected = match (need, role) {
                (None, _) => None,
                (Some(_), None) => Some("UNAUTHENTICATED"),
                (Some(needed), Some(role)) => (*role < needed).then_some("PERMISSION_DENIED"),
            };
            let reason = refused.as_ref().map(|status| refusal(status).1);
            if reason.as_deref() != expected {
                wrong.push(format!("{path} with {what}: {reason:?} instead of {expected:?}"));
            }
            if let (Some("PERMISSION_DENIED"), Some(status), Some(needed)) = (expected, &refused, need) {
                let info = status.get_details_error_info().unwrap();
                assert_eq!(info.metadata["needed_role"], needed.as_str());
                assert!(status.message().contains(needed.as_str()), "{status}");
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    within(async { while world.database.number("SELECT count(*) FROM sync_runs").await > 0 {} }).await;
    world.finish().await;
}

async fn what_has_no_rule_is_served_to_nobody(plan: Plan) {
    let world = plan.products(1).start().await;
    let admin = world.make_admin().await;
    let channel = world.channel().connect().await.unwrap();
    for path in ["/haier.integration.v1.HaierIntegration/Steal", "/a.B/C", "/grpc.health.v1.Health/Break"] {
        assert_eq!(call(&channel, path, None).await.unwrap_err().code(), Code::Unauthenticated, "{path}");
        let refused = call(&channel, path, Some(&admin)).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unimplemented, "{path}");
    }
    world.finish().await;
}

/// Why a service with these settings does not start.
async fn refused_start(world: &World) -> String {
    match within(Service::start(world.settings.clone())).await {
        Ok(_) => panic!("the service started"),
        Err(error) => format!("{error:#}"),
    }
}

async fn list(world: &World, token: Option<&str>) -> Result<usize, Status> {
    let request = ListProductsRequest::default();
    let request =
        token.map_or_else(|| Request::new(request.clone()), |token| bearing(token, request.clone()));
    Ok(world.client().list_products(request).await?.into_inner().products.len())
}

async fn nobody_elsewhere_is_let_in_while_there_is_no_token(plan: Plan) {
    let mut world = plan.products(3).start().await;
    world.stop().await;
    let loopback = world.settings.grpc_addr;
    world.settings.grpc_addr = SocketAddr::from(([0, 0, 0, 0], 0));
    let words = refused_start(&world).await;
    for expected in
        ["0.0.0.0:0", "HAIER_INTEGRATION_ADMIN_TOKEN", "--admin-token-file", "tokens create", "--insecure"]
    {
        assert!(words.contains(expected), "{expected} is not in {words}");
    }
    world.settings.insecure = true;
    world.serve().await;
    assert_eq!(list(&world, None).await.unwrap(), 3);
    world.stop().await;
    world.settings.grpc_addr = loopback;
    world.settings.insecure = false;
    world.serve().await;
    let admin = world.make_admin().await;
    world.stop().await;

    // Now that there is one, it may listen anywhere, and asks everybody.
    world.settings.grpc_addr = SocketAddr::from(([0, 0, 0, 0], 0));
    world.serve().await;
    assert_eq!(list(&world, Some(&admin)).await.unwrap(), 3);
    let refused = list(&world, None).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::Unauthenticated, "UNAUTHENTICATED".to_owned()));
    world.finish().await;
}

/// As while `pg_restore --clean` runs: the table of tokens is empty, and filled again.
async fn tokens_that_are_gone_for_a_moment_open_nothing(plan: Plan) {
    let world = plan.products(3).start().await;
    let admin = world.make_admin().await;
    let database = &world.database;
    database.execute("CREATE TABLE kept AS SELECT * FROM api_tokens").await.unwrap();
    database.execute("DELETE FROM api_tokens").await.unwrap();
    // It has read that there are none when the admin's is unknown.
    within(async { while list(&world, Some(&admin)).await.is_ok() {} }).await;
    assert_eq!(refusal(&list(&world, None).await.unwrap_err()).1, "UNAUTHENTICATED");
    let request =
        CreateApiTokenRequest { name: "evil".to_owned(), role: Role::Admin.into(), expires_at: None };
    let refused = world.administration().await.create_api_token(request).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::Unauthenticated, "UNAUTHENTICATED".to_owned()));
    database.execute("INSERT INTO api_tokens SELECT * FROM kept").await.unwrap();
    within(async { while list(&world, Some(&admin)).await.is_err() {} }).await;
    world.finish().await;
}

async fn an_admin_token_comes_from_outside(plan: Plan) {
    const FROM_OUTSIDE: &str = "an-admin-token-of-this-test-alone-0123456789";
    let mut world = plan.products(3).start().await;
    world.stop().await;
    world.settings.grpc_addr = SocketAddr::from(([0, 0, 0, 0], 0));
    world.settings.admin_token = Some(FROM_OUTSIDE.into());
    world.serve().await;
    assert_eq!(refusal(&list(&world, None).await.unwrap_err()).1, "UNAUTHENTICATED");
    assert_eq!(refusal(&list(&world, Some(&FROM_OUTSIDE[1..])).await.unwrap_err()).1, "UNAUTHENTICATED");
    assert_eq!(list(&world, Some(FROM_OUTSIDE)).await.unwrap(), 3);
    // With an admin from outside the first token may be anybody's.
    let reader = world.make_token(FROM_OUTSIDE, "shop-front", Role::Reader).await;
    assert_eq!(list(&world, Some(&reader)).await.unwrap(), 3);
    world.finish().await;
}

async fn reflection_is_there_by_setting(plan: Plan) {
    let mut world = plan.products(1).settings(|settings| settings.reflection = false).start().await;
    let paths = ["v1", "v1alpha"]
        .map(|version| format!("/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo"));
    for (reflection, expected) in [(false, Some(Code::Unimplemented)), (true, None)] {
        world.stop().await;
        world.settings.reflection = reflection;
        world.serve().await;
        let channel = world.channel().connect().await.unwrap();
        for path in &paths {
            assert_eq!(
                call(&channel, path, None).await.err().map(|status| status.code()),
                expected,
                "{path}"
            );
        }
    }
    world.finish().await;
}
