//! The name under which replicas share what belongs to an account.

use std::fmt::Write as _;

use ring::digest::{SHA256, digest};

use crate::domain::{accounts::Account, pauses::PauseTarget};

/// A name for the account's client at the open platform, that tells neither. By the client id alone: replicas that spell
/// Haier's address differently draw on one budget all the same.
#[must_use]
pub fn account_key(account: &Account) -> String {
    let hash = digest(&SHA256, account.client_id.as_bytes());
    let mut key = format!("{}:", PauseTarget::OpenPlatform.as_str());
    for byte in &hash.as_ref()[..16] {
        // Writing to a String does not fail.
        let _ = write!(key, "{byte:02x}");
    }
    key
}
