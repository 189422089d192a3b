//! Takes secrets and phone numbers out of text: every log line, stored message and gRPC status passes it on its way out.
//! Known values are found in whatever form they are written, others by the fields and words they stand behind. Names and
//! addresses cannot be told from other words: whoever holds them makes them known for the text at hand.

mod known;
mod patterns;
#[cfg(test)]
mod tests;

use std::{
    borrow::Cow,
    collections::VecDeque,
    sync::{Arc, LazyLock, Mutex, PoisonError, RwLock},
};

use secrecy::{ExposeSecret as _, SecretString};

pub use known::Redactor;

/// What stands in place of what was taken out.
pub const MASK: &str = "***";

/// Secrets of accounts, keys and settings that the process keeps in mind: some dozens are usual.
const SECRETS: usize = 1_024;
/// Tokens that it keeps in mind: those of some hours, and each of them is good for minutes. Every new one makes their finder
/// anew, which takes the longer the more there are.
const TOKENS: usize = 64;

/// What this process has come to know of one kind.
struct Memory {
    most: usize,
    /// The oldest first.
    secrets: Mutex<VecDeque<SecretString>>,
    redactor: RwLock<Arc<Redactor>>,
}

static MEMORY: LazyLock<Memory> = LazyLock::new(|| Memory::of(SECRETS));
static MEMORY_OF_TOKENS: LazyLock<Memory> = LazyLock::new(|| Memory::of(TOKENS));

/// Makes secrets known: from now on they leave this process in no text. Too short ones would mask ordinary words and are
/// passed over.
pub fn learn<'a>(secrets: impl IntoIterator<Item = &'a SecretString>) {
    MEMORY.learn(secrets);
}

/// The same with a token, which drives out the oldest tokens and never a secret that lasts.
pub fn learn_token(token: &SecretString) {
    MEMORY_OF_TOKENS.learn([token]);
}

/// Text without anything that must not leave the process.
#[must_use]
pub fn redact(text: &str) -> Cow<'_, str> {
    // Tokens first: a secret within one would leave the rest of it.
    match MEMORY_OF_TOKENS.redactor().mask_known(text) {
        Cow::Borrowed(text) => MEMORY.redactor().redact(text),
        Cow::Owned(masked) => Cow::Owned(MEMORY.redactor().redact(&masked).into_owned()),
    }
}

impl Memory {
    fn of(most: usize) -> Self {
        Self { most, secrets: Mutex::default(), redactor: RwLock::new(Arc::new(Redactor::new([]))) }
    }

    fn learn<'a>(&self, secrets: impl IntoIterator<Item = &'a SecretString>) {
        let mut kept = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        let before = kept.len();
        for secret in secrets {
            let is_known = kept.iter().any(|known| known.expose_secret() == secret.expose_secret());
            if !is_known && known::is_long_enough(secret) {
                kept.push_back(secret.clone());
            }
        }
        if kept.len() == before {
            return;
        }
        let surplus = kept.len().saturating_sub(self.most);
        kept.drain(..surplus);
        let redactor = Arc::new(Redactor::new(kept.iter()));
        *self.redactor.write().unwrap_or_else(PoisonError::into_inner) = redactor;
    }

    fn redactor(&self) -> Arc<Redactor> {
        Arc::clone(&self.redactor.read().unwrap_or_else(PoisonError::into_inner))
    }
}
