//! Orders as they stand in a file: JSON with the names of the API, amounts as numbers in yuan, times in RFC 3339.

use std::{io::Read as _, path::Path};

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    cli::{failure::Failure, moment},
    domain::decimal,
    proto,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    #[serde(alias = "soId")]
    so_id: String,
    #[serde(default, alias = "onlineNo")]
    online_no: String,
    #[serde(default, alias = "sourceSystem")]
    source_system: String,
    #[serde(default, alias = "shopName")]
    shop_name: String,
    #[serde(default, alias = "consigneeName")]
    consignee_name: String,
    #[serde(default, alias = "consigneeMobile")]
    consignee_mobile: String,
    #[serde(default)]
    province: String,
    #[serde(default)]
    city: String,
    #[serde(default)]
    area: String,
    #[serde(default)]
    town: String,
    #[serde(default, alias = "detailAddress")]
    detail_address: String,
    #[serde(default)]
    remark: String,
    #[serde(default, alias = "totalAmount")]
    total_amount: Option<Amount>,
    #[serde(default, alias = "distributionTime")]
    distribution_time: Option<DateTime<Utc>>,
    #[serde(default, alias = "installTime")]
    install_time: Option<DateTime<Utc>>,
    #[serde(default, alias = "governmentOrder")]
    government_order: bool,
    #[serde(default)]
    items: Vec<Item>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Item {
    #[serde(default, alias = "productCode")]
    product_code: String,
    #[serde(default = "one")]
    quantity: i64,
    #[serde(default, alias = "retailPrice")]
    retail_price: Option<Amount>,
    #[serde(default, alias = "discountAmount")]
    discount_amount: Option<Amount>,
    #[serde(default, alias = "actualPrice")]
    actual_price: Option<Amount>,
    #[serde(default, alias = "isGift")]
    is_gift: bool,
}

const fn one() -> i64 {
    1
}

/// `1999`, `"1999.00"`, or as the API has it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Amount {
    Wire {
        #[serde(default, alias = "currencyCode")]
        currency_code: String,
        #[serde(default)]
        units: Value,
        #[serde(default)]
        nanos: i32,
    },
    Plain(Value),
}

/// The orders of a file, or of standard input for `-`.
pub(super) fn read(path: &Path) -> Result<Vec<proto::Order>, Failure> {
    let shown = path.display();
    let mut text = String::new();
    let read = if path.as_os_str() == "-" {
        std::io::stdin().read_to_string(&mut text).map(drop)
    } else {
        std::fs::read_to_string(path).map(|read| text = read)
    };
    read.map_err(|error| Failure::Usage(format!("{shown} cannot be read: {error}")))?;
    parse(&text).map_err(|fault| Failure::Usage(format!("{shown}: {fault}")))
}

fn parse(text: &str) -> Result<Vec<proto::Order>, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let values = match value {
        Value::Array(values) => values,
        Value::Object(mut object) if object.len() == 1 && object.contains_key("order") => {
            object.remove("order").into_iter().collect()
        }
        value => vec![value],
    };
    if values.is_empty() {
        return Err("holds no order".to_owned());
    }
    let numbered = values.into_iter().zip(1_usize..);
    let order = |(value, number): (Value, usize)| {
        // What is wrong is said without the value, which may be personal.
        let order: Order =
            serde_json::from_value(value).map_err(|error| format!("order {number}: {error}"))?;
        order.into_wire().map_err(|fault| format!("order {number}: {fault}"))
    };
    numbered.map(order).collect()
}

impl Order {
    fn into_wire(self) -> Result<proto::Order, String> {
        Ok(proto::Order {
            so_id: self.so_id,
            online_no: self.online_no,
            source_system: self.source_system,
            shop_name: self.shop_name,
            consignee_name: self.consignee_name,
            consignee_mobile: self.consignee_mobile,
            province: self.province,
            city: self.city,
            area: self.area,
            town: self.town,
            detail_address: self.detail_address,
            remark: self.remark,
            total_amount: money("total_amount", self.total_amount)?,
            distribution_time: self.distribution_time.map(moment::to_timestamp),
            install_time: self.install_time.map(moment::to_timestamp),
            government_order: self.government_order,
            items: self.items.into_iter().map(Item::into_wire).collect::<Result<_, _>>()?,
            ..proto::Order::default()
        })
    }
}

impl Item {
    fn into_wire(self) -> Result<proto::OrderItem, String> {
        Ok(proto::OrderItem {
            product_code: self.product_code,
            quantity: self.quantity,
            retail_price: money("retail_price", self.retail_price)?,
            discount_amount: money("discount_amount", self.discount_amount)?,
            actual_price: money("actual_price", self.actual_price)?,
            is_gift: self.is_gift,
        })
    }
}

fn money(field: &str, amount: Option<Amount>) -> Result<Option<proto::Money>, String> {
    let text = match amount {
        None => return Ok(None),
        Some(Amount::Wire { currency_code, units, nanos }) => {
            let units = match &units {
                Value::Null => Some(0),
                Value::String(text) => text.parse().ok(),
                other => other.as_i64(),
            };
            let units = units.ok_or_else(|| format!("{field}: units must be a whole number"))?;
            return Ok(Some(proto::Money { currency_code, units, nanos }));
        }
        Some(Amount::Plain(Value::String(text))) => text,
        Some(Amount::Plain(other)) => other.to_string(),
    };
    let money = decimal::Money::parse(&text).map_err(|fault| format!("{field}: {text} is {fault}"))?;
    let nanos = i32::try_from(money.e4 % 10_000 * 100_000).unwrap_or_default();
    Ok(Some(proto::Money { currency_code: "CNY".to_owned(), units: money.e4 / 10_000, nanos }))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn an_order_is_read_with_either_kind_of_names_and_amounts() {
        let snake = r#"{"so_id": "A", "total_amount": 1999.5, "items": [{"product_code": "P", "retail_price": "2000",
            "discount_amount": {"units": 0, "nanos": 500000000}, "actual_price": 1999.5}]}"#;
        let camel = r#"[{"soId": "A", "totalAmount": "1999.50", "items": [{"productCode": "P", "quantity": 1,
            "retailPrice": 2000, "discountAmount": 0.5, "actualPrice": {"currencyCode": "CNY", "units": "1999",
            "nanos": 500000000}}]}]"#;
        let [snake, camel] = [snake, camel].map(|text| parse(text).unwrap());
        assert_eq!(snake[0].total_amount, camel[0].total_amount);
        assert_eq!(snake[0].items[0].retail_price, camel[0].items[0].retail_price);
        assert_eq!(camel[0].items[0].actual_price.as_ref().unwrap().nanos, 500_000_000);
    }

    #[test]
    fn what_is_wrong_is_said_with_the_number_of_the_order() {
        assert!(parse("[]").unwrap_err().contains("no order"));
        assert!(
            parse(r#"[{"so_id": "A"}, {"so_id": "B", "phone": "1"}]"#).unwrap_err().starts_with("order 2: ")
        );
        assert!(parse(r#"{"so_id": "A", "total_amount": 0.00001}"#).unwrap_err().contains("total_amount"));
    }
}
