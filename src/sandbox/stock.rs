//! Stock: for a product and a county always the same up to three warehouses, unless it was set by hand.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::catalogue::{Catalogue, Product};
use super::dice::{Dice, hash};

const SALT: u64 = 4;

/// The warehouses with stock for a county, the fullest first.
pub(super) fn warehouses(catalogue: &Catalogue, product: &Product, county: &str) -> Vec<Value> {
    let mut dice = Dice::new(catalogue.seed, SALT ^ hash(county), product.index);
    let mut stocks: Vec<u64> = match catalogue.changes.stock.get(product.code.as_str()) {
        Some(given) => (*given > 0).then_some(*given).into_iter().collect(),
        None => {
            let count = dice.pick(&[0, 1, 1, 1, 2, 2, 3]);
            (0..count).map(|_| if dice.one_in(4) { dice.below(5) } else { dice.below(200) }).collect()
        }
    };
    stocks.sort_unstable_by(|one, other| other.cmp(one));
    let mut seen = HashSet::new();
    stocks
        .into_iter()
        .map(|stock| {
            // Two entries for one warehouse would be no longer a sum over warehouses.
            let mut number = dice.below(900);
            while !seen.insert(number) {
                number = (number + 1) % 900;
            }
            warehouse(&mut dice, stock, number, county)
        })
        .collect()
}

fn warehouse(dice: &mut Dice, stock: u64, number: u64, county: &str) -> Value {
    let upper = dice.one_in(3);
    let hours = dice.pick(&[12, 24, 48, 72]);
    let mut warehouse = json!({
        "secCode": format!("{}{:03}", county.get(..2).unwrap_or("00"), 100 + number),
        "stock": if dice.one_in(4) { json!(stock) } else { json!(stock.to_string()) },
        "warehouseGrade": if upper { "1" } else { "0" },
    });
    if !dice.one_in(6) {
        warehouse["timelinessData"] = json!({
            "cutTime": dice.pick(&["12:00", "16:00", "18:00"]),
            "achieveUserOrderCut": format!("T+{}", hours / 24 + u64::from(upper)),
            "hour": hours.to_string(),
            "isTranfer": if upper { "1" } else { "0" },
        });
    }
    warehouse
}
