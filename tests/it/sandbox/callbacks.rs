//! Callbacks: what is said of an order, when, in which order, how often, and by whom it is signed.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::{Router, body::Bytes, extract::State, http::StatusCode as Status, routing::post};
use haier_integration::sandbox::CallbackOrderKey;
use md5::{Digest as _, Md5};
use tokio::sync::watch;

use super::ylh::{END_OF_DAY, Y1, Y2, Ylh, refused};
use super::*;
use crate::support::within;

/// Takes callbacks down and answers as it was told.
struct Receiver {
    url: String,
    seen: Arc<Seen>,
}

struct Seen {
    bodies: watch::Sender<Vec<(String, String)>>,
    /// What the next ones are answered; then 200.
    answers: Mutex<VecDeque<u16>>,
}

impl Receiver {
    async fn start(answers: &[u16]) -> Self {
        let answers = Mutex::new(answers.iter().copied().collect());
        let seen = Arc::new(Seen { bodies: watch::Sender::default(), answers });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/callbacks/ylh", listener.local_addr().unwrap());
        let router = Router::new().route("/callbacks/ylh", post(take)).with_state(Arc::clone(&seen));
        tokio::spawn(axum::serve(listener, router).into_future());
        Self { url, seen }
    }

    /// The `Method` (its last word), `Data` and everything of the first so many callbacks.
    async fn heard(&self, count: usize) -> Vec<(String, Value)> {
        let mut bodies = self.seen.bodies.subscribe();
        let bodies = within(bodies.wait_for(|bodies| bodies.len() >= count)).await.unwrap().clone();
        assert_eq!(bodies.len(), count);
        bodies.iter().map(|(kind, body)| verified(kind, body)).collect()
    }

    /// What was heard of each: the method's last word, `PlatformOrderNo` and `State`.
    async fn told(&self, count: usize) -> Vec<(String, String, u64)> {
        let heard = self.heard(count).await.into_iter();
        heard
            .map(|(method, data)| {
                (
                    method,
                    data["PlatformOrderNo"].as_str().unwrap().to_owned(),
                    data["State"].as_u64().unwrap(),
                )
            })
            .collect()
    }
}

async fn take(
    State(seen): State<Arc<Seen>>,
    headers: axum::http::HeaderMap,
    body: Bytes,
) -> (Status, &'static str) {
    let kind = headers["content-type"].to_str().unwrap().to_owned();
    seen.bodies.send_modify(|bodies| bodies.push((kind, String::from_utf8(body.to_vec()).unwrap())));
    let status = seen.answers.lock().unwrap().pop_front().unwrap_or(200);
    (Status::from_u16(status).unwrap(), r#"{"success":true}"#)
}

/// The fields of a callback whose signature holds.
fn verified(kind: &str, body: &str) -> (String, Value) {
    let mut fields: Vec<(String, String)> = if kind.starts_with("application/json") {
        let fields: std::collections::BTreeMap<String, String> = serde_json::from_str(body).unwrap();
        fields.into_iter().collect()
    } else {
        url::form_urlencoded::parse(body.as_bytes()).into_owned().collect()
    };
    fields.sort();
    let field = |wanted: &str| fields.iter().find(|(name, _)| name == wanted).unwrap().1.clone();
    let signed = fields.iter().filter(|(name, _)| name != "Sign");
    let text: String = signed.map(|(name, value)| format!("{name}{value}")).collect();
    let secret = "sandbox-callback-secret";
    let digest = Md5::digest(format!("{secret}{text}{secret}").to_lowercase());
    let expected: String = digest.iter().map(|byte| format!("{byte:02X}")).collect();
    assert_eq!(field("Sign"), expected, "{body}");
    assert_eq!(field("TimeStamp").len(), 14);
    let mut data: Value = serde_json::from_str(&field("Data")).unwrap();
    data["AppKey"] = json!(field("AppKey"));
    (field("Method").rsplit('.').next().unwrap().to_owned(), data)
}

async fn pair(answers: &[u16]) -> (Ylh, Receiver) {
    pair_with(answers, Options { callback_delay: Duration::ZERO, ..Options::default() }).await
}

async fn pair_with(answers: &[u16], options: Options) -> (Ylh, Receiver) {
    let receiver = Receiver::start(answers).await;
    let options = Options { callback_url: Some(receiver.url.clone()), throttle: None, ..options };
    (Ylh::with(options).await, receiver)
}

fn said(method: &str, so_id: &str, state: u64) -> (String, String, u64) {
    (method.to_owned(), so_id.to_owned(), state)
}

impl Ylh {
    async fn settle(&self, what: &str) -> Value {
        let (status, answer) = self.haier.control("POST", &format!("{what}/settle"), &json!(null)).await;
        assert_eq!(status, StatusCode::OK);
        answer
    }
}

#[tokio::test]
async fn a_booked_order_is_confirmed_and_a_cancelled_one_cancelled_by_its_sellers_app() {
    let (ylh, receiver) = pair(&[]).await;
    ylh.push(&ylh.order("SO-1")).await;
    let haier_order_no = ylh.only().await["haierOrderNo"].clone();
    let (method, data) = receiver.heard(1).await.remove(0);
    assert_eq!(method, "confirm");
    assert_eq!(
        data,
        json!({ "ExtOrderNo": haier_order_no, "PlatformOrderNo": "SO-1", "State": 1, "AppKey": "sandbox-app" })
    );
    assert_eq!(ylh.call(Y2, &ylh.cancellation("SO-1")).await["success"], true);
    let (method, data) = receiver.heard(2).await.remove(1);
    assert_eq!((method.as_str(), &data["ExtOrderNo"]), ("cancel", &haier_order_no));
    let mut other = ylh.order("SO-2");
    other["sellerCode"] = json!("8800000002");
    ylh.push(&other).await;
    assert_eq!(receiver.heard(3).await.remove(2).1["AppKey"], "sandbox-app-2");
}

#[tokio::test]
async fn without_an_address_callbacks_wait_for_one() {
    let (ylh, receiver) =
        pair_with(&[], Options { callback_delay: Duration::from_secs(3_600), ..Options::default() }).await;
    ylh.push(&ylh.order("SO-1")).await;
    let to = async |url: Value| {
        ylh.haier.control("POST", "callbacks/url", &json!({ "url": url })).await;
    };
    to(json!(null)).await;
    let left = ylh.settle("callbacks").await;
    assert_eq!((&left["waiting"][0]["tries"], &left["ended"]), (&json!(0), &json!([])), "{left}");
    to(json!(receiver.url)).await;
    assert_eq!(receiver.told(1).await, [said("confirm", "SO-1", 1)]);
}

#[tokio::test]
async fn the_key_and_the_body_of_callbacks_are_options() {
    let options = Options {
        callback_delay: Duration::ZERO,
        callback_order_key: CallbackOrderKey::OnlineNo,
        callback_json: true,
        ..Options::default()
    };
    let (ylh, receiver) = pair_with(&[], options).await;
    ylh.push(&ylh.order("SO-1")).await;
    assert_eq!(receiver.told(1).await, [said("confirm", "ON-1", 1)]);
    assert!(receiver.seen.bodies.borrow()[0].0.starts_with("application/json"));
}

#[tokio::test]
async fn refusals_and_lack_of_stock_are_told_with_their_reason() {
    let (ylh, receiver) = pair(&[]).await;
    for (kind, so_id, state, method, words) in [
        ("refuse", "SO-1", "refused", "confirm", "校验"),
        ("out_of_stock", "SO-2", "out_of_stock", "oostock", "商品缺货"),
    ] {
        ylh.haier.fault(&json!({ "kind": kind, "product_code": ylh.code })).await;
        assert_eq!(ylh.push(&ylh.order(so_id)).await["success"], true);
        let book = ylh.book().await;
        assert_eq!(book["orders"].as_array().unwrap().last().unwrap()["state"], state);
        let heard = receiver.heard(book["orders"].as_array().unwrap().len()).await.pop().unwrap();
        assert_eq!((heard.0.as_str(), &heard.1["State"]), (method, &json!(0)));
        assert!(heard.1["FailMsg"].as_str().unwrap().contains(words));
        assert_eq!(heard.1["ExtOrderNo"], "");
    }
    assert!(refused(&ylh.call(Y2, &ylh.cancellation("SO-1")).await, 409).contains("已被拒绝"));
    ylh.haier.fault(&json!({ "kind": "refuse_cancel" })).await;
    ylh.push(&ylh.order("SO-3")).await;
    assert_eq!(ylh.call(Y2, &ylh.cancellation("SO-3")).await["success"], true);
    let heard = receiver.told(4).await;
    assert_eq!(heard[2..], [said("confirm", "SO-3", 1), said("cancel", "SO-3", 0)]);
    assert_eq!(ylh.book().await["orders"][2]["state"], "confirmed");
}

#[tokio::test]
async fn callbacks_come_twice_reversed_late_early_or_never() {
    let (ylh, receiver) = pair_with(&[], Options::default()).await;
    let push = async |kind: &str, so_id: &str| {
        ylh.haier.fault(&json!({ "kind": kind, "endpoint": "Y1" })).await;
        assert_eq!(ylh.push(&ylh.order(so_id)).await["success"], true);
    };
    push("early", "SO-1").await;
    // Not waited for: it was there before the answer.
    assert_eq!(receiver.seen.bodies.borrow().len(), 1);
    push("duplicate", "SO-2").await;
    ylh.settle("callbacks").await;
    assert_eq!(
        receiver.told(3).await,
        [said("confirm", "SO-1", 1), said("confirm", "SO-2", 1), said("confirm", "SO-2", 1)]
    );
    let bodies = receiver.seen.bodies.borrow().clone();
    assert_eq!(bodies[1], bodies[2]);
    push("lost", "SO-3").await;
    assert_eq!(ylh.settle("callbacks").await["waiting"], json!([]));
    push("late", "SO-4").await;
    let shown = ylh.haier.control("GET", "callbacks", &json!(null)).await.1;
    assert_eq!(shown["waiting"][0]["soId"], "SO-4");
    push("reversed", "SO-5").await;
    ylh.call(Y2, &ylh.cancellation("SO-5")).await;
    ylh.settle("callbacks").await;
    let told = receiver.told(6).await;
    assert!(told[3..].contains(&said("confirm", "SO-4", 1)));
    let of_five: Vec<_> = told[3..].iter().filter(|(_, so_id, _)| so_id == "SO-5").cloned().collect();
    assert_eq!(of_five, [said("cancel", "SO-5", 1), said("confirm", "SO-5", 1)]);
}

#[tokio::test]
async fn a_reversed_confirmation_follows_its_cancellation_by_itself() {
    let (ylh, receiver) = pair(&[]).await;
    ylh.haier.fault(&json!({ "kind": "reversed", "endpoint": "Y1" })).await;
    ylh.push(&ylh.order("SO-1")).await;
    ylh.call(Y2, &ylh.cancellation("SO-1")).await;
    assert_eq!(receiver.told(2).await, [said("cancel", "SO-1", 1), said("confirm", "SO-1", 1)]);
}

#[tokio::test]
async fn a_callback_is_sent_again_until_it_is_answered_200() {
    let (ylh, receiver) = pair(&[500, 503]).await;
    ylh.push(&ylh.order("SO-1")).await;
    receiver.heard(1).await;
    while ylh.settle("callbacks").await["waiting"] != json!([]) {}
    assert_eq!(receiver.told(3).await, vec![said("confirm", "SO-1", 1); 3]);
    let shown = ylh.settle("callbacks").await;
    assert_eq!((&shown["ended"][0]["outcome"], &shown["ended"][0]["tries"]), (&json!("answered"), &json!(3)));
}

#[tokio::test]
async fn a_callback_that_was_not_heard_is_sent_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(&[]).await;
    let options = Options {
        state: Some(folder.path().join("state")),
        callback_url: Some(receiver.url.clone()),
        callback_delay: Duration::from_secs(600),
        ..Options::default()
    };
    let ylh = Ylh::with(options.clone()).await;
    for so_id in ["SO-1", "SO-2"] {
        ylh.push(&ylh.order(so_id)).await;
    }
    ylh.settle("callbacks").await;
    ylh.push(&ylh.order("SO-3")).await;
    ylh.haier.sandbox.stop().await;
    let ylh = Ylh::with(options).await;
    ylh.settle("callbacks").await;
    let mut told = receiver.told(3).await;
    told.sort();
    assert_eq!(told, ["SO-1", "SO-2", "SO-3"].map(|so_id| said("confirm", so_id, 1)));
}

#[tokio::test]
async fn a_burst_of_callbacks_reaches_the_receiver_whole() {
    let (ylh, receiver) =
        pair_with(&[], Options { callback_delay: Duration::from_secs(600), ..Options::default() }).await;
    for n in 0..200 {
        ylh.push(&ylh.order(&format!("SO-{n}"))).await;
    }
    ylh.settle("callbacks").await;
    let so_ids: std::collections::BTreeSet<_> =
        receiver.told(200).await.into_iter().map(|(_, so_id, _)| so_id).collect();
    assert_eq!(so_ids.len(), 200);
}

#[tokio::test]
async fn a_callback_by_hand_is_as_right_or_wrong_as_asked() {
    let ylh = Ylh::start().await;
    let by_hand = async |body: Value| ylh.haier.control("POST", "callbacks", &body).await;
    let (status, answer) = by_hand(json!({ "platformOrderNo": "SO-1" })).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(answer["error"].as_str().unwrap().contains("--callback-url"));
    let receiver = Receiver::start(&[]).await;
    let (_, answer) = ylh.haier.control("POST", "callbacks/url", &json!({ "url": receiver.url })).await;
    assert_eq!(answer["url"], receiver.url.as_str());
    let oostock = json!({
        "platformOrderNo": "SO-1", "method": "oostock", "state": 0, "failMsg": "商品缺货", "appKey": "sandbox-app-2",
    });
    let (status, answer) = by_hand(oostock).await;
    assert_eq!((status, &answer["accepted"]), (StatusCode::OK, &json!(true)));
    let (method, data) = receiver.heard(1).await.remove(0);
    assert_eq!(
        (method.as_str(), &data["FailMsg"], &data["AppKey"]),
        ("oostock", &json!("商品缺货"), &json!("sandbox-app-2"))
    );
    by_hand(json!({ "platformOrderNo": "SO-1", "sign": "00", "timeStamp": "20200101000000" })).await;
    let body = receiver.seen.bodies.borrow()[1].1.clone();
    assert!(body.contains("Sign=00") && body.contains("TimeStamp=20200101000000"), "{body}");
}

#[tokio::test]
async fn without_an_address_no_callback_is_made() {
    let ylh = Ylh::start().await;
    ylh.push(&ylh.order("SO-1")).await;
    assert_eq!(ylh.settle("callbacks").await, json!({ "url": null, "waiting": [], "ended": [] }));
    let mut other = ylh.order("SO-2");
    other["installTime"] = json!(END_OF_DAY + 86_400_000);
    assert!(refused(&ylh.call(Y1, &other).await, 400).contains("deliveryInstall"));
}
