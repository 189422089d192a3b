//! The open platform's token: cached, refreshed early, fetched in one flight however many callers wait for it.

use std::{sync::Arc, time::Instant};

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::SecretString;
use serde_json::Value;
use tokio::sync::Mutex;

use super::error::{Error, Result};
use crate::domain::reasons::Reason;

/// Life of a token whose answer does not say.
const DEFAULT_LIFE: TimeDelta = TimeDelta::seconds(3_600);
/// How long before its end a token is replaced, unless 5/6 of its life is later.
const REFRESH_EARLY: TimeDelta = TimeDelta::minutes(10);

/// A token and until when it is used.
#[derive(Debug)]
pub(super) struct Token {
    pub(super) value: SecretString,
    refresh_at: DateTime<Utc>,
}

/// The token in use, and how the last flight failed.
#[derive(Debug, Default)]
pub(super) struct TokenCache {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    token: Option<Arc<Token>>,
    failure: Option<(Instant, Error)>,
}

impl TokenCache {
    /// The token in use, or a fresh one by `fetch`. Callers that wait for the same flight share its outcome.
    pub(super) async fn get<F>(&self, now: DateTime<Utc>, fetch: F) -> Result<Arc<Token>>
    where
        F: AsyncFnOnce() -> Result<Token>,
    {
        let asked = Instant::now();
        let mut state = self.state.lock().await;
        if let Some(token) = state.token.as_ref().filter(|token| now < token.refresh_at) {
            return Ok(Arc::clone(token));
        }
        if let Some((_, error)) = state.failure.as_ref().filter(|(failed, _)| *failed >= asked) {
            return Err(error.clone());
        }
        match fetch().await {
            Ok(token) => {
                let token = Arc::new(token);
                *state = State { token: Some(Arc::clone(&token)), failure: None };
                Ok(token)
            }
            Err(error) => {
                state.failure = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    /// Forgets this very token, not one that another caller has fetched meanwhile.
    pub(super) async fn forget(&self, refused: &Arc<Token>) {
        let mut state = self.state.lock().await;
        if state.token.as_ref().is_some_and(|token| Arc::ptr_eq(token, refused)) {
            state.token = None;
        }
    }
}

/// Reads a token answer: the token under `access_token` or `token`, at the top or in `data`.
pub(super) fn parse(body: &[u8], asked_at: DateTime<Utc>) -> Result<Token> {
    let malformed = |what: &str| Error::new(Reason::MalformedAnswer, format!("the token answer {what}"));
    let answer: Value = serde_json::from_slice(body).map_err(|_| malformed("is not JSON"))?;
    let places = [&answer, &answer["data"]];
    let text =
        |key: &str| places.iter().find_map(|place| place[key].as_str()).filter(|text| !text.is_empty());
    let value = text("access_token").or_else(|| text("token")).ok_or_else(|| malformed("holds no token"))?;
    let seconds = places.iter().find_map(|place| match &place["expires_in"] {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    });
    let life =
        seconds.filter(|seconds| *seconds > 0).and_then(TimeDelta::try_seconds).unwrap_or(DEFAULT_LIFE);
    let usable = (life - REFRESH_EARLY).max(life * 5 / 6);
    Ok(Token { value: value.into(), refresh_at: asked_at + usable })
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta};
    use secrecy::ExposeSecret as _;

    use super::parse;

    #[test]
    fn a_token_is_found_in_all_four_places() {
        for body in [
            r#"{"access_token":"t","expires_in":3600}"#,
            r#"{"token":"t","expires_in":"3600"}"#,
            r#"{"success":true,"data":{"access_token":"t"}}"#,
            r#"{"data":{"token":"t","expires_in":3600}}"#,
        ] {
            let token = parse(body.as_bytes(), DateTime::UNIX_EPOCH).unwrap();
            assert_eq!(token.value.expose_secret(), "t", "{body}");
            assert_eq!(token.refresh_at, DateTime::UNIX_EPOCH + TimeDelta::minutes(50), "{body}");
        }
    }

    #[test]
    fn a_token_is_replaced_ten_minutes_early_or_at_five_sixths_of_its_life() {
        for (life, usable) in [(7_200, 6_600), (3_600, 3_000), (60, 50)] {
            let body = format!(r#"{{"access_token":"t","expires_in":{life}}}"#);
            let token = parse(body.as_bytes(), DateTime::UNIX_EPOCH).unwrap();
            assert_eq!(token.refresh_at, DateTime::UNIX_EPOCH + TimeDelta::seconds(usable));
        }
    }
}
