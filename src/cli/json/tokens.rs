//! Tokens.

use serde_json::{Value, json};

use super::{object, put, time};
use crate::proto::ApiToken;

pub(in crate::cli) fn api_token(token: &ApiToken) -> Value {
    let mut object = object(json!({
        "name": token.name,
        "role": token.role().as_str_name(),
        "created_by": token.created_by,
    }));
    put(&mut object, "created_at", time(token.created_at.as_ref()));
    put(&mut object, "expires_at", time(token.expires_at.as_ref()));
    put(&mut object, "revoked_at", time(token.revoked_at.as_ref()));
    put(&mut object, "last_used_at", time(token.last_used_at.as_ref()));
    Value::Object(object)
}
