//! The names under which replicas share what belongs to an account.

use std::fmt::Write as _;

use ring::digest::{SHA256, digest};
use url::Url;

use super::endpoint::System;
use crate::domain::accounts::{Account, AccountIdentity, Origin, YlhAccount};

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

/// What an order of this account is bound to. `None`: it has no part at the order system.
#[must_use]
pub fn account_identity(account: &Account) -> Option<AccountIdentity> {
    let ylh = account.ylh.as_ref()?;
    let place = match account.origin {
        Origin::OwnSandbox => ["own sandbox".to_owned(), String::new(), String::new()],
        Origin::Unstored | Origin::Stored(_) => {
            [normalized(&ylh.base_url), ylh.service_suffix.clone(), normalized(&ylh.auth_url)]
        }
    };
    let customer = [ylh.client_id.as_str(), &ylh.username, &account.customer_code];
    let parts: Vec<&str> = place.iter().map(String::as_str).chain(customer).collect();
    let account_id = account.origin.account_id();
    Some(AccountIdentity { place: key(System::OrderSystem, &parts.join("\0")), account_id })
}

/// An address in one spelling: that of its host and port is no difference.
fn normalized(address: &str) -> String {
    let parsed = Url::parse(address).map(String::from);
    parsed.as_deref().unwrap_or(address).trim_end_matches('/').to_owned()
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
