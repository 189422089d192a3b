//! The account under which the service calls its own stand-in for Haier.

use crate::{
    domain::accounts::{Account, AuthorizationScheme, Origin, YlhAccount},
    sandbox::{self, Sandbox},
};

/// The stand-in's first seller.
pub(super) fn sandbox_account(sandbox: &Sandbox) -> Account {
    let [customer_code, _] = sandbox::CUSTOMER_CODES;
    let base_url = sandbox.base_url();
    Account {
        name: "sandbox".to_owned(),
        origin: Origin::OwnSandbox,
        client_id: sandbox::CLIENT_ID.to_owned(),
        client_secret: sandbox::CLIENT_SECRET.into(),
        token_url: format!("{base_url}/oauth2/auth"),
        token_url_is_default: true,
        customer_code: customer_code.to_owned(),
        send_to_code: customer_code.to_owned(),
        supplier_code: "1001".to_owned(),
        password: sandbox::PASSWORD.into(),
        seller_password: sandbox::PASSWORD.into(),
        customer_password: sandbox::PASSWORD.into(),
        authorization_scheme: AuthorizationScheme::Bare,
        ylh: Some(ylh(&base_url)),
        base_url,
    }
}

fn ylh(base_url: &str) -> YlhAccount {
    YlhAccount {
        base_url: base_url.to_owned(),
        service_suffix: String::new(),
        auth_url: YlhAccount::default_auth_url(base_url, ""),
        username: "sandbox".to_owned(),
        password: sandbox::PASSWORD.into(),
        client_id: sandbox::CLIENT_ID.to_owned(),
        client_secret: sandbox::CLIENT_SECRET.into(),
        source_system: "sandbox".to_owned(),
        shop_name: "沙箱旗舰店".to_owned(),
        callback_app_key: "sandbox-app".to_owned(),
        callback_secret: "sandbox-callback-secret".into(),
    }
}
