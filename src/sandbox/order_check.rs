//! The rules of a push: every one is checked, and all that are broken are told at once.

use std::fmt::Display;

use serde_json::Value;

use super::catalogue::Catalogue;
use super::order::{Item, Push, Times};
use super::request::{Fields, Refusal, bad};
use super::{CUSTOMER_CODES, decimal, shanghai};

/// What is wrong with a call, in the supplier's words.
#[derive(Default)]
pub(super) struct Problems(Vec<String>);

impl Problems {
    pub(super) fn add(&mut self, problem: impl Display) {
        self.0.push(problem.to_string());
    }

    pub(super) fn check(&mut self, holds: bool, problem: impl Display) {
        if !holds {
            self.add(problem);
        }
    }

    /// A text that must be there; empty when it is not, which has been noted then.
    pub(super) fn text(&mut self, fields: &Fields, name: &str) -> String {
        match fields.text(name) {
            Ok(text) => text.to_owned(),
            Err(refusal) => {
                self.add(refusal.message.trim_start_matches(PREFIX));
                String::new()
            }
        }
    }

    /// A text that may be left out.
    fn optional_text(&mut self, fields: &Fields, name: &str) {
        let right = fields.get(name).is_none_or(Value::is_string);
        self.check(right, format_args!("{name}应为字符串"));
    }

    /// Both times an order may have.
    pub(super) fn times(&mut self, fields: &Fields) -> Times {
        Times {
            distribution_time: self.end_of_day(fields, "distributionTime"),
            install_time: self.end_of_day(fields, "installTime"),
        }
    }

    /// A time of the last second of a local day, if there is one.
    fn end_of_day(&mut self, fields: &Fields, name: &str) -> Option<i64> {
        let given = fields.get(name)?;
        let Some(millis) = given.as_i64().filter(|number| shanghai::is_millis(*number)) else {
            self.add(format_args!("{name}应为毫秒时间戳（13位整数）"));
            return None;
        };
        self.check(shanghai::is_end_of_day(millis), format_args!("{name}的时分秒应为23:59:59（北京时间）"));
        Some(millis)
    }

    /// A decimal of at most four places and not below zero, in 1/10,000.
    fn money(&mut self, fields: &Fields, name: &str, place: &str) -> Option<i64> {
        let text = match fields.get(name) {
            None => {
                self.add(format_args!("{place}{name}不能为空"));
                return None;
            }
            Some(Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
        };
        let money = decimal::parse(&text).filter(|e4| *e4 >= 0);
        self.check(money.is_some(), format_args!("{place}{name}应为不小于0的数字，最多四位小数"));
        money
    }

    fn integer(&mut self, fields: &Fields, name: &str, place: &str) -> Option<i64> {
        let number = fields.get(name).and_then(Value::as_i64);
        self.check(number.is_some(), format_args!("{place}{name}应为整数"));
        number
    }

    fn flag(&mut self, fields: &Fields, name: &str, place: &str) {
        let right = fields.get(name).is_none_or(Value::is_boolean);
        self.check(right, format_args!("{place}{name}应为布尔值"));
    }

    pub(super) fn end(self) -> Result<(), Refusal> {
        if self.0.is_empty() { Ok(()) } else { Err(bad(format!("{PREFIX}{}", self.0.join("；")))) }
    }
}

const PREFIX: &str = "参数错误：";

/// What a push asks for, if it keeps every rule.
pub(super) fn push(catalogue: &Catalogue, fields: &Fields) -> Result<Push, Refusal> {
    let mut problems = Problems::default();
    for name in ["shopName", "consigneeName", "province", "city", "area", "detailAddress"] {
        problems.text(fields, name);
    }
    problems.optional_text(fields, "remark");
    problems.optional_text(fields, "town");
    problems.flag(fields, "governmentOrder", "");
    let seller_code = problems.text(fields, "sellerCode");
    problems.check(
        seller_code.is_empty() || CUSTOMER_CODES.contains(&seller_code.as_str()),
        "sellerCode不存在或未授权",
    );
    let mobile = problems.text(fields, "consigneeMobile");
    problems.check(mobile.is_empty() || is_mobile(&mobile), "consigneeMobile应为11位手机号");
    let created = fields.get("createTime").and_then(Value::as_i64);
    problems.check(created.is_some_and(shanghai::is_millis), "createTime应为毫秒时间戳（13位整数）");
    let times = problems.times(fields);
    let together = times.distribution_time.is_some() && times.distribution_time == times.install_time;
    problems.check(
        fields.get("deliveryInstall").and_then(Value::as_str)
            == Some(if together { "true" } else { "false" }),
        "deliveryInstall应为字符串，仅当distributionTime与installTime均有且相等时为\"true\"，否则为\"false\"",
    );
    let items = items(&mut problems, catalogue, fields);
    let total = totals(&mut problems, fields, &items);
    let push = Push {
        so_id: problems.text(fields, "soId"),
        online_no: problems.text(fields, "onlineNo"),
        source_system: problems.text(fields, "sourceSystem"),
        seller_code,
        total_amt: decimal::to_text(total),
        times,
        items: items.into_iter().map(|line| line.item).collect(),
    };
    problems.end().map(|()| push)
}

/// A line and its price, `None` if that is no price.
struct Line {
    item: Item,
    actual_e4: Option<i64>,
}

fn items(problems: &mut Problems, catalogue: &Catalogue, fields: &Fields) -> Vec<Line> {
    let list = fields.get("itemList").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    problems.check(!list.is_empty(), "itemList不能为空");
    let lines = list.iter().enumerate().filter_map(|(at, item)| {
        let place = format!("itemList[{at}].");
        let Value::Object(item) = item else {
            problems.add(format_args!("itemList[{at}]应为对象"));
            return None;
        };
        let fields = Fields::from(item.clone());
        let product_code = fields.get("productCode").and_then(Value::as_str).unwrap_or_default().to_owned();
        problems.check(
            catalogue.find(&product_code).is_some(),
            format_args!("{place}productCode不存在：{product_code:?}"),
        );
        let item_qty = problems.integer(&fields, "itemQty", &place);
        problems
            .check(item_qty.is_none_or(|units| units == 1), format_args!("{place}itemQty应为1（一单一台）"));
        problems.money(&fields, "retailPrice", &place);
        problems.money(&fields, "discountAmount", &place);
        let actual_e4 = problems.money(&fields, "actualPrice", &place);
        problems.flag(&fields, "isGift", &place);
        let actual_price = decimal::to_text(actual_e4.unwrap_or_default());
        Some(Line { item: Item { product_code, item_qty: item_qty.unwrap_or(1), actual_price }, actual_e4 })
    });
    lines.collect()
}

/// The total amount; compared only where there is something to compare with.
fn totals(problems: &mut Problems, fields: &Fields, lines: &[Line]) -> i64 {
    let units = lines.iter().try_fold(0_i64, |sum, line| sum.checked_add(line.item.item_qty));
    if let Some(total) = problems.integer(fields, "totalQty", "") {
        problems.check(Some(total) == units, format_args!("totalQty应等于各行数量之和，实际{total}"));
    }
    let total = problems.money(fields, "totalAmt", "");
    let sum = lines.iter().try_fold(0_i64, |sum, line| sum.checked_add(line.actual_e4?));
    if let (Some(total), Some(sum)) = (total, sum) {
        let told = format_args!(
            "totalAmt应等于各行实付金额之和{}，实际{}",
            decimal::to_text(sum),
            decimal::to_text(total)
        )
        .to_string();
        problems.check(total == sum, told);
    }
    total.unwrap_or_default()
}

fn is_mobile(text: &str) -> bool {
    text.len() == 11 && text.starts_with('1') && text.bytes().all(|byte| byte.is_ascii_digit())
}
