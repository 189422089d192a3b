//! What surrounds the records: a bare value, or `{"success", "code", "message", "data"}`, in which a 200 can refuse.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    error::{Error, Result},
    matrix::{self, UNREADABLE},
    record::{Fields, elements, quoted, scalar},
};
use crate::domain::{order_calls::OrderRefusal, printable::printable};

/// What some servers put before their JSON.
pub(super) const BOM: &[u8] = "\u{feff}".as_bytes();

/// Longest order number of Haier's; real ones have 20.
pub(super) const MAX_NUMBER_CHARS: usize = 200;

/// The outer object, if there is one.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Envelope<'a> {
    #[serde(borrow, default)]
    success: Option<&'a RawValue>,
    #[serde(borrow, default)]
    code: Option<&'a RawValue>,
    #[serde(borrow, default)]
    message: Option<&'a RawValue>,
    /// The same, of some servers; some send both.
    #[serde(borrow, default)]
    msg: Option<&'a RawValue>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}

impl Envelope<'_> {
    /// A refusal in the disguise of a 200: `success` is false, or `code` is none of a success and there is no data.
    pub(super) fn refusal(&self, has_data: bool) -> Option<Error> {
        let refused = self.success.and_then(flag) == Some(false);
        let bad_code = self.code.is_some_and(|code| !is_success(code));
        if !refused && (!bad_code || has_data) {
            return None;
        }
        let words = self.words();
        let line = matrix::of_refusal(&words.code);
        Some(Error { refusal: Some(Box::new(words.clone())), ..Error::of(line, words.to_string()) })
    }

    /// Whether it says how the call went, and brings nothing.
    pub(super) fn is_empty_answer(&self) -> bool {
        self.data.is_none() && (self.success.is_some() || self.code.is_some())
    }

    fn words(&self) -> OrderRefusal {
        let text = |value: Option<&RawValue>| {
            value.map(|value| printable(&text(value)).into_owned()).unwrap_or_default()
        };
        let number = self.data.and_then(|data| Fields::parse(data).ok());
        let number = number.and_then(|data| data.order_number("retailOrderNo"));
        OrderRefusal {
            code: text(self.code),
            message: text(self.message.or(self.msg)),
            retail_order_no: number,
        }
    }
}

/// Yes or no in every form that Haier gives it elsewhere: as a word, a number, a text.
fn flag(value: &RawValue) -> Option<bool> {
    match text(value).to_ascii_lowercase().as_str() {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

fn is_success(code: &RawValue) -> bool {
    matches!(text(code).as_ref(), "0" | "200" | "success")
}

fn text(value: &RawValue) -> Cow<'_, str> {
    scalar(value).map_or(Cow::Borrowed(value.get()), Cow::Owned)
}

/// Whether an object that is no envelope may be the value itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bare {
    /// Only a list may stand bare.
    List,
    /// A single record may stand bare too.
    Record,
}

/// The records of an answer: an array, bare or in `data`; a single object counts as one record.
pub(super) fn records(body: &[u8], bare: Bare) -> Result<Vec<&RawValue>> {
    let unreadable = || Error::of(UNREADABLE, describe(body));
    let malformed = |_| unreadable();
    let raw: &RawValue = serde_json::from_slice(body).map_err(malformed)?;
    let list =
        |raw| elements(raw).map_err(|why| Error::of(UNREADABLE, format!("the answer {why}")).for_good());
    if raw.get().starts_with('[') {
        return list(raw);
    }
    if !raw.get().starts_with('{') {
        return Err(unreadable());
    }
    let envelope: Envelope<'_> = serde_json::from_str(raw.get()).map_err(malformed)?;
    if let Some(refusal) = envelope.refusal(envelope.data.is_some()) {
        return Err(refusal);
    }
    match envelope.data {
        Some(data) if data.get().starts_with('[') => list(data),
        Some(data) if data.get().starts_with('{') => Ok(vec![data]),
        Some(data) if data.get() == "null" => Ok(Vec::new()),
        None if envelope.is_empty_answer() => Ok(Vec::new()),
        None if bare == Bare::Record => Ok(vec![raw]),
        _ => Err(unreadable()),
    }
}

/// The refusal in an answer, if it is one.
pub(super) fn refusal(body: &[u8]) -> Result<()> {
    match serde_json::from_slice::<Envelope<'_>>(body).ok().and_then(|envelope| envelope.refusal(true)) {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

/// The data of an answer that must say itself that it is a success: in `success`, in `code`, or by `data` with this field.
pub(super) fn success<'a>(body: &'a [u8], proof: Option<&'static str>) -> Result<Option<Fields<'a>>> {
    let unreadable = || Error::of(UNREADABLE, describe(body));
    let envelope: Envelope<'a> = serde_json::from_slice(body).map_err(|_| unreadable())?;
    if let Some(refusal) = envelope.refusal(envelope.data.is_some()) {
        return Err(refusal);
    }
    let data = envelope.data.and_then(|data| Fields::parse(data).ok());
    let proven = data.as_ref().zip(proof).is_some_and(|(data, field)| data.all(field).next().is_some());
    // A word that is neither yes nor no proves nothing, whatever stands beside it.
    if envelope.success.is_some_and(|success| success.get() != "null" && flag(success).is_none()) {
        return Err(unreadable());
    }
    let said = envelope.success.and_then(flag) == Some(true) || envelope.code.is_some_and(is_success);
    if said || proven { Ok(data) } else { Err(unreadable()) }
}

/// Haier's code and words in an error's body, as far as there are any.
pub(super) fn words(body: &[u8]) -> OrderRefusal {
    serde_json::from_slice::<Envelope<'_>>(body).unwrap_or_default().words()
}

/// What an unreadable answer looks like.
pub(super) fn describe(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let start = text.trim_start();
    if start.is_empty() {
        return "the answer is empty, not JSON".to_owned();
    }
    if start.starts_with('<') {
        return "the answer is an HTML page, not JSON".to_owned();
    }
    match serde_json::from_str::<serde::de::IgnoredAny>(start) {
        Err(error) if error.is_eof() => "the answer is cut short: its JSON does not end".to_owned(),
        Err(error) => format!("the answer is not JSON ({error})"),
        Ok(_) => format!("the answer is not what was expected but {:?}", quoted(start, 40)),
    }
}
