//! Mobile numbers in other people's words: eleven digits in a row are struck out, wherever they stand.

/// Digits of a mobile number in China.
const DIGITS: usize = 11;
/// What stands in place of one.
const HIDDEN: &str = "***********";

/// The text without rows of exactly eleven digits. Those within one of the numbers to `keep`, which name an order, stay.
#[must_use]
pub fn strike_mobiles(text: &str, keep: &[&str]) -> String {
    let mut struck = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|letter: char| letter.is_ascii_digit()) {
        let (before, digits_and_more) = rest.split_at(start);
        let end = digits_and_more.find(|letter: char| !letter.is_ascii_digit());
        let (digits, after) = digits_and_more.split_at(end.unwrap_or(digits_and_more.len()));
        let is_mobile = digits.len() == DIGITS && !keep.iter().any(|number| number.contains(digits));
        struck.push_str(before);
        struck.push_str(if is_mobile { HIDDEN } else { digits });
        rest = after;
    }
    struck.push_str(rest);
    struck
}

#[cfg(test)]
mod tests {
    use super::strike_mobiles;

    #[test]
    fn eleven_digits_are_struck_out_and_order_numbers_stay() {
        let text = r#"{"PlatformOrderNo":"PO13912345678","FailMsg":"电话13812345678无法接通,13912345678"}"#;
        assert_eq!(
            strike_mobiles(text, &["PO13912345678"]),
            r#"{"PlatformOrderNo":"PO13912345678","FailMsg":"电话***********无法接通,13912345678"}"#
        );
        assert_eq!(strike_mobiles("123456789012 1234567890 x", &[]), "123456789012 1234567890 x");
        assert_eq!(strike_mobiles("", &[]), "");
    }
}
