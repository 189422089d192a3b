//! The account's part at the order system.

use super::{
    super::Problem,
    address::{PlainHttp, check_address},
    secret,
};
use crate::domain::accounts::YlhAccount;

/// All of them are required once one is set, except the suffix and the token's address.
pub(super) const VARIABLES: [&str; 11] = [
    "YLH_BASE_URL",
    "YLH_SERVICE_SUFFIX",
    "YLH_AUTH_URL",
    "YLH_USERNAME",
    "YLH_PASSWORD",
    "YLH_CLIENT_ID",
    "YLH_CLIENT_SECRET",
    "YLH_SOURCE_SYSTEM",
    "YLH_SHOP_NAME",
    "YLH_CALLBACK_APP_KEY",
    "YLH_CALLBACK_SECRET",
];

/// What the variables say, or nothing if there is none of them. After a problem the value is of no use.
pub(super) fn from_env(
    given: impl Fn(&str) -> Option<String>,
    problems: &mut Vec<Problem>,
) -> Option<YlhAccount> {
    if VARIABLES.iter().all(|name| given(name).is_none()) {
        return None;
    }
    let mut required = |name: &str| {
        given(name).unwrap_or_else(|| {
            problems.push(Problem::new(name, "is required once any variable of the order system is set"));
            String::new()
        })
    };
    let [base_url, username, client_id, source_system, shop_name, callback_app_key] = [
        "YLH_BASE_URL",
        "YLH_USERNAME",
        "YLH_CLIENT_ID",
        "YLH_SOURCE_SYSTEM",
        "YLH_SHOP_NAME",
        "YLH_CALLBACK_APP_KEY",
    ]
    .map(|name| required(name).trim().to_owned());
    let [password, client_secret, callback_secret] =
        ["YLH_PASSWORD", "YLH_CLIENT_SECRET", "YLH_CALLBACK_SECRET"].map(|name| secret(&required(name)));

    // Haier's description lists the order system's hosts with http: allowed, and warned of at the start.
    let mut address = |name: &str, text: &str| {
        check_address(text, PlainHttp::Anywhere).unwrap_or_else(|message| {
            problems.push(Problem::new(name, message));
            String::new()
        })
    };
    let base_url = if base_url.is_empty() { base_url } else { address("YLH_BASE_URL", &base_url) };
    let auth_url = given("YLH_AUTH_URL").map(|url| address("YLH_AUTH_URL", url.trim()));

    let (base_url, own_suffix) = YlhAccount::split_base_url(&base_url);
    let given_suffix = given("YLH_SERVICE_SUFFIX").map(|suffix| suffix.trim().to_owned());
    let mut refuse = |message: String| problems.push(Problem::new("YLH_SERVICE_SUFFIX", message));
    match (&given_suffix, own_suffix) {
        (Some(suffix), _) if !YlhAccount::is_service_suffix(suffix) => {
            refuse(format!("`{suffix}` is not allowed: -dev, -pre, or nothing is expected"));
        }
        (Some(suffix), Some(own)) if suffix != own => {
            refuse(format!("is `{suffix}`, but YLH_BASE_URL ends in `{own}`: give one of them"));
        }
        _ => {}
    }
    let service_suffix = given_suffix.or(own_suffix.map(str::to_owned)).unwrap_or_default();
    Some(YlhAccount {
        auth_url: auth_url.unwrap_or_else(|| YlhAccount::default_auth_url(base_url, &service_suffix)),
        base_url: base_url.to_owned(),
        service_suffix,
        username,
        password,
        client_id,
        client_secret,
        source_system,
        shop_name,
        callback_app_key,
        callback_secret,
    })
}
