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
use haier_integration::{
    app::SystemClock,
    domain::clock::Clock as _,
    keyring::Document,
    proto::{
        CancelOrderRequest, CheckStockRequest, CreateHaierConfigRequest, GetBalanceRequest,
        GetLogisticsRequest, GetPricesRequest, GetUpstreamStatusRequest, HaierConfig,
        ListCourierNumbersRequest, ListDeliveryPhotosRequest, ListHaierConfigsRequest,
        ListOrderChangesRequest, ListOrderFactsRequest, ListSyncFailuresRequest, ListSyncLogsRequest, Order,
        OrderOutcome, OrderResponse, PauseUpstreamRequest, PushOrderRequest, RescheduleOrderRequest,
        ResolveOrderRequest, RetryOrderRequest, SyncProductsRequest, TestHaierConfigRequest, UpstreamTarget,
        YlhConfig, haier_administration_client::HaierAdministrationClient,
        haier_integration_client::HaierIntegrationClient, test_haier_config_request::Account as Tested,
    },
};
use secrecy::ExposeSecret as _;
use serde_json::json;
use tonic::{Request, Status, service::interceptor::InterceptedService, transport::Channel};

use crate::{
    callbacks::post,
    orders::order,
    processes::{Running, program},
    support::{Database, Plan, account, on_both_databases, within},
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
        // What it was told of a customer it repeats too, and puts it where it was not asked for.
        let customer = PERSONAL.map(canary).join("，");
        let encoded: String = url::form_urlencoded::byte_serialize(secrets.join(" ").as_bytes()).collect();
        let words = format!(
            "no: {uri} {headers:?} {body} {secrets:?} {encoded} {} tel {phone} {customer}",
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
    said.extend(call_about_orders(client.clone(), operator.clone()).await);
    said.extend(call_about_accounts(operator.clone()).await);
    keep!(operator.get_upstream_status(GetUpstreamStatusRequest {}).await);
    said
}

fn said<T: std::fmt::Debug>(answer: Result<tonic::Response<T>, Status>) -> String {
    match answer {
        Ok(answer) => format!("{answer:?}"),
        Err(status) => format!("{status:?} {}", String::from_utf8_lossy(status.details())),
    }
}

/// An operator may read whom an order is for; everything else that is said of it must be silent about him.
fn said_of_order(answer: Result<tonic::Response<OrderResponse>, Status>) -> String {
    said(answer.map(|answer| {
        answer.map(|response| {
            let order = response.order.unwrap();
            Order {
                consignee_name: String::new(),
                consignee_mobile: String::new(),
                detail_address: String::new(),
                remark: String::new(),
                ..order
            }
        })
    }))
}

/// Everything that can be said of orders, with the customer's data wherever a text can be given.
async fn call_about_orders(
    mut client: HaierIntegrationClient<Shown>,
    mut operator: HaierAdministrationClient<Shown>,
) -> Vec<String> {
    let customer = PERSONAL.map(canary).join("，");
    let mut all = Vec::new();
    for number in 0..6 {
        let so_id = format!("CANARY-{number}");
        let mut given = order(&so_id, "AA1");
        [given.consignee_name, given.consignee_mobile, given.detail_address] =
            PERSONAL.map(|what| canary(what).to_owned());
        given.remark = customer.clone();
        let wait = Some(prost_types::Duration { seconds: 2, nanos: 0 });
        let mut wrong = given.clone();
        wrong.consignee_mobile.push_str("99");
        wrong.total_amount = None;
        all.push(said_of_order(client.push_order(PushOrderRequest { order: Some(wrong), wait }).await));
        all.push(said_of_order(
            client.push_order(PushOrderRequest { order: Some(given.clone()), wait }).await,
        ));
        given.city = "上海市".to_owned();
        all.push(said_of_order(client.push_order(PushOrderRequest { order: Some(given), wait: None }).await));
        let request = ResolveOrderRequest {
            so_id: so_id.clone(),
            outcome: OrderOutcome::Booked.into(),
            evidence: format!("asked {customer}"),
            retail_order_no: format!("HMM{number}"),
        };
        all.push(said_of_order(operator.resolve_order(request).await));
        let time = Some(prost_types::Timestamp { seconds: 1_767_283_199, nanos: 0 });
        let request =
            RescheduleOrderRequest { so_id: so_id.clone(), distribution_time: time, install_time: None };
        all.push(said_of_order(client.reschedule_order(request).await));
        let request = CancelOrderRequest { so_id: so_id.clone(), reason: format!("for {customer}") };
        all.push(said_of_order(client.cancel_order(request).await));
        all.push(said_of_order(client.retry_order(RetryOrderRequest { so_id: so_id.clone() }).await));
        all.push(said(client.list_delivery_photos(ListDeliveryPhotosRequest { so_id: so_id.clone() }).await));
        let request = ListCourierNumbersRequest { so_ids: vec![so_id.clone()] };
        all.push(said(client.list_courier_numbers(request).await));
        all.push(said(client.list_order_facts(ListOrderFactsRequest { so_id }).await));
    }
    let request = ListOrderChangesRequest { cursor: 0, page_size: 1_000 };
    all.push(said(client.list_order_changes(request).await));
    all
}

/// An account that is stored with all its secrets, and tried in vain.
async fn call_about_accounts(mut operator: HaierAdministrationClient<Shown>) -> Vec<String> {
    let secret = |what| canary(what).to_owned();
    // Nobody listens there.
    let nowhere = "http://127.0.0.1:1".to_owned();
    let ylh = YlhConfig {
        base_url: nowhere.clone(),
        password: secret("stored password of the order system"),
        client_secret: secret("stored client secret of the order system"),
        callback_secret: secret("secret of callbacks"),
        ..account("canary").ylh.unwrap()
    };
    let config = HaierConfig {
        base_url: nowhere,
        client_secret: secret("stored client secret"),
        password: secret("stored password"),
        seller_password: secret("stored seller's password"),
        ylh: Some(ylh),
        ..account("canary")
    };
    let mut all = Vec::new();
    let mut wrong = config.clone();
    wrong.customer_code = secret("stored password");
    wrong.client_id.clear();
    for haier_config in [wrong, config.clone(), config.clone()] {
        let request = CreateHaierConfigRequest { haier_config: Some(haier_config), ..Default::default() };
        all.push(said(operator.create_haier_config(request).await));
    }
    for account in [Tested::Name("canary".to_owned()), Tested::HaierConfig(config)] {
        let request = TestHaierConfigRequest { account: Some(account) };
        all.push(said(operator.test_haier_config(request).await));
    }
    all.push(said(operator.list_haier_configs(ListHaierConfigsRequest::default()).await));
    all
}

/// Callbacks about orders, and one about none, that say what they should not. Whose name it is in the last one nobody can know.
async fn call_back(url: &str) {
    // Fails only if somebody has installed one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (customer, phone) = (PERSONAL.map(canary).join("，"), canary("phone number"));
    for (number, who) in [("CANARY-0", customer.as_str()), ("CANARY-1", &customer), ("NOBODYS", phone)] {
        let data = json!({
            "ExtOrderNo": "", "PlatformOrderNo": number, "State": 0, "FailMsg": format!("电话{who}"),
        });
        let callback = post("confirm", &data).with("AppKey", "canary-app");
        let (body, content_type) = callback.signed_with(canary("secret of callbacks")).body();
        let request = reqwest::Client::new().post(url).header("content-type", content_type);
        let answer = within(request.body(body).send()).await.unwrap();
        silent("the answer to a callback", within(answer.bytes()).await.unwrap());
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
