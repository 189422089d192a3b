//! The one policy for every call: deadline, token, slot in the budget, send, classify; one re-authentication after a 401.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use reqwest::{Client, Response, StatusCode, header};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::{
    Settings,
    budget::{Budget, Priority},
    envelope,
    error::{Error, Result},
    redact::Redactor,
    token::{self, Token, TokenCache},
};
use crate::domain::{
    accounts::{Account, AuthorizationScheme},
    clock::Clock,
    reasons::Reason,
};

/// Most of an answer that is not a listing; 20 records are a few kilobytes.
const MAX_ANSWER: usize = 8 << 20;

/// How one call is made.
#[derive(Debug, Clone, Copy)]
pub struct Call {
    /// Who goes first.
    pub priority: Priority,
    /// When whoever asked stops waiting.
    pub deadline: Option<Instant>,
}

/// Interfaces of the open platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Endpoint {
    Token,
    Products,
    Prices,
    Stock,
    Logistics,
    Balance,
}

impl Endpoint {
    /// Its number in Haier's description, the label of metrics.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Token => "H0",
            Self::Products => "H1",
            Self::Prices => "H2",
            Self::Stock => "H3",
            Self::Logistics => "H4",
            Self::Balance => "H5",
        }
    }

    const fn path(self) -> &'static str {
        match self {
            Self::Token => "/oauth2/auth",
            Self::Products => {
                "/yilihuo/jsh-service-goods-mall-search/api/product-info/procurable-products-out/\
                 check-procurable-products"
            }
            Self::Prices => {
                "/yilihuo/jsh-service-goods-price/api/goods-price/price-daily-sales/price-query/pt-out-list-price"
            }
            Self::Stock => "/yilihuo/jsh-service-stock-mall/api/page/stock/get-available-stock-open",
            Self::Logistics => {
                "/yilihuo/ylh-cloud-service-stock/api/page/stock/logistics/sass/\
                 get-thirdparty-logistics-info-by-order-code-auth"
            }
            Self::Balance => {
                "/yilihuo/jsh-service-finance-mall/api/page/account/account-balance-manager/\
                 get-payer-account-balance-by-customer-code"
            }
        }
    }
}

/// Where some deployments serve tokens when the default path answers 404.
const OTHER_TOKEN_PATH: &str = "/oauth2/token";

/// Makes calls under one account.
pub(super) struct Caller {
    pub(super) account: Account,
    pub(super) settings: Settings,
    pub(super) redactor: Redactor,
    http: Client,
    budget: Budget,
    tokens: TokenCache,
    /// The token address that did not answer 404.
    token_url: OnceCell<String>,
    clock: Arc<dyn Clock>,
}

impl Caller {
    pub(super) fn new(
        account: Account,
        settings: Settings,
        budget: Budget,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        // Another part of the process may have chosen a provider before; any will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(settings.token_timeout)
            .pool_idle_timeout(Duration::from_secs(60))
            .user_agent(concat!("haier-integration/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| Error::new(Reason::Internal, format!("no HTTP client: {error}")))?;
        let redactor = Redactor::new(&account);
        let tokens = TokenCache::default();
        Ok(Self { account, settings, redactor, http, budget, tokens, token_url: OnceCell::new(), clock })
    }

    /// The whole answer of a call.
    pub(super) async fn call(&self, endpoint: Endpoint, body: &Value, call: &Call) -> Result<Bytes> {
        let limit = self.limit(self.settings.request_timeout, call)?;
        let answer = async {
            let response = self.open(endpoint, body, call).await?;
            read(response, endpoint).await
        };
        tokio::time::timeout(limit, answer).await.unwrap_or_else(|_| Err(timed_out(endpoint, limit)))
    }

    /// The head of an answer that was not refused; its body is still to be read.
    pub(super) async fn open(&self, endpoint: Endpoint, body: &Value, call: &Call) -> Result<Response> {
        let token = self.token(call).await?;
        match self.send(endpoint, body, &token, call).await {
            Err(error) if error.reason == Reason::AuthFailed => {
                // Expired early, or revoked by another holder: one fresh token, one more try.
                self.tokens.forget(&token).await;
                let token = self.token(call).await?;
                self.send(endpoint, body, &token, call).await
            }
            other => other,
        }
    }

    /// An error whose words are Haier's, fit to be shown.
    pub(super) fn redacted(&self, error: &Error) -> Error {
        Error { detail: self.redactor.words(&error.detail, None), ..error.clone() }
    }

    /// A valid token.
    pub(super) async fn token(&self, call: &Call) -> Result<Arc<Token>> {
        self.tokens.get(self.clock.now(), async || self.fetch_token(call).await).await
    }

    async fn send(&self, endpoint: Endpoint, body: &Value, token: &Token, call: &Call) -> Result<Response> {
        let value = match self.account.authorization_scheme {
            AuthorizationScheme::Bare => token.value.expose_secret().to_owned(),
            AuthorizationScheme::Bearer => format!("Bearer {}", token.value.expose_secret()),
        };
        let mut value = header::HeaderValue::from_str(&value).map_err(|_| {
            Error::new(Reason::MalformedAnswer, "the token holds characters that no header may hold")
        })?;
        value.set_sensitive(true);
        let url = format!("{}{}", self.account.base_url, endpoint.path());
        let request = self.http.post(url).header(header::AUTHORIZATION, value).json(body);
        self.dispatch(endpoint, request, Some(&token.value), call).await
    }

    async fn fetch_token(&self, call: &Call) -> Result<Token> {
        let limit = self.limit(self.settings.token_timeout, call)?;
        let fetched = async {
            let asked_at = self.clock.now();
            let body = json!({
                "client_id": self.account.client_id,
                "client_secret": self.account.client_secret.expose_secret(),
                "grant_type": "client_credentials",
            });
            let known = self.token_url.get().unwrap_or(&self.account.token_url);
            let mut asked_url = known.clone();
            let mut answer =
                self.dispatch(Endpoint::Token, self.http.post(known).json(&body), None, call).await;
            let not_there = matches!(&answer, Err(error) if error.status == Some(404));
            if not_there && self.account.token_url_is_default && self.token_url.get().is_none() {
                asked_url = format!("{}{OTHER_TOKEN_PATH}", self.account.base_url);
                answer =
                    self.dispatch(Endpoint::Token, self.http.post(&asked_url).json(&body), None, call).await;
            }
            let bytes = read(answer?, Endpoint::Token).await?;
            envelope::refusal(&bytes).map_err(|error| self.redacted(&error))?;
            let token = token::parse(&bytes, asked_at)?;
            // Two flights cannot race here: the token cache lets one through at a time.
            let _ = self.token_url.set(asked_url);
            Ok(token)
        };
        let fetched = tokio::time::timeout(limit, fetched).await;
        fetched.unwrap_or_else(|_| Err(timed_out(Endpoint::Token, limit))).map_err(|error| {
            match error.reason {
                // A 400 to a token call is about the credentials as much as a 401 is.
                Reason::AuthFailed | Reason::ValidationError => Error::new(
                    Reason::AuthFailed,
                    format!(
                        "Haier refused the credentials ({}); check client_id and client_secret",
                        error.detail
                    ),
                ),
                _ => error,
            }
        })
    }

    /// Waits for a slot, sends, and turns everything but a success into an error.
    async fn dispatch(
        &self,
        endpoint: Endpoint,
        request: reqwest::RequestBuilder,
        token: Option<&SecretString>,
        call: &Call,
    ) -> Result<Response> {
        self.budget.acquire(call.priority, call.deadline).await?;
        let limit = self.limit(self.settings.request_timeout, call)?;
        let started = Instant::now();
        let sent = tokio::time::timeout(limit, request.send()).await;
        let result = match sent {
            Err(_) => Err(timed_out(endpoint, limit)),
            Ok(Err(error)) => Err(connection_fault(endpoint, &error)),
            Ok(Ok(response)) if response.status().is_success() => Ok(response),
            Ok(Ok(response)) => Err(self.refused(endpoint, response, token).await),
        };
        let outcome = result.as_ref().map_or_else(|error| error.reason.as_str(), |_| "OK");
        metrics::counter!("haier_upstream_calls_total", "endpoint" => endpoint.name(), "outcome" => outcome)
            .increment(1);
        metrics::histogram!("haier_upstream_call_duration_seconds", "endpoint" => endpoint.name())
            .record(started.elapsed());
        tracing::debug!(endpoint = endpoint.name(), outcome, elapsed = ?started.elapsed(), "called Haier");
        result
    }

    async fn refused(&self, endpoint: Endpoint, response: Response, token: Option<&SecretString>) -> Error {
        let status = response.status();
        let retry_after = response
            .headers()
            .get(header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.trim().parse().ok())
            .map(Duration::from_secs);
        let words = read(response, endpoint).await.map(|body| envelope::words(&body)).unwrap_or_default();
        let words = self.redactor.words(&words, token);
        let words = if words.is_empty() { String::new() } else { format!(": {words}") };
        let detail = format!("Haier answered {} to {}{words}", status.as_u16(), endpoint.name());
        Error { retry_after, status: Some(status.as_u16()), ..Error::new(reason_of(status), detail) }
    }

    /// The limit of a request within what is left of the caller's deadline.
    fn limit(&self, limit: Duration, call: &Call) -> Result<Duration> {
        let left = call.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        match left {
            Some(Duration::ZERO) => {
                Err(Error::new(Reason::RequestTimeout, "the deadline passed before Haier was asked"))
            }
            Some(left) => Ok(limit.min(left)),
            None => Ok(limit),
        }
    }
}

/// The error matrix: what a status means.
const fn reason_of(status: StatusCode) -> Reason {
    match status.as_u16() {
        401 => Reason::AuthFailed,
        403 | 404 => Reason::Forbidden,
        408 => Reason::RequestTimeout,
        429 => Reason::RateLimited,
        400..=499 => Reason::ValidationError,
        300..=399 => Reason::MalformedAnswer,
        _ => Reason::ServerError,
    }
}

async fn read(mut response: Response, endpoint: Endpoint) -> Result<Bytes> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| connection_fault(endpoint, &error))? {
        if body.len() + chunk.len() > MAX_ANSWER {
            return Err(Error::new(
                Reason::MalformedAnswer,
                format!("the answer to {} is too long", endpoint.name()),
            ));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

fn timed_out(endpoint: Endpoint, limit: Duration) -> Error {
    Error::new(
        Reason::RequestTimeout,
        format!("no answer to {} within {:.1} s", endpoint.name(), limit.as_secs_f64()),
    )
}

/// No connection, or one that broke. The words are the innermost cause: the others repeat the address.
pub(super) fn connection_fault(endpoint: Endpoint, error: &reqwest::Error) -> Error {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    let what = if error.is_connect() { "cannot connect to Haier for" } else { "the connection broke in" };
    Error::new(Reason::RequestTimeout, format!("{what} {}: {cause}", endpoint.name()))
}
