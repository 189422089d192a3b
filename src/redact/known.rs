//! Values that are known to be secret, in every form in which text may hold them.

use std::{borrow::Cow, collections::BTreeSet, fmt};

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use secrecy::{ExposeSecret as _, SecretString};

use super::{MASK, patterns};

/// Shorter values would mask ordinary words.
const SHORTEST: usize = 6;
/// The same for the account's own secrets in Haier's words, where little else can be meant.
const SHORTEST_OF_ACCOUNT: usize = 4;
/// A piece of base64 that is shorter may be in any text.
const SHORTEST_BASE64: usize = 8;

/// Finds known values, the longest first, and then what patterns find.
#[derive(Clone)]
pub struct Redactor {
    known: Option<AhoCorasick>,
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redactor")
    }
}

pub(super) fn is_long_enough(secret: &SecretString) -> bool {
    secret.expose_secret().chars().count() >= SHORTEST
}

impl Redactor {
    /// Knows these values, and those of at least four characters only.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a SecretString>) -> Self {
        let mut forms = BTreeSet::new();
        for secret in secrets {
            let secret = secret.expose_secret();
            if secret.chars().count() >= SHORTEST_OF_ACCOUNT {
                self::forms(secret, &mut forms);
            }
        }
        // Not the automaton that is fastest to search with: to build it takes quadratic time for a value that repeats itself.
        let finder = || {
            let mut builder = AhoCorasick::builder();
            builder.kind(Some(AhoCorasickKind::ContiguousNFA)).match_kind(MatchKind::LeftmostLongest);
            // Fails only with more patterns than a process can hold.
            builder.build(&forms).ok()
        };
        Self { known: if forms.is_empty() { None } else { finder() } }
    }

    /// The start of a text that may be very long, without the known values, this one, and all that must not leave the process.
    #[must_use]
    pub fn redact_start(&self, text: &str, bytes: usize, also: Option<&SecretString>) -> String {
        let also = also.map(SecretString::expose_secret).filter(|also| !also.is_empty());
        let longest = self.longest().max(super::longest()).max(also.map_or(0, str::len));
        let redacted = super::start(text, bytes, longest, |text| {
            let mut redacted = self.redact(text);
            if let Some(also) = also.filter(|also| redacted.contains(*also)) {
                redacted = redacted.replace(also, MASK).into();
            }
            super::redact(&redacted).into_owned().into()
        });
        redacted.into_owned()
    }

    /// Bytes of the longest form of a known value.
    pub(super) fn longest(&self) -> usize {
        self.known.as_ref().map_or(0, AhoCorasick::max_pattern_len)
    }

    /// Text without the known values, and without what patterns find.
    #[must_use]
    pub fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match self.mask_known(text) {
            Cow::Borrowed(text) => patterns::mask(text),
            Cow::Owned(masked) => Cow::Owned(patterns::mask(&masked).into_owned()),
        }
    }

    /// Text without the known values.
    pub(super) fn mask_known<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let Some(known) = self.known.as_ref().filter(|known| known.is_match(text)) else {
            return text.into();
        };
        let mut masked = String::with_capacity(text.len());
        known.replace_all_with(text, &mut masked, |found, form, masked| {
            // The second half of an escaped backslash belongs to the first, which stays.
            if form.starts_with('\\') && is_escaped(&text[..found.start()]) {
                masked.push('\\');
            }
            masked.push_str(MASK);
            true
        });
        masked.into()
    }
}

/// Whether what follows this text is escaped by its end.
fn is_escaped(before: &str) -> bool {
    before.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}

/// As it is; as JSON and `Debug` escape it, also twice (JSON in a field of a log line); as addresses and forms encode it;
/// and as base64 alone or within something longer.
fn forms(secret: &str, forms: &mut BTreeSet<String>) {
    let json = |text: &str| serde_json::to_string(text).map(|quoted| quoted[1..quoted.len() - 1].to_owned());
    let debug = secret.escape_debug().to_string();
    forms.extend([secret.to_owned(), debug.clone()]);
    for text in [secret, &debug] {
        let once = json(text).unwrap_or_default();
        let ascii = ascii(&once);
        forms.extend([ascii.replace('/', "\\/"), once.replace('/', "\\/"), ascii]);
        forms.insert(json(&once).unwrap_or_default());
        forms.insert(once);
    }
    for (keep, blank) in [("", "%20"), ("", "+"), ("-._~", "%20"), ("-._*", "+"), ("-_.!~*'()", "%20")] {
        let upper = encoded(secret, keep, blank);
        forms.insert(lower_hex(&upper));
        forms.insert(upper);
    }
    for offset in 0..3 {
        for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
            let whole = engine.encode([&vec![0; offset], secret.as_bytes()].concat());
            // Letters at both ends that its neighbours have a part in are not its own.
            let begin = (offset * 8).div_ceil(6);
            let end = (offset + secret.len()) * 8 / 6;
            let own = &whole[begin..end.min(whole.len())];
            if own.len() >= SHORTEST_BASE64 {
                forms.insert(own.to_owned());
            }
        }
    }
    forms.retain(|form| form.chars().count() >= SHORTEST_OF_ACCOUNT);
}

/// JSON by those who write nothing but ASCII.
fn ascii(json: &str) -> String {
    let mut text = String::new();
    for unit in json.encode_utf16() {
        match u8::try_from(unit) {
            Ok(byte) if byte.is_ascii() => text.push(byte.into()),
            _ => text.push_str(&format!("\\u{unit:04x}")),
        }
    }
    text
}

/// Percent-encoded but for letters, digits and what is kept.
fn encoded(text: &str, keep: &str, blank: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b' ' => encoded.push_str(blank),
            byte if byte.is_ascii_alphanumeric() || keep.as_bytes().contains(&byte) => {
                encoded.push(byte.into())
            }
            byte => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// The same with `%2f` for `%2F`.
fn lower_hex(encoded: &str) -> String {
    let mut parts = encoded.split('%');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (hex, rest) = part.split_at(2.min(part.len()));
        text.push('%');
        text.push_str(&hex.to_ascii_lowercase());
        text.push_str(rest);
    }
    text
}
