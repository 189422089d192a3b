//! The way of one call: counted, throttled, let in by its token, struck by faults, answered.

use std::future::pending;
use std::sync::Arc;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, Response, StatusCode};
use serde_json::json;

use super::answer::{
    Answer, contradicted, empty_success, instead, json_answer, refusal, render_records, render_whole, send,
    send_stream, throttled,
};
use super::connection::Scissors;
use super::endpoint::{Endpoint, System};
use super::fault_kinds::Kind;
use super::faults::{Asked, Plan};
use super::request::{Fields, Refusal, bad};
use super::world::World;
use super::{listing, openplat, ylh};

const MAX_BODY: usize = 1 << 20;

/// One call as it came in.
struct Incoming {
    endpoint: Endpoint,
    headers: HeaderMap,
    body: Bytes,
    admitted: bool,
    scissors: Scissors,
}

/// Answers one call of the supplier's clients.
pub(super) async fn answer(
    world: Arc<World>,
    endpoint: Endpoint,
    scissors: Scissors,
    request: Request,
) -> Response<Body> {
    // Counted on arrival, whatever becomes of it: that is what the supplier's gateway sees.
    let admitted = world.throttle.admit(endpoint);
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_BODY).await else {
        return refusal(StatusCode::PAYLOAD_TOO_LARGE, "请求体过大或不完整");
    };
    let incoming = Incoming { endpoint, headers: parts.headers, body, admitted, scissors };
    if !endpoint.changes_the_world() {
        return serve(&world, incoming).await;
    }
    // In a task of its own: a caller who hangs up is not answered, yet what he asked for is done.
    let served = tokio::spawn(async move { serve(&world, incoming).await });
    served.await.unwrap_or_else(|_| instead(Kind::ServerError, ""))
}

async fn serve(world: &World, incoming: Incoming) -> Response<Body> {
    let Incoming { endpoint, headers, body, admitted, scissors } = incoming;
    let fields = fields(endpoint, &headers, &body);
    // Before anything can go wrong with it, so that a test can count what its client sent.
    let asked = Mentioned::new(endpoint, fields.as_ref().ok());
    let pushed = asked.so_id.as_deref().filter(|_| endpoint == Endpoint::CreateOrder);
    if let Some(so_id) = pushed {
        world.book.received(so_id, &body);
    }
    let customer = fields.as_ref().ok().filter(|_| endpoint == Endpoint::CreateOrder).map(customer);
    let customer = customer.unwrap_or_default();
    if !admitted {
        return throttled(&customer);
    }
    if !world.latency.is_zero() {
        world.wait(tokio::time::sleep(world.latency)).await;
    }
    let tokens = world.tokens(endpoint.system());
    let token = token(endpoint, &headers);
    let served = token.and_then(|token| tokens.serve(token));
    if !endpoint.is_token() && served.is_none() {
        return instead(Kind::Unauthorized, "");
    }
    let plan = world.faults.draw(&asked.borrow(served));
    if !plan.delay.is_zero() {
        world.wait(tokio::time::sleep(plan.delay)).await;
    }
    match plan.instead {
        None => {}
        Some(Kind::Hang) => hang(world, &plan, &scissors).await,
        Some(Kind::ResetBefore) => scissors.cut(),
        Some(Kind::Unauthorized) => token.into_iter().for_each(|token| tokens.revoke(token)),
        Some(_) => {}
    }
    if let Some(kind) = plan.instead {
        let product = plan.product_code.as_ref().map(|code| format!("（商品：{code}）")).unwrap_or_default();
        return instead(kind, &format!("{customer}{product}"));
    }
    let answer = match fields {
        Err(refusal) => Err(refusal),
        Ok(fields) => match endpoint {
            Endpoint::YlhToken => ylh::token(world, &headers, &fields),
            _ if endpoint.system() == System::Ylh => ylh::answer(world, endpoint, &fields, &plan).await,
            _ => openplat::answer(world, endpoint, &fields),
        },
    };
    match plan.sending {
        Some(Kind::LostAnswer | Kind::BookedLate) => scissors.cut(),
        // What was refused was not done, and is said.
        Some(Kind::BookedThenError) if answer.is_ok() => return instead(Kind::BookedThenError, &customer),
        Some(Kind::BookedThenHang) if answer.is_ok() => hang(world, &plan, &scissors).await,
        _ => {}
    }
    match answer {
        Ok(Answer::Whole(_)) if plan.sending == Some(Kind::BookedWithoutData) => empty_success(),
        Ok(Answer::Whole(value)) if plan.sending == Some(Kind::BookedAndRefused) => contradicted(value),
        Ok(answer) => deliver(world, endpoint, plan, answer),
        Err(refusal) => refused(endpoint, &refusal),
    }
}

/// The customer of an order, in words: a supplier's error message may well name him, so that a test can see who logs it.
fn customer(fields: &Fields) -> String {
    let all =
        ["consigneeName", "consigneeMobile", "detailAddress"].map(|name| fields.text(name).unwrap_or("-"));
    format!("（收货人：{}）", all.join("，"))
}

async fn hang(world: &World, plan: &Plan, scissors: &Scissors) {
    match plan.hang {
        Some(time) => world.wait(tokio::time::sleep(time)).await,
        None => world.wait(pending()).await,
    }
    scissors.cut();
}

fn fields(endpoint: Endpoint, headers: &HeaderMap, body: &[u8]) -> Result<Fields, Refusal> {
    match endpoint {
        Endpoint::Token if is_form(headers) => Ok(Fields::from_form(body)),
        Endpoint::YlhToken => {
            let message = "参数错误：Content-Type应为application/x-www-form-urlencoded";
            is_form(headers).then(|| Fields::from_form(body)).ok_or_else(|| bad(message))
        }
        Endpoint::CourierNumbers => Fields::from_list(body),
        _ => Fields::from_json(body),
    }
}

fn deliver(world: &World, endpoint: Endpoint, plan: Plan, answer: Answer) -> Response<Body> {
    match answer {
        Answer::Records { records, wrap } => send(&plan, render_records(endpoint, &plan, records, wrap)),
        Answer::Whole(value) => send(&plan, render_whole(&plan, &value)),
        Answer::Listing => send_stream(listing::body(world.catalogue(), plan, world.wrap())),
    }
}

fn refused(endpoint: Endpoint, why: &Refusal) -> Response<Body> {
    if !endpoint.is_token() {
        // The order system answers 200 to whatever it understood well enough to refuse.
        let ylh = endpoint.system() == System::Ylh && !why.status.is_server_error();
        let body = json!({ "success": false, "code": why.status.as_u16(), "message": why.message });
        return json_answer(if ylh { StatusCode::OK } else { why.status }, &body);
    }
    // The token endpoints also name the fault in the words of OAuth.
    let error = if why.status == StatusCode::UNAUTHORIZED { "invalid_client" } else { "invalid_request" };
    let body = json!({
        "success": false,
        "code": why.status.as_u16(),
        "message": why.message,
        "error": error,
        "error_description": why.message,
    });
    json_answer(why.status, &body)
}

/// What a call asks for, with the codes it owns.
struct Mentioned {
    endpoint: Endpoint,
    product_codes: Vec<String>,
    so_id: Option<String>,
    listing: bool,
}

impl Mentioned {
    fn new(endpoint: Endpoint, fields: Option<&Fields>) -> Self {
        let product_codes = fields.map(Fields::mentioned_codes).unwrap_or_default();
        let so_id = fields.and_then(|fields| fields.text("soId").ok()).map(str::to_owned);
        let listing = endpoint == Endpoint::Products && fields.is_some() && product_codes.is_empty();
        Self { endpoint, product_codes, so_id, listing }
    }

    fn borrow(&self, served: Option<u64>) -> Asked<'_> {
        Asked {
            endpoint: self.endpoint,
            product_codes: &self.product_codes,
            so_id: self.so_id.as_deref(),
            listing: self.listing,
            token_calls: served.unwrap_or(0),
        }
    }
}

/// The token. The open platform takes it bare or behind its scheme, since clients of both kinds are known; the order system
/// behind its scheme.
fn token(endpoint: Endpoint, headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?.trim();
    match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Some(token.trim()),
        _ => (endpoint.system() == System::Openplat).then_some(value),
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = content_type.and_then(|value| value.split(';').next());
    media_type.is_some_and(|value| value.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded"))
}
