//! Where an address leads. An account that a caller has given may name only hosts outside, else the caller reaches through us
//! what is closed to callers. The check when it is given shows mistakes at once; the one at each request decides: by then a
//! name may lead elsewhere.

use std::{
    error::Error as StdError,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use reqwest::{
    Url,
    dns::{Addrs, Name, Resolve, Resolving},
};

use super::{
    error::{Error, Result},
    matrix::Executed,
};
use crate::domain::{
    accounts::addresses::{host_and_port, is_private},
    reasons::Reason,
};

/// Longest wait for the names.
const LIMIT: Duration = Duration::from_secs(5);

/// Which hosts a client may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Any: the account is the operator's word.
    Anywhere,
    /// None of this machine or of private networks.
    Public,
}

/// A host that leads inside.
#[derive(Debug, thiserror::Error)]
#[error(
    "{host} leads to {number}, which is this machine or in a private network; start the service with \
     --allow-private-hosts (HAIER_INTEGRATION_ALLOW_PRIVATE_HOSTS=true) to allow it"
)]
struct Inside {
    host: String,
    number: IpAddr,
}

impl From<&Inside> for Error {
    fn from(inside: &Inside) -> Self {
        Self { executed: Executed::No, ..Self::new(Reason::Forbidden, inside.to_string()) }
    }
}

/// A number of this machine or of a private network that the address leads to. `None`: it leads to none, or nowhere now.
pub async fn private_number(address: &str) -> Option<IpAddr> {
    let (host, port) = host_and_port(address)?;
    let found = tokio::time::timeout(LIMIT, tokio::net::lookup_host((host, port))).await.ok()?.ok()?;
    found.map(|found| found.ip()).find(|ip| is_private(*ip))
}

/// Resolves names to numbers outside; a name with any other number is refused whole.
pub(super) struct PublicResolver;

impl Resolve for PublicResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let host = name.as_str().to_owned();
            let found: Vec<SocketAddr> = tokio::net::lookup_host((host.as_str(), 0)).await?.collect();
            match found.iter().map(SocketAddr::ip).find(|ip| is_private(*ip)) {
                Some(number) => Err(Inside { host, number }.into()),
                None => Ok(Box::new(found.into_iter()) as Addrs),
            }
        })
    }
}

/// Refuses an address whose host is a number inside: numbers are not resolved.
pub(super) fn check_number(url: &Url) -> Result<()> {
    let number = match url.host() {
        Some(url::Host::Ipv4(number)) => IpAddr::V4(number),
        Some(url::Host::Ipv6(number)) => IpAddr::V6(number),
        Some(url::Host::Domain(_)) | None => return Ok(()),
    };
    if is_private(number) {
        return Err((&Inside { host: url.host_str().unwrap_or_default().to_owned(), number }).into());
    }
    Ok(())
}

/// What the resolver has refused, if that is why a request failed.
pub(super) fn refused(error: &reqwest::Error) -> Option<Error> {
    let mut cause: &(dyn StdError + 'static) = error;
    loop {
        if let Some(inside) = cause.downcast_ref::<Inside>() {
            return Some(inside.into());
        }
        cause = cause.source()?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_inside_is_refused_however_it_is_written() {
        for (address, is_inside) in [
            ("http://127.0.0.1:8080/x", true),
            ("http://[::ffff:0.0.0.0]:8080/x", true),
            ("http://[::1]/", true),
            ("http://0x7f.1/", true),
            ("http://[64:ff9b::10.0.0.1]/", true),
            ("https://8.8.8.8/", false),
            ("https://openplat.example.com/", false),
        ] {
            let checked = check_number(&address.parse().unwrap());
            assert_eq!(
                checked.is_err_and(|error| error.detail.contains("--allow-private-hosts")),
                is_inside,
                "{address}"
            );
        }
    }

    #[tokio::test]
    async fn a_name_is_looked_at_when_it_is_resolved() {
        let resolved = PublicResolver.resolve("localhost".parse().unwrap()).await;
        let error = resolved.err().expect("it leads inside");
        assert!(error.downcast_ref::<Inside>().is_some_and(|inside| inside.number.is_loopback()), "{error}");
    }
}
