//! Messages as JSON: proto field names, enums by their proto names, int64 as numbers, times in RFC 3339, durations as
//! "1.5s", and what is absent left out.

use prost_types::{Duration, Timestamp};
use serde_json::{Map, Value, json};

use super::moment;
use crate::proto::{Money, Product, SyncFailure, SyncLog, SyncProgress, SyncStatus, SyncType};

pub(super) fn product(product: &Product) -> Value {
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

pub(super) fn sync_progress(progress: &SyncProgress) -> Value {
    let mut object = object(json!({
        "sync_log_id": progress.sync_log_id,
        "stage": progress.stage,
        "status": status(progress.status),
        "total_count": progress.total_count,
        "success_count": progress.success_count,
        "failed_count": progress.failed_count,
        "rate": progress.rate,
        "message": progress.message,
    }));
    put(&mut object, "planned_count", progress.planned_count.map(Value::from));
    put(&mut object, "remaining", progress.remaining.as_ref().map(duration));
    Value::Object(object)
}

pub(super) fn sync_log(log: &SyncLog) -> Value {
    let mut object = object(json!({
        "id": log.id,
        "sync_type": SyncType::try_from(log.sync_type).map_or(json!(log.sync_type), |one| json!(one.as_str_name())),
        "sync_type_display": log.sync_type_display,
        "status": status(log.status),
        "status_display": log.status_display,
        "message": log.message,
        "total_count": log.total_count,
        "success_count": log.success_count,
        "failed_count": log.failed_count,
        "end_reason": log.end_reason,
        "trigger": log.trigger,
        "requested_by": log.requested_by,
        "account": log.account,
    }));
    put(&mut object, "planned_count", log.planned_count.map(Value::from));
    put(&mut object, "started_at", time(log.started_at.as_ref()));
    put(&mut object, "completed_at", time(log.completed_at.as_ref()));
    put(&mut object, "created_at", time(log.created_at.as_ref()));
    put(&mut object, "duration", log.duration.as_ref().map(duration));
    put(&mut object, "parent_id", log.parent_id.map(Value::from));
    Value::Object(object)
}

pub(super) fn sync_failure(failure: &SyncFailure) -> Value {
    let mut object = object(json!({
        "product_code": failure.product_code,
        "stage": failure.stage,
        "reason": failure.reason,
        "detail": failure.detail,
        "attempt": failure.attempt,
        "county_code": failure.county_code,
        "category": failure.category,
        "brand": failure.brand,
    }));
    put(&mut object, "created_at", time(failure.created_at.as_ref()));
    Value::Object(object)
}

fn money(money: &Money) -> Value {
    json!({ "currency_code": money.currency_code, "units": money.units, "nanos": money.nanos })
}

/// A number that this version has no name for stays a number.
fn status(number: i32) -> Value {
    SyncStatus::try_from(number).map_or(json!(number), |status| json!(status.as_str_name()))
}

fn time(timestamp: Option<&Timestamp>) -> Option<Value> {
    timestamp.and_then(moment::rfc3339).map(Value::from)
}

fn duration(duration: &Duration) -> Value {
    json!(format!("{}s", moment::seconds(duration)))
}

fn put(object: &mut Map<String, Value>, name: &str, value: Option<Value>) {
    if let Some(value) = value {
        object.insert(name.to_owned(), value);
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_has_proto_names_numbers_and_no_absent_fields() {
        let log = SyncLog {
            id: 9_007_199_254_740_993,
            sync_type: SyncType::Products.into(),
            status: SyncStatus::Partial.into(),
            planned_count: Some(0),
            created_at: Some(Timestamp { seconds: 1_793_491_200, nanos: 250_000_000 }),
            duration: Some(Duration { seconds: 1, nanos: 500_000_000 }),
            ..SyncLog::default()
        };
        let text = sync_log(&log).to_string();
        assert!(text.contains(r#""id":9007199254740993"#), "{text}");
        let value = sync_log(&log);
        assert_eq!(value["sync_type"], "SYNC_TYPE_PRODUCTS");
        assert_eq!(value["status"], "SYNC_STATUS_PARTIAL");
        assert_eq!(value["planned_count"], 0);
        assert_eq!(value["created_at"], "2026-11-01T00:00:00.250Z");
        assert_eq!(value["duration"], "1.5s");
        assert_eq!(value["message"], "");
        assert!(value.get("completed_at").is_none() && value.get("parent_id").is_none());
    }

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
