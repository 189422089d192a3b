//! What the order system is answered: always the same shape, in its own words. Only a 200 keeps it from sending again, so
//! that what was refused is answered 200 too: again it would be no better. What is refused for a fault of ours is answered 503.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::domain::callbacks::{Refusal, time_stamp};

/// An answer.
pub(super) enum Answer {
    /// It is stored.
    Taken { platform_order_no: String },
    /// It is not genuine, or not understood.
    Refused(Refusal),
    /// It was not taken, and the sender may try again.
    Failed(Fault),
}

/// Why a callback was not even looked at.
#[derive(Clone, Copy)]
pub(super) enum Fault {
    TooLarge,
    TooSlow,
    Unreadable,
    Unavailable,
    Internal,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    success: bool,
    code: &'static str,
    description: &'static str,
    time_stamp: String,
    data: Data,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", untagged)]
enum Data {
    Taken { status_code: &'static str, message: &'static str, platform_order_no: String },
    Nothing {},
}

impl Answer {
    pub(super) fn into_response(self, now: DateTime<Utc>) -> Response {
        let (status, code, description) = self.words();
        let data = match self {
            Self::Taken { platform_order_no } => {
                Data::Taken { status_code: "200", message: "成功", platform_order_no }
            }
            Self::Refused(_) | Self::Failed(_) => Data::Nothing {},
        };
        let success = matches!(data, Data::Taken { .. });
        let body = Body { success, code, description, time_stamp: time_stamp(now), data };
        (status, Json(body)).into_response()
    }

    const fn words(&self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::Taken { .. } => (StatusCode::OK, "success", "成功"),
            Self::Refused(refusal) => match refusal {
                // The same for both: nobody learns which keys there are.
                Refusal::AppKey | Refusal::Signature => (StatusCode::OK, "invalid_signature", "签名错误"),
                // It may be genuine: it must come again.
                Refusal::Accounts => (StatusCode::SERVICE_UNAVAILABLE, "unavailable", "系统繁忙，请重试"),
                Refusal::TimeStamp => (StatusCode::OK, "invalid_timestamp", "时间戳无效或已过期"),
                Refusal::Method => (StatusCode::OK, "unknown_method", "未知的方法"),
                Refusal::Data => (StatusCode::OK, "invalid_data", "数据格式错误"),
                Refusal::Body => (StatusCode::BAD_REQUEST, "invalid_body", "请求格式错误"),
            },
            Self::Failed(fault) => match fault {
                Fault::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", "请求过大"),
                Fault::TooSlow => (StatusCode::REQUEST_TIMEOUT, "body_too_slow", "请求超时"),
                Fault::Unreadable => (StatusCode::BAD_REQUEST, "invalid_body", "请求格式错误"),
                Fault::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "unavailable", "系统繁忙，请重试"),
                Fault::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal", "系统错误，请重试"),
            },
        }
    }
}
