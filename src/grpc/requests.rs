//! Reading requests: every fault is noted, so that a caller can mend all of them at once.

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta, Utc};
use prost_types::{Duration, Timestamp};

use crate::domain::{pages::MAX_PAGE_SIZE, products::ProductCode, stock::CountyCode, violations::Violations};

/// Most codes a request may name.
const MAX_CODES: usize = 1_000;
/// Longest text of a filter or an assignment.
const MAX_TEXT_CHARS: usize = 200;

/// Codes as given: trimmed, each once, in the order asked.
pub(super) fn product_codes(codes: &[String], violations: &mut Violations) -> Vec<ProductCode> {
    let mut seen = HashSet::new();
    let mut parsed = Vec::with_capacity(codes.len());
    for (index, text) in codes.iter().enumerate() {
        match ProductCode::parse(text) {
            Ok(code) if seen.insert(code.clone()) => parsed.push(code),
            Ok(_) => {}
            Err(fault) => violations.add(format!("product_codes[{index}]"), fault),
        }
    }
    if seen.len() > MAX_CODES {
        violations.add("product_codes", format!("names {} codes; at most {MAX_CODES} a request", seen.len()));
    }
    parsed
}

/// Codes of a request that needs some.
pub(super) fn required_codes(codes: &[String], violations: &mut Violations) -> Vec<ProductCode> {
    if codes.is_empty() {
        violations.add(
            "product_codes",
            "must name at least one code; to read all stored products use ListProducts",
        );
    }
    product_codes(codes, violations)
}

/// A text that may be left empty.
pub(super) fn optional_text(field: &str, text: &str, violations: &mut Violations) -> Option<String> {
    let text = text.trim();
    if text.chars().count() > MAX_TEXT_CHARS {
        violations.add(field, format!("must have at most {MAX_TEXT_CHARS} characters"));
    }
    if text.chars().any(char::is_control) {
        violations.add(field, "must not contain control characters");
    }
    (!text.is_empty()).then(|| text.to_owned())
}

/// A page's size: the default for 0, never above the largest.
pub(super) fn page_size(size: i32, default: i64, violations: &mut Violations) -> i64 {
    match i64::from(size) {
        0 => default,
        size if size < 0 => {
            violations.add(
                "page_size",
                format!("is {size}; must be 0 (the default, {default}) to {MAX_PAGE_SIZE}"),
            );
            default
        }
        size => size.min(MAX_PAGE_SIZE),
    }
}

/// A span of time, 0 or longer, that may be left out.
pub(super) fn span(field: &str, span: Option<&Duration>, violations: &mut Violations) -> Option<TimeDelta> {
    let span = span?;
    let nanos = u32::try_from(span.nanos).ok();
    let delta = nanos
        .and_then(|nanos| TimeDelta::new(span.seconds, nanos))
        .filter(|delta| *delta >= TimeDelta::zero());
    // Longer than anything is old; also keeps instants before it representable.
    let bounded = delta.map(|delta| delta.min(TimeDelta::days(36_500)));
    if bounded.is_none() {
        violations.add(field, "must be a valid Duration of 0 seconds or more");
    }
    bounded
}

/// A county code; empty is the default one.
pub(super) fn county_code(text: &str, violations: &mut Violations) -> CountyCode {
    CountyCode::parse_or_default(text).unwrap_or_else(|fault| {
        violations.add("county_code", format!("{:?} {fault}", crate::domain::messages::cut(text, 20)));
        CountyCode::default()
    })
}

/// One code of a request that needs it.
pub(super) fn product_code(text: &str, violations: &mut Violations) -> Option<ProductCode> {
    ProductCode::parse(text).map_err(|fault| violations.add("product_code", fault)).ok()
}

/// An instant that may be left out.
pub(super) fn instant(
    field: &str,
    time: Option<&Timestamp>,
    violations: &mut Violations,
) -> Option<DateTime<Utc>> {
    let time = time?;
    let nanos = u32::try_from(time.nanos).ok();
    // The years that the wire format itself allows.
    let seconds = (-62_135_596_800..=253_402_300_799).contains(&time.seconds).then_some(time.seconds);
    let instant = seconds.zip(nanos).and_then(|(seconds, nanos)| DateTime::from_timestamp(seconds, nanos));
    if instant.is_none() {
        violations.add(field, "is no valid Timestamp (years 1 to 9999, nanos 0 to 999,999,999)");
    }
    instant
}

/// The bounds of a range of `created_after` and `created_before`, each of which may be left out.
pub(super) fn created_range(
    after: Option<DateTime<Utc>>,
    before: Option<DateTime<Utc>>,
    violations: &mut Violations,
) {
    if let (Some(after), Some(before)) = (after, before)
        && before < after
    {
        violations.add(
            "created_before",
            format!("{before} is before created_after {after}: the range is reversed"),
        );
    }
}
