//! Haier's records and what they mean to us. Field names, misspellings included, are those of Haier's interface
//! description 1.0.7.

pub(super) mod logistics;
pub(super) mod stock;
pub(super) mod times;

use chrono::{DateTime, Utc};
use serde_json::value::RawValue;

use super::{
    error::Error,
    record::{BadRecord, FieldError, Fields, elements, shown},
};
use crate::domain::{
    balances::Balance,
    products::{CatalogueRecord, PriceRecord, ProductCode},
};

const MAX_NAME_CHARS: usize = 500;
const MAX_GROUP_CHARS: usize = 200;
const MAX_REASON_CHARS: usize = 200;
/// Most detail pictures of a product, and the bytes of their addresses: a record of the listing has room for thousands.
const MAX_PICTURES: usize = 50;
const MAX_PICTURES_BYTES: usize = 32 << 10;
const MAX_URL_CHARS: usize = 2_000;

/// A good answer with a field that nobody can use: it would be the same the next time.
pub(super) fn unusable((reason, detail): FieldError) -> Error {
    Error::new(reason, detail)
}

/// One record of H1.
pub(super) fn catalogue_record(
    raw: &RawValue,
    asked_at: DateTime<Utc>,
) -> Result<CatalogueRecord, BadRecord> {
    let fields = Fields::parse(raw)?;
    let code = fields.code()?;
    catalogue_fields(&fields, code.clone(), asked_at).map_err(|(reason, detail)| BadRecord {
        code: Some(code),
        reason,
        detail,
    })
}

fn catalogue_fields(
    fields: &Fields<'_>,
    code: ProductCode,
    asked_at: DateTime<Utc>,
) -> Result<CatalogueRecord, FieldError> {
    let mut bad_pictures = 0;
    let image_url = match fields.text("productImageUrl", usize::MAX) {
        Ok(None) => None,
        Ok(Some(url)) if is_picture(&url) => Some(url),
        Ok(Some(_)) | Err(_) => {
            bad_pictures += 1;
            None
        }
    };
    let group = match fields.text("productGroupNamd", MAX_GROUP_CHARS)? {
        Some(group) => Some(group),
        None => fields.text("productGroupName", MAX_GROUP_CHARS)?,
    };
    Ok(CatalogueRecord {
        code,
        model: fields.text("productModel", MAX_NAME_CHARS)?,
        name: fields.text("productName", MAX_NAME_CHARS)?,
        group,
        brand: fields.text("productBrandName", MAX_GROUP_CHARS)?,
        image_url,
        page_urls: page_urls(fields, &mut bad_pictures),
        is_sales: fields.flag("isSales")?,
        no_sales_reason: fields.cut_text("noSalesReason", MAX_REASON_CHARS)?,
        bad_pictures,
        asked_at,
    })
}

/// The detail pictures; those that are no address, or beyond what anybody looks at, are left out and counted.
fn page_urls(fields: &Fields<'_>, bad_pictures: &mut u32) -> Option<Vec<String>> {
    let raw = fields.all("productLageUrls").last()?;
    let Ok(all) = elements(raw) else {
        *bad_pictures += 1;
        return None;
    };
    let (mut pictures, mut room) = (Vec::new(), MAX_PICTURES_BYTES);
    for raw in all {
        let address = shown(raw).filter(|address| is_picture(address));
        match address.filter(|address| pictures.len() < MAX_PICTURES && address.len() <= room) {
            Some(address) => {
                room -= address.len();
                pictures.push(address);
            }
            None => *bad_pictures += 1,
        }
    }
    Some(pictures)
}

/// Whether it is the address of a picture, fit for a link.
pub(super) fn is_picture(address: &str) -> bool {
    let parsed = url::Url::parse(address);
    address.len() <= MAX_URL_CHARS
        && parsed.is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

/// One record of H2.
pub(super) fn price_record(raw: &RawValue, asked_at: DateTime<Utc>) -> Result<PriceRecord, BadRecord> {
    let fields = Fields::parse(raw)?;
    let code = fields.code()?;
    price_fields(&fields, code.clone(), asked_at).map_err(|(reason, detail)| BadRecord {
        code: Some(code),
        reason,
        detail,
    })
}

fn price_fields(
    fields: &Fields<'_>,
    code: ProductCode,
    asked_at: DateTime<Utc>,
) -> Result<PriceRecord, FieldError> {
    let (stock_rebate, rebate_policy) = fields.rate_and_word("stockRebatePolicy")?;
    Ok(PriceRecord {
        code,
        supply_price: fields.price("supplyPrice")?,
        invoice_price: fields.price("invoicePrice")?,
        market_price: fields.price("marketPrice")?,
        stock_rebate,
        rebate_policy,
        rebate_money: fields.price("rebateMoney")?,
        is_sales: fields.flag("isSales")?,
        reason: fields.cut_text("reason", MAX_REASON_CHARS)?,
        asked_at,
    })
}

/// One record of H5.
pub(super) fn balance(raw: &RawValue) -> Result<Balance, FieldError> {
    let fields = Fields::parse(raw).map_err(|bad| (bad.reason, bad.detail))?;
    Ok(Balance {
        sale_group_code: fields.text("saleGroupCode", MAX_GROUP_CHARS)?,
        sale_group_name: fields.text("saleGroupName", MAX_NAME_CHARS)?,
        payer_account_code: fields.text("payerAccountCode", MAX_GROUP_CHARS)?,
        payer_account_name: fields.text("payerAccountName", MAX_NAME_CHARS)?,
        payer_account_balance: fields.money("payerAccountBalance")?,
    })
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use serde_json::value::RawValue;

    use super::{BadRecord, CatalogueRecord, PriceRecord};
    use crate::domain::reasons::Reason;

    fn catalogue_record(json: &RawValue) -> Result<CatalogueRecord, BadRecord> {
        super::catalogue_record(json, DateTime::UNIX_EPOCH)
    }

    fn price_record(json: &RawValue) -> Result<PriceRecord, BadRecord> {
        super::price_record(json, DateTime::UNIX_EPOCH)
    }

    fn raw(json: &str) -> Box<RawValue> {
        RawValue::from_string(json.to_owned()).unwrap()
    }

    #[test]
    fn a_catalogue_record_is_read_with_its_misspellings() {
        let json =
            raw(r#"{"productCode":" GA0SZC00U ","productModel":"EC6001-HT3","productGroupNamd":"电热水器",
            "productBrandName":"海尔","productImageUrl":"https://img.example/1.jpg","productLageUrls":null,
            "isSales":"0","noSalesReason":"停产","somethingNew":{"a":1}}"#);
        let record = catalogue_record(&json).unwrap();
        assert_eq!(record.code.as_str(), "GA0SZC00U");
        assert_eq!(record.group.as_deref(), Some("电热水器"));
        assert_eq!((record.name, record.page_urls, record.is_sales), (None, None, Some(false)));
        assert_eq!(record.no_sales_reason.as_deref(), Some("停产"));
    }

    #[test]
    fn a_reason_is_cut_by_characters() {
        let json = raw(&format!(r#"{{"productCode":"A","noSalesReason":"{}"}}"#, "缺".repeat(300)));
        let reason = catalogue_record(&json).unwrap().no_sales_reason.unwrap();
        assert_eq!(reason.chars().count(), 200);
    }

    #[test]
    fn control_characters_are_taken_out_of_texts_and_never_make_another_code() {
        let json = raw("{\"productCode\":\"A\",\"productName\":\"\u{202e}海\u{9b}尔\\u0000\\n1\\u202e\"}");
        assert_eq!(catalogue_record(&json).unwrap().name.as_deref(), Some("海尔 1"));
        for code in ["A\\u0000B", "A\\u0007B", "A\u{9b}B", "A\u{202e}B", "A\\u2066B", "\\ud800A"] {
            let record = raw(&format!(r#"{{"productCode":"{code}"}}"#));
            let bad = catalogue_record(&record).unwrap_err();
            assert!(bad.code.is_none() && bad.reason == Reason::MalformedAnswer, "{code:?}");
            assert!(!bad.detail.contains(['\u{202e}', '\u{9b}', '\u{7}']), "{bad:?}");
        }
        for field in ["supplyPrice", "isSales"] {
            let record = raw(&format!(r#"{{"productCode":"A","{field}":"1\u0000"}}"#));
            assert!(price_record(&record).is_err(), "{field}");
        }
    }

    #[test]
    fn less_than_nothing_is_no_price() {
        for field in ["supplyPrice", "invoicePrice", "marketPrice", "rebateMoney"] {
            for value in ["-0.01", r#""-1""#, "-1e3"] {
                let bad =
                    price_record(&raw(&format!(r#"{{"productCode":"A","{field}":{value}}}"#))).unwrap_err();
                assert_eq!(
                    (bad.code.unwrap().as_str(), bad.reason),
                    ("A", Reason::MalformedAnswer),
                    "{field}"
                );
                assert!(bad.detail.contains(field) && bad.detail.contains("0 or more"), "{}", bad.detail);
            }
            assert!(price_record(&raw(&format!(r#"{{"productCode":"A","{field}":-0.0}}"#))).is_ok());
        }
        // What one owes is a balance all the same.
        assert!(
            super::balance(&raw(r#"{"payerAccountBalance":-12.5}"#)).unwrap().payer_account_balance.is_some()
        );
    }

    #[test]
    fn a_record_has_not_more_fields_or_pictures_than_anybody_needs() {
        let fields: Vec<_> = (0..600).map(|n| format!(r#""f{n}":1"#)).collect();
        let bad = price_record(&raw(&format!(r#"{{"productCode":"A",{}}}"#, fields.join(",")))).unwrap_err();
        assert!(
            bad.reason == Reason::MalformedAnswer && bad.detail.contains("more than 500 fields"),
            "{bad:?}"
        );
        let pictures = vec!["1"; 1_001].join(",");
        let record =
            catalogue_record(&raw(&format!(r#"{{"productCode":"A","productLageUrls":[{pictures}]}}"#)));
        assert_eq!(record.unwrap().page_urls, None);
    }

    #[test]
    fn a_bad_picture_is_left_out_and_counted() {
        let json = raw(r#"{"productCode":"A","productImageUrl":"not a url",
            "productLageUrls":["https://img.example/1.jpg","javascript:alert(1)",7]}"#);
        let record = catalogue_record(&json).unwrap();
        assert_eq!(record.image_url, None);
        assert_eq!(record.page_urls.as_deref(), Some(&["https://img.example/1.jpg".to_owned()][..]));
        assert_eq!(record.bad_pictures, 3);
    }

    #[test]
    fn a_product_has_not_more_pictures_than_anybody_looks_at() {
        let of = |count: usize, length: usize| {
            let address = format!("\"https://img.example/{}\"", "x".repeat(length));
            let pictures = vec![address; count].join(",");
            let json = format!(r#"{{"productCode":"A","productLageUrls":[{pictures}]}}"#);
            let record = catalogue_record(&raw(&json)).unwrap();
            (record.page_urls.unwrap().len(), record.bad_pictures)
        };
        assert_eq!((of(60, 10), of(40, 1_004)), ((50, 10), (32, 8)));
    }

    #[test]
    fn prices_are_exact_whether_numbers_or_texts() {
        let json =
            raw(r#"{"productCode":"A","supplyPrice":1999.00,"invoicePrice":"1798.0505","marketPrice":null,
            "stockRebatePolicy":0.050,"stockRebatePolicy":"COM","rebateMoney":"","isSales":1}"#);
        let price = price_record(&json).unwrap();
        assert_eq!(price.supply_price.map(|money| money.e4), Some(19_990_000));
        assert_eq!(price.invoice_price.map(|money| money.e4), Some(17_980_505));
        assert_eq!((price.market_price, price.rebate_money), (None, None));
        assert_eq!(
            (price.stock_rebate.as_deref(), price.rebate_policy.as_deref()),
            (Some("0.05"), Some("COM"))
        );
    }

    #[test]
    fn a_record_with_a_wrong_type_fails_by_itself() {
        for (json, reason) in [
            (r#"{"productCode":"A","supplyPrice":"abc"}"#, Reason::MalformedAnswer),
            (r#"{"productCode":"A","supplyPrice":{}}"#, Reason::MalformedAnswer),
            (r#"{"productCode":"A","supplyPrice":1.00001}"#, Reason::PricePrecision),
            (r#"{"productCode":"A","isSales":"maybe"}"#, Reason::MalformedAnswer),
        ] {
            let bad = price_record(&raw(json)).unwrap_err();
            assert_eq!(bad.code.map(|code| code.into_string()).as_deref(), Some("A"), "{json}");
            assert_eq!(bad.reason, reason, "{json}");
        }
        assert_eq!(price_record(&raw("7")).unwrap_err().code, None);
    }
}
