//! How callbacks look on the wire: a form or a JSON object with single values, and a `Data` that is a JSON object itself.

use std::borrow::Cow;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::{Value, value::RawValue};

use crate::domain::{
    callbacks::Parameters,
    orders::is_order_number,
    printable::{is_invisible, printable},
};

/// Longest order number in characters: as many as one of ours may have twice over; real ones have 20.
const MAX_NUMBER_CHARS: usize = 128;
/// A message of Haier's has 100 characters at most; of one that is longer so many are kept.
const MAX_WORDS_CHARS: usize = 200;

/// Reads a body: as JSON where it is said to be or begins like it, else as a form.
pub(super) fn parameters(content_type: &str, body: &[u8]) -> Option<Parameters> {
    let looks_like_json = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
    if looks_like_json || content_type.to_ascii_lowercase().contains("json") {
        return Parameters::new(fields(std::str::from_utf8(body).ok()?)?);
    }
    Parameters::new(url::form_urlencoded::parse(body).into_owned().collect())
}

/// What a callback says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Data {
    pub(super) platform_order_no: String,
    pub(super) haier_order_no: Option<String>,
    pub(super) success: bool,
    pub(super) words: String,
}

impl Data {
    /// Reads `Data`; numbers and texts may stand for each other.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let fields = Parameters::new(fields(text)?)?;
        let number = |name: &str| {
            let number = fields.get(name).trim();
            // PostgreSQL keeps no NUL, and a number has no use for any of its kind.
            let is_one = number.chars().count() <= MAX_NUMBER_CHARS && !number.contains(is_invisible);
            is_one.then(|| number.to_owned())
        };
        let success = match fields.get("State").trim() {
            "1" | "true" => true,
            "0" | "false" => false,
            _ => return None,
        };
        Some(Self {
            platform_order_no: number("PlatformOrderNo").filter(|number| !number.is_empty())?,
            haier_order_no: Some(number("ExtOrderNo")?).filter(|number| is_order_number(number)),
            success,
            words: printable(fields.get("FailMsg")).trim().chars().take(MAX_WORDS_CHARS).collect(),
        })
    }
}

/// Whether `Data` says more than numbers and a state: in words, or in fields that nobody knows. That may name people.
pub(super) fn says_more(text: &str) -> bool {
    let is_more = |(name, value): &(String, String)| {
        !["ExtOrderNo", "PlatformOrderNo", "State"].contains(&name.as_str()) && !value.trim().is_empty()
    };
    fields(text).is_none_or(|fields| fields.iter().any(is_more))
}

/// A JSON text with its strings in plain letters, and all else as it stands: escapes hide from a search what they spell.
pub(super) fn plain(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut spelt = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('"') {
        let (before, string) = rest.split_at(start);
        spelt.push_str(before);
        let mut strings = serde_json::Deserializer::from_str(string).into_iter::<Letters>();
        let Some(Ok(Letters(letters))) = strings.next() else { return Cow::Borrowed(text) };
        spelt.push_str(&Value::from(letters).to_string());
        rest = string.split_at(strings.byte_offset()).1;
    }
    spelt.push_str(rest);
    Cow::Owned(spelt)
}

/// A string in which half a character, which JSON can spell and a text cannot hold, is a replacement character.
struct Letters(String);

impl<'de> Deserialize<'de> for Letters {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(LettersVisitor)
    }
}

struct LettersVisitor;

impl Visitor<'_> for LettersVisitor {
    type Value = Letters;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a string")
    }

    fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Letters, E> {
        Ok(Letters(String::from_utf8_lossy(bytes).into_owned()))
    }
}

/// The fields of a JSON object as texts, in the order in which they stand there.
fn fields(json: &str) -> Option<Vec<(String, String)>> {
    serde_json::from_str::<Fields>(json).ok().map(|Fields(fields)| fields)
}

struct Fields(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

/// A map would keep one of two fields with the same name.
struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
        let mut fields = Vec::new();
        while let Some((name, value)) = map.next_entry::<String, Box<RawValue>>()? {
            fields.push((name, text(&value)));
        }
        Ok(Fields(fields))
    }
}

/// A value as text: a string without its quotes, anything else as it stands there; nothing for null.
fn text(value: &RawValue) -> String {
    match value.get() {
        "null" => String::new(),
        raw => serde_json::from_str(raw).map_or_else(|_| raw.to_owned(), |Letters(letters)| letters),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn got(content_type: &str, body: &str) -> Vec<String> {
        let parameters = parameters(content_type, body.as_bytes()).unwrap();
        parameters.signed().map(|(name, value)| format!("{name}={value}")).collect()
    }

    #[test]
    fn a_form_and_json_say_the_same() {
        let expected = ["AppKey=a b", "Data={\"State\":1}", "TimeStamp=20260101120000"];
        let form = "AppKey=a+b&TimeStamp=20260101120000&Data=%7B%22State%22%3A1%7D&Sign=x";
        assert_eq!(got("application/x-www-form-urlencoded; charset=UTF-8", form), expected);
        assert_eq!(got("", form), expected);
        for data in [r#""{\"State\":1}""#, r#"{"State":1}"#] {
            let json = format!(
                r#" {{"Sign":"x","TimeStamp":20260101120000,"Data":{data},"AppKey":"a b","Extra":null}}"#
            );
            assert_eq!(got("application/json", &json), expected);
            assert_eq!(got("text/plain", &json), expected, "it begins like JSON");
        }
        assert_eq!(got("", "Data=%E7%BC%BA%E8%B4%A7&AppKey=%E7%BC%BA"), ["AppKey=缺", "Data=缺货"]);
    }

    #[test]
    fn what_stands_in_place_of_haiers_number_is_none() {
        for (number, expected) in [
            (r#""SO.20260101.000001""#, Some("SO.20260101.000001")),
            (r#""null""#, None),
            (r#""-""#, None),
            ("0", None),
            ("false", None),
        ] {
            let data = format!(r#"{{"ExtOrderNo":{number},"PlatformOrderNo":"SO-1","State":1}}"#);
            assert_eq!(Data::parse(&data).unwrap().haier_order_no.as_deref(), expected, "{number}");
        }
    }

    #[test]
    fn what_is_neither_is_refused() {
        for (content_type, body) in [
            ("application/json", "AppKey=a"),
            ("application/json", "[]"),
            ("application/json", r#"{"AppKey":"a""#),
            ("application/json", r#"{"AppKey":"a","AppKey":"b"}"#),
            ("", "AppKey=a&AppKey=b"),
        ] {
            assert!(parameters(content_type, body.as_bytes()).is_none(), "{body}");
        }
        assert!(parameters("application/json", b"{\"AppKey\":\"\xff\"}").is_none());
    }

    #[test]
    fn data_is_read_whether_its_values_are_numbers_or_texts() {
        let expected = Data {
            platform_order_no: "123456789012345678901234567890".to_owned(),
            haier_order_no: None,
            success: true,
            words: String::new(),
        };
        let with = |rest: &str| {
            Data::parse(&format!(r#"{{"PlatformOrderNo":123456789012345678901234567890,{rest}}}"#))
        };
        for rest in
            [r#""State":1"#, r#""State":"1","ExtOrderNo":"","FailMsg":null"#, r#""State":true,"X":[1]"#]
        {
            assert_eq!(with(rest).as_ref(), Some(&expected), "{rest}");
        }
        let refused = with(r#""State":0,"FailMsg":"商品缺货","ExtOrderNo":" SO.1 ""#).unwrap();
        assert_eq!((refused.success, refused.words.as_str()), (false, "商品缺货"));
        assert_eq!(refused.haier_order_no.as_deref(), Some("SO.1"));
    }

    #[test]
    fn a_number_may_be_as_long_as_any_of_ours_in_every_script() {
        let number = "单".repeat(64);
        let with = |number: &str| Data::parse(&format!(r#"{{"PlatformOrderNo":"{number}","State":1}}"#));
        assert_eq!(with(&number).unwrap().platform_order_no, number);
        assert_eq!(with(&"单".repeat(129)), None);
    }

    #[test]
    fn escapes_hide_nothing() {
        for (text, expected) in [
            (
                r#"{"A":"\u5f20\u4e09","B":12345678901234567890123}"#,
                r#"{"A":"张三","B":12345678901234567890123}"#,
            ),
            (r#"{"A":"1号\/2室", "\u0042":[1,"\/"]}"#, r#"{"A":"1号/2室", "B":[1,"/"]}"#),
            (r#"{"A":"\"三\" \u005c\t"}"#, r#"{"A":"\"三\" \\\t"}"#),
            (r#"{"A":"\ud83d张\u4e09"}"#, "{\"A\":\"\u{fffd}\u{fffd}\u{fffd}张三\"}"),
            (r#"{"A":"张三"}"#, r#"{"A":"张三"}"#),
        ] {
            assert_eq!(plain(text), expected);
        }
        let data = Data::parse(r#"{"PlatformOrderNo":"A","State":0,"FailMsg":"\ud83d\u5f20"}"#).unwrap();
        assert!(data.words.ends_with('张'), "{}", data.words);
    }

    #[test]
    fn words_and_fields_that_nobody_knows_say_more() {
        let says = |rest: &str| says_more(&format!(r#"{{"PlatformOrderNo":"A","State":1{rest}}}"#));
        for rest in ["", r#","ExtOrderNo":"SO.1","FailMsg":null"#, r#","FailMsg":" ","Name":"""#] {
            assert!(!says(rest), "{rest}");
        }
        for rest in [r#","FailMsg":"缺货""#, r#","Name":"张三""#, r#","\u0041":["张三"]"#, r#","A":0"#]
        {
            assert!(says(rest), "{rest}");
        }
    }

    #[test]
    fn data_without_a_number_or_a_state_is_none() {
        for bad in [
            "",
            "[]",
            r#"{"PlatformOrderNo":"A"}"#,
            r#"{"PlatformOrderNo":"A","State":2}"#,
            r#"{"PlatformOrderNo":" ","State":1}"#,
            r#"{"State":1}"#,
            r#"{"PlatformOrderNo":"A\u0000","State":1}"#,
        ] {
            assert_eq!(Data::parse(bad), None, "{bad}");
        }
    }
}
