//! The account at Haier that a client of the upstream is built from. Whoever makes one has checked it.

pub mod addresses;
pub mod difference;
mod draft;
mod fields;
mod identity;
mod presets;

use secrecy::SecretString;

pub use draft::{AccountDraft, AccountRules, Naming};
pub use fields::Field;
pub use identity::{AccountIdentity, Origin};
pub use presets::Preset;

/// How the open platform wants its token in the header `Authorization`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthorizationScheme {
    /// The token alone.
    Bare,
    /// `Bearer` and the token.
    Bearer,
}

/// Credentials and codes at Haier. `Debug` shows no secret.
#[derive(Debug, Clone)]
pub struct Account {
    /// Name of the account; "environment" for the one read from variables.
    pub name: String,
    /// Where it comes from.
    pub origin: Origin,
    /// Client id of the open platform.
    pub client_id: String,
    /// Client secret of the open platform.
    pub client_secret: SecretString,
    /// Absolute address of the open platform, without a slash at its end.
    pub base_url: String,
    /// Absolute address of the token endpoint.
    pub token_url: String,
    /// Whether `token_url` was derived from `base_url`; only then another path may be tried when it answers 404.
    pub token_url_is_default: bool,
    /// The shop's sold-to code (售达方), e.g. "8800000001".
    pub customer_code: String,
    /// The ship-to code (送达方); the sold-to code unless told otherwise.
    pub send_to_code: String,
    /// Code of the supplier, ordinarily "1001".
    pub supplier_code: String,
    /// Password of the product and price calls.
    pub password: SecretString,
    /// Password of the seller.
    pub seller_password: SecretString,
    /// Password of the customer; `password` unless told otherwise.
    pub customer_password: SecretString,
    /// How the token is sent.
    pub authorization_scheme: AuthorizationScheme,
    /// The shop at the order system. `None`: orders cannot be sent.
    pub ylh: Option<YlhAccount>,
}

impl Account {
    /// Every secret of both systems, so that no text shows one.
    pub fn secrets(&self) -> impl Iterator<Item = &SecretString> {
        let open_platform =
            [&self.client_secret, &self.password, &self.seller_password, &self.customer_password];
        let order_system =
            self.ylh.iter().flat_map(|ylh| [&ylh.password, &ylh.client_secret, &ylh.callback_secret]);
        open_platform.into_iter().chain(order_system)
    }
}

/// Credentials and names at Haier's order system (YLH, 易理货). `Debug` shows no secret.
#[derive(Debug, Clone)]
pub struct YlhAccount {
    /// Absolute address of the order system, without a service's name and without a slash at its end.
    pub base_url: String,
    /// What the names of its services end in: "-dev", "-pre", or nothing in production.
    pub service_suffix: String,
    /// Absolute address of the token endpoint.
    pub auth_url: String,
    /// User of the password grant.
    pub username: String,
    /// The user's password.
    pub password: SecretString,
    /// Client id of the order system.
    pub client_id: String,
    /// Client secret of the order system.
    pub client_secret: SecretString,
    /// The ordering system's agreed name, for orders that give none.
    pub source_system: String,
    /// The shop's name, for orders that give none.
    pub shop_name: String,
    /// The `AppKey` that the order system's callbacks carry.
    pub callback_app_key: String,
    /// What it signs them with.
    pub callback_secret: SecretString,
}

/// Services of the order system, as their names begin; the suffix follows.
const YLH_SERVICES: [&str; 4] = [
    "ylh-cloud-mgt-auth",
    "ylh-cloud-service-jst-order",
    "ylh-cloud-service-order",
    "ylh-cloud-service-stock",
];

impl YlhAccount {
    /// Where tokens are fetched unless told otherwise.
    #[must_use]
    pub fn default_auth_url(base_url: &str, service_suffix: &str) -> String {
        format!("{base_url}/ylh-cloud-mgt-auth{service_suffix}/oauth/token")
    }

    /// Takes an address in the old form, which ends in a service's name and suffix, apart: the base address, and the
    /// suffix. One in the new form has none to take.
    #[must_use]
    pub fn split_base_url(address: &str) -> (&str, Option<&str>) {
        let old = address.rsplit_once('/').and_then(|(base, last)| {
            let suffix = YLH_SERVICES.iter().find_map(|service| last.strip_prefix(service))?;
            Self::is_service_suffix(suffix).then_some((base, suffix))
        });
        old.map_or((address, None), |(base, suffix)| (base, Some(suffix)))
    }

    /// Whether a service's name may end so: in nothing, or in a hyphen with letters, digits and hyphens.
    #[must_use]
    pub fn is_service_suffix(text: &str) -> bool {
        let word = |rest: &str| {
            !rest.is_empty() && rest.chars().all(|char| char.is_ascii_alphanumeric() || char == '-')
        };
        text.is_empty() || text.strip_prefix('-').is_some_and(word)
    }
}
