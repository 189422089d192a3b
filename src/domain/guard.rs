//! The blast-radius guard: which moves are too far to be believed by themselves, and how many of them a run may make without
//! a person's word.

use super::{decimal::Money, product_changes::FieldChange, products::PriceRecord, sync_logs::Trigger};

/// What a run may do by itself, in percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Of the listed products, how many it may delist.
    pub delisted: u32,
    /// How far a price may move before it is set aside.
    pub far: u32,
    /// Of the stored prices, how many it may move so far.
    pub moved: u32,
}

/// So many of so many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Share {
    /// So many.
    pub part: i64,
    /// Of so many.
    pub of: i64,
}

impl Share {
    /// Whether it is more than so many percent.
    #[must_use]
    pub fn passes(self, percent: u32) -> bool {
        i128::from(self.part) * 100 > i128::from(percent) * i128::from(self.of)
    }

    /// In percent, for people. Of nothing: 100.
    #[must_use]
    pub fn percent(self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "for people")]
        if self.of > 0 { self.part as f64 * 100.0 / self.of as f64 } else { 100.0 }
    }
}

/// How far what a run found reaches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Extent {
    /// Products gone from the listing, of those that were listed.
    pub delisted: Share,
    /// Prices that moved far, of those that are stored.
    pub prices: Share,
}

/// The prices that are stored of a product.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StoredPrices {
    /// Ordinary supply price.
    pub supply: Option<Money>,
    /// Invoice price.
    pub invoice: Option<Money>,
    /// Market price.
    pub market: Option<Money>,
}

/// What an answer would change about the stored prices, if it moves one of them by more than `percent`; else nothing. A first
/// price is no move, a price that goes is one of 100 percent.
#[must_use]
pub fn far_move(stored: &StoredPrices, answer: &PriceRecord, percent: u32) -> Vec<FieldChange> {
    let fields = [
        ("supply_price", stored.supply, answer.supply_price),
        ("invoice_price", stored.invoice, answer.invoice_price),
        ("market_price", stored.market, answer.market_price),
    ];
    // What an answer does not carry stays as stored.
    let then = |old: Option<Money>, new: Option<Money>| {
        if answer.withdraws_prices() { None } else { new.or(old) }
    };
    let text = |money: Option<Money>| money.map(|money| money.to_string());
    if !fields.iter().any(|(_, old, new)| is_far(*old, then(*old, *new), percent)) {
        return Vec::new();
    }
    let changes = fields.into_iter().map(|(field, old, new)| FieldChange {
        field: field.to_owned(),
        old: text(old),
        new: text(then(old, new)),
    });
    changes.filter(|change| change.old != change.new).collect()
}

fn is_far(old: Option<Money>, new: Option<Money>, percent: u32) -> bool {
    // Zero is no price.
    let Some(old) = old.filter(|old| !old.is_zero()) else { return false };
    let (old, new) = (i128::from(old.e4), new.map_or(0, |new| i128::from(new.e4)));
    (new - old).abs() * 100 > old.abs() * i128::from(percent)
}

/// Whether what sets a run off is reason enough to believe all that it finds: somebody has seen the difference, or there was
/// nothing to differ from.
#[must_use]
pub const fn is_exempt(trigger: Trigger) -> bool {
    matches!(trigger, Trigger::FirstStart | Trigger::AccountSwitch | Trigger::Approval | Trigger::Repair)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::domain::products::ProductCode;

    fn yuan(yuan: i64) -> Option<Money> {
        Some(Money { e4: yuan * 10_000 })
    }

    fn answer(supply: Option<Money>, market: Option<Money>, reason: Option<&str>) -> PriceRecord {
        PriceRecord {
            code: ProductCode::from_stored("A".to_owned()),
            supply_price: supply,
            invoice_price: None,
            market_price: market,
            stock_rebate: None,
            rebate_policy: None,
            rebate_money: None,
            is_sales: None,
            reason: reason.map(ToOwned::to_owned),
            asked_at: DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn only_more_than_the_share_passes() {
        let share = |part, of| Share { part, of };
        assert!(!share(5, 100).passes(5) && share(6, 100).passes(5));
        assert!(!share(0, 0).passes(5) && share(1, 0).passes(5));
        assert!(share(1, 1_000).passes(0) && !share(1_000, 1_000).passes(100));
        assert!(share(i64::MAX, i64::MAX).passes(99));
        assert!((share(11, 100).percent() - 11.0).abs() < 1e-9);
    }

    #[test]
    fn a_price_that_moves_by_more_than_the_limit_is_far() {
        for (old, new, far) in [
            (yuan(100), yuan(130), false),
            (yuan(100), Some(Money { e4: 1_300_001 }), true),
            (yuan(100), yuan(70), false),
            (yuan(100), Some(Money { e4: 699_999 }), true),
            // A first price, also after zero, is no move; one that goes is.
            (None, yuan(100), false),
            (yuan(0), yuan(100), false),
            (yuan(100), yuan(0), true),
        ] {
            let stored = StoredPrices { supply: old, ..StoredPrices::default() };
            assert_eq!(!far_move(&stored, &answer(new, None, None), 30).is_empty(), far, "{old:?} {new:?}");
        }
    }

    #[test]
    fn what_an_answer_leaves_out_has_not_moved() {
        let stored = StoredPrices { supply: yuan(100), invoice: yuan(90), market: yuan(200) };
        assert_eq!(far_move(&stored, &answer(None, None, None), 30), []);
        let told = far_move(&stored, &answer(yuan(101), yuan(20), None), 30);
        let told: Vec<_> = told.iter().map(|change| (change.field.as_str(), change.new.as_deref())).collect();
        let told_fields: Vec<_> = told.iter().map(|(field, _)| *field).collect();
        assert_eq!(told_fields, ["supply_price", "market_price"], "all that changes is told: {told:?}");
    }

    #[test]
    fn prices_that_are_withdrawn_have_moved() {
        let stored = StoredPrices { supply: yuan(100), invoice: None, market: yuan(200) };
        let told = far_move(&stored, &answer(None, None, Some("停售")), 30);
        assert!(told.len() == 2 && told.iter().all(|change| change.new.is_none()), "{told:?}");
    }
}
