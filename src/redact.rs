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

/// How many secrets the process keeps in mind: some accounts with a dozen each, and the tokens of a day.
const MEMORY: usize = 512;

/// Secrets that this process has come to know, the oldest first, and what finds them.
struct Memory {
    secrets: Mutex<VecDeque<SecretString>>,
    redactor: RwLock<Arc<Redactor>>,
}

static MEMORY_OF_PROCESS: LazyLock<Memory> = LazyLock::new(|| Memory {
    secrets: Mutex::default(),
    redactor: RwLock::new(Arc::new(Redactor::new([]))),
});

/// Makes secrets known: from now on they leave this process in no text. Too short ones would mask ordinary words and are
/// passed over.
pub fn learn<'a>(secrets: impl IntoIterator<Item = &'a SecretString>) {
    let memory = &*MEMORY_OF_PROCESS;
    let mut kept = memory.secrets.lock().unwrap_or_else(PoisonError::into_inner);
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
    let surplus = kept.len().saturating_sub(MEMORY);
    kept.drain(..surplus);
    let redactor = Arc::new(Redactor::new(kept.iter()));
    *memory.redactor.write().unwrap_or_else(PoisonError::into_inner) = redactor;
}

/// Text without anything that must not leave the process.
#[must_use]
pub fn redact(text: &str) -> Cow<'_, str> {
    let redactor = Arc::clone(&MEMORY_OF_PROCESS.redactor.read().unwrap_or_else(PoisonError::into_inner));
    redactor.redact(text)
}
