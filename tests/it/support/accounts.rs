//! Accounts to store, with secrets that are found wherever they leak, and keys to seal them with.

use std::path::PathBuf;

use chrono::DateTime;
use haier_integration::{
    config::KeySource,
    keyring::{Document, file},
    proto::{HaierConfig, YlhConfig},
};

use super::{Plan, World};

/// What every secret of [`account`] holds.
pub(crate) const CANARY: &str = "s3cret-canary";

impl Plan {
    /// The service has a key file, and may be given accounts of this machine.
    pub(crate) fn keyed(self) -> Self {
        let path = self.database.folder().join("keys.toml");
        let document = Document::generate(DateTime::UNIX_EPOCH).unwrap();
        file::create(&path, &document.to_text()).unwrap();
        self.settings(|settings| {
            settings.keys = Some(KeySource::File(path));
            settings.allow_private_hosts = true;
        })
    }
}

impl World {
    /// The key file of [`Plan::keyed`].
    pub(crate) fn key_file(&self) -> PathBuf {
        self.database.folder().join("keys.toml")
    }
}

/// An account with a part at the order system, nothing left out.
pub(crate) fn account(name: &str) -> HaierConfig {
    let secret = |of: &str| format!("{CANARY}-{name}-{of}");
    HaierConfig {
        name: name.to_owned(),
        client_id: format!("client-of-{name}"),
        client_secret: secret("client"),
        base_url: "https://openplat.example.com/".to_owned(),
        customer_code: "8800000001".to_owned(),
        password: secret("password"),
        seller_password: secret("seller"),
        ylh: Some(YlhConfig {
            base_url: "http://ylh.example.com".to_owned(),
            username: "user".to_owned(),
            password: secret("ylh-password"),
            client_id: "ylh-client".to_owned(),
            client_secret: secret("ylh-client"),
            source_system: "shop".to_owned(),
            shop_name: "旗舰店".to_owned(),
            callback_app_key: "app".to_owned(),
            callback_secret: secret("callback"),
            ..YlhConfig::default()
        }),
        ..HaierConfig::default()
    }
}
