//! One thing as lines of name and value.

use super::console::printable;

/// A line per field that has a value, the values below one another.
pub(super) fn of(fields: &[(&str, String)]) -> Vec<String> {
    let width = fields.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let filled = fields.iter().filter(|(_, value)| !value.is_empty());
    filled.map(|(name, value)| format!("{name:<width$}  {}", printable(value))).collect()
}

/// So many orders, with the verb in the singular or the plural.
pub(super) fn orders(count: i64, singular: &str, plural: &str) -> String {
    if count == 1 { format!("1 order {singular}") } else { format!("{count} orders {plural}") }
}

pub(super) fn yes_no(yes: bool) -> String {
    if yes { "yes" } else { "no" }.to_owned()
}
