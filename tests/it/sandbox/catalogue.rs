//! The catalogue and its prices.

use super::*;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, HashSet};

#[tokio::test]
async fn a_full_listing_of_20_000_parses_and_has_unique_codes() {
    let haier = Haier::with(Options { products: 20_000, ..Options::default() }).await;
    let listing = haier.listing().await;
    let codes: HashSet<_> = listing.iter().map(|product| product["productCode"].as_str().unwrap()).collect();
    assert_eq!((listing.len(), codes.len()), (20_000, 20_000));
    assert!(codes.iter().all(|code| code.len() == 9 && code.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase())));
    let share = |what: &dyn Fn(&Value) -> bool| listing.iter().filter(|product| what(product)).count();
    assert!((10_000..14_000).contains(&share(&|product| product["productName"].is_null())));
    assert!((500..1_500).contains(&share(&|product| product["noSalesReason"].is_string())));
    assert!((4_000..6_000).contains(&share(&|product| product["isSales"].is_number())));
    assert!((4_000..6_000).contains(&share(&|product| product["productLageUrls"].is_null())));
    assert_eq!(share(&|product| product["productGroupNamd"].is_string()), 20_000);
}

#[tokio::test]
async fn looking_codes_up_equals_the_listing() {
    let haier = Haier::start().await;
    let listing = haier.listing().await;
    for some in listing.chunks(20).take(10) {
        let codes: Vec<_> =
            some.iter().map(|product| product["productCode"].as_str().unwrap().to_owned()).collect();
        assert_eq!(haier.json(H1, &products(Some(&codes))).await, json!(some));
    }
    let known = listing[0]["productCode"].as_str().unwrap().to_owned();
    let foreign = ["ZZ0000000".to_owned(), "短".to_owned(), known.to_lowercase(), known];
    assert_eq!(haier.json(H1, &products(Some(&foreign))).await, json!([listing[0]]));
    assert_eq!(haier.json(H2, &prices(&foreign)).await.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn the_same_seed_gives_the_same_catalogue_and_another_one_another() {
    let listing = async |seed| Haier::with(Options { seed, ..Options::default() }).await.listing().await;
    let (first, second, other) = (listing(7).await, listing(7).await, listing(8).await);
    assert_eq!(first, second);
    assert_ne!(first[0]["productCode"], other[0]["productCode"]);
}

#[tokio::test]
async fn an_envelope_is_put_around_when_asked_for() {
    let haier = Haier::with(Options { envelope: true, ..Options::default() }).await;
    let listing = haier.json(H1, &products(None)).await;
    assert_eq!((&listing["success"], listing["data"].as_array().unwrap().len()), (&json!(true), 1000));
    let code = listing["data"][0]["productCode"].as_str().unwrap().to_owned();
    assert_eq!(haier.json(H2, &prices(&[code])).await["data"].as_array().unwrap().len(), 1);
}

/// A decimal's text, whether it came as a number or as a string, in 1/10,000.
fn e4(raw: &RawValue) -> i64 {
    let text = raw.get().trim_matches('"');
    let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
    assert!(rest.len() <= 4, "{text}");
    format!("{whole}{rest:0<4}").parse().unwrap()
}

/// Of a name that comes twice the last one, as most clients read it.
type Price = BTreeMap<String, Box<RawValue>>;

#[tokio::test]
async fn prices_are_exact_and_come_in_every_form() {
    let haier = Haier::with(Options { throttle: None, ..Options::default() }).await;
    let codes = haier.codes(1000).await;
    let mut forms = BTreeMap::<&str, usize>::new();
    for some in codes.chunks(20) {
        let text = haier.text(H2, &prices(some)).await;
        let prices: Vec<Price> = serde_json::from_str(&text).unwrap();
        assert_eq!(prices.len(), 20);
        for kind in ["COM", "FHQ", "BF", "DTDBF"] {
            *forms.entry("rebate kind").or_default() +=
                text.matches(&format!(r#""stockRebatePolicy":"{kind}""#)).count();
        }
        for price in prices {
            let mut seen = |form| *forms.entry(form).or_default() += 1;
            let Some(supply) = price.get("supplyPrice") else {
                let reason = price["reason"].get();
                assert_eq!((price.contains_key("invoicePrice"), reason), (false, r#""价格未生效""#));
                seen("no price");
                continue;
            };
            let e8 =
                e4(supply) * (10_000 - e4(&price["stockRebatePolicy"])) - e4(&price["rebateMoney"]) * 10_000;
            let invoice = e4(&price["invoicePrice"]);
            assert_eq!(e8, invoice * 10_000);
            assert!(invoice > 0);
            seen(if supply.get().starts_with('"') { "text" } else { "number" });
            if !price.contains_key("marketPrice") {
                seen("no market price");
            }
            if invoice % 100 != 0 {
                seen("four decimals");
            }
        }
    }
    assert_eq!(
        forms.keys().copied().collect::<Vec<_>>(),
        ["four decimals", "no market price", "no price", "number", "rebate kind", "text"]
    );
}
