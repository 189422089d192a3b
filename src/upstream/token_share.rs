//! Tokens shared by the replicas of an account: where Haier lets only the newest one live, each that fetches its own
//! revokes the others'. What leaves this process is sealed under a key derived from the account's client secret, which
//! every replica knows and the shelf does not.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use ring::{
    aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hkdf::{HKDF_SHA256, Salt},
};
use secrecy::{ExposeSecret as _, SecretString};

use super::{
    budget::Unreachable,
    token::{Origin, Token},
};
use crate::{domain::clock::BoxFuture, redact};

/// Also the version of the sealed form: another one is another salt, and neither opens the other's.
const SALT: &[u8] = b"haier-integration shared token v1";

/// What a shelf says to one who wants to fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lease {
    /// He may, for so long as he asked. With what lies there until then.
    Granted(Option<Vec<u8>>),
    /// Somebody else is fetching.
    Taken,
}

/// Where the replicas of one account keep their token, sealed.
pub trait TokenShelf: Send + Sync {
    /// What lies there.
    fn find(&self) -> BoxFuture<'_, Result<Option<Vec<u8>>, Unreachable>>;

    /// Asks to be the one who fetches, for so long; whoever is already may prolong it.
    fn lease(&self, time: Duration) -> BoxFuture<'_, Result<Lease, Unreachable>>;

    /// Ends the lease, with a new token or without one. Does nothing for one who has lost it.
    fn release(&self, sealed: Option<Vec<u8>>) -> BoxFuture<'_, Result<(), Unreachable>>;
}

/// Seals and opens the tokens of one account.
pub(super) struct Seal {
    key: LessSafeKey,
    account: String,
}

impl Seal {
    /// `None` only if this machine's cryptography fails.
    pub(super) fn new(account: &str, client_secret: &SecretString) -> Option<Self> {
        let secret = Salt::new(HKDF_SHA256, SALT).extract(client_secret.expose_secret().as_bytes());
        let key: UnboundKey = secret.expand(&[account.as_bytes()], &CHACHA20_POLY1305).ok()?.into();
        Some(Self { key: LessSafeKey::new(key), account: account.to_owned() })
    }

    /// A nonce, and the token with its times and its type, which a blank ends.
    pub(super) fn seal(&self, token: &Token) -> Option<Vec<u8>> {
        // A token an hour under one key: random nonces never meet.
        let nonce: [u8; NONCE_LEN] = rand::random();
        let (issued, refresh) = (token.issued_at.timestamp_micros(), token.refresh_at.timestamp_micros());
        let mut text = Vec::from(issued.to_be_bytes());
        text.extend(refresh.to_be_bytes());
        text.extend(token.token_type.as_deref().unwrap_or_default().as_bytes());
        text.push(b' ');
        text.extend(token.value.expose_secret().as_bytes());
        let bound = Aad::from(self.account.as_bytes());
        self.key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), bound, &mut text).ok()?;
        let mut sealed = Vec::from(nonce);
        sealed.extend(text);
        Some(sealed)
    }

    /// `None` of what another secret or another account sealed, or what somebody has changed.
    pub(super) fn open(&self, sealed: &[u8]) -> Option<Token> {
        let (nonce, text) = sealed.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut text = text.to_vec();
        let text = self.key.open_in_place(nonce, Aad::from(self.account.as_bytes()), &mut text).ok()?;
        let (issued, rest) = text.split_first_chunk::<8>()?;
        let (refresh, value) = rest.split_first_chunk::<8>()?;
        let instant = |micros: &[u8; 8]| DateTime::from_timestamp_micros(i64::from_be_bytes(*micros));
        let (token_type, value) = std::str::from_utf8(value).ok()?.split_once(' ')?;
        let value = SecretString::from(value);
        redact::learn_token(&value);
        Some(Token {
            value,
            token_type: Some(token_type.to_owned()).filter(|text| !text.is_empty()),
            issued_at: instant(issued)?,
            refresh_at: instant(refresh)?,
            origin: Origin::Shared,
        })
    }
}

/// Whether a token from the shelf is of use: in time, and not the one that Haier has just refused.
pub(super) fn is_usable(token: &Token, refused: Option<&SecretString>, now: DateTime<Utc>) -> bool {
    // One from the future was stored by a clock that nobody should believe.
    let issued = token.issued_at <= now + TimeDelta::minutes(1);
    let refused = refused.is_some_and(|refused| refused.expose_secret() == token.value.expose_secret());
    issued && now < token.refresh_at && !refused
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::token::parse;

    fn seal(account: &str, client_secret: &str) -> Seal {
        Seal::new(account, &client_secret.into()).unwrap()
    }

    #[test]
    fn only_the_same_account_with_the_same_secret_opens_what_was_sealed() {
        let now = DateTime::from_timestamp_micros(1_800_000_000_123_456).unwrap();
        let token =
            parse(br#"{"access_token":"a token of Haier's","token_type":"bearer","expires_in":3600}"#, now)
                .unwrap();
        let own = seal("id", "secret");
        let sealed = own.seal(&token).unwrap();
        assert!(!sealed.windows(5).any(|some| some == b"token"), "it can be read");
        assert_ne!(sealed, own.seal(&token).unwrap(), "the same token is sealed anew each time");

        let opened = seal("id", "secret").open(&sealed).unwrap();
        assert_eq!(opened.value.expose_secret(), "a token of Haier's");
        assert_eq!(opened.token_type.as_deref(), Some("bearer"));
        assert_eq!((opened.issued_at, opened.refresh_at), (token.issued_at, token.refresh_at));
        assert!(seal("id", "another").open(&sealed).is_none());
        assert!(seal("another", "secret").open(&sealed).is_none());
        for end in [0, 11, 12, 30, sealed.len() - 1] {
            assert!(own.open(&sealed[..end]).is_none());
        }
        let mut changed = sealed;
        changed[20] ^= 1;
        assert!(own.open(&changed).is_none());
    }

    #[test]
    fn a_token_that_is_over_or_was_refused_is_of_no_use() {
        let now = DateTime::UNIX_EPOCH;
        let token = parse(br#"{"token":"t"}"#, now).unwrap();
        assert!(is_usable(&token, None, now) && is_usable(&token, Some(&"other".into()), now));
        assert!(!is_usable(&token, Some(&"t".into()), now));
        assert!(!is_usable(&token, None, token.refresh_at));
        assert!(!is_usable(&token, None, now - TimeDelta::hours(1)));
    }
}
