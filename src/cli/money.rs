//! Amounts of money for people.

use crate::proto::Money;

const NANOS_PER_CENT: u32 = 10_000_000;
const NANOS_PER_E4: u32 = 100_000;

/// Yuan with two decimals, and four (or all) where two would not say it. Empty when there is no amount.
pub(super) fn yuan(money: Option<&Money>) -> String {
    let Some(Money { units, nanos, .. }) = money else { return String::new() };
    let (whole, part) = (units.unsigned_abs(), nanos.unsigned_abs());
    // Below one yuan only the nanos have a sign.
    let sign = if *units < 0 || *nanos < 0 { "-" } else { "" };
    if part.is_multiple_of(NANOS_PER_CENT) {
        format!("{sign}{whole}.{:02}", part / NANOS_PER_CENT)
    } else if part.is_multiple_of(NANOS_PER_E4) {
        format!("{sign}{whole}.{:04}", part / NANOS_PER_E4)
    } else {
        format!("{sign}{whole}.{part:09}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_decimals_and_more_only_when_needed() {
        let of = |units, nanos| yuan(Some(&Money { units, nanos, ..Money::default() }));
        assert_eq!(of(1999, 0), "1999.00");
        assert_eq!(of(1999, 500_000_000), "1999.50");
        assert_eq!(of(0, 12_300_000), "0.0123");
        assert_eq!(of(-1, -750_000_000), "-1.75");
        assert_eq!(of(0, -10_000_000), "-0.01");
        assert_eq!(of(1, 1), "1.000000001");
        assert_eq!(yuan(None), "");
    }
}
