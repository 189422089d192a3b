//! What Haier serves against what is stored, to the digit.

use haier_integration::proto::{Money, Product};
use serde_json::value::RawValue;

use super::haier::Shown;

/// A decimal's text in 1/10,000.
pub(crate) fn e4(raw: &RawValue) -> i64 {
    let text = raw.get().trim_matches('"');
    let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
    format!("{whole}{rest:0<4}").parse().unwrap()
}

pub(crate) fn money_e4(money: &Money) -> i64 {
    assert_eq!(money.currency_code, "CNY");
    money.units * 10_000 + i64::from(money.nanos / 100_000)
}

/// Whether a stored product is what is served; if not, the first difference. Prices only where they were asked for.
pub(crate) fn equals(stored: &Product, shown: &Shown, prices: bool) -> Result<(), String> {
    let (product, price) = (&shown.product, &shown.price);
    let text = |field: &str| product[field].as_str().unwrap_or_default();
    for (field, ours) in [
        ("productModel", &stored.product_model),
        ("productGroupNamd", &stored.product_group),
        ("productGroupNamd", &stored.category),
        ("productBrandName", &stored.brand),
    ] {
        if ours != text(field) {
            return Err(format!("{field} is {ours:?}, served {:?}", text(field)));
        }
    }
    let served = [&price.supply_price, &price.invoice_price, &price.market_price, &price.rebate_money];
    let ours = [&stored.supply_price, &stored.invoice_price, &stored.market_price, &stored.rebate_money];
    let served = served.map(|raw| raw.as_deref().map(e4));
    let ours = ours.map(|money| money.as_ref().map(money_e4));
    if prices && ours != served {
        return Err(format!("prices are {ours:?}, served {served:?}"));
    }
    Ok(())
}
