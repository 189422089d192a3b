//! One JSON record and its fields, read leniently where Haier is loose and strictly where money is at stake.

use std::{borrow::Cow, fmt};

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::{
    domain::{
        decimal::{DecimalError, Money, canonical},
        messages::cut,
        orders::is_order_number,
        printable::printable,
        products::ProductCode,
        reasons::Reason,
    },
    redact::redact_start,
};

/// Most elements of a list in an answer: 20 codes have 20 records, an order some parcels and their traces.
const MAX_ELEMENTS: usize = 1_000;
/// Most fields of a record; Haier's have a dozen.
const MAX_FIELDS: usize = 500;

/// A record that cannot be used; its neighbours can.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRecord {
    /// Its code, if it has one.
    pub code: Option<ProductCode>,
    /// `MALFORMED_ANSWER` or `PRICE_PRECISION`.
    pub reason: Reason,
    /// Which field holds what.
    pub detail: String,
}

/// A field that does not hold what it should.
pub(super) type FieldError = (Reason, String);

/// The fields of one record, in order, with doubles: Haier's description lists one name twice.
pub(super) struct Fields<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldsVisitor;
        impl<'de> Visitor<'de> for FieldsVisitor {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::with_capacity(12);
                while let Some(entry) = map.next_entry::<Key<'de>, &RawValue>()? {
                    if fields.len() == MAX_FIELDS {
                        return Err(A::Error::custom(format_args!("more than {MAX_FIELDS} fields")));
                    }
                    fields.push((entry.0.0, entry.1));
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(FieldsVisitor)
    }
}

/// A key, borrowed unless it is escaped.
#[derive(serde::Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'a> Fields<'a> {
    pub(super) fn parse(raw: &'a RawValue) -> Result<Self, BadRecord> {
        serde_json::from_str(raw.get()).map_err(|error| {
            let detail = match raw.get().starts_with('{') {
                true => format!("a record cannot be read ({error})"),
                false => format!("a record is no object but {}", quoted(raw.get(), 40)),
            };
            BadRecord { code: None, reason: Reason::MalformedAnswer, detail }
        })
    }

    /// The record's code, which every record must have. As it was sent: without its control characters it could be another
    /// product's.
    pub(super) fn code(&self) -> Result<ProductCode, BadRecord> {
        let bad = |detail: String| BadRecord { code: None, reason: Reason::MalformedAnswer, detail };
        let raw = self.last("productCode").ok_or_else(|| bad("a record has no productCode".to_owned()))?;
        let text = scalar(raw).ok_or_else(|| bad(wrong("productCode", raw, "a text").1))?;
        ProductCode::parse(&text).map_err(|fault| bad(format!("productCode {:?} {fault}", quoted(&text, 70))))
    }

    /// Every value of a name that is not null.
    pub(super) fn all(&self, name: &'static str) -> impl Iterator<Item = &'a RawValue> + '_ {
        self.0
            .iter()
            .filter(move |(key, value)| key == name && value.get() != "null")
            .map(|(_, value)| *value)
    }

    fn last(&self, name: &'static str) -> Option<&'a RawValue> {
        self.all(name).last()
    }

    /// A text; blank counts as absent. Numbers are taken as their text.
    pub(super) fn text(&self, name: &'static str, max_chars: usize) -> Result<Option<String>, FieldError> {
        let Some(raw) = self.last(name) else { return Ok(None) };
        let text = shown(raw).ok_or_else(|| wrong(name, raw, "a text"))?;
        let text = text.trim();
        if text.chars().count() > max_chars {
            return Err((Reason::MalformedAnswer, format!("{name} has more than {max_chars} characters")));
        }
        Ok(Some(text.to_owned()).filter(|text| !text.is_empty()))
    }

    /// A text of which only the start matters; may be empty, which says "none".
    pub(super) fn cut_text(&self, name: &'static str, chars: usize) -> Result<Option<String>, FieldError> {
        let Some(raw) = self.last(name) else { return Ok(None) };
        let text = shown(raw).ok_or_else(|| wrong(name, raw, "a text"))?;
        Ok(Some(cut(text.trim(), chars).to_owned()))
    }

    /// An amount, as a JSON number or in a text; blank counts as absent.
    pub(super) fn money(&self, name: &'static str) -> Result<Option<Money>, FieldError> {
        let Some(raw) = self.last(name) else { return Ok(None) };
        let text = scalar(raw).ok_or_else(|| wrong(name, raw, "a number"))?;
        if text.trim().is_empty() {
            return Ok(None);
        }
        Money::parse(&text).map(Some).map_err(|error| match error {
            DecimalError::TooPrecise => {
                (Reason::PricePrecision, format!("{name} {} has more than four decimals", quoted(&text, 40)))
            }
            DecimalError::NotANumber | DecimalError::OutOfRange => wrong(name, raw, "a number"),
        })
    }

    /// The same where less than nothing is no amount.
    pub(super) fn price(&self, name: &'static str) -> Result<Option<Money>, FieldError> {
        match (self.money(name)?, self.last(name)) {
            (Some(money), Some(raw)) if money.e4 < 0 => Err(wrong(name, raw, "an amount of 0 or more")),
            (money, _) => Ok(money),
        }
    }

    /// A whole number, as a JSON number or in a text; blank counts as absent.
    pub(super) fn integer(&self, name: &'static str) -> Result<Option<i64>, FieldError> {
        let Some(raw) = self.last(name) else { return Ok(None) };
        let text = scalar(raw).ok_or_else(|| wrong(name, raw, "a whole number"))?;
        if text.trim().is_empty() {
            return Ok(None);
        }
        // Through the exact decimal, so that 12.0 is 12 and 1.5 is refused.
        let whole = canonical(&text).ok().and_then(|number| number.parse().ok());
        whole.map(Some).ok_or_else(|| wrong(name, raw, "a whole number"))
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Haier's number of an order. A word or sign in its place is none.
    pub(super) fn order_number(&self, name: &'static str) -> Option<String> {
        self.text(name, super::envelope::MAX_NUMBER_CHARS)
            .ok()
            .flatten()
            .filter(|number| is_order_number(number))
    }

    /// The fields beside these, each value as JSON text.
    pub(super) fn others(&self, known: &[&str]) -> Vec<(String, String)> {
        let others = self.0.iter().filter(|(name, _)| !known.contains(&name.as_ref()));
        others.map(|(name, value)| (name.clone().into_owned(), value.get().to_owned())).collect()
    }

    /// Yes or no: `"1"`, `"0"`, the numbers, or JSON's own.
    pub(super) fn flag(&self, name: &'static str) -> Result<Option<bool>, FieldError> {
        let Some(raw) = self.last(name) else { return Ok(None) };
        match scalar(raw).as_deref().map(str::trim) {
            Some("1" | "true") => Ok(Some(true)),
            Some("0" | "false") => Ok(Some(false)),
            Some("") => Ok(None),
            _ => Err(wrong(name, raw, "1 or 0")),
        }
    }

    /// The two meanings of one name: a number is a rate, anything else a word.
    pub(super) fn rate_and_word(
        &self,
        name: &'static str,
    ) -> Result<(Option<String>, Option<String>), FieldError> {
        let (mut rate, mut word) = (None, None);
        for raw in self.all(name) {
            let text = scalar(raw).ok_or_else(|| wrong(name, raw, "a number or a text"))?;
            let text = text.trim();
            match canonical(text) {
                Ok(number) => rate = Some(number),
                Err(_) if text.is_empty() => {}
                Err(_) => word = Some(cut(&printable(text), 100).to_owned()),
            }
        }
        Ok((rate, word))
    }
}

/// A string, a number or a boolean as text, to the letter: only for what is compared or read as a number.
pub(super) fn scalar(raw: &RawValue) -> Option<String> {
    match raw.get().as_bytes().first()? {
        b'"' => serde_json::from_str(raw.get()).ok(),
        b'{' | b'[' | b'n' => None,
        _ => Some(raw.get().to_owned()),
    }
}

/// The same, fit to be stored and shown. Every text of Haier's passes here or through [`quoted`].
pub(super) fn shown(raw: &RawValue) -> Option<String> {
    scalar(raw).map(|text| match printable(&text) {
        Cow::Borrowed(_) => text,
        Cow::Owned(printable) => printable,
    })
}

/// The elements of a list; absent is empty.
pub(super) fn list<'a>(fields: &Fields<'a>, name: &'static str) -> Result<Vec<&'a RawValue>, FieldError> {
    let Some(raw) = fields.all(name).last() else { return Ok(Vec::new()) };
    elements(raw).map_err(|why| (Reason::MalformedAnswer, format!("{name} {why}")))
}

/// The elements of a list, or what is wrong with it. Their number has a limit: each costs more memory here than on the wire.
pub(super) fn elements(raw: &RawValue) -> Result<Vec<&RawValue>, String> {
    struct Elements<'a>(Vec<&'a RawValue>);
    impl<'de> Deserialize<'de> for Elements<'de> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct ElementsVisitor;
            impl<'de> Visitor<'de> for ElementsVisitor {
                type Value = Elements<'de>;

                fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str("a list")
                }

                fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                    let mut elements = Vec::new();
                    while let Some(element) = seq.next_element()? {
                        if elements.len() == MAX_ELEMENTS {
                            return Err(A::Error::custom("too many"));
                        }
                        elements.push(element);
                    }
                    Ok(Elements(elements))
                }
            }
            deserializer.deserialize_seq(ElementsVisitor)
        }
    }
    match serde_json::from_str::<Elements<'_>>(raw.get()) {
        Ok(Elements(elements)) => Ok(elements),
        Err(_) if raw.get().starts_with('[') => Err(format!("holds more than {MAX_ELEMENTS} elements")),
        Err(_) => Err("is no list".to_owned()),
    }
}

fn wrong(name: &str, raw: &RawValue, expected: &str) -> FieldError {
    (Reason::MalformedAnswer, format!("{name} holds {} instead of {expected}", quoted(raw.get(), 60)))
}

/// What stood there, fit to be shown. Cut last, so that no half of a secret is left.
pub(super) fn quoted(text: &str, max_chars: usize) -> String {
    // A character has at most four bytes.
    cut(&printable(&redact_start(text, 4 * max_chars)), max_chars).to_owned()
}
