//! The account in the environment: whole or absent, never merged with another. Its part at the order system is whole or
//! absent too.

mod address;
mod ylh;

use secrecy::SecretString;

use super::Problem;
use crate::domain::accounts::{Account, AuthorizationScheme};
use address::{PlainHttp, check_address};

/// Those of the open platform.
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
/// the open platform may be called without TLS on other hosts than this one.
///
/// # Errors
/// Every required variable that is missing and every one that is bad.
pub fn account_from_env(
    lookup: impl Fn(&str) -> Option<String>,
    allow_plain_http: bool,
) -> Result<Option<Account>, Vec<Problem>> {
    let given = |name: &str| lookup(name).filter(|value| !value.trim().is_empty());
    if VARIABLES.iter().chain(&ylh::VARIABLES).all(|name| given(name).is_none()) {
        return Ok(None);
    }
    let mut problems = Vec::new();
    let ylh = ylh::from_env(&given, &mut problems);
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
        let plain_http = if allow_plain_http { PlainHttp::Anywhere } else { PlainHttp::ThisHost };
        check_address(text, plain_http).unwrap_or_else(|message| {
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
        ylh,
    }))
}

/// Without the line break that files and `echo` leave at the end; blanks may belong to a password.
fn secret(text: &str) -> SecretString {
    SecretString::from(text.trim_end_matches(['\r', '\n']))
}
