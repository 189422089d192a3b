//! Addresses of Haier as a person writes them, and which hosts are nobody's business from outside.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

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

/// Name or number of the host, and the port; `None` if the text is no address.
#[must_use]
pub fn host_and_port(address: &str) -> Option<(String, u16)> {
    let url = Url::parse(address).ok()?;
    let host = match url.host()? {
        Host::Domain(name) => name.to_owned(),
        Host::Ipv4(ip) => ip.to_string(),
        Host::Ipv6(ip) => ip.to_string(),
    };
    Some((host, url.port_or_known_default()?))
}

/// Whether a number leads to this machine, to a network of the house's own, or to many at once: nothing that Haier is,
/// and where a caller could reach by our hand what he cannot reach by his own.
#[must_use]
pub fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_private_v4(ip),
        IpAddr::V6(ip) => embedded_v4(ip).map_or_else(|| is_private_v6(ip), is_private_v4),
    }
}

fn is_private_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    // Beside what std names: "this network", addresses shared by providers' customers, protocol assignments, benchmarks,
    // and what is reserved.
    ip.is_loopback()
        || ip.is_private()
        || ip.is_link_local()
        || ip.is_multicast()
        || ip.is_documentation()
        || a == 0
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && (18..20).contains(&b))
        || a >= 240
}

fn is_private_v6(ip: Ipv6Addr) -> bool {
    // Beside what std names: site-local and discarded ones, documentation, Teredo's tunnels, whose real end nobody sees, and
    // a network's own translation into IPv4.
    ip.is_loopback()
        || ip.is_unspecified()
        || ip.is_multicast()
        || ip.is_unique_local()
        || ip.is_unicast_link_local()
        || matches!(
            ip.segments(),
            [0xfec0..=0xfeff, ..] | [0x100, 0, 0, 0, ..] | [0x2001, 0 | 0xdb8, ..] | [0x64, 0xff9b, 1, ..]
        )
}

/// The IPv4 number inside of an IPv6 one that only carries it: compatible, mapped, translated (SIIT, NAT64), tunnelled (6to4),
/// or as the end of an interface (ISATAP).
fn embedded_v4(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let (high, low) = match ip.segments() {
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [_, _, _, _, 0 | 0x200, 0x5efe, high, low]
        | [0x2002, high, low, ..] => (high, low),
        _ => return None,
    };
    let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
    Some(Ipv4Addr::new(a, b, c, d))
}

#[cfg(test)]
mod tests {
    use super::{host_and_port, is_private};

    #[test]
    fn numbers_that_lead_inside_are_private_however_they_are_written() {
        for inside in [
            "127.0.0.1",
            "127.9.9.9",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "0.0.0.0",
            "100.64.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "198.18.0.1",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "ff02::1",
            "::ffff:10.0.0.1",
            "::ffff:127.0.0.1",
            "64:ff9b::a00:1",
            "2002:7f00:1::1",
            "::127.0.0.1",
            "::ffff:0.0.0.0",
            "::ffff:0.1.2.3",
            "::ffff:0:10.0.0.1",
            "64:ff9b::",
            "64:ff9b:1::808:808",
            "2002::1",
            "2001::1",
            "2001:db8::1",
            "fec0::1",
            "100::1",
            "2400:3200::5efe:10.0.0.1",
        ] {
            assert!(is_private(inside.parse().unwrap()), "{inside}");
        }
        for outside in [
            "8.8.8.8",
            "172.32.0.1",
            "100.128.0.1",
            "2400:3200::1",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
            "2002:808:808::1",
            "2001:4860::1",
        ] {
            assert!(!is_private(outside.parse().unwrap()), "{outside}");
        }
    }

    #[test]
    fn numbers_in_other_writings_are_numbers() {
        for (address, host) in [
            ("https://2130706433/x", "127.0.0.1"),
            ("https://0x7f.1", "127.0.0.1"),
            ("https://[::ffff:7f00:1]:8443", "::ffff:127.0.0.1"),
            ("https://openplat.example.com", "openplat.example.com"),
        ] {
            assert_eq!(host_and_port(address).unwrap().0, host, "{address}");
        }
    }
}
