//! From what a caller gave to an [`Order`]: everything that is wrong is said at once, by the path of the field.

use chrono::{DateTime, TimeDelta, Timelike as _, Utc};

use super::{Order, OrderItem, Personal, SoId};
use crate::domain::{decimal::Money, products::ProductCode, violations::Violations};

/// Most lines an order may have.
const MAX_ITEMS: usize = 200;
/// Longest names and numbers in characters.
const MAX_NAME_CHARS: usize = 64;
/// Longest address or remark in characters.
const MAX_TEXT_CHARS: usize = 200;
/// Digits of a mobile number.
const MOBILE_DIGITS: usize = 11;

/// An order as given: nothing is checked. A `None` amount was faulty and has been noted already.
#[derive(Debug, Default)]
#[expect(missing_docs, reason = "the fields of `Order`, which says what they are")]
pub struct OrderDraft {
    pub so_id: String,
    pub online_no: String,
    pub source_system: String,
    pub shop_name: String,
    pub consignee_name: String,
    pub consignee_mobile: String,
    pub province: String,
    pub city: String,
    pub area: String,
    pub town: String,
    pub detail_address: String,
    pub remark: String,
    pub total_amount: Option<Money>,
    pub distribution_time: Option<DateTime<Utc>>,
    pub install_time: Option<DateTime<Utc>>,
    pub government_order: bool,
    pub items: Vec<ItemDraft>,
}

/// A line as given.
#[derive(Debug, Default)]
#[expect(missing_docs, reason = "the fields of `OrderItem`, which says what they are")]
pub struct ItemDraft {
    pub product_code: String,
    pub quantity: i64,
    pub retail_price: Option<Money>,
    pub discount_amount: Option<Money>,
    pub actual_price: Option<Money>,
    pub is_gift: bool,
}

impl OrderDraft {
    /// The order, if nothing is wrong with it; what is goes to `violations`. Only what has no fault should be used.
    #[must_use]
    pub fn check(self, violations: &mut Violations) -> Option<Order> {
        let mut check = Check(violations);
        let so_id = SoId::parse(&self.so_id).map_err(|fault| check.fault("so_id", fault)).ok();
        let order = Order {
            // Only ever used when there was no fault.
            so_id: so_id.clone().unwrap_or_else(|| SoId::from_stored(String::new())),
            online_no: check.required("online_no", &self.online_no, MAX_NAME_CHARS),
            source_system: check.optional("source_system", &self.source_system, MAX_NAME_CHARS),
            shop_name: check.optional("shop_name", &self.shop_name, MAX_NAME_CHARS),
            consignee_name: Personal::new(check.required(
                "consignee_name",
                &self.consignee_name,
                MAX_NAME_CHARS,
            )),
            consignee_mobile: Personal::new(check.mobile(&self.consignee_mobile)),
            province: check.required("province", &self.province, MAX_NAME_CHARS),
            city: check.required("city", &self.city, MAX_NAME_CHARS),
            area: check.required("area", &self.area, MAX_NAME_CHARS),
            town: check.optional("town", &self.town, MAX_NAME_CHARS),
            detail_address: Personal::new(check.required(
                "detail_address",
                &self.detail_address,
                MAX_TEXT_CHARS,
            )),
            remark: check.optional("remark", &self.remark, MAX_TEXT_CHARS).map(Personal::new),
            total_amount: check.total(&self),
            distribution_time: check.end_of_day("distribution_time", self.distribution_time),
            install_time: check.end_of_day("install_time", self.install_time),
            government_order: self.government_order,
            items: check.items(self.items),
        };
        so_id.map(|_| order)
    }
}

struct Check<'a>(&'a mut Violations);

impl Check<'_> {
    fn fault(&mut self, field: &str, description: impl Into<String>) {
        self.0.add(format!("order.{field}"), description);
    }

    fn required(&mut self, field: &str, text: &str, max: usize) -> String {
        let given = self.optional(field, text, max);
        if given.is_none() {
            self.fault(field, "is required");
        }
        given.unwrap_or_default()
    }

    /// Never shows the text, which may be personal.
    fn optional(&mut self, field: &str, text: &str, max: usize) -> Option<String> {
        let text = text.trim();
        let chars = text.chars().count();
        if chars > max {
            self.fault(field, format!("has {chars} characters; at most {max} are allowed"));
        }
        if text.chars().any(char::is_control) {
            self.fault(field, "must not contain control characters");
        }
        (!text.is_empty()).then(|| text.to_owned())
    }

    fn mobile(&mut self, text: &str) -> String {
        let text = text.trim();
        if text.is_empty() {
            self.fault("consignee_mobile", "is required");
        } else if text.len() != MOBILE_DIGITS
            || !text.starts_with('1')
            || !text.bytes().all(|byte| byte.is_ascii_digit())
        {
            let given = text.chars().count();
            self.fault(
                "consignee_mobile",
                format!("must be a mobile number: {MOBILE_DIGITS} digits, the first a 1; {given} characters were given"),
            );
        }
        text.to_owned()
    }

    fn end_of_day(&mut self, field: &str, instant: Option<DateTime<Utc>>) -> Option<DateTime<Utc>> {
        if let Some(instant) = instant
            && let Err(description) = is_end_of_day(instant)
        {
            self.fault(field, description);
        }
        instant
    }

    /// The sum is checked only where every amount is readable: one fault is told once.
    fn total(&mut self, draft: &OrderDraft) -> Money {
        let Some(total) = draft.total_amount else { return Money { e4: 0 } };
        let paid: Option<Vec<i64>> =
            draft.items.iter().map(|item| item.actual_price.map(|price| price.e4)).collect();
        let sum = paid.map(|paid| paid.into_iter().try_fold(0_i64, i64::checked_add));
        match sum {
            Some(Some(e4)) if e4 != total.e4 => {
                let sum = Money { e4 };
                self.fault(
                    "total_amount",
                    format!("is {total}; the sum of actual_price over the items is {sum}"),
                );
            }
            Some(None) => {
                self.fault("total_amount", "the sum of actual_price over the items is out of range")
            }
            _ => {}
        }
        total
    }

    fn items(&mut self, drafts: Vec<ItemDraft>) -> Vec<OrderItem> {
        if drafts.is_empty() {
            self.fault("items", "must have at least one line");
        }
        if drafts.len() > MAX_ITEMS {
            self.fault("items", format!("has {} lines; at most {MAX_ITEMS} are allowed", drafts.len()));
        }
        drafts.into_iter().enumerate().filter_map(|(index, draft)| self.item(index, &draft)).collect()
    }

    fn item(&mut self, index: usize, draft: &ItemDraft) -> Option<OrderItem> {
        let field = |name: &str| format!("items[{index}].{name}");
        let code = ProductCode::parse(&draft.product_code);
        let code = code.map_err(|fault| self.fault(&field("product_code"), fault)).ok();
        if draft.quantity != 1 {
            let quantity = draft.quantity;
            self.fault(
                &field("quantity"),
                format!("is {quantity}; must be 1: one unit a line (repeat the line)"),
            );
        }
        let [retail, discount, actual] = [
            ("retail_price", draft.retail_price),
            ("discount_amount", draft.discount_amount),
            ("actual_price", draft.actual_price),
        ]
        .map(|(name, amount)| {
            if let Some(amount) = amount.filter(|amount| amount.e4 < 0) {
                self.fault(&field(name), format!("is {amount}; must not be negative"));
            }
            amount
        });
        let (retail, discount, actual) = (retail?, discount?, actual?);
        if retail.e4.checked_sub(discount.e4) != Some(actual.e4) {
            self.fault(
                &field("actual_price"),
                format!(
                    "is {actual}; must be retail_price less discount_amount, which are {retail} and {discount}"
                ),
            );
        }
        Some(OrderItem {
            product_code: code?,
            retail_price: retail,
            discount_amount: discount,
            actual_price: actual,
            is_gift: draft.is_gift,
        })
    }
}

/// Shanghai is eight hours ahead all the year round.
const SHANGHAI: TimeDelta = TimeDelta::hours(8);

/// Haier takes days, written as their last second.
///
/// # Errors
/// What it is, and what was meant perhaps.
pub fn is_end_of_day(instant: DateTime<Utc>) -> Result<(), String> {
    // Naive from here on: the clock on the wall there.
    let local = instant.naive_utc() + SHANGHAI;
    if local.nanosecond() == 0 && (local.hour(), local.minute(), local.second()) == (23, 59, 59) {
        return Ok(());
    }
    let given = local.format("%Y-%m-%d %H:%M:%S%.f");
    let meant = local
        .date()
        .and_hms_opt(23, 59, 59)
        .and_then(|end| end.checked_sub_signed(SHANGHAI))
        .map(|end| format!("; for that day give {}Z", end.format("%Y-%m-%dT%H:%M:%S")))
        .unwrap_or_default();
    Err(format!("is {given} in Shanghai; must be the last second of a day there, 23:59:59{meant}"))
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::{super::sample::draft, *};

    const fn yuan(yuan: i64) -> Option<Money> {
        Some(Money { e4: yuan * 10_000 })
    }

    fn faults(draft: OrderDraft) -> Vec<String> {
        let mut violations = Violations::default();
        let order = draft.check(&mut violations);
        let faults = violations.into_result(order).err().unwrap_or_default();
        faults.into_iter().map(|violation| violation.field).collect()
    }

    #[test]
    fn a_good_order_is_taken_and_trimmed() {
        let mut violations = Violations::default();
        let order = draft().check(&mut violations).unwrap();
        assert_eq!(violations.into_result(()), Ok(()));
        assert_eq!((order.so_id.as_str(), order.items.len(), order.town), ("SO-1", 1, None));
    }

    #[test]
    fn everything_is_told_at_once() {
        let item = ItemDraft {
            product_code: String::new(),
            quantity: 2,
            retail_price: yuan(10),
            discount_amount: yuan(-1),
            actual_price: yuan(10),
            is_gift: false,
        };
        let bad = OrderDraft {
            total_amount: yuan(1),
            install_time: Some(DateTime::from_timestamp(1_767_283_198, 0).unwrap()),
            items: vec![item],
            ..OrderDraft::default()
        };
        let expected = [
            "so_id",
            "online_no",
            "consignee_name",
            "consignee_mobile",
            "province",
            "city",
            "area",
            "detail_address",
            "total_amount",
            "install_time",
            "items[0].product_code",
            "items[0].quantity",
            "items[0].discount_amount",
            "items[0].actual_price",
        ];
        assert_eq!(faults(bad), expected.map(|field| format!("order.{field}")));
        assert_eq!(
            faults(OrderDraft { items: Vec::new(), ..draft() }),
            ["order.total_amount", "order.items"]
        );
    }

    #[test]
    fn a_mobile_number_has_eleven_digits_and_is_not_shown() {
        for wrong in ["1381234567", "23812345678", "138123456789", "1381234567x", "１３８１２３４５６７８"]
        {
            let mut violations = Violations::default();
            let _ = OrderDraft { consignee_mobile: wrong.to_owned(), ..draft() }.check(&mut violations);
            let faults = violations.into_result(()).unwrap_err();
            assert_eq!(faults.len(), 1, "{wrong}");
            assert!(!faults[0].description.contains(wrong), "{faults:?}");
        }
    }

    #[test]
    fn a_day_is_written_as_its_last_second_in_shanghai() {
        let at = |text: &str| is_end_of_day(DateTime::parse_from_rfc3339(text).unwrap().to_utc());
        assert_eq!(at("2026-01-01T23:59:59+08:00"), Ok(()));
        assert_eq!(at("2026-01-01T15:59:59Z"), Ok(()));
        let fault = at("2026-01-01T23:59:59Z").unwrap_err();
        assert!(fault.ends_with("for that day give 2026-01-02T15:59:59Z"), "{fault}");
        assert!(at("2026-01-01T15:59:59.5Z").is_err());
    }
}
