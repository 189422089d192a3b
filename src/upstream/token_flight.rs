//! Fetching a token: a task of its own, so that a caller who goes away, or whose deadline is near, takes nobody's token
//! along. Its sends obey the same policy as all others.

use std::sync::Arc;

use futures_util::FutureExt as _;
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::{
    budget::Priority,
    endpoint::{Endpoint, OTHER_TOKEN_PATH},
    envelope,
    error::{Error, Result},
    patience::Call,
    policy::Caller,
    token::{self, Source, Token},
    transport::Whole,
};
use crate::domain::reasons::Reason;

/// Everybody waits for a token, so it goes before bulk.
const FLIGHT: Call<'_> = Call { priority: Priority::Live, deadline: None };

impl Caller {
    /// A valid token.
    pub(super) async fn token(self: &Arc<Self>, call: &Call<'_>) -> Result<Arc<Token>> {
        let start = || {
            let caller = Arc::clone(self);
            let landed = tokio::spawn(async move {
                let fetched = caller.fetch_token().await;
                caller.tokens.land(fetched, caller.clock.now())
            });
            let caller = Arc::clone(self);
            async move {
                let panicked = |_| Error::new(Reason::Internal, "the token call panicked");
                landed
                    .await
                    .map_err(panicked)
                    .unwrap_or_else(|error| caller.tokens.land(Err(error), caller.clock.now()))
            }
            .boxed()
        };
        match self.tokens.find(self.clock.now(), start)? {
            Source::Cache(token) => Ok(token),
            Source::Flight(flight) => tokio::select! {
                biased;
                // It has been repeated as often as it may.
                token = flight => token.map_err(Error::for_good),
                error = call.ended() => Err(error),
            },
        }
    }

    async fn fetch_token(&self) -> Result<Token> {
        let mut sends = 0;
        loop {
            sends += 1;
            match self.ask_for_token().await {
                Ok(token) => return Ok(token),
                Err(error) => self.wait_for_another(Endpoint::Token, error, sends, &FLIGHT).await?,
            }
        }
    }

    /// One try: at the address known to serve tokens; at both while none is known.
    async fn ask_for_token(&self) -> Result<Token> {
        let known = self.token_url.get().unwrap_or(&self.account.token_url);
        let mut asked = known.clone();
        let mut answer = self.ask_for_token_at(&asked).await;
        let not_there = matches!(&answer, Err(error) if error.status == Some(404));
        if not_there && self.account.token_url_is_default && self.token_url.get().is_none() {
            asked = format!("{}{OTHER_TOKEN_PATH}", self.account.base_url);
            answer = self.ask_for_token_at(&asked).await;
        }
        let token = answer.map_err(about_credentials)?;
        // Two flights cannot race here: there is one at a time.
        let _ = self.token_url.set(asked);
        Ok(token)
    }

    async fn ask_for_token_at(&self, url: &str) -> Result<Token> {
        let body = json!({
            "client_id": self.account.client_id,
            "client_secret": self.account.client_secret.expose_secret(),
            "grant_type": "client_credentials",
        });
        let permit = self.admit(Endpoint::Token, &FLIGHT)?;
        let reading = Whole(|answer: &[u8], asked_at| {
            envelope::refusal(answer)?;
            token::parse(answer, asked_at)
        });
        self.send(permit, Endpoint::Token, self.http.post(url).json(&body), None, &FLIGHT, &reading).await
    }
}

/// A 400 to a token call is about the credentials as much as a 401 is.
fn about_credentials(error: Error) -> Error {
    match error.reason {
        Reason::AuthFailed | Reason::ValidationError => {
            let detail = format!(
                "Haier refused the credentials ({}); check client_id and client_secret",
                error.detail
            );
            Error { detail, reason: Reason::AuthFailed, ..error }.for_good()
        }
        _ => error,
    }
}
