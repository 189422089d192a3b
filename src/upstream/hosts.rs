//! Where an address leads, before anything is sent there.

use std::{net::IpAddr, time::Duration};

use crate::domain::accounts::addresses::{host_and_port, is_private};

/// Longest wait for the names.
const LIMIT: Duration = Duration::from_secs(5);

/// A number of this machine or of a private network that the address leads to. `None`: it leads to none, or nowhere: a name
/// that is unknown now harms nobody.
pub async fn private_number(address: &str) -> Option<IpAddr> {
    let (host, port) = host_and_port(address)?;
    let found = tokio::time::timeout(LIMIT, tokio::net::lookup_host((host, port))).await.ok()?.ok()?;
    found.map(|found| found.ip()).find(|ip| is_private(*ip))
}
