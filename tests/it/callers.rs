//! Who may call what: every method that is served, by everybody.

use std::net::SocketAddr;

use haier_integration::{
    auth::rules::{self, Need},
    domain::callers,
    grpc,
    proto::{GetUpstreamStatusRequest, ListProductsRequest, Role},
    service::Service,
};
use tonic::{Code, Request, Status, transport::Channel};
use tonic_prost::ProstCodec;
use tonic_types::StatusExt as _;

use crate::support::{Plan, World, bearing, on_both_databases, refusal, within};

on_both_databases!(
    every_method_lets_in_whom_the_table_says,
    what_has_no_rule_is_served_to_nobody,
    nobody_elsewhere_is_let_in_while_there_is_no_token,
    an_admin_token_comes_from_outside,
    reflection_is_there_by_setting,
);

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

async fn every_method_lets_in_whom_the_table_says(plan: Plan) {
    let world = plan.products(5).start().await;
    let everybody = everybody(&world).await;
    let channel = world.channel().connect().await.unwrap();
    let methods = grpc::methods().unwrap();
    assert!(methods.len() >= 20, "{methods:?}");
    let mut wrong = Vec::new();
    for path in methods.iter().map(grpc::Method::path) {
        let need = rules::find(&path).unwrap().need;
        for Credentials { what, token, role } in &everybody {
            let answer = within(call(&channel, &path, token.as_deref())).await;
            let refused = answer
                .err()
                .filter(|status| matches!(status.code(), Code::Unauthenticated | Code::PermissionDenied));
            let expected = match (need, role) {
                (Need::Nothing, _) => None,
                (Need::Role(_), None) => Some("UNAUTHENTICATED"),
                (Need::Role(needed), Some(role)) => (*role < needed).then_some("PERMISSION_DENIED"),
            };
            let reason = refused.as_ref().map(|status| refusal(status).1);
            if reason.as_deref() != expected {
                wrong.push(format!("{path} with {what}: {reason:?} instead of {expected:?}"));
            }
            if let (Some("PERMISSION_DENIED"), Some(status), Need::Role(needed)) = (expected, &refused, need)
            {
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
