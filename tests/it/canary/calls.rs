//! Everything that a caller and Haier's callbacks can say to the service.

use haier_integration::proto::{
    CancelOrderRequest, CheckStockRequest, CreateHaierConfigRequest, GetBalanceRequest, GetLogisticsRequest,
    GetPricesRequest, GetUpstreamStatusRequest, HaierConfig, ListCourierNumbersRequest,
    ListDeliveryPhotosRequest, ListHaierConfigsRequest, ListOrderChangesRequest, ListOrderFactsRequest,
    ListSyncFailuresRequest, ListSyncLogsRequest, Order, OrderOutcome, OrderResponse, PauseUpstreamRequest,
    PushOrderRequest, RescheduleOrderRequest, ResolveOrderRequest, RetryOrderRequest, SyncProductsRequest,
    TestHaierConfigRequest, UpstreamTarget, YlhConfig,
    haier_administration_client::HaierAdministrationClient, haier_integration_client::HaierIntegrationClient,
    test_haier_config_request::Account as Tested,
};
use serde_json::json;
use tonic::{Request, Status, service::interceptor::InterceptedService, transport::Channel};

use super::{PERSONAL, canary, silent};
use crate::{
    callbacks::post,
    orders::order,
    support::{account, within},
};

type Shown = InterceptedService<Channel, fn(Request<()>) -> Result<Request<()>, Status>>;

/// Shows a token that nobody may read.
fn show_token(mut request: Request<()>) -> Result<Request<()>, Status> {
    let header = format!("Bearer {}", canary("token of a caller"));
    request.metadata_mut().insert("authorization", header.parse().unwrap());
    Ok(request)
}

/// Calls everything, wrong and right; returns all that was answered.
pub(super) async fn call_everything(address: &str) -> Vec<String> {
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
        // Haier says something else every time, also that it has no such product; then there is no order.
        let mut is_accepted = false;
        for _ in 0..20 {
            let request = PushOrderRequest { order: Some(given.clone()), wait };
            let pushed = client.push_order(request).await;
            is_accepted = pushed.is_ok();
            all.push(said_of_order(pushed));
            if is_accepted {
                break;
            }
        }
        assert!(is_accepted, "{so_id} was never accepted");
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
        all.push(said(client.list_order_facts(ListOrderFactsRequest { so_id, ..Default::default() }).await));
    }
    let request = ListOrderChangesRequest { cursor: String::new(), page_size: 1_000 };
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

/// Callbacks about orders, and one about none, that say what they should not.
pub(super) async fn call_back(url: &str) {
    // Fails only if somebody has installed one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let customer = PERSONAL.map(canary).join("，");
    for number in ["CANARY-0", "CANARY-1", "NOBODYS"] {
        let data = json!({
            "ExtOrderNo": "", "PlatformOrderNo": number, "State": 0, "FailMsg": format!("电话{customer}"),
        });
        let callback = post("confirm", &data).with("AppKey", "canary-app");
        let (body, content_type) = callback.signed_with(canary("secret of callbacks")).body();
        let request = reqwest::Client::new().post(url).header("content-type", content_type);
        let answer = within(request.body(body).send()).await.unwrap();
        silent("the answer to a callback", within(answer.bytes()).await.unwrap());
    }
}
