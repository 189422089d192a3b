//! Prices: made from the product's dice in integers, so that the invoice price is exact to its fourth decimal.

use super::catalogue::{Product, write_flag, write_text};
use super::changes::{PriceChange, PriceField};
use super::decimal;
use super::dice::Dice;

const SALT: u64 = 2;
const REBATE_KINDS: &[&str] = &["COM", "FHQ", "BF", "DTDBF"];
const NOT_IN_FORCE: &str = "价格未生效";
const NOT_ON_SALE: &str = "商品暂不可采";

/// A price as it goes over the wire; a field that is `None` is left out.
pub(super) struct Price {
    supply: Option<String>,
    invoice: Option<String>,
    market: Option<String>,
    policy: Option<String>,
    /// The rebate kind, under the same name as the discount: Haier's description lists that name twice.
    kind: Option<&'static str>,
    rebate: Option<String>,
    on_sale: bool,
    reason: Option<String>,
    decimals_as_text: bool,
}

impl Price {
    pub(super) fn new(seed: u64, product: &Product, change: Option<&PriceChange>) -> Self {
        let mut dice = Dice::new(seed, SALT, product.index);
        let (from, below) = product.group.price;
        let cents = [0, 0, 0, 50, 99][dice.below(5) as usize];
        let supply_e4 = ((from + dice.below(below - from)) * 100 + cents) as i64 * 100;
        let in_force = !dice.one_in(40);
        let (kind, policy) = match dice.below(10) {
            0 => (Some(dice.pick(REBATE_KINDS)), "0".to_owned()),
            1..=4 => (None, "0".to_owned()),
            _ => (None, decimal::to_text(dice.below(16) as i64 * 100)),
        };
        // At most 45 of a hundred, so that no invoice price falls below nothing.
        let rebate = if dice.one_in(3) { dice.below(10) * (from / 20) } else { 0 };
        let rebate = decimal::to_text(rebate as i64 * 10_000);
        let market = (!dice.one_in(5)).then(|| decimal::to_text(supply_e4 / 100 * 135 / 10_000 * 10_000));
        let decimals_as_text = dice.one_in(8);

        // What was set by hand wins; what follows from it follows.
        let field = |name, own: Option<String>| match change.and_then(|change| change.get(name)) {
            Some(given) => given.map(str::to_owned),
            None => own,
        };
        let supply = field(PriceField::SupplyPrice, in_force.then(|| decimal::to_text(supply_e4)));
        let by_hand = change.is_some_and(|change| change.get(PriceField::StockRebatePolicy).is_some());
        let policy = field(PriceField::StockRebatePolicy, Some(policy));
        let rebate = field(PriceField::RebateMoney, Some(rebate));
        let invoice = field(
            PriceField::InvoicePrice,
            supply.as_deref().and_then(|supply| invoice(supply, policy.as_deref(), rebate.as_deref())),
        );
        let on_sale = change
            .and_then(|change| change.text(PriceField::IsSales))
            .map_or(product.unsold.is_none() && supply.is_some(), |flag| flag == "1");
        let reason = match (&supply, on_sale) {
            (None, _) => Some(NOT_IN_FORCE),
            (Some(_), false) => Some(NOT_ON_SALE),
            (Some(_), true) => None,
        };
        Self {
            market: field(PriceField::MarketPrice, market),
            reason: field(PriceField::Reason, reason.map(str::to_owned)),
            supply,
            invoice,
            policy,
            kind: kind.filter(|_| !by_hand),
            rebate,
            on_sale,
            decimals_as_text,
        }
    }

    pub(super) fn write(&self, product: &Product, out: &mut Vec<u8>) {
        out.extend_from_slice(br#"{"productCode":""#);
        out.extend_from_slice(product.code.as_bytes());
        out.push(b'"');
        if let Some(kind) = self.kind {
            // Before the discount: a client that keeps one value of a name keeps the last, and must find a number.
            write_name(PriceField::StockRebatePolicy, out);
            write_text(kind, out);
        }
        let fields = [
            (PriceField::SupplyPrice, &self.supply),
            (PriceField::InvoicePrice, &self.invoice),
            (PriceField::MarketPrice, &self.market),
            (PriceField::StockRebatePolicy, &self.policy),
            (PriceField::RebateMoney, &self.rebate),
        ];
        for (field, value) in fields {
            let Some(value) = value else { continue };
            write_name(field, out);
            // A rebate kind set by hand stands where a number may stand; it is always text.
            if self.decimals_as_text || !decimal::is_decimal(value) {
                write_text(value, out);
            } else {
                out.extend_from_slice(value.as_bytes());
            }
        }
        write_name(PriceField::IsSales, out);
        write_flag(self.on_sale, product.flags_as_numbers, out);
        if let Some(reason) = &self.reason {
            write_name(PriceField::Reason, out);
            write_text(reason, out);
        }
        out.push(b'}');
    }
}

fn write_name(field: PriceField, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(field.name().as_bytes());
    out.extend_from_slice(b"\":");
}

/// supply × (1 − discount) − rebate, but never less than nothing, whatever supply price was set by hand; `None` when that is
/// finer than four decimals. A rebate kind is no discount.
fn invoice(supply: &str, policy: Option<&str>, rebate: Option<&str>) -> Option<String> {
    let supply = i128::from(decimal::parse(supply)?);
    let discount = policy.and_then(decimal::parse).unwrap_or(0);
    let rebate = rebate.and_then(decimal::parse).unwrap_or(0);
    let e8 = supply * i128::from(10_000 - discount) - i128::from(rebate) * 10_000;
    (e8 % 10_000 == 0).then(|| i64::try_from(e8.max(0) / 10_000).ok().map(decimal::to_text))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_invoice_price_is_exact() {
        let price = |supply, policy, rebate| invoice(supply, Some(policy), Some(rebate));
        assert_eq!(price("1999.99", "0.07", "30.00").as_deref(), Some("1829.9907"));
        assert_eq!(price("1999.00", "COM", "0.00").as_deref(), Some("1999.00"));
        assert_eq!(price("0.0001", "0.5", "0"), None);
        assert_eq!(price("77.70", "COM", "600.00").as_deref(), Some("0.00"));
    }
}
