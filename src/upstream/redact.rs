//! Takes an account's secrets, the token in use and the customer of an order out of Haier's words before anybody sees
//! them.

use std::borrow::Cow;

use secrecy::SecretString;

use crate::{
    domain::{messages::cut, orders::Order, printable::printable},
    redact,
};

/// How much of Haier's words is kept.
const MAX_WORDS_CHARS: usize = 500;
/// How much of them is looked at, in bytes: much of it may be spaces.
const MAX_WORDS_BYTES: usize = 16 * MAX_WORDS_CHARS;

/// Knows what must not be said. Here even the shorter secrets of the account go: little else can be meant by them.
#[derive(Debug, Clone)]
pub(super) struct Redactor {
    known: redact::Redactor,
}

impl Redactor {
    pub(super) fn new(secrets: &[SecretString]) -> Self {
        Self { known: redact::Redactor::new(secrets) }
    }

    /// Words fit to be stored and shown: no secret, no line breaks or control characters, not too long. Cut last, so that no
    /// half of a secret is left.
    pub(super) fn words(&self, text: &str, token: Option<&SecretString>) -> String {
        let redacted = self.known.redact_start(text, MAX_WORDS_BYTES, token);
        let words = printable(&redacted).split_whitespace().collect::<Vec<_>>().join(" ");
        cut(&words, MAX_WORDS_CHARS).to_owned()
    }

    /// The same of an answer about this order, without its customer.
    pub(super) fn words_about(
        &self,
        order: Option<&Order>,
        text: &str,
        token: Option<&SecretString>,
    ) -> String {
        // Before all else: once blanks are joined or the text is cut, a name may not be found any more. What lies behind twice
        // what is looked at cannot come into it.
        let start = &text[..text.floor_char_boundary(2 * MAX_WORDS_BYTES)];
        let text = order.map_or(Cow::Borrowed(text), |order| order.redact(start).into());
        self.words(&text, token)
    }
}
