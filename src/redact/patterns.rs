//! What gives itself away: values behind the names of secrets, authorization headers, and mobile numbers. A line of JSON
//! stays one: where a bare value is taken out, its mask gets the quotes of its key.

use std::{borrow::Cow, sync::LazyLock};

use regex::{Captures, Regex};

use super::MASK;

/// Names of fields that hold secrets, as Haier's two systems, HTTP and our own settings write them.
const NAMES: &str = "pass_?word|passwd|pwd|secret|(?:client|app|callback)_?secret|(?:access|refresh|id)_?token|api_?key|\
                     private_?key|sign|signature|cookie|authorization|密码|密碼|口令";

/// Colours that a terminal's lines have around names and values.
const COLOURS: &str = r"(?:\x1b\[[0-9;]*m)*";

/// A key with its quotes, if any, a separator, and a value: quoted, quoted as JSON within JSON, or bare. A quoted one that
/// is cut off goes up to the end.
static FIELDS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let escaped = r#"(?s:\\+".*?(?:\\+"|$))"#;
    let quoted = r#"(?s:"(?:[^"\\]|\\.)*(?:"|$)|'[^']*(?:'|$)|`[^`]*(?:`|$))"#;
    let bare = r#"(?:(?:bearer|basic|digest)\s+)?[^\s"'`\\&,;(){}\[\]<>\x1b]+"#;
    let key = format!(r#"(?:{NAMES})(?<quote>\\*["'`]?){COLOURS}\s*(?:[:=：]|=>)\s*{COLOURS}"#);
    let before = r"^|[^A-Za-z0-9]|\x1b\[[0-9;]*m";
    compiled(&format!(
        r"(?i)(?<before>{before})(?<key>{key})(?:(?<quoted>{escaped}|{quoted})|(?<bare>{bare}))"
    ))
});

/// A token behind its scheme, wherever it stands.
static SCHEMES: LazyLock<Option<Regex>> = LazyLock::new(|| {
    compiled(r"(?i)(?<before>^|[^A-Za-z0-9])(?<scheme>bearer|basic)\s+(?<token>[A-Za-z0-9._~+/=\-]{8,})")
});

/// Eleven digits from 13 on, alone, behind the country's number, or in three groups.
static PHONES: LazyLock<Option<Regex>> = LazyLock::new(|| {
    compiled(r"(?<before>^|[^0-9])(?:(?:\+|00)?86[- ]?)?1[3-9][0-9](?:[0-9]{8}|[- ][0-9]{4}[- ][0-9]{4})")
});

/// `None` never happens, as a test shows; it would hide all text.
fn compiled(pattern: &str) -> Option<Regex> {
    Regex::new(pattern).ok()
}

/// Text without what patterns find.
pub(super) fn mask(text: &str) -> Cow<'_, str> {
    let masked = schemes(text);
    let masked = then(masked, fields);
    match then(masked, phones) {
        // What looked like a secret at first was none.
        Cow::Owned(same) if same == text => Cow::Borrowed(text),
        masked => masked,
    }
}

fn then<'a>(text: Cow<'a, str>, step: fn(&str) -> Cow<'_, str>) -> Cow<'a, str> {
    match text {
        Cow::Borrowed(text) => step(text),
        Cow::Owned(text) => Cow::Owned(step(&text).into_owned()),
    }
}

fn schemes(text: &str) -> Cow<'_, str> {
    let Some(pattern) = SCHEMES.as_ref() else { return Cow::Borrowed(MASK) };
    pattern.replace_all(text, |found: &Captures<'_>| {
        let token = &found["token"];
        // "Basic constraint" is no header.
        let is_word =
            token.len() < 20 && token.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'-');
        if is_word { found[0].to_owned() } else { format!("{}{} {MASK}", &found["before"], &found["scheme"]) }
    })
}

fn fields(text: &str) -> Cow<'_, str> {
    let Some(pattern) = FIELDS.as_ref() else { return Cow::Borrowed(MASK) };
    pattern.replace_all(text, |found: &Captures<'_>| {
        let (before, key, quote) = (&found["before"], &found["key"], &found["quote"]);
        if let Some(quoted) = found.name("quoted") {
            let quoted = quoted.as_str();
            let open = quoted.find(['"', '\'', '`']).map_or("", |end| &quoted[..=end]);
            return format!("{before}{key}{open}{MASK}{open}");
        }
        let end = found.get(0).map_or(text.len(), |whole| whole.end());
        if is_prose(key, &found["bare"], &text[end..]) {
            return found[0].to_owned();
        }
        format!("{before}{key}{quote}{MASK}{quote}")
    })
}

/// "HAIER_PASSWORD: is required" is a sentence about a field, and no field.
fn is_prose(key: &str, value: &str, rest: &str) -> bool {
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase());
    let next = rest.strip_prefix(' ').and_then(|rest| rest.split([' ', ',', ';', '.', ':']).next());
    key.ends_with(": ") && value.len() < 8 && is_word(value) && next.is_some_and(is_word)
}

fn phones(text: &str) -> Cow<'_, str> {
    let Some(pattern) = PHONES.as_ref() else { return Cow::Borrowed(MASK) };
    let (mut masked, mut kept, mut from) = (String::new(), 0, 0);
    while let Some(found) = pattern.captures_at(text, from) {
        let (Some(whole), Some(before)) = (found.get(0), found.name("before")) else { break };
        let digits = text[whole.end()..].bytes().take_while(u8::is_ascii_digit).count();
        from = whole.end() + digits;
        // With more digits behind it, it is the beginning of a longer number, such as an id.
        if digits == 0 {
            let quote = quote_of_key(&text[..before.end()]);
            masked.push_str(&text[kept..before.end()]);
            masked.push_str(&format!("{quote}{MASK}{quote}"));
            kept = whole.end();
        }
    }
    if kept == 0 {
        return Cow::Borrowed(text);
    }
    masked.push_str(&text[kept..]);
    Cow::Owned(masked)
}

/// The quotes of the key whose bare value begins here, so that JSON stays JSON; none where there is no such key.
fn quote_of_key(before: &str) -> &str {
    let Some(key) = before.trim_end().strip_suffix(':').map(str::trim_end) else { return "" };
    let start = key.strip_suffix('"').map_or(key.len(), |key| key.trim_end_matches('\\').len());
    &key[start..]
}
