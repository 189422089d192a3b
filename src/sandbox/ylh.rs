//! The order system's endpoints: what each requires and what it answers to a call that nothing goes wrong with. What it
//! did is on disk before it answers.

use std::io;

use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::answer::Answer;
use super::book::Booking;
use super::endpoint::{Endpoint, System};
use super::journal::Keeping;
use super::order::OrderState;
use super::request::{Fields, Refusal, bad};
use super::world::World;
use super::{PASSWORD, YLH_CLIENT_ID, YLH_USERNAME, order_check};

const SYSTEM_NAME: &str = "ylh-open-api";

/// Answers one call but Y0. `arrival` is the record that a push arrived.
pub(super) async fn answer(
    world: &World,
    endpoint: Endpoint,
    fields: &Fields,
    arrival: Option<Keeping>,
) -> Result<Answer, Refusal> {
    match endpoint {
        Endpoint::CreateOrder => create(world, fields, arrival).await,
        _ => Err(refusal(StatusCode::NOT_IMPLEMENTED, "接口未开放")),
    }
}

/// Y0: a token for a user, told to the client that asks for him.
pub(super) fn token(world: &World, headers: &HeaderMap, fields: &Fields) -> Result<Answer, Refusal> {
    let text = |name| headers.get(name).and_then(|value: &axum::http::HeaderValue| value.to_str().ok());
    if text("system-name") != Some(SYSTEM_NAME) {
        return Err(bad(format!("参数错误：请求头system-name应为{SYSTEM_NAME}")));
    }
    let expected = format!("Basic {}", BASE64_STANDARD.encode(format!("{YLH_CLIENT_ID}:{PASSWORD}")));
    if text(AUTHORIZATION.as_str()) != Some(expected.as_str()) {
        return Err(refusal(StatusCode::UNAUTHORIZED, "认证失败：客户端不正确"));
    }
    fields.one_of("grant_type", &["password"])?;
    if fields.text("username")? != YLH_USERNAME || fields.text("password")? != PASSWORD {
        return Err(refusal(StatusCode::UNAUTHORIZED, "认证失败：用户名或密码不正确"));
    }
    let tokens = world.tokens(System::Ylh);
    Ok(Answer::Whole(json!({
        "access_token": tokens.issue(),
        "token_type": "bearer",
        "expires_in": tokens.life().as_secs(),
    })))
}

async fn create(world: &World, fields: &Fields, arrival: Option<Keeping>) -> Result<Answer, Refusal> {
    let push = order_check::push(&world.catalogue(), fields)?;
    match world.book.book(push, OrderState::Confirmed) {
        Booking::Booked(order, keeping) => {
            keeping.done().await.map_err(not_kept)?;
            Ok(done(json!({ "retailOrderNo": order.retail_order_no, "soId": order.push.so_id })))
        }
        Booking::Repeated(order) => {
            // The record of this push stands behind the order's, so that it is not on disk before the order is.
            if let Some(arrival) = arrival {
                arrival.done().await.map_err(not_kept)?;
            }
            let message = format!("订单已存在，请勿重复推送：soId {}", order.push.so_id);
            Err(refusal(StatusCode::CONFLICT, message))
        }
    }
}

fn done(data: Value) -> Answer {
    Answer::Whole(json!({ "success": true, "code": 200, "message": "成功", "data": data }))
}

fn refusal(status: StatusCode, message: impl Into<String>) -> Refusal {
    Refusal { status, message: message.into() }
}

fn not_kept(why: io::Error) -> Refusal {
    tracing::error!(%why, "the sandbox could not keep what it did");
    refusal(StatusCode::INTERNAL_SERVER_ERROR, "系统异常")
}
