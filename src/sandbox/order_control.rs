//! The controls of the order system under `/_sandbox/`: the book, what is still to happen, and callbacks by hand.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{Response, StatusCode};
use axum::routing::{get, post};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Value, json};

use super::callback_note::{Data, Method, app_of};
use super::callback_sign::Signed;
use super::control::{Failure, MAX_BODY, reply};
use super::control_guard::check_callback_url;
use super::world::World;
use super::{CALLBACK_APPS, errands, shanghai};

/// The controls of the order system.
pub(super) fn routes() -> Router<Arc<World>> {
    Router::new()
        .route("/_sandbox/orders", get(list_orders))
        .route("/_sandbox/orders/settle", post(settle_orders))
        .route("/_sandbox/callbacks", get(list_callbacks).post(call_back))
        .route("/_sandbox/callbacks/settle", post(settle_callbacks))
        .route("/_sandbox/callbacks/url", post(redirect_callbacks))
        .layer(DefaultBodyLimit::max(MAX_BODY))
}

async fn list_orders(State(world): State<Arc<World>>) -> Response<Body> {
    reply(Ok(world.book.shown()))
}

async fn settle_orders(State(world): State<Arc<World>>) -> Response<Body> {
    let booked = world.book_late(DateTime::<Utc>::MAX_UTC).await;
    reply(Ok(json!({ "booked": booked })))
}

async fn list_callbacks(State(world): State<Arc<World>>) -> Response<Body> {
    reply(Ok(world.callbacks.shown()))
}

async fn settle_callbacks(State(world): State<Arc<World>>) -> Response<Body> {
    world.wait(world.callbacks.settle()).await;
    reply(Ok(world.callbacks.shown()))
}

/// The body of `POST callbacks/url`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Address {
    /// `null`: nowhere.
    url: Option<String>,
}

async fn redirect_callbacks(State(world): State<Arc<World>>, body: Bytes) -> Response<Body> {
    let address = read::<Address>(&body).and_then(|address| {
        let present = world.callbacks.url();
        address.url.as_deref().map_or(Ok(()), |url| check_callback_url(url, present.as_deref()))?;
        Ok(address)
    });
    reply(address.map(|address| {
        world.callbacks.set_url(address.url);
        json!({ "url": world.callbacks.url() })
    }))
}

/// The body of `POST callbacks`. What is left out is as it would be in a callback about that order.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct ByHand {
    platform_order_no: String,
    ext_order_no: Option<String>,
    method: Option<Method>,
    /// 1 unless given.
    state: Option<u8>,
    fail_msg: Option<String>,
    app_key: Option<String>,
    /// `yyyyMMddHHmmss`, now unless given.
    time_stamp: Option<String>,
    /// The right one unless given.
    sign: Option<String>,
    /// Where the others go unless given.
    url: Option<String>,
}

async fn call_back(State(world): State<Arc<World>>, body: Bytes) -> Response<Body> {
    let outcome = match read::<ByHand>(&body) {
        Ok(wanted) => wanted.send(&world).await,
        Err(failure) => Err(failure),
    };
    reply(outcome)
}

impl ByHand {
    async fn send(self, world: &World) -> Result<Value, Failure> {
        let Some(url) = self.url.or_else(|| world.callbacks.url()) else {
            let why = "there is no address: give url, or start with --callback-url".to_owned();
            return Err(Failure(StatusCode::BAD_REQUEST, why));
        };
        check_callback_url(&url, world.callbacks.url().as_deref())?;
        if self.platform_order_no.is_empty() {
            let why = "platformOrderNo is missing".to_owned();
            return Err(Failure(StatusCode::BAD_REQUEST, why));
        }
        let number = &self.platform_order_no;
        let order = world.book.find(number).or_else(|| world.book.find_by_online_no(number));
        let state = self.state.unwrap_or(1);
        let haier_order_no = order.as_ref().filter(|_| state == 1).map(|order| order.haier_order_no.clone());
        let data = Data {
            ext_order_no: &self.ext_order_no.or(haier_order_no).unwrap_or_default(),
            platform_order_no: &self.platform_order_no,
            state,
            fail_msg: self.fail_msg.as_deref(),
        };
        let app = order.as_ref().map_or(CALLBACK_APPS[0], |order| app_of(&order.push.seller_code));
        let method = self.method.unwrap_or(Method::Confirm).wire_name();
        let stamp = self.time_stamp.unwrap_or_else(|| shanghai::stamp(shanghai::now()));
        let mut signed = Signed::new(self.app_key.as_deref().unwrap_or(app), stamp, method, data.text());
        if let Some(sign) = self.sign {
            signed.sign = sign;
        }
        let heard = errands::send(world, &url, &signed).await;
        Ok(json!({ "sent": signed, "accepted": heard.ok, "answer": heard.answer }))
    }
}

fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Failure> {
    let why = |error| Failure(StatusCode::BAD_REQUEST, format!("the body was not understood: {error}"));
    serde_json::from_slice(body).map_err(why)
}
