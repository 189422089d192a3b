//! Fetching a token: a task of its own, so that a caller who goes away, or whose deadline is near, takes nobody's token
//! along. Its sends obey the same policy as all others.

use std::{sync::Arc, time::Duration};

use super::{
    envelope,
    error::{Error, Result},
    patience::Call,
    policy::Client,
    subject::Subject,
    token::{self, Source, Token},
    token_share::{Lease, is_usable},
    transport::Whole,
};
use crate::domain::reasons::Reason;
use futures_util::FutureExt as _;

/// How often one looks whether the replica that fetches a token has brought it.
const LEASE_POLL: Duration = Duration::from_millis(50);
/// What a try may take besides its limit: the wait for a slot.
const LEASE_SLACK: Duration = Duration::from_secs(2);

/// Everybody waits for a token, so it goes before bulk.
const FLIGHT: Call<'_> = Call::LIVE;

impl Client {
    /// A valid token.
    pub(super) async fn token(self: &Arc<Self>, call: &Call<'_>) -> Result<Arc<Token>> {
        let start = || {
            let client = Arc::clone(self);
            let landed = tokio::spawn(async move {
                let fetched = client.fetch_token().await;
                client.tokens.land(fetched, client.clock.now())
            });
            let client = Arc::clone(self);
            async move {
                let panicked = |_| Error::new(Reason::Internal, "the token call panicked");
                landed
                    .await
                    .map_err(panicked)
                    .unwrap_or_else(|error| client.tokens.land(Err(error), client.clock.now()))
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

    /// Authenticates, unless a valid token is at hand.
    ///
    /// # Errors
    /// When Haier refuses or does not answer.
    pub async fn authenticate(self: &Arc<Self>, call: &Call<'_>) -> Result<()> {
        self.token(call).await.map(drop)
    }

    /// Logs in for real, whatever token is at hand: once, and without waiting for anybody. Where Haier lets only the newest
    /// token live, the other holders of the account find the new one on the shelf.
    ///
    /// # Errors
    /// When Haier refuses or does not answer.
    pub async fn log_in(&self) -> Result<()> {
        if let Some((shelf, _)) = &self.share {
            // Somebody else who is fetching one now brings his; a shelf that cannot be reached takes none.
            let _ = shelf.lease(self.settings.token_timeout + LEASE_SLACK).await;
        }
        let asked = self.ask_for_token().await;
        self.share_token(asked.as_ref().ok()).await;
        asked.map(drop)
    }

    /// A token that another replica has fetched, else one from Haier, which the others then find.
    async fn fetch_token(&self) -> Result<Token> {
        let endpoint = self.site.system.token();
        let mut sends = 0;
        loop {
            if let Some(token) = self.shared_token().await {
                return Ok(token);
            }
            sends += 1;
            let error = match self.ask_for_token().await {
                Ok(token) => {
                    self.share_token(Some(&token)).await;
                    return Ok(token);
                }
                Err(error) => error,
            };
            if let Err(error) = self.wait_for_another(endpoint, error, sends, &FLIGHT).await {
                self.share_token(None).await;
                return Err(error);
            }
        }
    }

    /// The token that another replica has fetched, or is fetching. `None`: it is for us to fetch one.
    async fn shared_token(&self) -> Option<Token> {
        let (shelf, seal) = self.share.as_ref()?;
        let refused = self.tokens.refused();
        let usable = |sealed: Option<Vec<u8>>| {
            let token = seal.open(&sealed?)?;
            is_usable(&token, refused.as_ref(), self.clock.now()).then_some(token)
        };
        // As long as one try may take; one who was killed is waited for no longer.
        let time = self.settings.token_timeout + LEASE_SLACK;
        loop {
            let found = shelf.find().await.map(usable);
            let leased = match found {
                Ok(Some(token)) => return Some(token),
                Ok(None) => shelf.lease(time).await,
                Err(error) => Err(error),
            };
            match leased {
                // Between the look and the lease somebody may have brought one.
                Ok(Lease::Granted(sealed)) => match usable(sealed) {
                    Some(token) => {
                        self.share_token(None).await;
                        return Some(token);
                    }
                    None => return None,
                },
                Ok(Lease::Taken) => tokio::time::sleep(LEASE_POLL).await,
                Err(error) => {
                    // The worst that can come of it is that the others fetch one too.
                    tracing::debug!(%error, "tokens cannot be shared; fetching one alone");
                    return None;
                }
            }
        }
    }

    async fn share_token(&self, token: Option<&Token>) {
        let Some((shelf, seal)) = &self.share else { return };
        if let Err(error) = shelf.release(token.and_then(|token| seal.seal(token))).await {
            tracing::debug!(%error, "the token could not be shared with the other replicas");
        }
    }

    /// One try: at the address known to serve tokens; at both while none is known.
    async fn ask_for_token(&self) -> Result<Token> {
        let login = &self.site.login;
        let known = self.token_url.get().map_or_else(|| login.url(), String::as_str);
        let mut asked = known.to_owned();
        let mut answer = self.ask_for_token_at(&asked).await;
        let not_there = matches!(&answer, Err(error) if error.status == Some(404));
        if not_there
            && self.token_url.get().is_none()
            && let Some(other) = login.other_url()
        {
            asked = other;
            answer = self.ask_for_token_at(&asked).await;
        }
        let token = answer.map_err(|error| about_credentials(error, login.credentials()))?;
        // Two flights cannot race here: there is one at a time.
        let _ = self.token_url.set(asked);
        Ok(token)
    }

    async fn ask_for_token_at(&self, url: &str) -> Result<Token> {
        let endpoint = self.site.system.token();
        let permit = self.admit(endpoint, Subject::WHOLE, &FLIGHT)?;
        let reading = Whole(|answer: &[u8], asked_at| {
            envelope::refusal(answer)?;
            token::parse(answer, asked_at)
        });
        let request = self.site.login.request(&self.http, url);
        self.send(permit, endpoint, request, None, &FLIGHT, &reading).await
    }
}

/// A 400 to a token call is about the credentials as much as a 401 is.
fn about_credentials(error: Error, credentials: &str) -> Error {
    match error.reason {
        Reason::AuthFailed | Reason::ValidationError => {
            let detail = format!("Haier refused the credentials ({}); check {credentials}", error.detail);
            Error { detail, reason: Reason::AuthFailed, ..error }.for_good()
        }
        _ => error,
    }
}
