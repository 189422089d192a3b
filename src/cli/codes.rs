//! Codes as they are typed: by blank, by comma, or one an argument.

/// The codes in what was typed, in its order.
pub(super) fn split(typed: &[String]) -> Vec<String> {
    let parts = typed.iter().flat_map(|text| text.split(|c: char| c == ',' || c.is_whitespace()));
    parts.filter(|code| !code.is_empty()).map(str::to_owned).collect()
}
