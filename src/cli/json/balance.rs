//! What a payer has.

use serde_json::{Value, json};

use super::{money, object, put};
use crate::proto::Balance;

pub(in crate::cli) fn balance(balance: &Balance) -> Value {
    let mut object = object(json!({
        "sale_group_code": balance.sale_group_code,
        "sale_group_name": balance.sale_group_name,
        "payer_account_code": balance.payer_account_code,
        "payer_account_name": balance.payer_account_name,
    }));
    put(&mut object, "payer_account_balance", balance.payer_account_balance.as_ref().map(money));
    Value::Object(object)
}
