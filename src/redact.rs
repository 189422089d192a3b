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
/// Most bytes of them, so that long tokens cost no more time and memory than many; the newest stays in any case.
const TOKEN_BYTES: usize = 1 << 16;
/// Longest text that patterns recognize, beside quoted values, which they take to the end of a text.
const LONGEST_PATTERN: usize = 256;

/// What this process has come to know of one kind.
struct Memory {
    most: usize,
    most_bytes: usize,
    /// The oldest first.
    secrets: Mutex<VecDeque<SecretString>>,
    redactor: RwLock<Arc<Redactor>>,
}

static MEMORY: LazyLock<Memory> = LazyLock::new(|| Memory::of(SECRETS, usize::MAX));
static MEMORY_OF_TOKENS: LazyLock<Memory> = LazyLock::new(|| Memory::of(TOKENS, TOKEN_BYTES));

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

/// The start of a text that may be very long, without anything that must not leave the process.
#[must_use]
pub fn redact_start(text: &str, bytes: usize) -> Cow<'_, str> {
    start(text, bytes, longest(), redact)
}

/// The longest form of any secret that this process has come to know.
fn longest() -> usize {
    MEMORY.redactor().longest().max(MEMORY_OF_TOKENS.redactor().longest())
}

/// Redacts no more of a text than its start needs: time and memory do not grow with the text. Where the text is cut, a
/// secret may be cut in two; whatever reads differently once `longest` more bytes are looked at is left out.
fn start<'a>(
    text: &'a str,
    bytes: usize,
    longest: usize,
    redact: impl Fn(&'a str) -> Cow<'a, str>,
) -> Cow<'a, str> {
    if text.len() <= bytes {
        return redact(text);
    }
    let more = bytes + longest.max(LONGEST_PATTERN);
    let [shorter, longer] =
        [bytes, more].map(|end| redact(&text[..text.floor_char_boundary(end)]).into_owned());
    let same = shorter.bytes().zip(longer.bytes()).take_while(|(one, other)| one == other).count();
    let mut start = shorter[..shorter.floor_char_boundary(same)].to_owned();
    if start.len() < shorter.len() && !start.ends_with(MASK) {
        start.push_str(MASK);
    }
    Cow::Owned(start)
}

impl Memory {
    fn of(most: usize, most_bytes: usize) -> Self {
        Self {
            most,
            most_bytes,
            secrets: Mutex::default(),
            redactor: RwLock::new(Arc::new(Redactor::new([]))),
        }
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
        let mut bytes: usize = kept.iter().map(|secret| secret.expose_secret().len()).sum();
        while kept.len() > self.most || (bytes > self.most_bytes && kept.len() > 1) {
            bytes -= kept.pop_front().map_or(0, |oldest| oldest.expose_secret().len());
        }
        let redactor = Arc::new(Redactor::new(kept.iter()));
        *self.redactor.write().unwrap_or_else(PoisonError::into_inner) = redactor;
    }

    fn redactor(&self) -> Arc<Redactor> {
        Arc::clone(&self.redactor.read().unwrap_or_else(PoisonError::into_inner))
    }
}
