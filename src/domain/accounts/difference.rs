//! What is different between two accounts, fit to be shown and kept: of secrets only that they are.

use secrecy::{ExposeSecret as _, SecretString};

use super::{Account, AccountDraft, AuthorizationScheme, Field};
use crate::domain::audit::{Change, MASKED};

/// Stands for a secret that is another one than before.
const REPLACED: &str = "(set anew)";

/// What a change of a stored account changed; `replaced` are secrets that were given anew. `None`: there was none, or is
/// none any more.
#[must_use]
pub fn of_drafts(
    before: Option<&AccountDraft>,
    after: Option<&AccountDraft>,
    replaced: &[Field],
) -> Vec<Change> {
    let shown = |draft: Option<&AccountDraft>, field: Field| {
        let draft = draft?;
        if field.is_secret() {
            draft.has(field).then(|| MASKED.to_owned())
        } else {
            draft.setting(field).map(str::to_owned)
        }
    };
    let change = |field: &Field| {
        let was = shown(before, *field);
        let is = match shown(after, *field) {
            Some(_) if was.is_some() && replaced.contains(field) => Some(REPLACED.to_owned()),
            shown => shown,
        };
        Change::between(field.path(), was, is)
    };
    Field::ALL.iter().filter_map(change).collect()
}

/// What changes for calls when one account takes the place of another, defaults included.
#[must_use]
pub fn of_accounts(before: Option<&Account>, after: &Account) -> Vec<Change> {
    let change = |field: &Field| {
        let (was, is) = (before.and_then(|before| value(before, *field)), value(after, *field));
        match (was, is) {
            (Some(Value::Secret(was)), Some(Value::Secret(is))) => {
                let differ = was.expose_secret() != is.expose_secret();
                differ.then(|| Change {
                    field: field.path().to_owned(),
                    before: Some(MASKED.to_owned()),
                    after: Some(REPLACED.to_owned()),
                })
            }
            (was, is) => Change::between(field.path(), was.map(Value::shown), is.map(Value::shown)),
        }
    };
    Field::ALL.iter().filter_map(change).collect()
}

enum Value<'a> {
    Setting(&'a str),
    Secret(&'a SecretString),
}

impl Value<'_> {
    fn shown(self) -> String {
        match self {
            Self::Setting(text) => text.to_owned(),
            Self::Secret(_) => MASKED.to_owned(),
        }
    }
}

fn value(account: &Account, field: Field) -> Option<Value<'_>> {
    use Value::{Secret, Setting};
    let ylh = account.ylh.as_ref();
    Some(match field {
        Field::ClientId => Setting(&account.client_id),
        Field::ClientSecret => Secret(&account.client_secret),
        Field::BaseUrl => Setting(&account.base_url),
        Field::TokenUrl => Setting(&account.token_url),
        Field::CustomerCode => Setting(&account.customer_code),
        Field::SendToCode => Setting(&account.send_to_code),
        Field::SupplierCode => Setting(&account.supplier_code),
        Field::Password => Secret(&account.password),
        Field::SellerPassword => Secret(&account.seller_password),
        Field::CustomerPassword => Secret(&account.customer_password),
        Field::AuthorizationScheme => Setting(match account.authorization_scheme {
            AuthorizationScheme::Bare => "bare",
            AuthorizationScheme::Bearer => "bearer",
        }),
        Field::YlhBaseUrl => Setting(&ylh?.base_url),
        Field::YlhServiceSuffix => Setting(&ylh?.service_suffix),
        Field::YlhAuthUrl => Setting(&ylh?.auth_url),
        Field::YlhUsername => Setting(&ylh?.username),
        Field::YlhPassword => Secret(&ylh?.password),
        Field::YlhClientId => Setting(&ylh?.client_id),
        Field::YlhClientSecret => Secret(&ylh?.client_secret),
        Field::YlhSourceSystem => Setting(&ylh?.source_system),
        Field::YlhShopName => Setting(&ylh?.shop_name),
        Field::YlhCallbackAppKey => Setting(&ylh?.callback_app_key),
        Field::YlhCallbackSecret => Secret(&ylh?.callback_secret),
    })
}
