//! Takes an account's secrets and the token in use out of Haier's words before anybody sees them.

use secrecy::{ExposeSecret as _, SecretString};

use crate::domain::messages::cut;

/// Shorter secrets are not looked for: they would mask ordinary words.
const SHORTEST_SECRET: usize = 4;
/// How much of Haier's words is kept.
const MAX_WORDS_CHARS: usize = 500;

/// Knows what must not be said.
#[derive(Debug, Clone)]
pub(super) struct Redactor {
    secrets: Vec<SecretString>,
}

impl Redactor {
    pub(super) fn new(mut secrets: Vec<SecretString>) -> Self {
        secrets.retain(|secret| secret.expose_secret().chars().count() >= SHORTEST_SECRET);
        Self { secrets }
    }

    /// Words fit to be stored and shown: no secret, no line breaks, not too long.
    pub(super) fn words(&self, text: &str, token: Option<&SecretString>) -> String {
        let mut words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for secret in self.secrets.iter().chain(token) {
            words = words.replace(secret.expose_secret(), "***");
        }
        cut(&words, MAX_WORDS_CHARS).to_owned()
    }
}
