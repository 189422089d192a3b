//! The program's variables, as it reads them and as the manifests give them.

use std::{cell::RefCell, collections::BTreeSet};

use haier_integration::{
    app::SystemClock,
    config::{self, Settings, Sources, account_from_env},
    domain::clock::Clock as _,
    keyring::Document,
};
use secrecy::ExposeSecret as _;

use super::manifests::{Variables, container, env_file, instructions, literal_variables, object, text};

/// Every variable of the account, by asking the reader for what it looks up.
pub(super) fn account_variables() -> BTreeSet<String> {
    let asked = RefCell::new(BTreeSet::new());
    let account = account_from_env(
        |name| {
            asked.borrow_mut().insert(name.to_owned());
            None
        },
        false,
    );
    assert!(account.unwrap().is_none());
    asked.into_inner()
}

/// Those that must be there once any is.
pub(super) fn required_variables() -> BTreeSet<String> {
    let only_one = |name: &str| (name == "HAIER_SUPPLIER_CODE").then(|| "1001".to_owned());
    account_from_env(only_one, false).unwrap_err().into_iter().map(|problem| problem.name).collect()
}

pub(super) fn image_variables() -> Variables {
    let pairs = instructions("ENV").join(" ");
    pairs
        .split(' ')
        .filter_map(|pair| pair.split_once('='))
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .collect()
}

/// Settings as the service reads them from these variables, with some account and the database that is committed.
pub(super) fn settings(variables: &Variables) -> Settings {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("database-url");
    std::fs::write(&file, text("compose.database-url")).unwrap();
    let mut environment = variables.clone();
    let token = directory.path().join("admin-token");
    std::fs::write(&token, "0123456789abcdef".repeat(4)).unwrap();
    let keys = directory.path().join("keys.toml");
    let document = Document::generate(SystemClock::new().now()).unwrap().to_text();
    std::fs::write(&keys, document.expose_secret()).unwrap();
    for (name, file) in [("DATABASE_URL_FILE", file), ("ADMIN_TOKEN_FILE", token), ("KEY_FILE", keys)] {
        if let Some(path) = environment.get_mut(&format!("HAIER_INTEGRATION_{name}")) {
            *path = file.to_str().unwrap().to_owned();
        }
    }
    for name in required_variables() {
        environment.insert(name, "https://openplat.example.com".to_owned());
    }
    config::read(&Sources { environment, ..Sources::default() }).unwrap_or_else(|error| panic!("{error}"))
}

/// Settings of the replicas on Kubernetes.
pub(super) fn replica_settings() -> Settings {
    let mut variables = env_file("kustomize/base/settings.env");
    variables.extend(literal_variables(container(&object("Deployment"))));
    settings(&variables)
}
