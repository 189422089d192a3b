//! Accounts and keys; never a secret, since none ever comes.

use serde_json::{Map, Value, json};

use super::{duration, object, put, time};
use crate::proto::{
    ActivateHaierConfigResponse, HaierConfig, HaierConfigPart, Key, RotateKeysProgress,
    TestHaierConfigResponse, YlhConfig,
};

/// An account.
pub(in crate::cli) fn haier_config(config: &HaierConfig) -> Value {
    let mut shown = object(json!({
        "name": config.name,
        "client_id": config.client_id,
        "base_url": config.base_url,
        "token_url": config.token_url,
        "customer_code": config.customer_code,
        "send_to_code": config.send_to_code,
        "supplier_code": config.supplier_code,
        "authorization_scheme": config.authorization_scheme,
    }));
    without_empty(&mut shown);
    put(&mut shown, "ylh", config.ylh.as_ref().map(ylh));
    put(&mut shown, "active", Some(json!(config.active)));
    let secrets = config.secrets.iter().map(|secret| {
        let mut shown = object(json!({ "field": secret.field }));
        put(&mut shown, "set_at", time(secret.set_at.as_ref()));
        Value::Object(shown)
    });
    put(&mut shown, "secrets", Some(secrets.collect()));
    put(&mut shown, "warnings", Some(json!(config.warnings)));
    put(&mut shown, "etag", Some(json!(config.etag)));
    put(&mut shown, "created_at", time(config.created_at.as_ref()));
    put(&mut shown, "updated_at", time(config.updated_at.as_ref()));
    Value::Object(shown)
}

fn ylh(ylh: &YlhConfig) -> Value {
    let mut shown = object(json!({
        "base_url": ylh.base_url,
        "service_suffix": ylh.service_suffix,
        "auth_url": ylh.auth_url,
        "username": ylh.username,
        "client_id": ylh.client_id,
        "source_system": ylh.source_system,
        "shop_name": ylh.shop_name,
        "callback_app_key": ylh.callback_app_key,
    }));
    without_empty(&mut shown);
    Value::Object(shown)
}

fn without_empty(fields: &mut Map<String, Value>) {
    fields.retain(|_, value| value.as_str() != Some(""));
}

/// What a switch changes.
pub(in crate::cli) fn activation(answer: &ActivateHaierConfigResponse) -> Value {
    let changes = answer
        .changes
        .iter()
        .map(|change| json!({ "field": change.field, "before": change.before, "after": change.after }));
    let mut shown = object(json!({ "previous": answer.previous, "changes": changes.collect::<Value>() }));
    put(&mut shown, "haier_config", answer.haier_config.as_ref().map(haier_config));
    Value::Object(shown)
}

fn part(part: &HaierConfigPart) -> Value {
    json!({
        "part": part.part,
        "outcome": part.outcome().as_str_name(),
        "reason": part.reason,
        "detail": part.detail,
    })
}

/// What came of logging in under an account.
pub(in crate::cli) fn account_test(answer: &TestHaierConfigResponse) -> Value {
    let checks = answer.checks.iter().map(|check| {
        let mut shown = object(json!({
            "system": check.system,
            "outcome": check.outcome().as_str_name(),
            "reason": check.reason,
            "detail": check.detail,
            "parts": check.parts.iter().map(part).collect::<Value>(),
        }));
        put(&mut shown, "took", check.took.as_ref().map(duration));
        Value::Object(shown)
    });
    json!({ "name": answer.name, "passed": answer.passed, "checks": checks.collect::<Value>() })
}

/// A key and how much it has sealed.
pub(in crate::cli) fn key(key: &Key) -> Value {
    json!({ "id": key.id, "primary": key.primary, "sealed_count": key.sealed_count, "missing": key.missing })
}

/// How far a rotation is.
pub(in crate::cli) fn rotation(progress: &RotateKeysProgress) -> Value {
    json!({
        "key_id": progress.key_id,
        "resealed_count": progress.resealed_count,
        "failed_count": progress.failed_count,
        "remaining_count": progress.remaining_count,
    })
}
