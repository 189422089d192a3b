//! Settings from every layer, and every mistake in them.

use std::{collections::BTreeMap, fs, io::Write};

use super::*;
use crate::domain::accounts::YlhAccount;

fn variables(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn problems(sources: &Sources) -> String {
    read(sources).unwrap_err().to_string()
}

const ACCOUNT: [(&str, &str); 6] = [
    ("HAIER_CLIENT_ID", "id"),
    ("HAIER_CLIENT_SECRET", "s3cret-a"),
    ("HAIER_BASE_URL", "https://openplat.example.com/"),
    ("HAIER_CUSTOMER_CODE", "8800000001"),
    ("HAIER_PASSWORD", "s3cret-b"),
    ("HAIER_SELLER_PASSWORD", "s3cret-c"),
];

#[test]
fn without_anything_the_settings_are_the_defaults() {
    let settings = read(&Sources::default()).unwrap();
    assert_eq!(format!("{settings:?}"), format!("{:?}", Settings::default()));
}

#[test]
fn the_defaults_of_the_table_are_the_defaults() {
    let written = SETTINGS.iter().filter(|setting| !setting.default.is_empty());
    let flags = written.map(|setting| (setting.key, setting.default.to_owned())).collect();
    let settings = read(&Sources { flags, ..Sources::default() }).unwrap();
    assert_eq!(format!("{settings:?}"), format!("{:?}", Settings::default()));
}

#[test]
fn a_flag_wins_over_the_environment_and_that_over_the_file() {
    let file = file("upstream_rate = 1\ndatabase_pool_size = 1\n[sync]\nbatch_size = 1\nlease = \"20s\"\n");
    let sources = Sources {
        flags: BTreeMap::from([("upstream_rate", "3".to_owned())]),
        environment: variables(&[
            ("HAIER_INTEGRATION_UPSTREAM_RATE", "2"),
            ("HAIER_INTEGRATION_DATABASE_POOL_SIZE", "2"),
            ("HAIER_INTEGRATION_SYNC_BATCH_SIZE", "2"),
        ]),
        file: Some(file.path().to_owned()),
        sandbox: None,
    };
    let settings = read(&sources).unwrap();
    assert_eq!((settings.upstream_rate, settings.database_pool_size), (3, 2));
    assert_eq!((settings.sync.batch_size, settings.sync.lease), (2, Duration::from_secs(20)));
}

#[test]
fn the_environment_names_the_file() {
    let file = file("log_level = \"warn\"");
    let path = file.path().to_str().unwrap();
    let environment = variables(&[("HAIER_INTEGRATION_CONFIG", path)]);
    assert_eq!(read(&Sources { environment, ..Sources::default() }).unwrap().log_level, "warn");
}

#[test]
fn all_mistakes_are_told_at_once_by_name() {
    let file = file("grcp_addr = \"x\"\nhealth_interval = 5\nzzz = 1\nsync = 7\n[drain_timeout]\na = 1\n");
    let sources = Sources {
        flags: BTreeMap::from([("upstream_rate", "10001".to_owned())]),
        environment: variables(&[
            ("HAIER_INTEGRATION_GRPC_ADDR", "localhost"),
            ("HAIER_INTEGRATION_SYNC_HEARTBEAT", "8s"),
            ("HAIER_INTEGRATION_LOG_LEVEL", "inof"),
            ("HAIER_INTEGRATION_UPSTREM_RATE", "1"),
            ("HAIER_CLIENT_ID", "id"),
        ]),
        file: Some(file.path().to_owned()),
        sandbox: None,
    };
    let told = problems(&sources);
    for expected in [
        "--upstream-rate: `10001`",
        "HAIER_INTEGRATION_GRPC_ADDR: `localhost`",
        "HAIER_INTEGRATION_SYNC_HEARTBEAT: must be less than half",
        "HAIER_INTEGRATION_LOG_LEVEL: `inof`",
        "HAIER_INTEGRATION_UPSTREM_RATE: unknown variable; did you mean HAIER_INTEGRATION_UPSTREAM_RATE?",
        "HAIER_CLIENT_SECRET: is required",
        "did you mean grpc_addr?",
        "health_interval (in ",
        "zzz (in ",
        "write it as [sync]",
        "drain_timeout (in ",
    ] {
        assert!(told.contains(expected), "{expected} is missing in:\n{told}");
    }
}

#[test]
fn variables_that_kubernetes_sets_are_left_alone() {
    let environment = variables(&[
        ("HAIER_INTEGRATION_PORT", "tcp://10.0.0.1:50051"),
        ("HAIER_INTEGRATION_SERVICE_HOST", "10.0.0.1"),
        ("HAIER_INTEGRATION_PORT_8080_TCP_ADDR", "10.0.0.1"),
        ("HAIER_INTEGRATION_SERVER", "http://other:50051"),
    ]);
    read(&Sources { environment, ..Sources::default() }).unwrap();
}

#[test]
fn a_bad_database_url_is_told_without_itself() {
    for bad in
        ["mysql://u:s3cret@db/x", "postgres://u:s3cret@db:port/x", "s3cret", "sqlite://", "sqlite://a?s3cret"]
    {
        let environment = variables(&[("HAIER_INTEGRATION_DATABASE_URL", bad)]);
        let told = problems(&Sources { environment, ..Sources::default() });
        assert!(told.starts_with("HAIER_INTEGRATION_DATABASE_URL: ") && !told.contains("s3cret"), "{told}");
    }
}

#[test]
fn a_broken_file_is_told_by_line_without_its_words() {
    let file = file("log_level = \"info\"\ndatabase_url = postgres://u:s3cret@db/x\n");
    let told = problems(&Sources { file: Some(file.path().to_owned()), ..Sources::default() });
    assert!(told.contains("line 2") && !told.contains("s3cret"), "{told}");
    let told = problems(&Sources { file: Some("no/such.toml".into()), ..Sources::default() });
    assert!(told.starts_with("--config: no/such.toml: cannot be read"), "{told}");
}

#[test]
fn the_database_url_comes_from_a_file_too() {
    let file = file("postgres://haier:s3cret@db:5433/shop?sslmode=require\n");
    let path = file.path().to_str().unwrap();
    let environment = variables(&[("HAIER_INTEGRATION_DATABASE_URL_FILE", path)]);
    let settings = read(&Sources { environment: environment.clone(), ..Sources::default() }).unwrap();
    assert_eq!(settings.database_url.to_string(), "postgres://haier@db:5433/shop");
    assert!(!settings.migrate);
    let flags = BTreeMap::from([("database_url", "sqlite:///tmp/a.db".to_owned())]);
    let url = read_database_url(&Sources { environment, flags, ..Sources::default() }).unwrap();
    assert_eq!(url.to_string(), "sqlite:///tmp/a.db");
    let both =
        [("HAIER_INTEGRATION_DATABASE_URL_FILE", path), ("HAIER_INTEGRATION_DATABASE_URL", "sqlite://a.db")];
    let told = problems(&Sources { environment: variables(&both), ..Sources::default() });
    assert!(told.contains("give one of them"), "{told}");
}

#[test]
fn an_admin_token_is_long_and_never_told() {
    let long = "s3cret-".repeat(5);
    let short = file("s3cret-too-short\n");
    let path = short.path().to_str().unwrap();
    let variable = "HAIER_INTEGRATION_ADMIN_TOKEN";
    let settings =
        read(&Sources { environment: variables(&[(variable, &long)]), ..Sources::default() }).unwrap();
    assert!(settings.admin_token.is_some() && !format!("{settings:?}").contains("s3cret"));
    let in_file = variables(&[("HAIER_INTEGRATION_ADMIN_TOKEN_FILE", path)]);
    let told = problems(&Sources { environment: in_file, ..Sources::default() });
    assert!(told.starts_with("HAIER_INTEGRATION_ADMIN_TOKEN_FILE: has 16 characters"), "{told}");
    let with_blank = format!("{long} {long}");
    let told =
        problems(&Sources { environment: variables(&[(variable, &with_blank)]), ..Sources::default() });
    assert!(told.contains("without blanks") && !told.contains("s3cret"), "{told}");
    let flags = BTreeMap::from([("admin_token_file", "no/such/file".to_owned())]);
    let told = problems(&Sources { flags, ..Sources::default() });
    assert!(told.starts_with("--admin-token-file: no/such/file cannot be read"), "{told}");
}

#[test]
fn the_log_level_alone_is_read_whatever_else_is_wrong() {
    let file = file("log_level = \"warn\"\nupstream_rate = \"fast\"\n");
    let mut sources = Sources { file: Some(file.path().to_owned()), ..Sources::default() };
    assert_eq!(read_log_level(&sources).unwrap(), "warn");
    sources.flags.insert("log_level", "debug".to_owned());
    assert_eq!(read_log_level(&sources).unwrap(), "debug");
    sources.file = Some("no/such.toml".into());
    assert!(read_log_level(&sources).is_err());
}

#[test]
fn no_debug_shows_a_secret() {
    let mut environment = variables(&ACCOUNT);
    environment.insert("HAIER_INTEGRATION_DATABASE_URL".to_owned(), "postgres://u:s3cret-d@db/x".to_owned());
    let settings = read(&Sources { environment, ..Sources::default() }).unwrap();
    assert!(!format!("{settings:?}").contains("s3cret"), "{settings:?}");
}

#[test]
fn the_account_has_its_defaults() {
    let environment = variables(&ACCOUNT);
    let account = account_from_env(|name| environment.get(name).cloned(), false).unwrap().unwrap();
    assert_eq!(account.base_url, "https://openplat.example.com");
    assert_eq!(account.token_url, "https://openplat.example.com/oauth2/auth");
    assert!(account.token_url_is_default);
    assert_eq!((account.send_to_code.as_str(), account.supplier_code.as_str()), ("8800000001", "1001"));
    assert!(account_from_env(|_| None, false).unwrap().is_none());
}

#[test]
fn every_bad_variable_of_the_account_is_named() {
    let bad = |name: &str| match name {
        "HAIER_BASE_URL" => Some("http://openplat.example.com".to_owned()),
        "HAIER_TOKEN_URL" => Some("https://u:s3cret@openplat.example.com".to_owned()),
        "HAIER_AUTHORIZATION_SCHEME" => Some("basic".to_owned()),
        "HAIER_PASSWORD" => Some("s3cret".to_owned()),
        _ => None,
    };
    let problems = account_from_env(bad, false).unwrap_err();
    let mut names: Vec<_> = problems.iter().map(|problem| problem.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "HAIER_AUTHORIZATION_SCHEME",
            "HAIER_BASE_URL",
            "HAIER_CLIENT_ID",
            "HAIER_CLIENT_SECRET",
            "HAIER_CUSTOMER_CODE",
            "HAIER_SELLER_PASSWORD",
            "HAIER_TOKEN_URL"
        ]
    );
    assert!(!format!("{problems:?}").contains("s3cret"));
}

#[test]
fn plain_http_is_for_this_host_or_where_it_is_allowed() {
    let account = |url: &'static str, allow| {
        let mut environment = variables(&ACCOUNT);
        environment.insert("HAIER_BASE_URL".to_owned(), url.to_owned());
        account_from_env(move |name| environment.get(name).cloned(), allow).is_ok()
    };
    assert!(account("http://127.0.0.1:18080", false) && account("http://[::1]:1", false));
    assert!(account("http://localhost", false) && account("http://haier.internal", true));
    assert!(!account("http://localhost.example.com", false) && !account("ftp://localhost", true));
    assert!(!account("https://openplat.example.com/?a=b", false));
}

const YLH: [(&str, &str); 9] = [
    ("YLH_BASE_URL", "http://www.yilihuo.example"),
    ("YLH_USERNAME", "user"),
    ("YLH_PASSWORD", "s3cret-d"),
    ("YLH_CLIENT_ID", "id"),
    ("YLH_CLIENT_SECRET", "s3cret-e"),
    ("YLH_SOURCE_SYSTEM", "shop"),
    ("YLH_SHOP_NAME", "旗舰店"),
    ("YLH_CALLBACK_APP_KEY", "app"),
    ("YLH_CALLBACK_SECRET", "s3cret-f"),
];

/// The part at the order system of an account with these variables beside the usual ones.
fn ylh(others: &[(&str, &str)]) -> Result<YlhAccount, Vec<Problem>> {
    let mut environment = variables(&ACCOUNT);
    environment.extend(variables(&YLH));
    environment.extend(variables(others));
    account_from_env(|name| environment.get(name).cloned(), false)
        .map(|account| account.unwrap().ylh.unwrap())
}

#[test]
fn the_order_system_is_part_of_the_account_whole_or_absent() {
    let environment = variables(&ACCOUNT);
    let account = account_from_env(|name| environment.get(name).cloned(), false).unwrap().unwrap();
    assert!(account.ylh.is_none());

    let whole = ylh(&[]).unwrap();
    assert_eq!((whole.base_url.as_str(), whole.service_suffix.as_str()), ("http://www.yilihuo.example", ""));
    assert_eq!(whole.auth_url, "http://www.yilihuo.example/ylh-cloud-mgt-auth/oauth/token");
    assert_eq!(whole.shop_name, "旗舰店");
    assert!(!format!("{whole:?}").contains("s3cret"), "{whole:?}");

    // One alone asks for all that is required, the open platform's too.
    let alone = |name: &str| (name == "YLH_SHOP_NAME").then(|| "旗舰店".to_owned());
    let problems = account_from_env(alone, false).unwrap_err();
    let named: Vec<_> = problems.iter().map(|problem| problem.name.as_str()).collect();
    let missing = |(name, _): &(&'static str, &str)| (*name != "YLH_SHOP_NAME").then_some(*name);
    for name in ACCOUNT.iter().chain(&YLH).filter_map(missing) {
        assert!(named.contains(&name), "{name} is missing in {named:?}");
    }
    assert_eq!(named.len(), 14);
}

#[test]
fn an_address_of_the_order_system_in_the_old_form_is_understood() {
    for (address, suffix, base_url, service_suffix) in [
        (
            "http://dev.ylhtest.example/ylh-cloud-service-jst-order-dev",
            "",
            "http://dev.ylhtest.example",
            "-dev",
        ),
        ("http://pre.example/ylh-cloud-mgt-auth-pre/", "-pre", "http://pre.example", "-pre"),
        ("http://www.example/gate/ylh-cloud-service-stock", "", "http://www.example/gate", ""),
        ("http://www.example/gate", "-dev", "http://www.example/gate", "-dev"),
        ("http://www.example/ylh-cloud-orders", "", "http://www.example/ylh-cloud-orders", ""),
    ] {
        let account = ylh(&[("YLH_BASE_URL", address), ("YLH_SERVICE_SUFFIX", suffix)]).unwrap();
        assert_eq!((account.base_url.as_str(), account.service_suffix.as_str()), (base_url, service_suffix));
        assert_eq!(account.auth_url, format!("{base_url}/ylh-cloud-mgt-auth{service_suffix}/oauth/token"));
    }
    let own = ylh(&[("YLH_AUTH_URL", "https://auth.example/token/")]).unwrap();
    assert_eq!(own.auth_url, "https://auth.example/token");
}

#[test]
fn every_bad_variable_of_the_order_system_is_named() {
    let named = |others: &[(&str, &str)]| {
        let problems = ylh(others).unwrap_err();
        assert!(!format!("{problems:?}").contains("s3cret"), "{problems:?}");
        problems.into_iter().map(|problem| problem.name).collect::<Vec<_>>()
    };
    let bad = [("YLH_BASE_URL", "ylh.example"), ("YLH_AUTH_URL", "http://u:s3cret@ylh.example")];
    assert_eq!(named(&bad), ["YLH_BASE_URL", "YLH_AUTH_URL"]);
    assert_eq!(named(&[("YLH_SERVICE_SUFFIX", "dev")]), ["YLH_SERVICE_SUFFIX"]);
    let two =
        [("YLH_BASE_URL", "http://ylh.example/ylh-cloud-service-order-dev"), ("YLH_SERVICE_SUFFIX", "-pre")];
    assert_eq!(named(&two), ["YLH_SERVICE_SUFFIX"]);
}

#[test]
fn mistakes_in_an_account_that_is_not_used_harm_nobody() {
    let environment = variables(&ACCOUNT[..2]);
    let sandbox = Some(sandbox::Options::default());
    let settings = read(&Sources { environment, sandbox, ..Sources::default() }).unwrap();
    assert!(settings.account.is_none() && settings.sandbox.is_some());
}

#[test]
fn the_readme_shows_the_table_of_settings() {
    let table = settings_table();
    assert!(table.contains("| `sync.lease` | `HAIER_INTEGRATION_SYNC_LEASE` | `15s` |"), "{table}");
    if let Ok(readme) = fs::read_to_string("README.md")
        && readme.contains("| setting | variable |")
    {
        assert!(readme.contains(&table), "the README's table is not this one:\n{table}");
    }
}

#[test]
fn tls_is_whole_or_says_what_it_lacks() {
    let given = |pairs: &[(&'static str, &str)]| {
        let flags = pairs.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
        read(&Sources { flags, ..Sources::default() })
    };
    let own = [("tls.cert", "a.pem"), ("tls.key", "a.key")];
    let files = given(&own).unwrap().tls.unwrap();
    assert_eq!((files.cert, files.key, files.clients), ("a.pem".into(), "a.key".into(), None));
    let roles = ("tls.client_role", "shop=operator\nspiffe://shop/a?b=c=admin, ops@shop=reader");
    let files = given(&[own[0], own[1], ("tls.client_ca", "ca.pem"), roles]).unwrap().tls.unwrap();
    let clients = files.clients.unwrap();
    assert!(clients.required, "what is asked for is required unless told");
    let roles: Vec<_> = clients.roles.iter().map(|(name, role)| format!("{name}: {role}")).collect();
    assert_eq!(roles, ["shop: operator", "spiffe://shop/a?b=c: admin", "ops@shop: reader"]);

    let file = file(
        "[tls]\ncert = \"a.pem\"\nkey = \"a.key\"\nclient_ca = \"ca.pem\"\nclient_role = [\"a=admin\", \"b=reader\"]\n",
    );
    let read_file = read(&Sources { file: Some(file.path().to_owned()), ..Sources::default() }).unwrap();
    assert_eq!(read_file.tls.unwrap().clients.unwrap().roles.len(), 2);

    for (pairs, names) in [
        (&[("tls.cert", "a.pem")][..], &["--tls-cert"][..]),
        (&[("tls.key", "a.key"), ("tls.client_auth", "sometimes")], &["--tls-key", "--tls-client-auth"]),
        (&[("tls.client_ca", "ca.pem")], &["--tls-client-ca"]),
        (&[own[0], own[1], ("tls.client_auth", "optional")], &["--tls-client-auth"]),
        (&[own[0], own[1], ("tls.client_role", "a=admin")], &["--tls-client-role"]),
        (&[own[0], own[1], ("tls.client_ca", "ca"), ("tls.client_role", "a=root")], &["--tls-client-role"]),
        (
            &[own[0], own[1], ("tls.client_ca", "ca"), ("tls.client_role", "a=admin,a=reader")],
            &["--tls-client-role"],
        ),
    ] {
        let mut told: Vec<_> =
            given(pairs).unwrap_err().problems.into_iter().map(|problem| problem.name).collect();
        told.sort();
        let mut names = names.to_vec();
        names.sort_unstable();
        assert_eq!(told, names, "{pairs:?}");
    }
}
