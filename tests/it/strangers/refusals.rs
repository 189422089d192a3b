//! What is no call of ours: it is refused with a reason and in the words of its protocol.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tonic::Code;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_types::StatusExt as _;

use super::{CHECK, call_with};
use crate::support::{Plan, on_both_databases, refusal, within};

on_both_databases!(
    what_the_transport_refuses_has_a_reason_and_the_usual_code,
    what_is_no_grpc_is_refused_as_http_says,
    a_name_that_is_not_served_is_watched_as_unknown,
);

async fn what_the_transport_refuses_has_a_reason_and_the_usual_code(plan: Plan) {
    const GET_PRICES: &str = "/haier.integration.v1.HaierIntegration/GetPrices";
    let world = plan.start().await;
    let table = [
        ("too large", GET_PRICES, vec![b'A'; 5 << 20], Code::ResourceExhausted, "MESSAGE_TOO_LARGE"),
        ("no text", GET_PRICES, vec![0xff], Code::InvalidArgument, "VALIDATION_ERROR"),
        ("too large for a name", CHECK, vec![b'A'; 2 << 10], Code::ResourceExhausted, "MESSAGE_TOO_LARGE"),
        ("an unknown name", CHECK, b"nobody".to_vec(), Code::NotFound, "NOT_FOUND"),
    ];
    for (what, path, message, code, reason) in table {
        let refused = call_with(&world, path, tokio_stream::once(message)).await.unwrap_err();
        assert_eq!(refusal(&refused), (code, reason.to_owned()), "{what}");
        assert_eq!(refused.get_details_error_info().unwrap().domain, "haier.integration", "{what}");
        assert!(!refused.message().is_empty(), "{what}");
    }
    let nothing = call_with(&world, GET_PRICES, tokio_stream::empty()).await.unwrap_err();
    assert_eq!(refusal(&nothing), (Code::InvalidArgument, "VALIDATION_ERROR".to_owned()));
    let nobody = call_with(&world, "/haier.integration.v1.HaierIntegration/Nothing", tokio_stream::empty());
    assert_eq!(refusal(&nobody.await.unwrap_err()), (Code::Unimplemented, "UNIMPLEMENTED".to_owned()));
    world.finish().await;
}

async fn what_is_no_grpc_is_refused_as_http_says(plan: Plan) {
    let world = plan.start().await;
    let stream = tokio::net::TcpStream::connect(world.service().grpc_addr()).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    for (method, content_type, expected) in [
        ("POST", Some("text/plain"), 415),
        ("POST", None, 415),
        ("POST", Some("application/grpc-web"), 415),
        ("POST", Some("application/grpcx"), 415),
        ("POST", Some("application/grpc+json"), 415),
        ("GET", Some("application/grpc"), 405),
        ("POST", Some("application/grpc"), 200),
        ("POST", Some("Application/gRPC+proto; charset=utf-8"), 200),
    ] {
        let mut request = http::Request::builder().method(method).uri(format!("http://localhost{CHECK}"));
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        let request = request.body(Empty::<Bytes>::new()).unwrap();
        let answer = within(sender.send_request(request)).await.unwrap();
        assert_eq!(answer.status(), expected, "{method} {content_type:?}");
        assert!(answer.headers().contains_key("grpc-status-details-bin"), "{method} {content_type:?}");
        within(answer.into_body().collect()).await.unwrap();
    }
    drop(sender);
    within(connection).await.unwrap().unwrap();
    world.finish().await;
}

async fn a_name_that_is_not_served_is_watched_as_unknown(plan: Plan) {
    let mut world = plan.start().await;
    let mut client = HealthClient::new(world.channel().connect().await.unwrap());
    let request = HealthCheckRequest { service: "nobody".to_owned() };
    let mut watch = client.watch(request).await.unwrap().into_inner();
    assert_eq!(within(watch.message()).await.unwrap().unwrap().status(), ServingStatus::ServiceUnknown);
    // It stays until the process goes down, and does not hold that up.
    world.stop().await;
    assert!(within(watch.message()).await.unwrap().is_none());
    world.finish().await;
}
