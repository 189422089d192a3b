//! The order system's endpoints: what each requires and what it answers to a call that nothing goes wrong with. What it
//! did is on disk before it answers.

use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chrono::TimeDelta;
use serde_json::{Value, json};

use super::answer::Answer;
use super::book::{Conflict, Done};
use super::endpoint::{Endpoint, System};
use super::faults::Plan;
use super::journal::Keeping;
use super::order::{Order, OrderState};
use super::order_check::Problems;
use super::request::{Fields, Refusal, bad};
use super::world::World;
use super::{PASSWORD, YLH_CLIENT_ID, YLH_USERNAME, order_check, order_papers, shanghai};

/// How many orders a call for courier numbers may name.
const MAX_ORDER_CODES: usize = 100;
const SYSTEM_NAME: &str = "ylh-open-api";

/// Answers one call but Y0.
pub(super) async fn answer(
    world: &World,
    endpoint: Endpoint,
    fields: &Fields,
    plan: &Plan,
) -> Result<Answer, Refusal> {
    match endpoint {
        Endpoint::CreateOrder => create(world, fields, plan).await,
        Endpoint::CancelOrder => cancel(world, fields, plan).await,
        Endpoint::RescheduleOrder => reschedule(world, fields).await,
        Endpoint::Photos => photos(world, fields),
        _ => couriers(world, fields),
    }
}

/// Y0: a token for a user, told to the client that asks for him.
pub(super) fn token(world: &World, headers: &HeaderMap, fields: &Fields) -> Result<Answer, Refusal> {
    let text = |name| headers.get(name).and_then(|value: &axum::http::HeaderValue| value.to_str().ok());
    if text("system-name") != Some(SYSTEM_NAME) {
        return Err(bad(format!("参数错误：请求头system-name应为{SYSTEM_NAME}")));
    }
    let client = BASE64_STANDARD.encode(format!("{YLH_CLIENT_ID}:{PASSWORD}"));
    let told = text(AUTHORIZATION.as_str()).and_then(|value| value.split_once(' '));
    if !told.is_some_and(|(scheme, told)| scheme.eq_ignore_ascii_case("basic") && told.trim() == client) {
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

async fn create(world: &World, fields: &Fields, plan: &Plan) -> Result<Answer, Refusal> {
    // Before anything else is looked at: whoever asks again after a doubt must hear that it is there.
    if let Some(so_id) = fields.text("soId").ok().filter(|so_id| world.book.has(so_id)) {
        return Err(repeated(world, so_id).await);
    }
    let push = order_check::push(&world.catalogue(), fields)?;
    if let Some(delay) = plan.late {
        let due = shanghai::now() + TimeDelta::from_std(delay).unwrap_or_default();
        kept(world.book.book_later(push, plan.wishes.clone(), due)).await?;
        world.callbacks.wake.notify_one();
        return Ok(done(&Value::Null));
    }
    let so_id = push.so_id.clone();
    match world.book(push, &plan.wishes) {
        Ok(booked) => {
            let data = json!({ "retailOrderNo": booked.order.retail_order_no, "soId": so_id });
            tell(world, booked, plan).await?;
            Ok(done(&data))
        }
        Err(Conflict(_)) => Err(repeated(world, &so_id).await),
    }
}

async fn repeated(world: &World, so_id: &str) -> Refusal {
    conflict(world, format!("订单已存在，请勿重复推送：soId {so_id}")).await
}

async fn cancel(world: &World, fields: &Fields, plan: &Plan) -> Result<Answer, Refusal> {
    let mut problems = Problems::default();
    let so_id = problems.text(fields, "soId");
    problems.text(fields, "cancelReason");
    problems.text(fields, "sourceSystem");
    let time = problems.text(fields, "cancelTime").parse();
    problems.check(time.is_ok_and(shanghai::is_millis), "cancelTime应为毫秒时间戳的字符串（13位）");
    problems.end()?;
    let accepted = !plan.wishes.refuse_cancel;
    let note = |order: &Order| world.callbacks.note(order, Some(accepted), &plan.wishes);
    match world.book.cancel(&so_id, accepted, note) {
        None => Err(refusal(StatusCode::NOT_FOUND, format!("订单不存在：soId {so_id}"))),
        Some(Err(Conflict(state))) => Err(closed(world, state, &so_id).await),
        Some(Ok(cancelled)) => {
            tell(world, cancelled, plan).await?;
            Ok(done(&json!({ "soId": so_id })))
        }
    }
}

async fn reschedule(world: &World, fields: &Fields) -> Result<Answer, Refusal> {
    let mut problems = Problems::default();
    let number = problems.text(fields, "retailOrderNo");
    let given = ["distributionTime", "installTime"].iter().any(|name| fields.get(name).is_some());
    problems.check(given, "distributionTime与installTime不能同时为空");
    let times = problems.times(fields);
    problems.end()?;
    match world.book.reschedule(&number, times) {
        None => Err(refusal(StatusCode::NOT_FOUND, format!("订单不存在：retailOrderNo {number}"))),
        Some(Err(Conflict(state))) => Err(closed(world, state, &number).await),
        Some(Ok(rescheduled)) => {
            kept(rescheduled.keeping).await?;
            Ok(done(&json!({ "retailOrderNo": number })))
        }
    }
}

fn photos(world: &World, fields: &Fields) -> Result<Answer, Refusal> {
    let number = fields.text("orderNo")?;
    let order = world.book.find(number);
    let order =
        order.ok_or_else(|| refusal(StatusCode::NOT_FOUND, format!("订单不存在：orderNo {number}")))?;
    Ok(done(&json!(order_papers::photos(world.seed, &order))))
}

fn couriers(world: &World, fields: &Fields) -> Result<Answer, Refusal> {
    let numbers = fields.list(MAX_ORDER_CODES)?;
    let found = numbers.iter().filter_map(|number| Some((number, world.book.find(number)?)));
    let found = found.filter(|(_, order)| order.state == OrderState::Confirmed);
    let couriers: Vec<_> =
        found.map(|(number, order)| order_papers::couriers(world.seed, number, &order)).collect();
    Ok(done(&json!(couriers)))
}

/// Waits until it is on disk, and sends the callback on its way: before the answer, if it is meant to be early.
async fn tell(world: &World, done: Done, plan: &Plan) -> Result<(), Refusal> {
    kept(done.keeping).await?;
    if let Some(note) = done.note {
        let id = note.id;
        world.callbacks.plan(note);
        if plan.wishes.early {
            world.wait(world.callbacks.sent(id)).await;
        }
    }
    Ok(())
}

async fn closed(world: &World, state: OrderState, number: &str) -> Refusal {
    let why = if state == OrderState::Cancelled { "订单已取消" } else { "订单已被拒绝" };
    conflict(world, format!("{why}：{number}")).await
}

/// What was done before is in the way. That is a proof of it, so it must be on disk before it is said.
async fn conflict(world: &World, message: String) -> Refusal {
    match kept(world.journal.so_far()).await {
        Ok(()) => refusal(StatusCode::CONFLICT, message),
        Err(refusal) => refusal,
    }
}

fn done(data: &Value) -> Answer {
    Answer::Whole(json!({ "success": true, "code": 200, "message": "成功", "data": data }))
}

fn refusal(status: StatusCode, message: impl Into<String>) -> Refusal {
    Refusal { status, message: message.into() }
}

async fn kept(keeping: Keeping) -> Result<(), Refusal> {
    keeping.done().await.map_err(|error| {
        tracing::error!(%error, "the sandbox could not keep what it did");
        refusal(StatusCode::INTERNAL_SERVER_ERROR, "系统异常")
    })
}
