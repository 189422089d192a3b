//! Live stock, with its warehouses.

use serde_json::{Value, json};

use super::{object, put, time};
use crate::proto::{CheckStockResponse, Timeliness, Warehouse};

pub(in crate::cli) fn stock(stock: &CheckStockResponse) -> Value {
    let mut object = object(json!({
        "product_code": stock.product_code,
        "county_code": stock.county_code,
        "stock": stock.stock,
        "warehouse_code": stock.warehouse_code,
        "warehouse_grade": stock.warehouse_grade,
        "warehouses": stock.warehouses.iter().map(warehouse).collect::<Value>(),
    }));
    put(&mut object, "timeliness", stock.timeliness.as_ref().map(timeliness));
    put(&mut object, "as_of", time(stock.as_of.as_ref()));
    Value::Object(object)
}

fn warehouse(warehouse: &Warehouse) -> Value {
    let mut object = object(json!({
        "warehouse_code": warehouse.warehouse_code,
        "warehouse_grade": warehouse.warehouse_grade,
        "stock": warehouse.stock,
    }));
    put(&mut object, "timeliness", warehouse.timeliness.as_ref().map(timeliness));
    Value::Object(object)
}

fn timeliness(timeliness: &Timeliness) -> Value {
    json!({
        "cut_time": timeliness.cut_time,
        "achieve_user_order_cut": timeliness.achieve_user_order_cut,
        "hour": timeliness.hour,
        "is_transfer": timeliness.is_transfer,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warehouse_without_timeliness_has_none() {
        let told = Timeliness { hour: "24".to_owned(), is_transfer: true, ..Timeliness::default() };
        let fullest = Warehouse { stock: 3, timeliness: Some(told.clone()), ..Warehouse::default() };
        let value = stock(&CheckStockResponse {
            stock: 3,
            timeliness: Some(told),
            warehouses: vec![fullest, Warehouse::default()],
            ..CheckStockResponse::default()
        });
        assert_eq!((&value["stock"], &value["timeliness"]["hour"]), (&json!(3), &json!("24")));
        assert_eq!(value["warehouses"][0]["timeliness"]["is_transfer"], true);
        assert_eq!(
            value["warehouses"][1],
            json!({ "warehouse_code": "", "warehouse_grade": "", "stock": 0 })
        );
        assert!(value.get("as_of").is_none());
    }
}
