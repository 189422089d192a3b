//! Takes an account's secrets and the token in use out of Haier's words before anybody sees them.

use secrecy::{ExposeSecret as _, SecretString};

use crate::{
    domain::messages::cut,
    redact::{self, MASK},
};

/// How much of Haier's words is kept.
const MAX_WORDS_CHARS: usize = 500;

/// Knows what must not be said. Here even the shorter secrets of the account go: little else can be meant by them.
#[derive(Debug, Clone)]
pub(super) struct Redactor {
    known: redact::Redactor,
}

impl Redactor {
    pub(super) fn new(secrets: &[SecretString]) -> Self {
        Self { known: redact::Redactor::new(secrets) }
    }

    /// Words fit to be stored and shown: no secret, no line breaks, not too long. Cut last, so that no half of a secret
    /// is left.
    pub(super) fn words(&self, text: &str, token: Option<&SecretString>) -> String {
        let mut words = self.known.redact(text).into_owned();
        if let Some(token) = token {
            words = words.replace(token.expose_secret(), MASK);
        }
        let words = redact::redact(&words).split_whitespace().collect::<Vec<_>>().join(" ");
        cut(&words, MAX_WORDS_CHARS).to_owned()
    }
}
