//! Sameness: a push with a known `so_id` is the same order only if it says the same.

use super::{Order, OrderItem, Sender};

impl Order {
    /// Fields in which what is given now for this `so_id` differs from this stored order, by their names on the API. A
    /// name that was left out, and then sent as the account has it, may be given as it was sent: whoever reads an order
    /// may push it again.
    #[must_use]
    pub fn differences(&self, given: &Self, sender: Option<&Sender>) -> Vec<String> {
        let other = given;
        let given = |stored: &Option<String>, given: &Option<String>, sent: Option<&String>| {
            stored != given && (stored.is_some() || sent.is_none() || given.as_ref() != sent)
        };
        let pairs = [
            ("online_no", self.online_no != other.online_no),
            (
                "source_system",
                given(&self.source_system, &other.source_system, sender.map(|sender| &sender.source_system)),
            ),
            ("shop_name", given(&self.shop_name, &other.shop_name, sender.map(|sender| &sender.shop_name))),
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
