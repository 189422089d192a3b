//! The account at Haier that a client of the upstream is built from. Whoever makes one has checked it.

use secrecy::SecretString;

/// How the open platform wants its token in the header `Authorization`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthorizationScheme {
    /// The token alone.
    Bare,
    /// `Bearer` and the token.
    Bearer,
}

/// Credentials and codes at Haier's open platform. `Debug` shows no secret.
#[derive(Debug, Clone)]
pub struct Account {
    /// Name of the account; "environment" for the one read from variables.
    pub name: String,
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
}
