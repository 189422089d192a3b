//! Secrets and phone numbers that are easy to know again are put in wherever they can enter, and looked for in everything
//! that leaves: log lines at TRACE, statuses, metrics, stored rows, database files.
//!
//! To plant another one: add a line to `CANARIES`, and put its value in where it enters.

use std::{
    fs::{self, File},
    sync::atomic::{AtomicUsize, Ordering},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use haier_integration::proto::{
    CheckStockRequest, GetBalanceRequest, GetLogisticsRequest, GetPricesRequest, GetUpstreamStatusRequest,
    ListSyncFailuresRequest, ListSyncLogsRequest, PauseUpstreamRequest, SyncProductsRequest, UpstreamTarget,
    haier_administration_client::HaierAdministrationClient, haier_integration_client::HaierIntegrationClient,
};
use serde_json::json;
use tonic::{Request, Status, service::interceptor::InterceptedService, transport::Channel};

use crate::{
    processes::{Running, program},
    support::{Database, Plan, on_both_databases, within},
};

on_both_databases!(nothing_that_leaves_holds_a_secret_or_a_phone_number);

/// What it is, its value, and the part of it that no encoding changes.
const CANARIES: [(&str, &str, &str); 8] = [
    ("client secret", "qz1 Kf8sPw2x/+é", "Kf8sPw2x"),
    ("password", "Hv3nTb6y\"\\&=q", "Hv3nTb6y"),
    ("seller's password", "Jm4rWc9d%密码", "Jm4rWc9d"),
    ("customer's password", "Lp5gXk7u", "Lp5gXk7u"),
    ("token of Haier", "Nd6hZm8v.Yq2j", "Nd6hZm8v"),
    ("token of a caller", "Rt7kBf3c-Vw9s4x", "Rt7kBf3c"),
    ("password of the database", "Sx8mDg5e", "Sx8mDg5e"),
    ("phone number", "13987654321", "13987654321"),
];

fn canary(what: &str) -> &'static str {
    CANARIES.iter().find(|(name, ..)| *name == what).unwrap().1
}

/// Every canary that is in what left, as it is or as base64.
fn sung(bytes: &[u8]) -> Vec<&'static str> {
    let has = |part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
    let encoded = |part: &str| {
        (0..3).any(|offset| {
            let whole = STANDARD.encode([&vec![0; offset], part.as_bytes()].concat());
            has(&whole.as_bytes()[(offset * 8).div_ceil(6)..(offset + part.len()) * 8 / 6])
        })
    };
    let is_in = |part: &str| has(part.as_bytes()) || encoded(part);
    CANARIES.iter().filter(|(_, _, part)| is_in(part)).map(|(what, ..)| *what).collect()
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

/// A Haier that quotes everything it was told, in every way that an answer can be wrong.
async fn parrot() -> String {
    async fn answer(
        State(count): State<&'static AtomicUsize>,
        uri: Uri,
        headers: HeaderMap,
        body: Bytes,
    ) -> Response {
        let phone = canary("phone number");
        if uri.path().contains("oauth") {
            let token = json!({ "access_token": canary("token of Haier"), "expires_in": 3600 });
            return token.to_string().into_response();
        }
        let body = String::from_utf8_lossy(&body);
        let secrets = ["client secret", "password", "seller's password", "customer's password"].map(canary);
        let encoded: String = url::form_urlencoded::byte_serialize(secrets.join(" ").as_bytes()).collect();
        let words = format!(
            "no: {uri} {headers:?} {body} {secrets:?} {encoded} {} tel {phone}",
            STANDARD.encode(&*body)
        );
        let envelope = json!({ "success": false, "code": "500", "message": words, "data": body });
        match count.fetch_add(1, Ordering::Relaxed) % 6 {
            0 => (StatusCode::BAD_REQUEST, envelope.to_string()).into_response(),
            1 => (StatusCode::INTERNAL_SERVER_ERROR, words).into_response(),
            2 => envelope.to_string().into_response(),
            3 => {
                let wrong = |value: &str| json!({ "productCode": "AA1", "isSales": value, "supplyPrice": value, "stock": value });
                let records: Vec<_> =
                    secrets.iter().chain([&phone, &canary("token of Haier")]).map(|v| wrong(v)).collect();
                json!(records).to_string().into_response()
            }
            4 => (StatusCode::FORBIDDEN, format!("<html>{words}</html>")).into_response(),
            _ => format!("[{{\"productCode\": \"AA1\", \"words\": {words}").into_response(),
        }
    }
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(
        async move { axum::serve(listener, Router::new().fallback(answer).with_state(&COUNT)).await },
    );
    format!("http://{address}")
}

type Shown = InterceptedService<Channel, fn(Request<()>) -> Result<Request<()>, Status>>;

/// Shows a token that nobody may read.
fn show_token(mut request: Request<()>) -> Result<Request<()>, Status> {
    let header = format!("Bearer {}", canary("token of a caller"));
    request.metadata_mut().insert("authorization", header.parse().unwrap());
    Ok(request)
}

/// Calls everything, wrong and right; returns all that was answered.
async fn call_everything(address: &str) -> Vec<String> {
    let channel =
        || async { Channel::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap() };
    let token: fn(Request<()>) -> Result<Request<()>, Status> = show_token;
    let mut client: HaierIntegrationClient<Shown> =
        HaierIntegrationClient::with_interceptor(channel().await, token);
    let mut operator: HaierAdministrationClient<Shown> =
        HaierAdministrationClient::with_interceptor(channel().await, token);
    let phone = canary("phone number").to_owned();
    let mut said = Vec::new();
    macro_rules! keep {
        ($answer:expr) => {
            said.push(match $answer {
                Ok(answer) => format!("{answer:?}"),
                Err(status) => format!("{status:?} {}", String::from_utf8_lossy(status.details())),
            })
        };
    }
    for _ in 0..6 {
        keep!(client.get_prices(GetPricesRequest { product_codes: vec!["AA1".to_owned()] }).await);
        keep!(
            client
                .check_stock(CheckStockRequest { product_code: "AA1".to_owned(), ..Default::default() })
                .await
        );
        keep!(client.get_balance(GetBalanceRequest {}).await);
        let request = GetLogisticsRequest { order_code: "SO1".to_owned(), ..Default::default() };
        keep!(client.get_logistics(request).await);
    }
    let county_code = phone.clone();
    keep!(client.check_stock(CheckStockRequest { product_code: "AA1".to_owned(), county_code }).await);
    let reason = format!("call {phone}, password={}", canary("token of a caller"));
    let target = UpstreamTarget::OrderSystem.into();
    keep!(operator.pause_upstream(PauseUpstreamRequest { target, reason, until: None }).await);
    for _ in 0..6 {
        let request = SyncProductsRequest {
            product_codes: vec!["AA1".to_owned(), "AA2".to_owned()],
            sync_prices: true,
            sync_stock: true,
            ..Default::default()
        };
        match client.sync_products(request).await {
            Ok(stream) => {
                let mut stream = stream.into_inner();
                while let Some(progress) = within(stream.message()).await.unwrap_or_default() {
                    said.push(format!("{progress:?}"));
                }
            }
            Err(status) => said.push(format!("{status:?}")),
        }
    }
    let logs =
        client.list_sync_logs(ListSyncLogsRequest { page_size: 100, ..Default::default() }).await.unwrap();
    for log in logs.into_inner().sync_logs {
        let request = ListSyncFailuresRequest { sync_log_id: log.id, page_size: 100, ..Default::default() };
        said.push(format!("{log:?}"));
        keep!(client.list_sync_failures(request).await);
    }
    keep!(operator.get_upstream_status(GetUpstreamStatusRequest {}).await);
    said
}

async fn nothing_that_leaves_holds_a_secret_or_a_phone_number(plan: Plan) {
    let haier = parrot().await;
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
            .stderr(File::create(&log).unwrap());
        let mut service = Running::start(command);
        let address = service.told("gRPC ");
        let metrics = service.told("metrics ").split_whitespace().next().unwrap().to_owned();
        for answer in call_everything(&address).await {
            silent("an answer", answer);
        }
        // Fails only if somebody has installed one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
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
