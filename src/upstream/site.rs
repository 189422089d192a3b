//! One of Haier's systems under one account: where it is, how one logs in there, and what must not be said of it.

use reqwest::{
    Client, RequestBuilder,
    header::{HeaderValue, InvalidHeaderValue},
};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use super::{
    account_key::{account_key, ylh_account_key},
    endpoint::{Endpoint, OTHER_TOKEN_PATH, System},
    token::Token,
};
use crate::domain::accounts::{Account, AuthorizationScheme, YlhAccount};

/// `token_type` where the order system's answer does not say.
const DEFAULT_TOKEN_TYPE: &str = "Bearer";

/// A system under an account.
pub(super) struct Site {
    pub(super) system: System,
    /// Name of the account.
    pub(super) account: String,
    /// The name under which replicas share what belongs to it.
    pub(super) key: String,
    pub(super) login: Login,
    base_url: String,
    service_suffix: String,
}

/// How one logs in.
pub(super) enum Login {
    /// The open platform's way: a client, and a header as the account wants it.
    Client(Box<Account>),
    /// The order system's way: a user of a client, and a header as the token's answer wants it.
    User(Box<YlhAccount>),
}

impl Site {
    pub(super) fn open_platform(account: &Account) -> Self {
        Self {
            system: System::OpenPlatform,
            account: account.name.clone(),
            key: account_key(account),
            base_url: account.base_url.clone(),
            service_suffix: String::new(),
            login: Login::Client(Box::new(account.clone())),
        }
    }

    pub(super) fn order_system(name: &str, account: &YlhAccount) -> Self {
        Self {
            system: System::OrderSystem,
            account: name.to_owned(),
            key: ylh_account_key(account),
            base_url: account.base_url.clone(),
            service_suffix: account.service_suffix.clone(),
            login: Login::User(Box::new(account.clone())),
        }
    }

    pub(super) fn url(&self, endpoint: Endpoint) -> String {
        format!("{}{}", self.base_url, endpoint.path().replace("{s}", &self.service_suffix))
    }

    /// What must not be said in anybody's words.
    pub(super) fn secrets(&self) -> Vec<SecretString> {
        let secrets: &[&SecretString] = match &self.login {
            Login::Client(account) => &[
                &account.client_secret,
                &account.password,
                &account.seller_password,
                &account.customer_password,
            ],
            Login::User(account) => &[&account.client_secret, &account.password, &account.callback_secret],
        };
        secrets.iter().copied().cloned().collect()
    }
}

impl Login {
    /// Where tokens are fetched.
    pub(super) fn url(&self) -> &str {
        match self {
            Self::Client(account) => &account.token_url,
            Self::User(account) => &account.auth_url,
        }
    }

    /// Where tokens may be served when that address answers 404.
    pub(super) fn other_url(&self) -> Option<String> {
        match self {
            Self::Client(account) if account.token_url_is_default => {
                Some(format!("{}{OTHER_TOKEN_PATH}", account.base_url))
            }
            Self::Client(_) | Self::User(_) => None,
        }
    }

    /// The request for a token.
    pub(super) fn request(&self, http: &Client, url: &str) -> RequestBuilder {
        match self {
            Self::Client(account) => http.post(url).json(&json!({
                "client_id": account.client_id,
                "client_secret": account.client_secret.expose_secret(),
                "grant_type": "client_credentials",
            })),
            Self::User(account) => http
                .post(url)
                .header("system-name", "ylh-open-api")
                .basic_auth(&account.client_id, Some(account.client_secret.expose_secret()))
                .form(&[
                    ("grant_type", "password"),
                    ("username", &account.username),
                    ("password", account.password.expose_secret()),
                ]),
        }
    }

    /// What goes into the header `Authorization`.
    pub(super) fn authorization(&self, token: &Token) -> Result<HeaderValue, InvalidHeaderValue> {
        let value = token.value.expose_secret();
        let mut header = match self {
            Self::Client(account) => match account.authorization_scheme {
                AuthorizationScheme::Bare => HeaderValue::from_str(value)?,
                AuthorizationScheme::Bearer => HeaderValue::from_str(&format!("Bearer {value}"))?,
            },
            Self::User(_) => {
                let kind = token.token_type.as_deref().unwrap_or(DEFAULT_TOKEN_TYPE);
                HeaderValue::from_str(&format!("{kind} {value}"))?
            }
        };
        header.set_sensitive(true);
        Ok(header)
    }

    /// What is to be checked when it is refused.
    pub(super) const fn credentials(&self) -> &'static str {
        match self {
            Self::Client(_) => "client_id and client_secret",
            Self::User(_) => "the order system's username, password, client_id and client_secret",
        }
    }

    /// The secret that all holders of the account know.
    pub(super) fn client_secret(&self) -> &SecretString {
        match self {
            Self::Client(account) => &account.client_secret,
            Self::User(account) => &account.client_secret,
        }
    }
}
