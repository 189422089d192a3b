//! Addresses of Haier as an operator writes them.

use std::net::IpAddr;

use url::{Host, Url};

/// Where plain http may lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PlainHttp {
    /// To this host only.
    ThisHost,
    /// To any host.
    Anywhere,
}

/// The address without the slash at its end, or what is wrong with it.
pub(super) fn check_address(text: &str, plain_http: PlainHttp) -> Result<String, String> {
    const EXPECTED: &str = "an address such as https://openplat.example.com is expected";
    let url = Url::parse(text).map_err(|error| format!("{EXPECTED} ({error})"))?;
    // Checked before anything of the address is shown.
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must hold neither user nor password".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must hold neither `?` nor `#`".to_owned());
    }
    let is_loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => IpAddr::V4(ip).is_loopback(),
        Some(Host::Ipv6(ip)) => IpAddr::V6(ip).is_loopback(),
        None => return Err(EXPECTED.to_owned()),
    };
    match url.scheme() {
        "https" => {}
        "http" if is_loopback || plain_http == PlainHttp::Anywhere => {}
        "http" => {
            return Err(format!(
                "`{text}` must begin with https://; plain http is allowed to this host only, or with \
                 HAIER_INTEGRATION_ALLOW_PLAIN_HTTP=true"
            ));
        }
        _ => return Err(EXPECTED.to_owned()),
    }
    Ok(text.trim_end_matches('/').to_owned())
}
