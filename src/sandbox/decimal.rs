//! Decimals as integers of 1/10,000 and as text: no float ever touches a price.

/// `19990000` is `1999.00`: at least two decimals, at most four.
pub(super) fn to_text(e4: i64) -> String {
    let sign = if e4 < 0 { "-" } else { "" };
    let (whole, rest) = (e4.unsigned_abs() / 10_000, e4.unsigned_abs() % 10_000);
    match (rest % 100, rest % 10) {
        (0, _) => format!("{sign}{whole}.{:02}", rest / 100),
        (_, 0) => format!("{sign}{whole}.{:03}", rest / 10),
        _ => format!("{sign}{whole}.{rest:04}"),
    }
}

/// Whether a text is a plain decimal that JSON takes as a number too.
pub(super) fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, rest) = digits.split_once('.').unwrap_or((digits, "0"));
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    all_digits(whole) && all_digits(rest) && (whole == "0" || !whole.starts_with('0'))
}

/// The value in 1/10,000; `None` when it is no decimal, too large, or finer than that.
pub(super) fn parse(text: &str) -> Option<i64> {
    if !is_decimal(text) {
        return None;
    }
    let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
    let rest = rest.trim_end_matches('0');
    if rest.len() > 4 {
        return None;
    }
    format!("{whole}{rest:0<4}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_keep_every_digit() {
        for (text, e4) in [("1999.00", 19_990_000), ("0.05", 500), ("-3.1415", -31_415), ("12.345", 123_450)]
        {
            assert_eq!((parse(text), to_text(e4).as_str()), (Some(e4), text));
        }
        assert_eq!((parse("1.00001"), parse("abc"), parse("01.5"), parse("1.")), (None, None, None, None));
        assert_eq!(parse("7.500000"), Some(75_000));
    }
}
