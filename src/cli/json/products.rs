//! Products of the shop's copy.

use serde_json::{Value, json};

use super::{money, object, put, time};
use crate::proto::Product;

pub(in crate::cli) fn product(product: &Product) -> Value {
    let mut object = object(json!({
        "product_code": product.product_code,
        "product_model": product.product_model,
        "name": product.name,
        "product_group": product.product_group,
        "category": product.category,
        "brand": product.brand,
        "product_image_url": product.product_image_url,
        "product_page_urls": product.product_page_urls,
        "stock_rebate": product.stock_rebate,
        "rebate_policy": product.rebate_policy,
        "is_sales": product.is_sales,
        "no_sales_reason": product.no_sales_reason,
        "warehouse_code": product.warehouse_code,
        "warehouse_grade": product.warehouse_grade,
        "source": product.source,
    }));
    put(&mut object, "supply_price", product.supply_price.as_ref().map(money));
    put(&mut object, "invoice_price", product.invoice_price.as_ref().map(money));
    put(&mut object, "market_price", product.market_price.as_ref().map(money));
    put(&mut object, "display_price", product.display_price.as_ref().map(money));
    put(&mut object, "rebate_money", product.rebate_money.as_ref().map(money));
    put(&mut object, "stock", product.stock.map(Value::from));
    put(&mut object, "stock_as_of", time(product.stock_as_of.as_ref()));
    put(&mut object, "last_sync_at", time(product.last_sync_at.as_ref()));
    put(&mut object, "delisted_at", time(product.delisted_at.as_ref()));
    Value::Object(object)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::Money;

    #[test]
    fn money_is_an_object_and_an_absent_price_is_left_out() {
        let price = Money { currency_code: "CNY".to_owned(), units: 1999, nanos: 500_000_000 };
        let value = product(&Product { supply_price: Some(price), ..Product::default() });
        let expected = json!({ "currency_code": "CNY", "units": 1999, "nanos": 500_000_000 });
        assert_eq!(value["supply_price"], expected);
        assert!(value.get("market_price").is_none() && value.get("stock").is_none());
        assert_eq!(value["is_sales"], false);
    }
}
