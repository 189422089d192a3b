//! A system's token: cached, refreshed early, fetched in one flight however many callers wait for it.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Shared},
};
use reqwest::header::HeaderValue;
use secrecy::SecretString;
use serde_json::Value;

use super::{
    error::{Error, Result},
    matrix::UNREADABLE,
    status::TokenStatus,
};
use crate::{
    domain::{clock::is_due, reasons::Reason},
    redact,
};

/// Life of a token whose answer does not say.
const DEFAULT_LIFE: TimeDelta = TimeDelta::seconds(3_600);
/// Longest token in bytes: it must fit into a header.
const MAX_TOKEN: usize = 16 << 10;
/// No token is used for longer, whatever its answer says: what it says may be wrong, or no time at all.
const LONGEST_LIFE: TimeDelta = TimeDelta::days(30);
/// How long before its end a token is replaced, unless 5/6 of its life is later.
const REFRESH_EARLY: TimeDelta = TimeDelta::minutes(10);
/// How long a refusal is answered from memory; doubled by each further one.
const FIRST_REFUSAL: Duration = Duration::from_secs(30);
const LONGEST_REFUSAL: Duration = Duration::from_secs(300);

/// A token and until when it is used.
#[derive(Debug)]
pub(super) struct Token {
    pub(super) value: SecretString,
    /// What the answer calls it: "bearer".
    pub(super) token_type: Option<String>,
    pub(super) issued_at: DateTime<Utc>,
    pub(super) refresh_at: DateTime<Utc>,
    pub(super) origin: Origin,
}

/// Who fetched a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// This process.
    Fetched,
    /// Another replica, maybe long ago: that Haier refuses it says nothing about the credentials.
    Shared,
}

/// A flight that fetches one.
pub(super) type Flight = Shared<BoxFuture<'static, Result<Arc<Token>>>>;

/// The token in use, the flight that fetches the next one, and how Haier refused the last.
#[derive(Default)]
pub(super) struct Tokens {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    token: Option<Arc<Token>>,
    flight: Option<Flight>,
    /// The last one that Haier refused: not to be taken up again from another replica.
    refused: Option<SecretString>,
    refusal: Option<Refusal>,
}

/// Credentials that were refused are not tried again at once: that would hammer Haier, and lock the account.
struct Refusal {
    error: Error,
    hold: Duration,
    until: DateTime<Utc>,
}

/// Whether a token is to be had.
pub(super) enum Login {
    /// One is at hand.
    Done,
    /// One may be fetched.
    Possible,
    /// Haier refused our credentials a moment ago.
    Refused(Error),
}

/// Where a token is to be had.
pub(super) enum Source {
    Cache(Arc<Token>),
    Flight(Flight),
}

impl Tokens {
    /// The token in use; else the flight in the air, or a new one by `start`. A refusal is answered from memory.
    pub(super) fn find(
        &self,
        now: DateTime<Utc>,
        start: impl FnOnce() -> BoxFuture<'static, Result<Arc<Token>>>,
    ) -> Result<Source> {
        let mut state = self.lock();
        if let Some(token) = state.token.as_ref().filter(|token| now < token.refresh_at) {
            return Ok(Source::Cache(Arc::clone(token)));
        }
        if let Some(refusal) = state.refusal.as_ref().filter(|refusal| !refusal.is_over(now)) {
            return Err(refusal.error.clone());
        }
        Ok(Source::Flight(state.flight.get_or_insert_with(|| start().shared()).clone()))
    }

    /// Whether a token is to be had, without asking anybody for one.
    pub(super) fn login(&self, now: DateTime<Utc>) -> Login {
        let state = self.lock();
        if state.token.as_ref().is_some_and(|token| now < token.refresh_at) {
            return Login::Done;
        }
        match state.refusal.as_ref().filter(|refusal| !refusal.is_over(now)) {
            Some(Refusal { error, until, .. }) => {
                Login::Refused(Error { retry_after: (*until - now).to_std().ok(), ..error.clone() })
            }
            None => Login::Possible,
        }
    }

    /// How a flight ended. It makes room for the next one.
    pub(super) fn land(&self, landed: Result<Token>, now: DateTime<Utc>) -> Result<Arc<Token>> {
        let mut state = self.lock();
        state.flight = None;
        match landed {
            Ok(token) => {
                let token = Arc::new(token);
                (state.token, state.refusal) = (Some(Arc::clone(&token)), None);
                Ok(token)
            }
            Err(error) => {
                if matches!(error.reason, Reason::AuthFailed | Reason::Forbidden) {
                    let last = state.refusal.as_ref().map(|refusal| refusal.hold);
                    state.refusal = Some(Refusal::new(&error, last, now));
                }
                Err(error)
            }
        }
    }

    /// Forgets this very token, not one that another caller has fetched meanwhile.
    pub(super) fn forget(&self, refused: &Arc<Token>) {
        let mut state = self.lock();
        if state.token.as_ref().is_some_and(|token| Arc::ptr_eq(token, refused)) {
            state.token = None;
            state.refused = Some(refused.value.clone());
        }
    }

    /// The last token that Haier refused.
    pub(super) fn refused(&self) -> Option<SecretString> {
        self.lock().refused.clone()
    }

    pub(super) fn status(&self) -> Option<TokenStatus> {
        let state = self.lock();
        let token = state.token.as_ref()?;
        Some(TokenStatus { issued_at: token.issued_at, refresh_at: token.refresh_at })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Refusal {
    fn new(error: &Error, last: Option<Duration>, now: DateTime<Utc>) -> Self {
        let hold = last.map_or(FIRST_REFUSAL, |last| (last * 2).min(LONGEST_REFUSAL));
        let until = now + TimeDelta::from_std(hold).unwrap_or(TimeDelta::zero());
        let next = until.to_rfc3339_opts(SecondsFormat::Secs, true);
        let detail = format!("{}; Haier is not asked again before {next}", error.detail);
        Self { error: Error { detail, ..error.clone() }.for_good(), hold, until }
    }

    fn is_over(&self, now: DateTime<Utc>) -> bool {
        is_due(self.until, TimeDelta::from_std(self.hold).unwrap_or(TimeDelta::MAX), now)
    }
}

/// Reads a token answer: the token under `access_token` or `token`, at the top or in `data`.
pub(super) fn parse(body: &[u8], asked_at: DateTime<Utc>) -> Result<Token> {
    let malformed = |what: &str| Error::of(UNREADABLE, format!("the token answer {what}"));
    let answer: Value = serde_json::from_slice(body).map_err(|_| malformed("is not JSON"))?;
    let places = [&answer, &answer["data"]];
    let text = |key: &str| {
        places.iter().find_map(|place| place[key].as_str()).map(str::trim).filter(|text| !text.is_empty())
    };
    let value = text("access_token").or_else(|| text("token")).ok_or_else(|| malformed("holds no token"))?;
    if value.len() > MAX_TOKEN {
        let what = format!("holds a token of {} bytes; the most is {MAX_TOKEN}", value.len());
        return Err(malformed(&what).for_good());
    }
    if HeaderValue::from_str(value).is_err() {
        return Err(malformed("holds a token with characters that no header may hold").for_good());
    }
    let life = places.iter().find_map(|place| life(&place["expires_in"])).unwrap_or(DEFAULT_LIFE);
    let usable = (life - REFRESH_EARLY).max(life * 5 / 6);
    let value = value.into();
    redact::learn_token(&value);
    // One word, and one that fits into a header: what else it may be is no type.
    let is_word = |text: &&str| text.chars().all(|char| char.is_ascii_graphic());
    Ok(Token {
        value,
        token_type: text("token_type").filter(is_word).map(str::to_owned),
        issued_at: asked_at,
        refresh_at: asked_at + usable,
        origin: Origin::Fetched,
    })
}

/// A life in seconds, as a number or a text. `None` of what is no positive number.
fn life(expires_in: &Value) -> Option<TimeDelta> {
    let seconds: f64 = match expires_in {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    let longest = LONGEST_LIFE.num_seconds();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "whole seconds are exact enough, and the bound is small"
    )]
    let seconds = (seconds >= 1.0).then(|| seconds.min(longest as f64) as i64)?;
    Some(TimeDelta::seconds(seconds))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

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
    fn a_token_that_fits_into_no_header_is_none() {
        for token in [r"t\nt", r"t\r\nx: y", r"t\u0000"] {
            let error =
                parse(format!(r#"{{"token":"{token}"}}"#).as_bytes(), DateTime::UNIX_EPOCH).unwrap_err();
            assert_eq!(error.reason, Reason::MalformedAnswer, "{token}");
        }
        // A line's end is none of it.
        let token = parse(br#"{"token":"t\n"}"#, DateTime::UNIX_EPOCH).unwrap();
        assert_eq!(token.value.expose_secret(), "t");
    }

    #[test]
    fn a_token_has_at_most_16_kibibytes() {
        let of = |length| {
            parse(format!(r#"{{"token":"{}"}}"#, "t".repeat(length)).as_bytes(), DateTime::UNIX_EPOCH)
        };
        assert_eq!(of(16 << 10).unwrap().value.expose_secret().len(), 16 << 10);
        let error = of((16 << 10) + 1).unwrap_err();
        assert!(error.reason == Reason::MalformedAnswer && error.detail.contains("16385 bytes"), "{error}");
    }

    #[test]
    fn a_token_is_replaced_ten_minutes_early_or_at_five_sixths_of_its_life() {
        for (life, usable) in [(7_200, 6_600), (3_600, 3_000), (60, 50)] {
            let body = format!(r#"{{"access_token":"t","expires_in":{life}}}"#);
            let token = parse(body.as_bytes(), DateTime::UNIX_EPOCH).unwrap();
            assert_eq!(token.refresh_at, DateTime::UNIX_EPOCH + TimeDelta::seconds(usable));
        }
    }

    #[test]
    fn whatever_a_token_says_of_its_life_it_is_used_for_a_time_with_bounds() {
        let hour = TimeDelta::minutes(50);
        let longest = LONGEST_LIFE - REFRESH_EARLY;
        for (expires_in, usable) in [
            ("8200000000000", longest),
            ("9223372036854775807", longest),
            ("1e300", longest),
            (r#""1e300""#, longest),
            (r#""inf""#, longest),
            (r#""NaN""#, hour),
            ("-1", hour),
            ("-9223372036854775808", hour),
            ("0", hour),
            ("0.5", hour),
            (r#""soon""#, hour),
            (r#""""#, hour),
            ("null", hour),
            ("[]", hour),
            ("7200.9", TimeDelta::seconds(6_600)),
            (r#"" 7200 ""#, TimeDelta::seconds(6_600)),
        ] {
            let body = format!(r#"{{"access_token":"t","expires_in":{expires_in}}}"#);
            let token = parse(body.as_bytes(), DateTime::UNIX_EPOCH).unwrap();
            assert_eq!(token.refresh_at - DateTime::UNIX_EPOCH, usable, "{expires_in}");
        }
    }

    #[test]
    fn a_refusal_is_remembered_longer_each_time_and_forgotten_by_a_success() {
        let tokens = Tokens::default();
        let mut now = DateTime::UNIX_EPOCH;
        let never = || -> BoxFuture<'static, Result<Arc<Token>>> { Box::pin(std::future::pending()) };
        for held in [30, 60, 120, 240, 300, 300] {
            let refused = tokens.land(Err(Error::new(Reason::AuthFailed, "refused")), now).unwrap_err();
            assert_eq!(refused.detail, "refused");
            now += TimeDelta::seconds(held - 1);
            let told = tokens.find(now, never).err().unwrap();
            assert!(told.reason == Reason::AuthFailed && told.detail.contains("not asked again"), "{told}");
            now += TimeDelta::seconds(1);
            assert!(matches!(tokens.find(now, never), Ok(Source::Flight(_))), "{held}");
        }
        let token = parse(br#"{"token":"t"}"#, now).unwrap();
        let token = tokens.land(Ok(token), now).unwrap();
        tokens.forget(&token);
        tokens.land(Err(Error::new(Reason::AuthFailed, "refused")), now).unwrap_err();
        assert!(tokens.find(now + TimeDelta::seconds(30), never).is_ok(), "it begins anew");
        // An outage is no refusal.
        let tokens = Tokens::default();
        tokens.land(Err(Error::new(Reason::ServerError, "down")), now).unwrap_err();
        assert!(tokens.find(now, never).is_ok());
    }
}
