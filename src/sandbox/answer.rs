//! Answers: records in their wrapping, refusals in the supplier's words, and the ways an answer can be spoilt.

use std::io;

use axum::body::{Body, Bytes};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, Response, StatusCode};
use serde_json::{Value, json};

use super::damage::{Place, add_deep_field, add_unknown_field, damaged};
use super::endpoint::Endpoint;
use super::fault_kinds::Kind;
use super::faults::Plan;

pub(super) const BOM: &str = "\u{feff}";
const JSON: HeaderValue = HeaderValue::from_static("application/json;charset=UTF-8");
const HTML: HeaderValue = HeaderValue::from_static("text/html;charset=UTF-8");
const ERROR_PAGE: &str =
    "<html><head><title>系统维护中</title></head><body><h1>系统维护中，请稍后再试</h1></body></html>";

/// What is put around a list of records.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrap {
    /// `[…]`
    Bare,
    /// `{"success":true,"data":[…]}`
    Envelope,
    /// The first record alone.
    Single,
}

impl Wrap {
    pub(super) fn around_list(self) -> (&'static str, &'static str) {
        match self {
            Self::Bare | Self::Single => ("[", "]"),
            Self::Envelope => (r#"{"success":true,"code":200,"message":"成功","data":["#, "]}"),
        }
    }
}

/// A record and the product code it is about.
pub(super) type Record = (String, Vec<u8>);

/// What an endpoint answers.
pub(super) enum Answer {
    Records {
        records: Vec<Record>,
        wrap: Wrap,
    },
    Whole(Value),
    /// The whole catalogue, which is streamed.
    Listing,
}

/// Records as a body, with the faults of the plan in them.
pub(super) fn render_records(endpoint: Endpoint, plan: &Plan, records: Vec<Record>, wrap: Wrap) -> Vec<u8> {
    let count = records.len();
    let records: Vec<_> = records
        .into_iter()
        .enumerate()
        .flat_map(|(at, (code, record))| {
            damaged(
                &plan.damages,
                endpoint,
                Place { code: &code, first: at == 0, last: at + 1 == count },
                record,
            )
        })
        .collect();
    if wrap == Wrap::Single
        && let Some(first) = records.first()
    {
        return first.clone();
    }
    let (before, after) = wrap.around_list();
    [before.as_bytes(), &records.join(&b','), after.as_bytes()].concat()
}

/// An answer that is no list of records.
pub(super) fn render_whole(plan: &Plan, value: &Value) -> Vec<u8> {
    let mut body = value.to_string().into_bytes();
    for damage in &plan.damages {
        match damage.kind {
            Kind::Empty if value.get("data").is_some() => {
                body = emptied(value).to_string().into_bytes();
            }
            Kind::Empty => body = b"[]".to_vec(),
            Kind::UnknownField => add_unknown_field(&mut body),
            Kind::Deep => body = with_deep_field(value).to_string().into_bytes(),
            _ => {}
        }
    }
    body
}

/// In the first parcel, where there is one.
fn with_deep_field(value: &Value) -> Value {
    let mut value = value.clone();
    let has_parcels = |list: &&mut Value| list[0].is_object();
    let lists = value.as_object_mut().map(|fields| fields.values_mut().find(has_parcels));
    match lists.flatten() {
        Some(list) => add_deep_field(&mut list[0]),
        None => add_deep_field(&mut value),
    }
    value
}

fn emptied(value: &Value) -> Value {
    let mut value = value.clone();
    value["data"] = json!([]);
    value
}

/// Sends a body, whole or as the plan spoils it.
pub(super) fn send(plan: &Plan, mut body: Vec<u8>) -> Response<Body> {
    if plan.bom {
        body.splice(..0, BOM.bytes());
    }
    let half = body.len() / 2;
    match plan.sending {
        Some(Kind::TruncatedJson) => with_type(StatusCode::OK, JSON, Body::from(body[..half].to_vec())),
        Some(Kind::ResetAfter) => {
            let length = body.len();
            let mut response = with_type(StatusCode::OK, JSON, broken_off(body[..half].to_vec()));
            response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
            response
        }
        Some(Kind::ByteOrderMark) => {
            with_type(StatusCode::OK, JSON, Body::from(["\u{feff}".as_bytes(), &body].concat()))
        }
        _ => with_type(StatusCode::OK, JSON, Body::from(body)),
    }
}

// A body that fails makes the server drop the connection. What is there already must have left before that.
fn broken_off(half: Vec<u8>) -> Body {
    Body::from_stream(async_stream::stream! {
        yield Ok(Bytes::from(half));
        tokio::task::yield_now().await;
        yield Err(io::Error::from(io::ErrorKind::ConnectionAborted));
    })
}

/// A streamed answer.
pub(super) fn send_stream(body: Body) -> Response<Body> {
    with_type(StatusCode::OK, JSON, body)
}

/// The answer that stands instead of the right one; hanging and cutting are not among them. `about`: whom or what it names,
/// in words.
pub(super) fn instead(kind: Kind, about: &str) -> Response<Body> {
    let refuse = |status, message: &str| refusal(status, &format!("{message}{about}"));
    match kind {
        Kind::Unauthorized => refuse(StatusCode::UNAUTHORIZED, "token无效或已过期"),
        Kind::Forbidden => refuse(StatusCode::FORBIDDEN, "IP不在白名单或无接口权限"),
        Kind::NotFound => refuse(StatusCode::NOT_FOUND, "接口不存在"),
        Kind::RequestTimeout => refuse(StatusCode::REQUEST_TIMEOUT, "请求超时"),
        Kind::Throttled => throttled(about),
        Kind::ThrottledWithoutRetryAfter => refuse(StatusCode::TOO_MANY_REQUESTS, "请求过于频繁"),
        Kind::BadGateway => with_type(StatusCode::BAD_GATEWAY, HTML, ERROR_PAGE.into()),
        Kind::Unavailable => refuse(StatusCode::SERVICE_UNAVAILABLE, "服务暂不可用"),
        Kind::GatewayTimeout => with_type(StatusCode::GATEWAY_TIMEOUT, HTML, ERROR_PAGE.into()),
        Kind::Html => with_type(StatusCode::OK, HTML, ERROR_PAGE.into()),
        Kind::ErrorBody => {
            json_answer(StatusCode::OK, &json!({ "success": false, "code": "500", "message": "系统繁忙" }))
        }
        Kind::TinyRecords => spoilt_list("{},", 400_000),
        Kind::JunkListing => spoilt_list(r#"{"productModel":"?"},"#, 20_000),
        Kind::LongToken => {
            let token =
                json!({ "access_token": "t".repeat(5_000_000), "expires_in": 3_600, "token_type": "bearer" });
            json_answer(StatusCode::OK, &token)
        }
        Kind::HastyRefusal => refuse_order("9999", "系统繁忙，请勿重复提交，请稍后再试"),
        Kind::SystemRefusal => refuse_order("-1", "系统异常"),
        Kind::WordlessRefusal => refuse_order("B1", ""),
        Kind::WeakRepetition => refuse_order("B17", "收货人已存在未完成的退货单，订单未创建"),
        Kind::BareConflict => with_type(StatusCode::CONFLICT, HTML, Body::empty()),
        Kind::EmptySuccess => empty_success(),
        Kind::Poison => refuse(StatusCode::BAD_REQUEST, "商品编码不合法，整批拒绝"),
        _ => refuse(StatusCode::INTERNAL_SERVER_ERROR, "系统异常"),
    }
}

fn spoilt_list(record: &str, times: usize) -> Response<Body> {
    let records = record.repeat(times);
    with_type(StatusCode::OK, JSON, Body::from(format!("[{}]", records.trim_end_matches(','))))
}

fn refuse_order(code: &str, message: &str) -> Response<Body> {
    json_answer(StatusCode::OK, &json!({ "success": false, "code": code, "message": message }))
}

/// A success that says nothing about the order.
pub(super) fn empty_success() -> Response<Body> {
    json_answer(StatusCode::OK, &json!({ "success": true, "code": 200, "message": "成功" }))
}

/// A success turned into a refusal that carries the order's number all the same.
pub(super) fn contradicted(mut success: Value) -> Response<Body> {
    success["success"] = json!(false);
    success["message"] = json!("下单失败");
    json_answer(StatusCode::OK, &success)
}

/// 429 as the throttle answers it.
pub(super) fn throttled(about: &str) -> Response<Body> {
    let mut response = refusal(StatusCode::TOO_MANY_REQUESTS, &format!("请求过于频繁{about}"));
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// An error in the shape the open platform uses.
pub(super) fn refusal(status: StatusCode, message: &str) -> Response<Body> {
    json_answer(status, &json!({ "success": false, "code": status.as_u16(), "message": message }))
}

/// A JSON answer with a status.
pub(super) fn json_answer(status: StatusCode, value: &Value) -> Response<Body> {
    with_type(status, JSON, Body::from(value.to_string()))
}

fn with_type(status: StatusCode, content_type: HeaderValue, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}
