//! Sameness: a push with a known `so_id` is the same order only if it says the same.

use super::{Order, OrderItem, Sender};

impl Order {
    /// Fields in which what is given now for this `so_id` differs from this stored order, by their names on the API. A
    /// name that is left out is that of whoever has sent the order or would send it now: left out or given as it is sent
    /// is the same, so that whoever reads an order may push it again.
    #[must_use]
    pub fn differences(&self, given: &Self, sender: Option<&Sender>) -> Vec<String> {
        let other = given;
        let differs = |stored: &Option<String>, given: &Option<String>, sent: Option<&String>| {
            stored.as_ref().or(sent) != given.as_ref().or(sent)
        };
        let source_system = sender.map(|sender| &sender.source_system);
        let shop_name = sender.map(|sender| &sender.shop_name);
        let pairs = [
            ("online_no", self.online_no != other.online_no),
            ("source_system", differs(&self.source_system, &other.source_system, source_system)),
            ("shop_name", differs(&self.shop_name, &other.shop_name, shop_name)),
            ("consignee_name", self.consignee_name != other.consignee_name),
            ("consignee_mobile", self.consignee_mobile != other.consignee_mobile),
            ("province", self.province != other.province),
            ("city", self.city != other.city),
            ("area", self.area != other.area),
            ("town", self.town != other.town),
            ("detail_address", self.detail_address != other.detail_address),
            ("remark", self.remark != other.remark),
            ("total_amount", self.total_amount != other.total_amount),
            ("distribution_time", self.distribution_time != other.distribution_time),
            ("install_time", self.install_time != other.install_time),
            ("government_order", self.government_order != other.government_order),
        ];
        let mut fields: Vec<String> =
            pairs.into_iter().filter(|(_, differs)| *differs).map(|(field, _)| field.to_owned()).collect();
        if self.items.len() != other.items.len() {
            fields.push("items".to_owned());
        } else {
            let lines = self.items.iter().zip(&other.items).enumerate();
            fields.extend(lines.flat_map(|(index, (ours, theirs))| line_differences(index, ours, theirs)));
        }
        fields
    }
}

fn line_differences(index: usize, ours: &OrderItem, theirs: &OrderItem) -> impl Iterator<Item = String> {
    [
        ("product_code", ours.product_code != theirs.product_code),
        ("retail_price", ours.retail_price != theirs.retail_price),
        ("discount_amount", ours.discount_amount != theirs.discount_amount),
        ("actual_price", ours.actual_price != theirs.actual_price),
        ("is_gift", ours.is_gift != theirs.is_gift),
    ]
    .into_iter()
    .filter(|(_, differs)| *differs)
    .map(move |(field, _)| format!("items[{index}].{field}"))
}

#[cfg(test)]
mod tests {
    use super::{super::sample, *};

    #[test]
    fn a_name_left_out_is_the_senders() {
        let sender = Sender {
            identity: None,
            account: "shop".to_owned(),
            seller_code: "8800000001".to_owned(),
            source_system: "SHOP".to_owned(),
            shop_name: "旗舰店".to_owned(),
        };
        let without = sample::order();
        let with = |source_system: &str, shop_name: &str| Order {
            source_system: Some(source_system.to_owned()),
            shop_name: Some(shop_name.to_owned()),
            ..without.clone()
        };
        let (same, other) = (with("SHOP", "旗舰店"), with("SHOP", "专卖店"));
        for (stored, given) in [(&without, &same), (&same, &without), (&same, &same), (&without, &without)] {
            assert!(stored.differences(given, Some(&sender)).is_empty(), "{stored:?} {given:?}");
        }
        for (stored, given) in [(&without, &other), (&other, &without), (&same, &other)] {
            assert_eq!(stored.differences(given, Some(&sender)), ["shop_name"]);
        }
        // Nobody knows who would send it: what is given counts.
        assert_eq!(without.differences(&same, None), ["source_system", "shop_name"]);
    }
}
