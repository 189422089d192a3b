//! Upstream accounts on the wire. Secrets come in and never go out.

use std::sync::Arc;

use chrono::TimeDelta;

use super::{
    convert::{duration, timestamp},
    requests::{instant, optional_text, page_size},
};
use crate::{
    app::{
        AccountCheck, Activation, App, CheckOutcome, CheckedPart, Ctx, NewHaierConfig, TestedAccount,
        page_tokens,
    },
    domain::{
        accounts::{AccountDraft, Field, Preset},
        audit::Change,
        haier_configs::{ChangedHaierConfig, HaierConfig, HaierConfigFilter},
        pages::PageRequest,
        violations::Violations,
    },
    error::{Error, Result},
    proto::{self, haier_config_check::Outcome, test_haier_config_request::Account as Tested},
};

mod mask;

const DEFAULT_PAGE: i64 = 100;

pub(super) async fn create(
    app: &Arc<App>,
    ctx: &Ctx,
    request: proto::CreateHaierConfigRequest,
) -> Result<proto::HaierConfig> {
    let mut violations = Violations::default();
    let new = decode(request.haier_config.unwrap_or_default(), &mut violations);
    app.haier_config_create(ctx, new, violations, request.validate_only).await.map(encode)
}

pub(super) async fn get(
    app: &App,
    ctx: &Ctx,
    request: proto::GetHaierConfigRequest,
) -> Result<proto::HaierConfig> {
    app.haier_config_fetch(ctx, required_name("name", &request.name)?).await.map(encode)
}

pub(super) async fn list(
    app: &App,
    ctx: &Ctx,
    request: proto::ListHaierConfigsRequest,
) -> Result<proto::ListHaierConfigsResponse> {
    let mut violations = Violations::default();
    let filter = HaierConfigFilter {
        active: request.active,
        created_after: instant("created_after", request.created_after.as_ref(), &mut violations),
        created_before: instant("created_before", request.created_before.as_ref(), &mut violations),
        query: optional_text("query", &request.query, &mut violations),
    };
    if let (Some(after), Some(before)) = (filter.created_after, filter.created_before)
        && before < after
    {
        let message = format!("{before} is before created_after {after}: the range is reversed");
        violations.add("created_before", message);
    }
    let bound = ("haier_configs", &filter);
    let page = PageRequest {
        size: page_size(request.page_size, DEFAULT_PAGE, &mut violations),
        after: page_tokens::decode::<i64>(&bound, &request.page_token, &mut violations),
    };
    let page = violations.into_result(page).map_err(Error::Invalid)?;
    let answer = app.haier_configs_list(ctx, &filter, &page).await?;
    Ok(proto::ListHaierConfigsResponse {
        haier_configs: answer.items.into_iter().map(encode).collect(),
        next_page_token: page_tokens::encode(&bound, answer.next.as_ref()),
    })
}

pub(super) async fn update(
    app: &Arc<App>,
    ctx: &Ctx,
    request: proto::UpdateHaierConfigRequest,
) -> Result<proto::HaierConfig> {
    let mut violations = Violations::default();
    let config = request.haier_config.unwrap_or_default();
    let (name, etag) = (config.name.clone(), config.etag.clone());
    let has_ylh = config.ylh.is_some();
    let new = decode(config, &mut violations);
    let mut change = mask::change(new, has_ylh, request.update_mask, &mut violations);
    change.same_place = request.same_place;
    let name = required_name("haier_config.name", &name)?;
    let ChangedHaierConfig { name, stored, rebound_orders } =
        app.haier_config_update(ctx, name, &etag, change, violations).await?;
    let config = stored.map_or_else(|| proto::HaierConfig { name, ..Default::default() }, encode);
    Ok(proto::HaierConfig {
        rebound_order_count: i64::try_from(rebound_orders).unwrap_or(i64::MAX),
        ..config
    })
}

pub(super) async fn delete(
    app: &Arc<App>,
    ctx: &Ctx,
    request: proto::DeleteHaierConfigRequest,
) -> Result<proto::DeleteHaierConfigResponse> {
    app.haier_config_delete(ctx, required_name("name", &request.name)?, &request.etag).await?;
    Ok(proto::DeleteHaierConfigResponse {})
}

pub(super) async fn activate(
    app: &Arc<App>,
    ctx: &Ctx,
    request: proto::ActivateHaierConfigRequest,
) -> Result<proto::ActivateHaierConfigResponse> {
    let name = required_name("name", &request.name)?;
    let Activation { config, previous, changes } =
        app.haier_config_activate(ctx, name, &request.etag, request.validate_only).await?;
    Ok(proto::ActivateHaierConfigResponse {
        haier_config: Some(encode(config)),
        previous,
        changes: changes.into_iter().map(encode_change).collect(),
    })
}

pub(super) async fn deactivate(
    app: &Arc<App>,
    ctx: &Ctx,
    request: proto::DeactivateHaierConfigRequest,
) -> Result<proto::HaierConfig> {
    app.haier_config_deactivate(ctx, required_name("name", &request.name)?, &request.etag).await.map(encode)
}

pub(super) async fn test(
    app: &App,
    ctx: &Ctx,
    request: proto::TestHaierConfigRequest,
) -> Result<proto::TestHaierConfigResponse> {
    let tested = match request.account {
        None => TestedAccount::InUse,
        Some(Tested::Name(name)) => TestedAccount::Stored(required_name("name", &name)?.to_owned()),
        Some(Tested::HaierConfig(config)) => {
            let mut violations = Violations::default();
            TestedAccount::Unsaved(decode(config, &mut violations), violations)
        }
    };
    // Two calls to Haier side by side are a large future.
    let (name, checks) = Box::pin(app.haier_config_test(ctx, tested)).await?;
    let passed = checks.iter().all(|check| !matches!(check.outcome, CheckOutcome::Failed { .. }));
    Ok(proto::TestHaierConfigResponse {
        name,
        passed,
        checks: checks.into_iter().map(encode_check).collect(),
    })
}

fn encode_check(check: AccountCheck) -> proto::HaierConfigCheck {
    let (outcome, reason, detail) = encode_outcome(check.outcome);
    let part = |CheckedPart { part, outcome }: CheckedPart| {
        let (outcome, reason, detail) = encode_outcome(outcome);
        proto::HaierConfigPart { part: part.to_owned(), outcome: outcome.into(), reason, detail }
    };
    proto::HaierConfigCheck {
        system: check.system.as_str().to_owned(),
        outcome: outcome.into(),
        reason,
        detail,
        took: (outcome != Outcome::NotConfigured)
            .then(|| duration(TimeDelta::from_std(check.took).unwrap_or(TimeDelta::MAX))),
        parts: check.parts.into_iter().map(part).collect(),
    }
}

fn encode_outcome(outcome: CheckOutcome) -> (Outcome, String, String) {
    match outcome {
        CheckOutcome::Passed => (Outcome::Passed, String::new(), String::new()),
        CheckOutcome::NotConfigured => (Outcome::NotConfigured, String::new(), String::new()),
        CheckOutcome::Failed { reason, detail } => (Outcome::Failed, reason.as_str().to_owned(), detail),
    }
}

fn required_name<'a>(field: &str, name: &'a str) -> Result<&'a str> {
    let mut violations = Violations::default();
    if name.is_empty() {
        violations.add(field, "is required: it says which account is meant; ListHaierConfigs shows them");
    }
    violations.into_result(name).map_err(Error::Invalid)
}

/// An account as it came. What is output only is left aside.
pub(super) fn decode(config: proto::HaierConfig, violations: &mut Violations) -> NewHaierConfig {
    let mut draft = AccountDraft::default();
    for field in Field::ALL {
        draft.set(*field, text(&config, *field));
    }
    if config.ylh.is_some() {
        draft.add_ylh();
    }
    let preset = Preset::parse(&config.preset);
    if preset.is_none() && !config.preset.is_empty() {
        let message = format!("`{}` is not allowed: test, staging or production is allowed", config.preset);
        violations.add("haier_config.preset", message);
    }
    NewHaierConfig { name: config.name, draft, preset }
}

fn text(config: &proto::HaierConfig, field: Field) -> &str {
    let ylh = |of: fn(&proto::YlhConfig) -> &String| config.ylh.as_ref().map_or("", |ylh| of(ylh).as_str());
    match field {
        Field::ClientId => &config.client_id,
        Field::ClientSecret => &config.client_secret,
        Field::BaseUrl => &config.base_url,
        Field::TokenUrl => &config.token_url,
        Field::CustomerCode => &config.customer_code,
        Field::SendToCode => &config.send_to_code,
        Field::SupplierCode => &config.supplier_code,
        Field::Password => &config.password,
        Field::SellerPassword => &config.seller_password,
        Field::CustomerPassword => &config.customer_password,
        Field::AuthorizationScheme => &config.authorization_scheme,
        Field::YlhBaseUrl => ylh(|ylh| &ylh.base_url),
        Field::YlhServiceSuffix => ylh(|ylh| &ylh.service_suffix),
        Field::YlhAuthUrl => ylh(|ylh| &ylh.auth_url),
        Field::YlhUsername => ylh(|ylh| &ylh.username),
        Field::YlhPassword => ylh(|ylh| &ylh.password),
        Field::YlhClientId => ylh(|ylh| &ylh.client_id),
        Field::YlhClientSecret => ylh(|ylh| &ylh.client_secret),
        Field::YlhSourceSystem => ylh(|ylh| &ylh.source_system),
        Field::YlhShopName => ylh(|ylh| &ylh.shop_name),
        Field::YlhCallbackAppKey => ylh(|ylh| &ylh.callback_app_key),
        Field::YlhCallbackSecret => ylh(|ylh| &ylh.callback_secret),
    }
}

fn encode(config: HaierConfig) -> proto::HaierConfig {
    let etag = config.etag();
    let draft = &config.draft;
    let text = |field| draft.setting(field).unwrap_or_default().to_owned();
    let ylh = draft.has_ylh().then(|| proto::YlhConfig {
        base_url: text(Field::YlhBaseUrl),
        service_suffix: text(Field::YlhServiceSuffix),
        auth_url: text(Field::YlhAuthUrl),
        username: text(Field::YlhUsername),
        client_id: text(Field::YlhClientId),
        source_system: text(Field::YlhSourceSystem),
        shop_name: text(Field::YlhShopName),
        callback_app_key: text(Field::YlhCallbackAppKey),
        ..proto::YlhConfig::default()
    });
    let secret = |field: &Field| proto::HaierConfigSecret {
        field: field.path().to_owned(),
        set_at: config.secrets.iter().find(|age| age.field == *field).map(|age| timestamp(age.set_at)),
    };
    let possible =
        Field::ALL.iter().filter(|field| field.is_secret() && (draft.has_ylh() || !field.is_of_ylh()));
    proto::HaierConfig {
        client_id: text(Field::ClientId),
        base_url: text(Field::BaseUrl),
        token_url: text(Field::TokenUrl),
        customer_code: text(Field::CustomerCode),
        send_to_code: text(Field::SendToCode),
        supplier_code: text(Field::SupplierCode),
        authorization_scheme: text(Field::AuthorizationScheme),
        ylh,
        active: config.active,
        secrets: possible.map(secret).collect(),
        warnings: draft.warnings(),
        etag,
        created_at: Some(timestamp(config.created_at)),
        updated_at: Some(timestamp(config.updated_at)),
        name: config.name,
        ..proto::HaierConfig::default()
    }
}

fn encode_change(change: Change) -> proto::HaierConfigChange {
    proto::HaierConfigChange {
        field: change.field,
        before: change.before.unwrap_or_default(),
        after: change.after.unwrap_or_default(),
    }
}
