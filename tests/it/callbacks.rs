//! Callbacks of the order system, posted as a stranger would: what is taken, what is refused, and in which words.

mod listing;
mod matching;
mod posting;
mod secrets;

use chrono::TimeDelta;
use haier_integration::{
    domain::clock::Clock as _,
    proto::{
        CreateHaierConfigRequest, DeleteHaierConfigRequest,
        haier_administration_client::HaierAdministrationClient,
    },
};
use reqwest::{StatusCode, header::CONTENT_TYPE};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use url::Url;

pub(crate) use posting::post;
use posting::{confirm, now, send, shanghai};

use crate::support::{Backend, Plan, Wire, World, account, on_both_databases, run, within};

on_both_databases!(
    a_genuine_callback_is_stored_and_answered_as_a_form_and_as_json,
    what_is_not_genuine_is_refused_and_leaves_nothing,
    the_window_of_time_is_held_on_both_sides,
    a_callback_that_comes_again_is_stored_once,
    a_thousand_at_once_are_all_stored,
    who_keeps_his_connection_keeps_nobody_waiting,
    a_stored_callback_is_never_touched_again,
    a_parked_callback_is_complained_of_once,
    an_account_that_is_stored_and_not_active_is_known_by_its_key,
    a_backlog_does_not_hold_up_a_stop,
);

pub(crate) async fn count(world: &World, condition: &str) -> i64 {
    world.database.number(&format!("SELECT count(*) FROM callbacks WHERE {condition}")).await
}

/// Waits until so many callbacks are as described.
pub(crate) async fn until(world: &World, condition: &str, wanted: i64) {
    within(async { while count(world, condition).await != wanted {} }).await;
}

/// A service without a catalogue, which callbacks do not need.
async fn served(plan: Plan) -> World {
    plan.products(1).start().await
}

/// A refusal in the shape of an answer.
fn assert_refused((status, answer): &(StatusCode, Value), expected: StatusCode, code: &str) {
    assert_eq!(
        (*status, &answer["success"], &answer["code"]),
        (expected, &json!(false), &json!(code)),
        "{answer}"
    );
    assert_eq!(answer["data"], json!({}));
    assert!(answer["description"].as_str().is_some_and(|words| !words.is_empty()));
    assert_eq!(answer["timeStamp"].as_str().unwrap().len(), 14);
}

async fn a_genuine_callback_is_stored_and_answered_as_a_form_and_as_json(plan: Plan) {
    // A clock of its own: the database's is known to it but for the time of an answer.
    let world = served(plan.turned()).await;
    let data = json!({ "ExtOrderNo": "", "PlatformOrderNo": "PO 1+2", "State": 0, "FailMsg": "电话13812345678 缺货" });
    for (callback, number) in [
        (post("oostock", &data), "PO 1+2"),
        (
            post("confirm", &json!({ "PlatformOrderNo": 20_260_101_001_i64, "State": "1" })).in_json(),
            "20260101001",
        ),
    ] {
        let now = || shanghai(world.clock().now());
        let before = now();
        let (status, answer) = callback.send(&world).await;
        let data = json!({ "statusCode": "200", "message": "成功", "platformOrderNo": number });
        let stamp = answer["timeStamp"].as_str().unwrap().to_owned();
        assert!(before <= stamp && stamp <= now(), "{stamp} is no time in Shanghai of now");
        let expected = json!({
            "success": true, "code": "success", "description": "成功", "timeStamp": stamp, "data": data,
        });
        assert_eq!((status, answer), (StatusCode::OK, expected));
    }
    until(&world, "parked_at IS NOT NULL", 2).await;
    assert_eq!(count(&world, "sealed LIKE 'v1.%' AND words = '' AND NOT success").await, 1);
    assert_eq!(count(&world, "words LIKE '%13812345678%' OR data LIKE '%13812345678%'").await, 0);
    assert_eq!(count(&world, "data LIKE '%20260101001%'").await, 1, "an order number is no mobile number");
    world.finish().await;
}

async fn what_is_not_genuine_is_refused_and_leaves_nothing(plan: Plan) {
    let world = plan
        .products(1)
        .settings(|settings| settings.callbacks.body_timeout = std::time::Duration::from_millis(200))
        .start()
        .await;
    let ok = StatusCode::OK;
    let wrong_secret = confirm("A").with_secret("guessed");
    let mut answers = Vec::new();
    for callback in [wrong_secret, confirm("A").with("AppKey", "nobody"), confirm("A").with("AppKey", "")] {
        let mut refused = callback.send(&world).await;
        assert_refused(&refused, ok, "invalid_signature");
        refused.1["timeStamp"] = json!("");
        answers.push(refused);
    }
    assert!(
        answers.windows(2).all(|pair| pair[0] == pair[1]),
        "an unknown key is answered like a wrong signature"
    );
    let altered =
        confirm("A").signed().with("Data", r#"{"ExtOrderNo":"SO.1","PlatformOrderNo":"B","State":1}"#);
    assert_refused(&altered.send_as_it_is(&world).await, ok, "invalid_signature");
    assert_refused(&confirm("A").send_as_it_is(&world).await, ok, "invalid_signature");
    assert_refused(&confirm("A").with("Method", "hmm.other").send(&world).await, ok, "unknown_method");
    for data in ["", "[]", r#"{"PlatformOrderNo":"A"}"#, r#"{"State":1}"#] {
        assert_refused(&confirm("A").with("Data", data).send(&world).await, ok, "invalid_data");
    }
    for bad in ["{", "[1]", r#"{"AppKey":"a","AppKey":"b"}"#] {
        let refused = send(&world, bad.into(), "application/json").await;
        assert_refused(&refused, StatusCode::BAD_REQUEST, "invalid_body");
    }
    let large = confirm("A").with("Filling", &"x".repeat(65 * 1024)).send(&world).await;
    assert_refused(&large, StatusCode::PAYLOAD_TOO_LARGE, "body_too_large");
    slow_bodies_are_cut(&world).await;

    let url = Url::parse(&world.service().callback_url()).unwrap();
    let client = reqwest::Client::new();
    assert_eq!(client.get(url.clone()).send().await.unwrap().status(), StatusCode::METHOD_NOT_ALLOWED);
    for path in ["/", "/callbacks", "/callbacks/ylh/x", "/metrics", "/livez", "/readyz"] {
        let answer = client.get(url.join(path).unwrap()).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
    }
    let metrics = client.get(format!("http://{}/metrics", world.service().http_addr())).send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    for reason in ["app_key", "signature", "method", "data", "body"] {
        let counted = format!(r#"haier_callbacks_total{{outcome="refused",reason="{reason}"}}"#);
        assert!(metrics.contains(&counted), "{counted}");
    }
    assert_eq!(count(&world, "true").await, 0);
    world.finish().await;
}

async fn slow_bodies_are_cut(world: &World) {
    let url = Url::parse(&world.service().callback_url()).unwrap();
    let addr = (url.host_str().unwrap(), url.port().unwrap());
    let mut stream = tokio::net::TcpStream::connect(addr).await.unwrap();
    let head = "POST /callbacks/ylh HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nAppKey=";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    within(stream.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains(r#""code":"body_too_slow""#), "{answer}");
}

async fn the_window_of_time_is_held_on_both_sides(plan: Plan) {
    let world = served(plan).await;
    // Ten seconds of room for a machine that is busy.
    for (minutes, seconds, is_taken) in [(-5, 10, true), (5, -10, true), (-5, -10, false), (5, 10, false)] {
        let instant = now() + TimeDelta::minutes(minutes) + TimeDelta::seconds(seconds);
        let answer = confirm("A").at(instant).send(&world).await;
        assert_eq!(answer.1["success"], json!(is_taken), "{minutes} min {seconds} s: {answer:?}");
        if !is_taken {
            assert_refused(&answer, StatusCode::OK, "invalid_timestamp");
        }
    }
    for bad in ["", "now", "2026-01-01 12:00:00", "20261301120000"] {
        let answer = confirm("A").with("TimeStamp", bad).send(&world).await;
        assert_refused(&answer, StatusCode::OK, "invalid_timestamp");
    }
    // Those that were signed rightly are kept, however they are answered: our clock may be the wrong one.
    assert_eq!(count(&world, "true").await, 4);
    until(&world, "parked_at IS NOT NULL", 4).await;
    world.finish().await;
}

async fn a_callback_that_comes_again_is_stored_once(plan: Plan) {
    let world = served(plan).await;
    let callback = confirm("A");
    let again = || callback.clone().taken(&world);
    tokio::join!(again(), again(), again(), again());
    callback.clone().in_json().taken(&world).await;
    // The signature covers the lower-cased text: other capitals make no other callback, and aim at no other order.
    for altered in [("A", "a"), ("SO.1", "so.1")] {
        let data = callback.fields.iter().find(|(name, _)| *name == "Data").unwrap().1.clone();
        callback.clone().with("Data", &data.replace(altered.0, altered.1)).taken(&world).await;
    }
    assert_eq!(count(&world, "true").await, 1);
    confirm("B").taken(&world).await;
    assert_eq!(count(&world, "true").await, 2);
    world.finish().await;
}

async fn a_thousand_at_once_are_all_stored(plan: Plan) {
    let world = served(plan).await;
    let client = reqwest::Client::new();
    let url = world.service().callback_url();
    let sends = (0..1_000).map(|n| {
        let (body, content_type) = confirm(&format!("PO{n}")).signed().body();
        let request = client.post(&url).header(CONTENT_TYPE, content_type).body(body);
        async move { request.send().await.unwrap().json::<Value>().await.unwrap()["success"] == true }
    });
    let answers = within(futures_util::future::join_all(sends)).await;
    assert!(answers.into_iter().all(|success| success));
    assert_eq!(count(&world, "true").await, 1_000);
    until(&world, "parked_at IS NOT NULL", 1_000).await;
    world.finish().await;
}

async fn a_stored_callback_is_never_touched_again(plan: Plan) {
    let world = served(plan).await;
    confirm("A").taken(&world).await;
    until(&world, "parked_at IS NOT NULL", 1).await;
    for statement in [
        "UPDATE callbacks SET data = '{}'",
        "UPDATE callbacks SET ext_order_no = NULL",
        "UPDATE callbacks SET success = NOT success",
        "UPDATE callbacks SET order_id = 1",
        "DELETE FROM callbacks",
    ] {
        world.database.execute(statement).await.expect_err(statement);
    }
    world.finish().await;
}

/// Asks for what is not there, and returns the head of the answer; the connection is kept.
async fn head_of_answer(stream: &mut TcpStream) -> String {
    stream.write_all(b"GET / HTTP/1.1\r\nHost: callbacks\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"not found\n") {
        assert_ne!(within(stream.read_buf(&mut answer)).await.unwrap(), 0, "closed before its answer");
    }
    String::from_utf8(answer).unwrap().to_ascii_lowercase()
}

async fn who_keeps_his_connection_keeps_nobody_waiting(plan: Plan) {
    // As many as are served at once.
    const PLACES: usize = 256;
    let world = served(plan).await;
    let url = Url::parse(&world.service().callback_url()).unwrap();
    let (mut kept, mut closed) = (Vec::new(), 0);
    for _ in 0..PLACES + 50 {
        let mut stream = TcpStream::connect(("127.0.0.1", url.port().unwrap())).await.unwrap();
        closed += usize::from(head_of_answer(&mut stream).await.contains("connection: close"));
        kept.push(stream);
    }
    assert!((50..60).contains(&closed), "{closed} of {} were closed", kept.len());
    assert_eq!(kept[PLACES + 49].read(&mut [0]).await.unwrap(), 0, "it was said to be closed");
    world.finish().await;
}

async fn a_parked_callback_is_complained_of_once(plan: Plan) {
    let mut world = served(plan).await;
    confirm("A").taken(&world).await;
    until(&world, "parked_at IS NOT NULL", 1).await;
    assert_eq!(count(&world, "warned_at IS NOT NULL").await, 0, "three days have not passed");
    world.stop().await;
    world.settings.callbacks.parked_warning = std::time::Duration::ZERO;
    world.serve().await;
    until(&world, "warned_at IS NOT NULL", 1).await;
    world.finish().await;
}

async fn an_account_that_is_stored_and_not_active_is_known_by_its_key(plan: Plan) {
    let world = served(plan.keyed()).await;
    let stored = account("stored");
    let secret = stored.ylh.as_ref().unwrap().callback_secret.clone();
    let callback = confirm("A").with("AppKey", "app").with_secret(&secret);
    assert_refused(&callback.clone().send(&world).await, StatusCode::OK, "invalid_signature");
    let mut client = HaierAdministrationClient::new(world.channel().connect().await.unwrap());
    let request = CreateHaierConfigRequest { haier_config: Some(stored), validate_only: false };
    client.create_haier_config(request).await.unwrap();
    within(async { while callback.clone().send(&world).await.1["success"] != true {} }).await;
    let request = DeleteHaierConfigRequest { name: "stored".to_owned(), ..Default::default() };
    client.delete_haier_config(request).await.unwrap();
    within(async { while callback.clone().send(&world).await.1["success"] == true {} }).await;
    assert_eq!(count(&world, "true").await, 1);
    world.finish().await;
}

async fn a_backlog_does_not_hold_up_a_stop(plan: Plan) {
    const BACKLOG: i64 = 3_000;
    let mut world = served(plan).await;
    world.stop().await;
    let store = world.database.store().await.unwrap();
    let mut tx = store.begin().await.unwrap();
    for id in 1..=BACKLOG {
        let callback = matching::left(&world, id, &format!("B-{id}"));
        assert!(haier_integration::store::callbacks::insert(&mut tx, &callback).await.unwrap());
    }
    tx.commit().await.unwrap();
    let released = store.released();
    drop(store);
    within(released.wait()).await;
    world.serve().await;
    world.stop().await;
    let left = count(&world, "parked_at IS NULL").await;
    assert!(left > 0, "the stop waited until all of the backlog was applied");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_database_a_callback_is_answered_so_that_it_comes_again() {
    run(Backend::Postgres, |plan| Box::pin(database_gone(plan))).await;
}

async fn database_gone(plan: Plan) {
    let mut address = Url::parse(&plan.database.address).unwrap();
    let wire = Wire::to(address.port().unwrap()).await;
    address.set_port(Some(wire.port())).unwrap();
    let world = plan
        .products(1)
        .settings(|settings| {
            settings.database_url = address.as_str().parse().unwrap();
            settings.database_wait = std::time::Duration::from_secs(1);
        })
        .start()
        .await;
    let callback = confirm("A");
    wire.cut();
    let refused = callback.clone().send(&world).await;
    assert_refused(&refused, StatusCode::SERVICE_UNAVAILABLE, "unavailable");
    wire.mend();
    within(async { while callback.clone().send(&world).await.0 != StatusCode::OK {} }).await;
    until(&world, "parked_at IS NOT NULL AND platform_order_no = 'A'", 1).await;
    world.finish().await;
}
