//! The account in the environment: whole or absent, never merged with another. Its part at the order system is whole or
//! absent too.

use super::Problem;
use crate::domain::{
    accounts::{Account, AccountDraft, AccountRules, Field, Naming},
    violations::Violations,
};

/// The account that the variables of `lookup` describe, or nothing if there is none of them. With `allow_plain_http`
/// the open platform may be called without TLS on other hosts than this one.
///
/// # Errors
/// Every required variable that is missing and every one that is bad.
pub fn account_from_env(
    lookup: impl Fn(&str) -> Option<String>,
    allow_plain_http: bool,
) -> Result<Option<Account>, Vec<Problem>> {
    let mut draft = AccountDraft::default();
    for field in Field::ALL {
        // Blank ones count as absent, since manifests often leave them so.
        if let Some(text) = lookup(field.variable()).filter(|text| !text.trim().is_empty()) {
            draft.set(*field, &text);
        }
    }
    if draft.is_empty() {
        return Ok(None);
    }
    let mut violations = Violations::default();
    // What stands in the environment is the operator's word, private hosts too.
    let rules = AccountRules { allow_plain_http, allow_private_hosts: true };
    draft.check(Naming::Variables, rules, &mut violations);
    violations.into_result(Some(draft.account("environment"))).map_err(|violations| {
        violations.into_iter().map(|violation| Problem::new(violation.field, violation.description)).collect()
    })
}
