//! The account in the environment: whole or absent, never merged with another.

use std::net::IpAddr;

use secrecy::SecretString;
use url::{Host, Url};

use super::Problem;
use crate::domain::accounts::{Account, AuthorizationScheme};

const VARIABLES: [&str; 11] = [
    "HAIER_CLIENT_ID",
    "HAIER_CLIENT_SECRET",
    "HAIER_BASE_URL",
    "HAIER_TOKEN_URL",
    "HAIER_CUSTOMER_CODE",
    "HAIER_SEND_TO_CODE",
    "HAIER_SUPPLIER_CODE",
    "HAIER_PASSWORD",
    "HAIER_SELLER_PASSWORD",
    "HAIER_CUSTOMER_PASSWORD",
    "HAIER_AUTHORIZATION_SCHEME",
];

/// The account that the variables of `lookup` describe, or nothing if there is none of them. With `allow_plain_http`
/// Haier may be called without TLS on other hosts than this one.
///
/// # Errors
/// Every required variable that is missing and every one that is bad.
pub fn account_from_env(
    lookup: impl Fn(&str) -> Option<String>,
    allow_plain_http: bool,
) -> Result<Option<Account>, Vec<Problem>> {
    let given = |name: &str| lookup(name).filter(|value| !value.trim().is_empty());
    if VARIABLES.iter().all(|name| given(name).is_none()) {
        return Ok(None);
    }
    let mut problems = Vec::new();
    let mut required = |name: &str| {
        given(name).unwrap_or_else(|| {
            problems.push(Problem::new(name, "is required once any variable of the account is set"));
            String::new()
        })
    };
    let [client_id, base_url, customer_code] = ["HAIER_CLIENT_ID", "HAIER_BASE_URL", "HAIER_CUSTOMER_CODE"]
        .map(|name| required(name).trim().to_owned());
    let [client_secret, password, seller_password] =
        ["HAIER_CLIENT_SECRET", "HAIER_PASSWORD", "HAIER_SELLER_PASSWORD"]
            .map(|name| secret(&required(name)));

    let mut address = |name: &str, text: &str| {
        check_address(text, allow_plain_http).unwrap_or_else(|message| {
            problems.push(Problem::new(name, message));
            String::new()
        })
    };
    let base_url = if base_url.is_empty() { base_url } else { address("HAIER_BASE_URL", &base_url) };
    let token_url = given("HAIER_TOKEN_URL").map(|url| address("HAIER_TOKEN_URL", url.trim()));
    let authorization_scheme = match given("HAIER_AUTHORIZATION_SCHEME").as_deref().map(str::trim) {
        None | Some("bare") => AuthorizationScheme::Bare,
        Some("bearer") => AuthorizationScheme::Bearer,
        Some(other) => {
            let message = format!("`{other}` is not allowed: bare or bearer is allowed");
            problems.push(Problem::new("HAIER_AUTHORIZATION_SCHEME", message));
            AuthorizationScheme::Bare
        }
    };
    if !problems.is_empty() {
        return Err(problems);
    }
    let or =
        |name: &str, default: &str| given(name).map_or(default.to_owned(), |value| value.trim().to_owned());
    Ok(Some(Account {
        name: "environment".to_owned(),
        token_url_is_default: token_url.is_none(),
        token_url: token_url.unwrap_or_else(|| format!("{base_url}/oauth2/auth")),
        send_to_code: or("HAIER_SEND_TO_CODE", &customer_code),
        supplier_code: or("HAIER_SUPPLIER_CODE", "1001"),
        customer_password: given("HAIER_CUSTOMER_PASSWORD")
            .map_or_else(|| password.clone(), |text| secret(&text)),
        client_id,
        client_secret,
        base_url,
        customer_code,
        password,
        seller_password,
        authorization_scheme,
    }))
}

/// Without the line break that files and `echo` leave at the end; blanks may belong to a password.
fn secret(text: &str) -> SecretString {
    SecretString::from(text.trim_end_matches(['\r', '\n']))
}

fn check_address(text: &str, allow_plain_http: bool) -> Result<String, String> {
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
        "http" if is_loopback || allow_plain_http => {}
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
