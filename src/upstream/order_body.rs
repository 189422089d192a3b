//! The bytes of a new order (Y1). Built once, at its first attempt, and kept: every attempt sends the same.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::domain::{
    decimal::Money,
    orders::{Order, OrderItem, Sender},
};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    source_system: &'a str,
    shop_name: &'a str,
    seller_code: &'a str,
    consignee_name: &'a str,
    consignee_mobile: &'a str,
    online_no: &'a str,
    so_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    remark: Option<&'a str>,
    total_qty: usize,
    total_amt: Box<RawValue>,
    create_time: i64,
    province: &'a str,
    city: &'a str,
    area: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    town: Option<&'a str>,
    detail_address: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    distribution_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    install_time: Option<i64>,
    government_order: bool,
    /// A text on the wire, not a truth value.
    delivery_install: &'static str,
    item_list: Vec<Item<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Item<'a> {
    product_code: &'a str,
    item_qty: u32,
    retail_price: Box<RawValue>,
    discount_amount: Box<RawValue>,
    actual_price: Box<RawValue>,
    is_gift: bool,
}

/// What Haier is sent for an order.
///
/// # Errors
/// Never in practice: an amount is always a number.
pub fn order_body(order: &Order, sender: &Sender, created_at: DateTime<Utc>) -> serde_json::Result<String> {
    let both = order.distribution_time.is_some() && order.distribution_time == order.install_time;
    let body = Body {
        source_system: &sender.source_system,
        shop_name: &sender.shop_name,
        seller_code: &sender.seller_code,
        consignee_name: order.consignee_name.expose(),
        consignee_mobile: order.consignee_mobile.expose(),
        online_no: &order.online_no,
        so_id: order.so_id.as_str(),
        remark: order.remark.as_ref().map(|remark| remark.expose()),
        total_qty: order.items.len(),
        total_amt: number(order.total_amount)?,
        create_time: created_at.timestamp_millis(),
        province: &order.province,
        city: &order.city,
        area: &order.area,
        town: order.town.as_deref(),
        detail_address: order.detail_address.expose(),
        distribution_time: order.distribution_time.map(|time| time.timestamp_millis()),
        install_time: order.install_time.map(|time| time.timestamp_millis()),
        government_order: order.government_order,
        delivery_install: if both { "true" } else { "false" },
        item_list: order.items.iter().map(item).collect::<serde_json::Result<_>>()?,
    };
    serde_json::to_string(&body)
}

fn item(item: &OrderItem) -> serde_json::Result<Item<'_>> {
    Ok(Item {
        product_code: item.product_code.as_str(),
        item_qty: 1,
        retail_price: number(item.retail_price)?,
        discount_amount: number(item.discount_amount)?,
        actual_price: number(item.actual_price)?,
        is_gift: item.is_gift,
    })
}

/// A JSON number with the very digits: never through a float.
fn number(money: Money) -> serde_json::Result<Box<RawValue>> {
    RawValue::from_string(money.to_string())
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::order_body;
    use crate::domain::{
        decimal::Money,
        orders::{Order, OrderItem, Personal, Sender, SoId},
        products::ProductCode,
    };

    #[test]
    fn the_bytes_are_those_of_the_description() {
        let day = DateTime::from_timestamp(1_767_283_199, 0);
        let order = Order {
            so_id: SoId::from_stored("SO-1".to_owned()),
            online_no: "TB-1".to_owned(),
            source_system: None,
            shop_name: None,
            consignee_name: Personal::new("张小明"),
            consignee_mobile: Personal::new("13812345678"),
            province: "北京市".to_owned(),
            city: "北京市".to_owned(),
            area: "朝阳区".to_owned(),
            town: None,
            detail_address: Personal::new("公园路1号"),
            remark: None,
            total_amount: Money { e4: 19_990_500 },
            distribution_time: day,
            install_time: day,
            government_order: true,
            items: vec![OrderItem {
                product_code: ProductCode::from_stored("GA0SZC00U".to_owned()),
                retail_price: Money { e4: 20_990_505 },
                discount_amount: Money { e4: 1_000_005 },
                actual_price: Money { e4: 19_990_500 },
                is_gift: false,
            }],
        };
        let sender = Sender {
            identity: None,
            account: "environment".to_owned(),
            seller_code: "8800000001".to_owned(),
            source_system: "SHOP".to_owned(),
            shop_name: "旗舰店".to_owned(),
        };
        let created_at = DateTime::from_timestamp_millis(1_767_225_600_123).unwrap();
        let body = order_body(&order, &sender, created_at).unwrap();
        assert_eq!(
            body,
            concat!(
                r#"{"sourceSystem":"SHOP","shopName":"旗舰店","sellerCode":"8800000001","consigneeName":"张小明","#,
                r#""consigneeMobile":"13812345678","onlineNo":"TB-1","soId":"SO-1","totalQty":1,"totalAmt":1999.05,"#,
                r#""createTime":1767225600123,"province":"北京市","city":"北京市","area":"朝阳区","detailAddress":"公园路1号","#,
                r#""distributionTime":1767283199000,"installTime":1767283199000,"governmentOrder":true,"#,
                r#""deliveryInstall":"true","itemList":[{"productCode":"GA0SZC00U","itemQty":1,"retailPrice":2099.0505,"#,
                r#""discountAmount":100.0005,"actualPrice":1999.05,"isGift":false}]}"#
            )
        );
    }
}
