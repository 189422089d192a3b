//! Puts the record faults into the records of an answer.

use std::collections::BTreeMap;

use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

use super::endpoint::Endpoint;
use super::fault_kinds::Kind;
use super::faults::Damage;

/// Where a record stands in its answer.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) code: &'a str,
    pub(super) first: bool,
    pub(super) last: bool,
}

/// What becomes of one record: nothing, itself, or more of it.
pub(super) fn damaged(
    damages: &[Damage],
    endpoint: Endpoint,
    place: Place<'_>,
    record: Vec<u8>,
) -> Vec<Vec<u8>> {
    let mut records = vec![record];
    for damage in damages.iter().filter(|damage| damage.touches(place)) {
        match damage.kind {
            Kind::WrongType => {
                let (field, value) = match endpoint {
                    Endpoint::Prices => ("supplyPrice", json!("abc")),
                    Endpoint::Stock => ("stock", json!("abc")),
                    Endpoint::Balance => ("payerAccountBalance", json!("abc")),
                    _ => ("isSales", json!({ "value": 1 })),
                };
                records.iter_mut().for_each(|record| set_field(record, field, &value));
            }
            Kind::UnknownField => records.iter_mut().for_each(add_unknown_field),
            Kind::Deep => records.iter_mut().for_each(|record| {
                let mut field = json!({});
                add_deep_field(&mut field);
                set_field(record, NEW_FIELD, &field[NEW_FIELD]);
            }),
            Kind::HugeString => {
                let field = match endpoint {
                    Endpoint::Prices => "reason",
                    Endpoint::Stock => "secCode",
                    Endpoint::Balance => "payerAccountName",
                    _ => "productName",
                };
                let text = json!("长".repeat((2 << 20) / 3));
                records.iter_mut().for_each(|record| set_field(record, field, &text));
            }
            Kind::ControlCharacters => {
                let model = json!("\u{202e}EC\u{0}60\u{1b}[31m\u{9b}2J\u{2066}01\u{2028}HT3");
                records.iter_mut().for_each(|record| set_field(record, "productModel", &model));
            }
            Kind::Negative => {
                let (field, value) = match endpoint {
                    Endpoint::Stock => ("stock", json!("-5")),
                    _ => ("supplyPrice", json!(-1)),
                };
                records.iter_mut().for_each(|record| set_field(record, field, &value));
            }
            Kind::NullFields => records.iter_mut().for_each(|record| add_nulls(record, endpoint)),
            Kind::BadPicture => {
                records
                    .iter_mut()
                    .for_each(|record| set_field(record, "productImageUrl", &json!("not a url")));
            }
            Kind::DuplicateRows => records.extend_from_within(..),
            Kind::MissingProducts | Kind::Empty => records.clear(),
            _ => {}
        }
    }
    records
}

const NEW_FIELD: &str = "newFieldOfTheSupplier";

pub(super) fn add_unknown_field(record: &mut Vec<u8>) {
    set_field(record, NEW_FIELD, &json!({ "levels": [1, 2, 3] }));
}

/// The same, nested deeper than clients of ours can read.
pub(super) fn add_deep_field(record: &mut Value) {
    record[NEW_FIELD] = (0..100).fold(json!(1), |within, _| json!([within]));
}

impl Damage {
    fn touches(&self, place: Place<'_>) -> bool {
        match (&self.product_code, self.kind) {
            (_, Kind::Empty) => true,
            (Some(code), _) => code == place.code,
            (None, Kind::UnknownField | Kind::NullFields | Kind::Deep) => true,
            (None, Kind::MissingProducts) => place.last,
            (None, _) => place.first,
        }
    }
}

fn add_nulls(record: &mut Vec<u8>, endpoint: Endpoint) {
    let fields: &[&str] = match endpoint {
        Endpoint::Prices => &["supplyPrice", "invoicePrice", "marketPrice", "reason"],
        _ => &["productName", "productLageUrls", "noSalesReason"],
    };
    change_fields(record, |all| {
        for field in fields {
            all.entry((*field).to_owned()).or_insert_with(|| RawValue::NULL.to_owned());
        }
    });
}

fn set_field(record: &mut Vec<u8>, field: &str, value: &Value) {
    let Ok(value) = to_raw_value(value) else { return };
    change_fields(record, |all| {
        all.insert(field.to_owned(), value);
    });
}

// Through raw values, so that the other fields keep their text: a price must not become a float on the way.
fn change_fields(record: &mut Vec<u8>, change: impl FnOnce(&mut BTreeMap<String, Box<RawValue>>)) {
    let Ok(mut fields) = serde_json::from_slice::<BTreeMap<String, Box<RawValue>>>(record) else { return };
    change(&mut fields);
    if let Ok(changed) = serde_json::to_vec(&fields) {
        *record = changed;
    }
}
