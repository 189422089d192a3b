//! Orders as a table.

use chrono::{DateTime, Utc};

use super::state;
use crate::{
    cli::{
        moment, money,
        table::{self, Column},
    },
    proto::Order,
};

pub(super) fn of(orders: &[Order], now: DateTime<Utc>) -> String {
    let columns = [
        Column::Text("so_id"),
        Column::Text("online_no"),
        Column::Text("state"),
        Column::Text("retail_order_no"),
        Column::Text("haier_order_no"),
        Column::Number("total_amount"),
        Column::Text("created_at"),
        Column::Text("next_attempt_at"),
    ];
    let row = |order: &Order| {
        [
            order.so_id.clone(),
            order.online_no.clone(),
            state(order.state()).to_owned(),
            order.retail_order_no.clone(),
            order.haier_order_no.clone(),
            money::yuan(order.total_amount.as_ref()),
            moment::local(order.created_at.as_ref()),
            moment::next(order.next_attempt_at.as_ref(), now),
        ]
    };
    table::of(&columns, orders.iter().map(row))
}
