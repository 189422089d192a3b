//! Exact decimals from text: money in 1/10,000 yuan, and rates kept as canonical text. No float anywhere.

use std::fmt;

/// An amount in yuan, exact to four decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money {
    /// The amount in 1/10,000 yuan.
    pub e4: i64,
}

/// Why a text is not the number it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecimalError {
    /// Not a decimal number.
    #[error("not a number")]
    NotANumber,
    /// More than four decimals, zeros at the end aside.
    #[error("more than four decimals")]
    TooPrecise,
    /// Too large to keep.
    #[error("out of range")]
    OutOfRange,
}

/// Digits after the point that money keeps.
const MONEY_SCALE: i32 = 4;
/// No price or rate has more digits than this; a bound on what an exponent may ask for.
const MAX_DIGITS: i32 = 40;

impl Money {
    /// Reads a JSON number's text such as `1999`, `-0.5`, `1.99900` or `2.5e3`.
    ///
    /// # Errors
    /// When it is no number, is not exact in four decimals, or does not fit.
    pub fn parse(text: &str) -> Result<Self, DecimalError> {
        let number = Decimal::parse(text)?;
        if number.digits.is_empty() {
            return Ok(Self { e4: 0 });
        }
        let shift = MONEY_SCALE - number.scale;
        if shift < 0 {
            return Err(DecimalError::TooPrecise);
        }
        let power = u32::try_from(shift).ok().and_then(|shift| 10_i64.checked_pow(shift));
        let e4 = number
            .digits
            .parse::<i64>()
            .ok()
            .zip(power)
            .and_then(|(digits, power)| digits.checked_mul(power));
        let e4 = e4.ok_or(DecimalError::OutOfRange)?;
        Ok(Self { e4: if number.negative { -e4 } else { e4 } })
    }

    /// Whether there is an amount at all: for display zero counts as absent.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.e4 == 0
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.e4 < 0 { "-" } else { "" };
        let (yuan, e4) = (self.e4.unsigned_abs() / 10_000, self.e4.unsigned_abs() % 10_000);
        if e4 % 100 == 0 {
            write!(f, "{sign}{yuan}.{:02}", e4 / 100)
        } else {
            write!(f, "{sign}{yuan}.{e4:04}")
        }
    }
}

/// A rate as canonical text: `0.050` and `5e-2` are both `0.05`.
///
/// # Errors
/// When it is no number, or has more digits than any rate has.
pub fn canonical(text: &str) -> Result<String, DecimalError> {
    let Decimal { negative, digits, scale } = Decimal::parse(text)?;
    let mut plain = digits;
    if scale < 0 {
        plain.extend(std::iter::repeat_n('0', scale.unsigned_abs() as usize));
    } else {
        let scale = scale.unsigned_abs() as usize;
        let padded = format!("{plain:0>width$}", width = scale + 1);
        let (whole, fraction) = padded.split_at(padded.len() - scale);
        plain = if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") };
    }
    Ok(if negative && plain != "0" { format!("-{plain}") } else { plain })
}

/// `digits × 10^-scale`, without zeros at either end of the digits. Zero has no digits.
struct Decimal {
    negative: bool,
    digits: String,
    scale: i32,
}

impl Decimal {
    fn parse(text: &str) -> Result<Self, DecimalError> {
        let text = text.trim();
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => {
                (mantissa, exponent.parse::<i32>().map_err(|_| DecimalError::NotANumber)?)
            }
            None => (text, 0),
        };
        let (negative, unsigned) = match mantissa.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, mantissa.strip_prefix('+').unwrap_or(mantissa)),
        };
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        let all_digits = whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit());
        if !all_digits || (whole.is_empty() && fraction.is_empty()) {
            return Err(DecimalError::NotANumber);
        }
        let digits = format!("{whole}{fraction}");
        let trimmed = digits.trim_end_matches('0');
        let cut = i64::try_from(digits.len() - trimmed.len()).unwrap_or(i64::MAX);
        let scale = i64::try_from(fraction.len()).unwrap_or(i64::MAX) - i64::from(exponent) - cut;
        let digits = trimmed.trim_start_matches('0').to_owned();
        if digits.is_empty() {
            return Ok(Self { negative: false, digits, scale: 0 });
        }
        let scale = i32::try_from(scale).map_err(|_| DecimalError::OutOfRange)?;
        if scale.abs() > MAX_DIGITS || digits.len() > MAX_DIGITS as usize {
            return Err(if scale > 0 { DecimalError::TooPrecise } else { DecimalError::OutOfRange });
        }
        Ok(Self { negative, digits, scale })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{DecimalError, Money, canonical};

    #[test]
    fn money_is_read_exactly_or_not_at_all() {
        let cases = [
            ("1999", Ok(19_990_000)),
            ("1999.00", Ok(19_990_000)),
            ("1899.0505", Ok(18_990_505)),
            ("0.0001", Ok(1)),
            ("-12.5", Ok(-125_000)),
            ("2.5e3", Ok(25_000_000)),
            ("1.99900000", Ok(19_990)),
            ("0", Ok(0)),
            ("0.000", Ok(0)),
            ("1.00001", Err(DecimalError::TooPrecise)),
            ("", Err(DecimalError::NotANumber)),
            (".", Err(DecimalError::NotANumber)),
            ("12,5", Err(DecimalError::NotANumber)),
            ("NaN", Err(DecimalError::NotANumber)),
            ("1e99999999999", Err(DecimalError::NotANumber)),
            ("1e400", Err(DecimalError::OutOfRange)),
            ("99999999999999999999", Err(DecimalError::OutOfRange)),
        ];
        for (text, expected) in cases {
            assert_eq!(Money::parse(text).map(|money| money.e4), expected, "{text}");
        }
    }

    #[test]
    fn rates_have_one_text_each() {
        for (text, expected) in [
            ("0.050", "0.05"),
            ("5e-2", "0.05"),
            ("10", "10"),
            ("1e2", "100"),
            ("-0.0", "0"),
            ("-.5", "-0.5"),
        ] {
            assert_eq!(canonical(text).as_deref(), Ok(expected), "{text}");
        }
    }

    proptest! {
        #[test]
        fn money_survives_its_own_text(e4 in -1_000_000_000_000_i64..1_000_000_000_000) {
            prop_assert_eq!(Money::parse(&Money { e4 }.to_string()), Ok(Money { e4 }));
        }
    }
}
