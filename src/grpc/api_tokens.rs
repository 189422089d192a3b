//! Tokens on the wire.

use std::sync::Arc;

use secrecy::ExposeSecret as _;

use super::{
    convert::timestamp,
    requests::{instant, page_size},
};
use crate::{
    app::{App, Ctx, NewToken, page_tokens},
    domain::{
        api_tokens::{ApiToken, TokenName},
        callers::Role,
        pages::PageRequest,
        violations::Violations,
    },
    error::{Error, Result},
    proto,
};

const DEFAULT_TOKENS: i64 = 100;

pub(super) async fn create(
    app: &Arc<App>,
    ctx: &Ctx,
    request: proto::CreateApiTokenRequest,
) -> Result<proto::CreateApiTokenResponse> {
    let mut violations = Violations::default();
    let name = name(&request.name, &mut violations);
    let role = role(request.role, &mut violations);
    let expires_at = instant("expires_at", request.expires_at.as_ref(), &mut violations);
    let new = violations.into_result(NewToken { name, role, expires_at }).map_err(Error::Invalid)?;
    let (token, text) = app.api_token_create(ctx, new).await?;
    Ok(proto::CreateApiTokenResponse {
        token: text.expose_secret().to_owned(),
        api_token: Some(encode(token)),
    })
}

pub(super) async fn list(
    app: &App,
    ctx: &Ctx,
    request: proto::ListApiTokensRequest,
) -> Result<proto::ListApiTokensResponse> {
    let mut violations = Violations::default();
    let bound = "api_tokens";
    let page = PageRequest {
        size: page_size(request.page_size, DEFAULT_TOKENS, &mut violations),
        after: page_tokens::decode::<String>(&bound, &request.page_token, &mut violations),
    };
    let page = violations.into_result(page).map_err(Error::Invalid)?;
    let answer = app.api_tokens_list(ctx, &page).await?;
    Ok(proto::ListApiTokensResponse {
        api_tokens: answer.items.into_iter().map(encode).collect(),
        next_page_token: page_tokens::encode(&bound, answer.next.as_ref()),
    })
}

pub(super) async fn revoke(
    app: &Arc<App>,
    ctx: &Ctx,
    request: proto::RevokeApiTokenRequest,
) -> Result<proto::ApiToken> {
    let mut violations = Violations::default();
    let name = name(&request.name, &mut violations);
    let name = violations.into_result(name).map_err(Error::Invalid)?;
    app.api_token_revoke(ctx, &name).await.map(encode)
}

fn name(text: &str, violations: &mut Violations) -> TokenName {
    TokenName::parse(text).unwrap_or_else(|fault| {
        violations.add("name", fault);
        TokenName::default()
    })
}

fn role(number: i32, violations: &mut Violations) -> Role {
    match proto::Role::try_from(number) {
        Ok(proto::Role::Reader) => Role::Reader,
        Ok(proto::Role::Operator) => Role::Operator,
        Ok(proto::Role::Admin) => Role::Admin,
        Ok(proto::Role::Unspecified) | Err(_) => {
            let allowed = "ROLE_READER, ROLE_OPERATOR and ROLE_ADMIN";
            violations.add("role", format!("{number} is no role; allowed are {allowed}"));
            Role::Reader
        }
    }
}

pub(super) const fn encode_role(role: Role) -> proto::Role {
    match role {
        Role::Reader => proto::Role::Reader,
        Role::Operator => proto::Role::Operator,
        Role::Admin => proto::Role::Admin,
    }
}

fn encode(token: ApiToken) -> proto::ApiToken {
    proto::ApiToken {
        name: token.name,
        role: encode_role(token.role).into(),
        created_at: Some(timestamp(token.created_at)),
        created_by: token.created_by,
        expires_at: token.expires_at.map(timestamp),
        revoked_at: token.revoked_at.map(timestamp),
        last_used_at: token.last_used_at.map(timestamp),
    }
}
