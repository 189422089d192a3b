//! The names under which replicas share what belongs to an account.

use std::fmt::Write as _;

use ring::digest::{SHA256, digest};

use super::endpoint::System;
use crate::domain::accounts::{Account, YlhAccount};

/// A name for the account's client at the open platform, that tells neither. By the client id alone: replicas that spell
/// Haier's address differently draw on one budget all the same.
#[must_use]
pub fn account_key(account: &Account) -> String {
    key(System::OpenPlatform, &account.client_id)
}

/// The same for its user at the order system: one client may have several, and each has a token of his own.
#[must_use]
pub fn ylh_account_key(account: &YlhAccount) -> String {
    key(System::OrderSystem, &format!("{}\0{}", account.client_id, account.username))
}

fn key(system: System, holder: &str) -> String {
    let hash = digest(&SHA256, holder.as_bytes());
    let mut key = format!("{}:", system.name());
    for byte in &hash.as_ref()[..16] {
        // Writing to a String does not fail.
        let _ = write!(key, "{byte:02x}");
    }
    key
}
