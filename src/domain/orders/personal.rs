//! Personal data: no `Debug` shows it, readers see a mask of it, and it is struck out of other people's words.

use std::fmt;

use super::{Order, StoredOrder};
use crate::domain::mobiles::strike_mobiles;

/// What a mask puts in place of what it hides.
const HIDDEN: &str = "****";

/// A name, a phone number, an address or a remark.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Personal(String);

impl Personal {
    /// Takes a text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself. Every use is a place where personal data goes somewhere.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Personal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[personal]")
    }
}

/// 张*: the first character.
#[must_use]
pub fn mask_name(name: &str) -> String {
    name.chars().next().map(|first| format!("{first}*")).unwrap_or_default()
}

/// 138****5678: the first three and the last four digits.
#[must_use]
pub fn mask_mobile(mobile: &str) -> String {
    let digits: Vec<char> = mobile.chars().collect();
    if digits.len() < 8 {
        return HIDDEN.to_owned();
    }
    let (head, tail) = (&digits[..3], &digits[digits.len() - 4..]);
    head.iter().chain(&HIDDEN.chars().collect::<Vec<_>>()).chain(tail).collect()
}

/// 朝阳公园****: a third of it, at most six characters.
#[must_use]
pub fn mask_address(address: &str) -> String {
    let shown = (address.chars().count() / 3).min(6);
    address.chars().take(shown).chain(HIDDEN.chars()).collect()
}

impl Order {
    /// The same for eyes that need not see whom it is for.
    #[must_use]
    pub fn masked(self) -> Self {
        Self {
            consignee_name: Personal::new(mask_name(self.consignee_name.expose())),
            consignee_mobile: Personal::new(mask_mobile(self.consignee_mobile.expose())),
            detail_address: Personal::new(mask_address(self.detail_address.expose())),
            remark: self.remark.map(|_| Personal::new(HIDDEN)),
            ..self
        }
    }

    /// Somebody's words about this order, or JSON that holds them, without what is personal in it: they are kept, logged and
    /// shown.
    #[must_use]
    pub fn redact(&self, words: &str) -> String {
        let remark = self.remark.as_ref().map_or("", Personal::expose);
        let parts = [
            remark,
            self.detail_address.expose(),
            self.consignee_mobile.expose(),
            self.consignee_name.expose(),
        ];
        let in_json = |part: &str| part.replace('\\', r"\\").replace('"', r#"\""#);
        let mut parts: Vec<String> =
            parts.into_iter().flat_map(|part| [part.to_owned(), in_json(part)]).collect();
        parts.retain(|part| !part.is_empty());
        // The longest first, so that a part of another one leaves no rest behind.
        parts.sort_by_key(|part| std::cmp::Reverse(part.len()));
        parts.iter().fold(words.to_owned(), |words, part| words.replace(part, HIDDEN))
    }
}

impl StoredOrder {
    /// What a person writes about this order without what is personal in it, and without any mobile number: it may be that
    /// of a neighbour. The order's own numbers stay.
    #[must_use]
    pub fn redact_written(&self, words: &str) -> String {
        let (order, summary) = (&self.order, &self.summary);
        let haiers = [&summary.retail_order_no, &summary.haier_order_no].into_iter().flatten();
        let own = [order.so_id.as_str(), &order.online_no];
        let numbers: Vec<&str> = own.into_iter().chain(haiers.map(String::as_str)).collect();
        strike_mobiles(&order.redact(words), &numbers)
    }
}

#[cfg(test)]
mod tests {
    use super::{Personal, mask_address, mask_mobile, mask_name};
    use crate::domain::orders::{Order, sample};

    #[test]
    fn masks_show_enough_to_recognise_and_no_more() {
        assert_eq!(mask_name("张小明"), "张*");
        assert_eq!(mask_name(""), "");
        assert_eq!(mask_mobile("13812345678"), "138****5678");
        assert_eq!(mask_mobile("1381"), "****");
        assert_eq!(mask_address("朝阳公园南路1号院2号楼301室"), "朝阳公园南****");
        assert_eq!(mask_address("1号"), "****");
        assert_eq!(format!("{:?}", Personal::new("张小明")), "[personal]");
    }

    #[test]
    fn what_is_personal_is_struck_out_of_words_and_of_json() {
        let remark = r#"门口的"狗"\凶"#;
        let order = Order { remark: Some(Personal::new(remark)), ..sample::order() };
        assert_eq!(order.redact(&format!("张小明，{remark}，13812345678")), "****，****，****");
        let json = serde_json::json!({ "a": remark, "b": "朝阳公园南路1号" }).to_string();
        assert_eq!(order.redact(&json), r#"{"a":"****","b":"****"}"#);
    }
}
