//! Orders and what happened to them.

use serde_json::{Value, json};

use super::{money, object, put, time};
use crate::proto::{Order, OrderFact, OrderItem, OrderState};

pub(in crate::cli) fn order(order: &Order) -> Value {
    let mut object = object(json!({
        "so_id": order.so_id,
        "online_no": order.online_no,
        "source_system": order.source_system,
        "shop_name": order.shop_name,
        "consignee_name": order.consignee_name,
        "consignee_mobile": order.consignee_mobile,
        "province": order.province,
        "city": order.city,
        "area": order.area,
        "town": order.town,
        "detail_address": order.detail_address,
        "remark": order.remark,
        "government_order": order.government_order,
        "items": order.items.iter().map(item).collect::<Vec<_>>(),
        "state": OrderState::try_from(order.state).map_or(json!(order.state), |state| json!(state.as_str_name())),
        "retail_order_no": order.retail_order_no,
        "haier_order_no": order.haier_order_no,
        "last_error": order.last_error,
        "account": order.account,
        "requested_by": order.requested_by,
        "sync_log_id": order.sync_log_id,
    }));
    put(&mut object, "total_amount", order.total_amount.as_ref().map(money));
    for (name, at) in [
        ("distribution_time", &order.distribution_time),
        ("install_time", &order.install_time),
        ("current_distribution_time", &order.current_distribution_time),
        ("current_install_time", &order.current_install_time),
        ("next_attempt_at", &order.next_attempt_at),
        ("deadline", &order.deadline),
        ("created_at", &order.created_at),
        ("updated_at", &order.updated_at),
    ] {
        put(&mut object, name, time(at.as_ref()));
    }
    Value::Object(object)
}

fn item(item: &OrderItem) -> Value {
    let mut object = object(json!({
        "product_code": item.product_code,
        "quantity": item.quantity,
        "is_gift": item.is_gift,
    }));
    for (name, amount) in [
        ("retail_price", &item.retail_price),
        ("discount_amount", &item.discount_amount),
        ("actual_price", &item.actual_price),
    ] {
        put(&mut object, name, amount.as_ref().map(money));
    }
    Value::Object(object)
}

pub(in crate::cli) fn order_fact(fact: &OrderFact) -> Value {
    let mut object = object(json!({
        "kind": fact.kind,
        "detail": fact.detail,
        "attempt": fact.attempt,
        "change_number": fact.change_number,
        "by": fact.by,
    }));
    put(&mut object, "at", time(fact.at.as_ref()));
    Value::Object(object)
}
