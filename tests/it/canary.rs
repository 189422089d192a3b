//! Secrets and phone numbers that are easy to know again are put in wherever they can enter, and looked for in everything
//! that leaves: log lines at TRACE, statuses, metrics, stored rows, database files.
//!
//! To plant another one: add a line to `CANARIES`, and put its value in where it enters.

mod calls;
mod parrot;

use std::{
    collections::BTreeSet,
    fs::{self, File},
    sync::LazyLock,
};

use aho_corasick::AhoCorasick;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use calls::{call_back, call_everything};
use haier_integration::{app::SystemClock, domain::clock::Clock as _, keyring::Document};
use parrot::parrot;
use secrecy::ExposeSecret as _;

use crate::{
    processes::{Running, program},
    support::{Database, Plan, on_both_databases},
};

on_both_databases!(nothing_that_leaves_holds_a_secret_or_a_phone_number);

/// What it is, its value, and the part of it that no encoding changes.
const CANARIES: [(&str, &str, &str); 19] = [
    ("client secret", "qz1 Kf8sPw2x/+é", "Kf8sPw2x"),
    ("password", "Hv3nTb6y\"\\&=q", "Hv3nTb6y"),
    ("seller's password", "Jm4rWc9d%密码", "Jm4rWc9d"),
    ("customer's password", "Lp5gXk7u", "Lp5gXk7u"),
    ("token of Haier", "Nd6hZm8v.Yq2j", "Nd6hZm8v"),
    ("token of a caller", "Rt7kBf3c-Vw9s4x", "Rt7kBf3c"),
    ("password of the database", "Sx8mDg5e", "Sx8mDg5e"),
    ("phone number", "13987654321", "13987654321"),
    ("password of the order system", "Bq2xVn7r=%&", "Bq2xVn7r"),
    ("client secret of the order system", "Gy5cTw9k/+", "Gy5cTw9k"),
    ("secret of callbacks", "Zr6pMj3d", "Zr6pMj3d"),
    ("stored client secret", "Fa8nLs4v\"\\", "Fa8nLs4v"),
    ("stored password", "Xe3hQk6t 密", "Xe3hQk6t"),
    ("stored seller's password", "Ub7yDg2m", "Ub7yDg2m"),
    ("stored password of the order system", "Cw9fRz5p", "Cw9fRz5p"),
    ("stored client secret of the order system", "Ko4jHx8b", "Ko4jHx8b"),
    ("consignee's name", "欧阳雀儿", "欧阳雀儿"),
    ("consignee's phone number", "13755501234", "13755501234"),
    ("consignee's address", "金丝雀胡同七号", "金丝雀胡同七号"),
];

/// What is personal of an order.
const PERSONAL: [&str; 3] = ["consignee's name", "consignee's phone number", "consignee's address"];

fn canary(what: &str) -> &'static str {
    CANARIES.iter().find(|(name, ..)| *name == what).unwrap().1
}

/// Every canary that is in what left, as it is or as base64. Looked for all at once: a log at TRACE is long.
fn sung(bytes: &[u8]) -> Vec<&'static str> {
    /// Of each canary: as it is, and as base64 wherever it may begin in it.
    const SONGS: usize = 4;
    static ALL: LazyLock<AhoCorasick> = LazyLock::new(|| {
        let songs = CANARIES.iter().flat_map(|(_, _, part)| -> [String; SONGS] {
            let encoded = |offset: usize| {
                let whole = STANDARD.encode([&vec![0; offset], part.as_bytes()].concat());
                whole[(offset * 8).div_ceil(6)..(offset + part.len()) * 8 / 6].to_owned()
            };
            [(*part).to_owned(), encoded(0), encoded(1), encoded(2)]
        });
        AhoCorasick::new(songs).unwrap()
    });
    let heard = ALL.find_overlapping_iter(bytes).map(|found| found.pattern().as_usize() / SONGS);
    heard.collect::<BTreeSet<_>>().into_iter().map(|at| CANARIES[at].0).collect()
}

fn silent(where_: &str, bytes: impl AsRef<[u8]>) {
    let bytes = bytes.as_ref();
    let found = sung(bytes);
    if !found.is_empty() {
        let text = String::from_utf8_lossy(bytes);
        let told = text.lines().filter(|line| !sung(line.as_bytes()).is_empty()).take(3).collect::<Vec<_>>();
        panic!("{where_} holds {found:?}: {told:#?}");
    }
}

async fn nothing_that_leaves_holds_a_secret_or_a_phone_number(plan: Plan) {
    let haier = parrot().await;
    let keys = Document::generate(SystemClock::new().now()).unwrap();
    for (format, level) in [
        ("text", "trace"),
        (
            "json",
            "trace,h2=trace,hyper=trace,hyper_util=trace,reqwest=trace,rustls=trace,tokio_postgres=trace,tonic=trace,tower=trace",
        ),
    ] {
        let log = plan.database.folder().join(format!("{format}.log"));
        let any = "127.0.0.1:0";
        let mut command = program(&["serve", "--grpc-addr", any, "--http-addr", any, "--callback-addr", any]);
        command
            .current_dir(plan.database.folder())
            .env("HAIER_INTEGRATION_DATABASE_URL", address(&plan.database))
            .env("HAIER_INTEGRATION_DATABASE_WAIT", "1m")
            .env("HAIER_INTEGRATION_LOG_FORMAT", format)
            .env("HAIER_INTEGRATION_LOG_LEVEL", level)
            .env("HAIER_INTEGRATION_UPSTREAM_RATE", "0")
            .env("HAIER_INTEGRATION_UPSTREAM_RETRY_BASE", "1ms")
            .env("HAIER_INTEGRATION_UPSTREAM_RETRY_MAX", "2ms")
            .env("HAIER_INTEGRATION_UPSTREAM_BREAKER_FAILURES", "1000")
            .env("HAIER_BASE_URL", &haier)
            .env("HAIER_CLIENT_ID", "canary")
            .env("HAIER_CUSTOMER_CODE", "8800000001")
            .env("HAIER_CLIENT_SECRET", canary("client secret"))
            .env("HAIER_PASSWORD", canary("password"))
            .env("HAIER_SELLER_PASSWORD", canary("seller's password"))
            .env("HAIER_CUSTOMER_PASSWORD", canary("customer's password"))
            .env("HAIER_INTEGRATION_ALLOW_PRIVATE_HOSTS", "true")
            .env("HAIER_INTEGRATION_ALLOW_PLAIN_HTTP", "true")
            .env("HAIER_INTEGRATION_ORDER_RATE", "0")
            .env("HAIER_INTEGRATION_ORDERS_SCHEDULE", "50ms")
            .env("HAIER_INTEGRATION_ORDERS_DOUBT_WAIT", "100ms")
            .env("HAIER_INTEGRATION_UPSTREAM_REQUEST_TIMEOUT", "100ms")
            .env("HAIER_INTEGRATION_KEYS", keys.to_text().expose_secret())
            .env("YLH_BASE_URL", &haier)
            .env("YLH_USERNAME", "canary")
            .env("YLH_CLIENT_ID", "canary")
            .env("YLH_PASSWORD", canary("password of the order system"))
            .env("YLH_CLIENT_SECRET", canary("client secret of the order system"))
            .env("YLH_SOURCE_SYSTEM", "shop")
            .env("YLH_SHOP_NAME", "旗舰店")
            .env("YLH_CALLBACK_APP_KEY", "canary-app")
            .env("YLH_CALLBACK_SECRET", canary("secret of callbacks"))
            .stderr(File::create(&log).unwrap());
        let mut service = Running::start(command);
        let address = service.told("gRPC ");
        let metrics = service.told("metrics ").split_whitespace().next().unwrap().to_owned();
        let callbacks = service.told("callbacks ");
        for answer in call_everything(&address).await {
            silent("an answer", answer);
        }
        call_back(&callbacks).await;
        silent("/metrics", reqwest::get(metrics).await.unwrap().bytes().await.unwrap());
        silent("standard output", service.end());
        let lines = fs::read(&log).unwrap();
        assert!(
            lines.windows(5).any(|word| word == b"TRACE" || word == b"DEBUG"),
            "nothing was logged at {level}"
        );
        silent(&format!("the log in {format}"), &lines);
        look_into(&plan.database).await;
    }
}

/// With a password, which a server that trusts everybody does not ask for.
fn address(database: &Database) -> String {
    let Ok(mut url) = url::Url::parse(&database.address) else { return database.address.clone() };
    if database.is_postgres() && url.password().is_none() {
        url.set_password(Some(canary("password of the database"))).unwrap();
    }
    url.into()
}

/// Every row of every table; on SQLite every byte of its files, free pages and journal among them.
async fn look_into(database: &Database) {
    if !database.is_postgres() {
        for entry in fs::read_dir(database.folder()).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                silent(&path.display().to_string(), fs::read(&path).unwrap());
            }
        }
        return;
    }
    for (what, _, part) in CANARIES {
        let search = format!(
            "DO $$ DECLARE name text; found bigint; BEGIN
                 FOR name IN SELECT table_name FROM information_schema.tables
                             WHERE table_schema = 'public' AND table_type = 'BASE TABLE' LOOP
                     EXECUTE format('SELECT count(*) FROM %I AS t WHERE position(%L IN t::text) > 0', name, '{part}')
                         INTO found;
                     IF found > 0 THEN RAISE EXCEPTION '% rows of % hold it', found, name; END IF;
                 END LOOP;
             END $$"
        );
        let outcome = database.execute(&search).await;
        assert_eq!(outcome, Ok(()), "{what}");
    }
}

#[test]
fn every_canary_is_heard_as_it_is_and_as_base64() {
    for (what, whole, part) in CANARIES {
        assert_eq!(sung(format!("{{{whole}}}").as_bytes()), [what]);
        for before in ["", "-", "--"] {
            let encoded = STANDARD.encode(format!("{before}{part} and more"));
            assert_eq!(sung(encoded.as_bytes()), [what], "{encoded}");
        }
    }
    assert!(sung("nothing of anybody".as_bytes()).is_empty());
}
