//! What strangers do at our ports, by hand and with bad intent: each is answered or cut within a stated time, gives its
//! place up where places are scarce, and leaves everybody else alone.

mod refusals;

use std::{net::SocketAddr, time::Duration};

use haier_integration::{
    proto::{GetPricesRequest, ListProductsRequest, WatchProductChangesRequest, WatchProductChangesResponse},
    service::Service,
    tls::ServerFiles,
};
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

use crate::support::{
    Authority, Client, Plan, World, on_both_databases, refusal,
    stranger::{
        CONTINUATION, END_HEADERS, GOAWAY, HEADERS, PREFACE, RESET, SETTINGS, Stranger, call, frame, head,
        hello,
    },
    within,
};

on_both_databases!(
    who_sends_no_whole_request_is_cut_at_every_port,
    who_does_not_read_is_cut_at_every_port,
    who_asks_without_end_on_one_plain_connection_must_connect_again,
    who_holds_a_connection_without_a_call_is_asked_to_end_and_cut,
    a_connection_grows_no_older_than_it_may_and_no_call_is_lost,
    silent_crowds_take_nobody_elses_place,
    a_crowd_without_a_tls_handshake_takes_nobody_elses_place,
    a_request_whose_body_never_comes_ends_at_the_deadline,
    a_feed_that_nobody_reads_is_reset,
    a_caller_who_gives_up_many_calls_at_once_keeps_the_connection,
    a_flood_of_resets_harms_nobody_else,
);

const CHECK: &str = "/grpc.health.v1.Health/Check";
const WATCH_CHANGES: &str = "/haier.integration.v1.HaierIntegration/WatchProductChanges";
/// Never, for a test: only what is tested may end a connection.
const NEVER: Duration = Duration::from_secs(3_600);
const SOON: Duration = Duration::from_millis(300);
/// Soon too, and enough for others on a machine that is held up.
const SECONDS: Duration = Duration::from_secs(2);

/// Limits of which none is reached.
fn patient(plan: Plan) -> Plan {
    plan.settings(|settings| {
        let limits = &mut settings.limits;
        (limits.first_request, limits.write, limits.idle, limits.connection_age) =
            (NEVER, NEVER, NEVER, NEVER);
    })
}

/// Somebody else, who must notice nothing.
async fn others_are_served(service: &Service) {
    let address = format!("http://{}", service.grpc_addr());
    let mut client = within(Client::connect(address)).await.unwrap();
    let request = ListProductsRequest { page_size: 10, ..Default::default() };
    within(client.list_products(request)).await.unwrap();
    for path in ["livez", "readyz", "metrics"] {
        let url = format!("http://{}/{path}", service.http_addr());
        assert_eq!(within(reqwest::get(url)).await.unwrap().status(), 200, "{path}");
    }
    let callback = reqwest::Client::new().post(service.callback_url()).body("nothing").send();
    // Not genuine, and answered all the same.
    assert_eq!(within(callback).await.unwrap().status(), 200);
}

fn callback_addr(service: &Service) -> SocketAddr {
    service.callback_url().trim_start_matches("http://").split('/').next().unwrap().parse().unwrap()
}

async fn who_sends_no_whole_request_is_cut_at_every_port(plan: Plan) {
    let world = patient(plan).settings(|settings| settings.limits.first_request = SECONDS).start().await;
    let service = world.service();
    let (grpc, http, callbacks) = (service.grpc_addr(), service.http_addr(), callback_addr(service));
    let half_headers = frame(HEADERS, 0, 1, &head(CHECK));
    let table: [(&str, SocketAddr, Vec<u8>); 9] = [
        ("silent", grpc, vec![]),
        ("half a preface", grpc, PREFACE[..12].to_vec()),
        ("a preface without settings", grpc, PREFACE.to_vec()),
        ("a greeting without a call", grpc, hello(&[])),
        ("half of the headers", grpc, [hello(&[]), half_headers].concat()),
        ("silent", http, vec![]),
        ("half a request", http, b"GET /livez HTTP/1.1\r\nhost: a\r\n".to_vec()),
        ("silent", callbacks, vec![]),
        ("half a request", callbacks, b"POST /callbacks/ylh HTTP/1.1\r\n".to_vec()),
    ];
    let cut = table.map(|(what, addr, bytes)| async move {
        let mut stranger = Stranger::connect(addr).await;
        stranger.send(&bytes).await;
        stranger.read_to_end().await;
        eprintln!("{what} at {addr} was cut");
    });
    futures_util::future::join_all(cut).await;
    // Those that go on for ever.
    let mut endless = Stranger::connect(http).await;
    endless.send(b"GET /livez HTTP/1.1\r\nx: ").await;
    endless.drip_until_cut(b'a').await;
    let mut endless = Stranger::connect(grpc).await;
    endless.send(&[hello(&[]), frame(HEADERS, 0, 1, &head(CHECK))].concat()).await;
    endless.send_until_cut(&frame(CONTINUATION, 0, 1, &[0x00, 0x01, b'x', 0x01, b'y'])).await;
    others_are_served(service).await;
    world.finish().await;
}

async fn who_does_not_read_is_cut_at_every_port(plan: Plan) {
    let world = patient(plan).settings(|settings| settings.limits.write = SECONDS).start().await;
    let service = world.service();
    for (addr, request) in [
        (service.http_addr(), "GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n"),
        (callback_addr(service), "GET /nothing HTTP/1.1\r\nhost: a\r\n\r\n"),
    ] {
        let mut stranger = Stranger::connect(addr).await;
        stranger.send_until_cut(request.repeat(100).as_bytes()).await;
    }
    // Over HTTP/2 each ping is answered.
    let mut stranger = Stranger::connect(service.grpc_addr()).await;
    stranger.send(&[hello(&[]), call(1, CHECK)].concat()).await;
    stranger.send_until_cut(&frame(6, 0, 0, &[0; 8]).repeat(100)).await;
    others_are_served(service).await;
    world.finish().await;
}

async fn who_asks_without_end_on_one_plain_connection_must_connect_again(plan: Plan) {
    let world = plan.start().await;
    let service = world.service();
    for addr in [service.http_addr(), callback_addr(service)] {
        let mut stranger = Stranger::connect(addr).await;
        stranger.send("GET /nothing HTTP/1.1\r\nhost: a\r\n\r\n".repeat(100).as_bytes()).await;
        let answers = String::from_utf8(stranger.read_to_end().await).unwrap();
        let closing = answers.matches("connection: close").count();
        assert_eq!((answers.matches("HTTP/1.1 404").count(), closing), (100, 1), "{answers}");
    }
    world.finish().await;
}

async fn who_holds_a_connection_without_a_call_is_asked_to_end_and_cut(plan: Plan) {
    let idle = |plan: Plan| {
        plan.settings(|settings| (settings.limits.idle, settings.limits.first_request) = (SOON, SECONDS))
    };
    let world = idle(patient(plan)).start().await;
    let mut stranger = Stranger::connect(world.service().grpc_addr()).await;
    stranger.send(&[hello(&[]), call(1, CHECK)].concat()).await;
    assert!(stranger.frame_of(&[GOAWAY]).await.is_some());
    // It never ends by itself.
    stranger.read_to_end().await;
    others_are_served(world.service()).await;
    world.finish().await;
}

async fn a_connection_grows_no_older_than_it_may_and_no_call_is_lost(plan: Plan) {
    let aged = |plan: Plan| plan.settings(|settings| settings.limits.connection_age = SOON);
    let world = aged(patient(plan)).start().await;
    let mut watch = watch_changes(&world).await;
    let mut stranger = Stranger::connect(world.service().grpc_addr()).await;
    stranger.send(&[hello(&[]), call(1, CHECK)].concat()).await;
    let goaway = stranger.frame_of(&[GOAWAY]).await.unwrap();
    // What is under way when the connection is asked to end is answered still.
    assert_eq!(goaway.payload[..4], [0x7f, 0xff, 0xff, 0xff]);
    stranger.send(&call(3, CHECK)).await;
    assert_eq!(stranger.frame_of(&[HEADERS]).await.unwrap().stream, 3);
    // What runs goes on.
    let mut fresh = Client::connect(format!("http://{}", world.service().grpc_addr())).await.unwrap();
    reprice(&world, &mut fresh).await;
    assert_eq!(within(watch.message()).await.unwrap().unwrap().changes.len(), 1);
    drop((watch, fresh, stranger));
    world.finish().await;
}

/// A feed that has begun.
async fn watch_changes(world: &World) -> tonic::Streaming<WatchProductChangesResponse> {
    let request = WatchProductChangesRequest::default();
    let mut watch = world.client().watch_product_changes(request).await.unwrap().into_inner();
    within(watch.message()).await.unwrap().unwrap();
    watch
}

/// Changes the price of a product, which the feed then tells.
async fn reprice(world: &World, client: &mut Client) {
    let request = ListProductsRequest { page_size: 1, ..Default::default() };
    let code = client.list_products(request).await.unwrap().into_inner().products.remove(0).product_code;
    world.haier.change(serde_json::json!({"prices": {&code: {"supplyPrice": "7.77"}}})).await;
    client.get_prices(GetPricesRequest { product_codes: vec![code] }).await.unwrap();
}

/// Few places, which are more than the callers need and fewer than the strangers want.
fn crowded(plan: Plan) -> Plan {
    patient(plan).settings(|settings| {
        let limits = &mut settings.limits;
        (limits.grpc_connections, limits.http_connections, limits.callback_connections) = (6, 6, 6);
    })
}

async fn silent_crowds_take_nobody_elses_place(plan: Plan) {
    let world = crowded(plan).start().await;
    let service = world.service();
    let mut watch = watch_changes(&world).await;
    let ports = [service.grpc_addr(), service.http_addr(), callback_addr(service)];
    let mut strangers = Vec::new();
    for addr in ports {
        strangers.extend(Stranger::crowd(addr, 40).await);
    }
    others_are_served(service).await;
    // Some greet and say no more, some ask for their health and never read.
    for addr in ports {
        for mut stranger in Stranger::crowd(addr, 20).await {
            if addr == ports[0] {
                stranger.send(&hello(&[])).await;
            } else {
                stranger.send(b"POST /callbacks/ylh HTTP/1.1\r\ncontent-length: 9\r\n\r\nhalf").await;
            }
            strangers.push(stranger);
        }
    }
    others_are_served(service).await;
    // Some ask and never read.
    let greedy: Vec<_> = Stranger::crowd(ports[2], 20)
        .await
        .into_iter()
        .map(|mut stranger| {
            let requests = b"GET /nothing HTTP/1.1\r\nhost: a\r\n\r\n".repeat(100);
            tokio::spawn(async move { stranger.send_until_cut(&requests).await })
        })
        .collect();
    others_are_served(service).await;
    greedy.iter().for_each(tokio::task::JoinHandle::abort);
    // A caller who is known kept the connection through all of it.
    reprice(&world, &mut world.client()).await;
    assert_eq!(within(watch.message()).await.unwrap().unwrap().changes.len(), 1);
    drop((watch, strangers));
    world.finish().await;
}

async fn a_crowd_without_a_tls_handshake_takes_nobody_elses_place(plan: Plan) {
    let folder = tempfile::tempdir().unwrap();
    let ca = Authority::new(folder.path(), "ours");
    let own = ca.issue("server", &["localhost"]);
    let mut world = crowded(plan).prepare().await;
    world.settings.tls = Some(ServerFiles { cert: own.cert.clone(), key: own.key.clone(), clients: None });
    let service = within(Service::start(world.settings.clone())).await.unwrap();
    let mut strangers = Stranger::crowd(service.grpc_addr(), 30).await;
    for stranger in &mut strangers {
        // The head of a ClientHello of 512 bytes, and two of them.
        stranger.send(&[0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00]).await;
    }
    let port = service.grpc_addr().port();
    let channel = within(crate::tls::channel(port, &ca, None)).await.unwrap();
    assert!(within(crate::tls::health(channel)).await.is_ok());
    drop(strangers);
    within(service.stop()).await;
    // Alone, one that never finishes is cut as well.
    world.settings.limits.first_request = SOON;
    let service = within(Service::start(world.settings.clone())).await.unwrap();
    let mut stranger = Stranger::connect(service.grpc_addr()).await;
    stranger.send(&[0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00]).await;
    stranger.read_to_end().await;
    within(service.stop()).await;
    world.finish_leaving_open().await;
}

/// Calls a unary method with a stream of messages.
async fn call_with(
    world: &World,
    path: &str,
    messages: impl tokio_stream::Stream<Item = Vec<u8>> + Send + 'static,
) -> Result<(), Status> {
    let mut client = tonic::client::Grpc::new(world.channel().connect().await.unwrap());
    client.ready().await.unwrap();
    let codec = ProstCodec::<Vec<u8>, ()>::default();
    within(client.streaming(Request::new(messages), path.parse().unwrap(), codec)).await.map(drop)
}

async fn a_request_whose_body_never_comes_ends_at_the_deadline(plan: Plan) {
    let world = patient(plan)
        .settings(|settings| {
            settings.default_deadline = SECONDS;
            settings.callbacks.body_timeout = SOON;
        })
        .start()
        .await;
    for path in [CHECK, WATCH_CHANGES, "/haier.integration.v1.HaierIntegration/GetPrices"] {
        let refused = call_with(&world, path, tokio_stream::pending()).await.unwrap_err();
        assert_eq!(refusal(&refused), (Code::DeadlineExceeded, "REQUEST_TIMEOUT".to_owned()), "{path}");
    }
    let mut stranger = Stranger::connect(callback_addr(world.service())).await;
    stranger.send(b"POST /callbacks/ylh HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nhalf").await;
    let answer = String::from_utf8(stranger.read_some().await).unwrap();
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    drop(stranger);
    world.finish().await;
}

async fn a_feed_that_nobody_reads_is_reset(plan: Plan) {
    let world = patient(plan).settings(|settings| settings.changes.reader_patience = SOON).start().await;
    let mut stranger = Stranger::connect(world.service().grpc_addr()).await;
    // No room for a single byte of any answer.
    stranger.send(&[hello(&[(4, 0)]), call(1, WATCH_CHANGES), call(3, CHECK)].concat()).await;
    let reset = stranger.frame_of(&[RESET, GOAWAY]).await.unwrap();
    assert_eq!((reset.kind, reset.stream), (RESET, 1));
    others_are_served(world.service()).await;
    drop(stranger);
    world.finish().await;
}

async fn a_caller_who_gives_up_many_calls_at_once_keeps_the_connection(plan: Plan) {
    let world = patient(plan).start().await;
    let mut stranger = Stranger::connect(world.service().grpc_addr()).await;
    stranger.send(&hello(&[])).await;
    let settings = stranger.frame_of(&[SETTINGS]).await.unwrap();
    let limit = settings.payload.chunks(6).find(|setting| setting[..2] == [0, 3]).unwrap();
    assert_eq!(limit[2..], 200_u32.to_be_bytes(), "calls at a time on a connection");
    // In one write, as a process that stood still finds them.
    let burst: Vec<u8> = (0..500).map(|index| 2 * index + 1).flat_map(given_up).collect();
    stranger.send(&burst).await;
    for stream in (1_001..).step_by(2) {
        stranger.send(&call(stream, CHECK)).await;
        let answer = stranger.frame_of(&[HEADERS, RESET, GOAWAY]).await.unwrap();
        assert_ne!(answer.kind, GOAWAY);
        if answer.kind == HEADERS {
            break;
        }
    }
    drop(stranger);
    world.finish().await;
}

/// A call that its caller takes back at once.
fn given_up(stream: u32) -> Vec<u8> {
    let head = frame(HEADERS, END_HEADERS, stream, &head(CHECK));
    [head, frame(RESET, 0, stream, &8_u32.to_be_bytes())].concat()
}

async fn a_flood_of_resets_harms_nobody_else(plan: Plan) {
    let world = patient(plan).start().await;
    let mut stranger = Stranger::connect(world.service().grpc_addr()).await;
    stranger.send(&hello(&[])).await;
    let flood = async {
        for burst in 0..50_u32 {
            let streams = (0..2_000).map(|index| (burst * 2_000 + index) * 2 + 1);
            stranger.send(&streams.flat_map(given_up).collect::<Vec<u8>>()).await;
        }
    };
    let others = async {
        for _ in 0..5 {
            others_are_served(world.service()).await;
        }
    };
    tokio::join!(flood, others);
    drop(stranger);
    others_are_served(world.service()).await;
    world.finish().await;
}
