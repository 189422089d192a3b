//! Who may use the controls: people and programs, and no web page. A page that a browser shows on this machine could otherwise
//! change faults, or have this process post anywhere.

use std::net::IpAddr;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, Method, Response, StatusCode, header};
use axum::middleware::Next;
use url::{Host, Url};

use super::control::{Failure, reply};

const FORM: &str = "application/x-www-form-urlencoded";

/// Lets a control pass that no web page can have sent.
pub(super) async fn guard(request: Request, next: Next) -> Response<Body> {
    match check(request.method(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err((status, why)) => reply(Err::<(), _>(Failure(status, why.to_owned()))),
    }
}

fn check(method: &Method, headers: &HeaderMap) -> Result<(), (StatusCode, &'static str)> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let host = text(header::HOST);
    // A name that a stranger owns may lead to this machine.
    if host.is_some_and(|host| !is_own_name(host)) {
        return Err((
            StatusCode::FORBIDDEN,
            "call the controls by an address, localhost, or a name without a dot",
        ));
    }
    if matches!(*method, Method::GET | Method::HEAD) {
        return Ok(());
    }
    let site = text(header::HeaderName::from_static("sec-fetch-site"));
    let origin = text(header::ORIGIN);
    let is_same = match (site, origin) {
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => {
            host.is_some_and(|host| origin.split_once("://").is_some_and(|(_, own)| own == host))
        }
        (None, None) => true,
    };
    if !is_same {
        return Err((StatusCode::FORBIDDEN, "a web page of another origin may not use the controls"));
    }
    let kind = text(header::CONTENT_TYPE).map(|kind| kind.split(';').next().unwrap_or_default().trim());
    // What curl says of every -d; of a browser it would be a form.
    let is_program = site.is_none() && origin.is_none();
    match kind {
        None => Ok(()),
        Some(kind) if kind.eq_ignore_ascii_case("application/json") => Ok(()),
        Some(FORM) if is_program => Ok(()),
        Some(_) => Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, "send JSON: content-type: application/json")),
    }
}

/// Whether a `Host` is an address, this machine, or a name of a network of one's own, which has no dot.
fn is_own_name(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.is_empty() => name,
        _ => host,
    };
    let number = name.trim_start_matches('[').trim_end_matches(']');
    number.parse::<IpAddr>().is_ok() || !name.contains('.')
}

/// Whether callbacks may be sent to an address that a control gives: one of this machine or of a private network, or of the
/// host where they go already.
pub(super) fn check_callback_url(url: &str, present: Option<&str>) -> Result<(), Failure> {
    let refuse = |why: &str| Err(Failure(StatusCode::BAD_REQUEST, format!("url {url:?}: {why}")));
    let Ok(parsed) = Url::parse(url) else {
        return refuse("is no address such as http://127.0.0.1:8081/callbacks/ylh");
    };
    if !matches!(parsed.scheme(), "http" | "https") {
        return refuse("must begin with http:// or https://");
    }
    let present = present.and_then(|present| Url::parse(present).ok());
    let is_allowed = match parsed.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback() || ip.is_private(),
        Some(Host::Ipv6(ip)) => ip.is_loopback() || ip.is_unique_local(),
        Some(Host::Domain(name)) => !name.contains('.'),
        None => false,
    };
    let is_present = present.is_some_and(|present| present.host() == parsed.host());
    if is_allowed || is_present {
        return Ok(());
    }
    refuse("callbacks go to this machine, to private networks, and to the host of --callback-url")
}
