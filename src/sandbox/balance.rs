//! The payers' balances of a customer: always the same ones.

use serde_json::{Value, json};

use super::decimal;
use super::dice::{Dice, hash};

const SALT: u64 = 6;
const SALE_GROUPS: &[(&str, &str)] = &[("1001", "电商直营组"), ("1002", "区域分销组"), ("1003", "企业购组")];

/// The answer of H5, one per sale group.
pub(super) fn balances(seed: u64, customer: &str) -> Vec<Value> {
    let mut dice = Dice::new(seed, SALT, hash(customer));
    let count = 1 + dice.below(SALE_GROUPS.len() as u64) as usize;
    SALE_GROUPS[..count]
        .iter()
        .enumerate()
        .map(|(at, (code, name))| {
            let cents = dice.below(50_000_000);
            json!({
                "saleGroupCode": code,
                "saleGroupName": name,
                "payerAccountCode": format!("{customer}{:02}", at + 1),
                "payerAccountName": format!("沙箱商贸有限公司{}号账户", at + 1),
                // Both forms are known. The shortest text of a float of that size has exactly these cents.
                "payerAccountBalance": if dice.one_in(2) {
                    json!(cents as f64 / 100.0)
                } else {
                    json!(decimal::to_text(cents as i64 * 100))
                },
            })
        })
        .collect()
}
