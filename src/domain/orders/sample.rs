//! A good order for tests.

use chrono::DateTime;

use super::{ItemDraft, Order, OrderDraft};
use crate::domain::{decimal::Money, violations::Violations};

const fn yuan(yuan: i64) -> Option<Money> {
    Some(Money { e4: yuan * 10_000 })
}

/// It as it is given.
pub(crate) fn draft() -> OrderDraft {
    let text = |text: &str| text.to_owned();
    OrderDraft {
        so_id: text(" SO-1 "),
        online_no: text("TB-1"),
        consignee_name: text("张小明"),
        consignee_mobile: text("13812345678"),
        province: text("北京市"),
        city: text("北京市"),
        area: text("朝阳区"),
        detail_address: text("朝阳公园南路1号"),
        total_amount: yuan(1_999),
        distribution_time: Some(DateTime::from_timestamp(1_767_283_199, 0).unwrap()),
        items: vec![ItemDraft {
            product_code: text("GA0SZC00U"),
            quantity: 1,
            retail_price: yuan(2_099),
            discount_amount: yuan(100),
            actual_price: yuan(1_999),
            is_gift: false,
        }],
        ..OrderDraft::default()
    }
}

/// It once it is checked.
pub(crate) fn order() -> Order {
    draft().check(&mut Violations::default()).unwrap()
}
