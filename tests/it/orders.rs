//! Orders from outside: stored first, sent once and only once whatever Haier does, and never a word of them where it does
//! not belong.

mod accounts;
mod changes;
mod deferrals;
mod doubt;
mod evidence;
mod identity;
mod intake;
#[cfg(target_os = "linux")]
pub(crate) mod killed;
#[cfg(target_os = "linux")]
mod logged;
mod masks;
mod numbering;

use std::time::Duration;

use haier_integration::{
    config::Settings,
    proto::{
        GetOrderRequest, ListOrderChangesRequest, ListOrderFactsRequest, Money, Order, OrderChange,
        OrderFact, OrderItem, OrderResponse, OrderState, PushOrderRequest,
        haier_administration_client::HaierAdministrationClient,
    },
};
use serde_json::Value;
use tonic::{Status, transport::Channel};

use crate::support::{Client, Plan, World, within};

/// What must never be found where it does not belong.
pub(crate) const PERSONAL: [&str; 4] = ["欧阳小明", "13912345678", "长安街一百零八号", "请送货前联系欧阳"];

fn yuan(units: i64) -> Option<Money> {
    Some(Money { currency_code: "CNY".to_owned(), units, nanos: 0 })
}

/// A good order of one product.
pub(crate) fn order(so_id: &str, product_code: &str) -> Order {
    let [name, mobile, address, remark] = PERSONAL.map(str::to_owned);
    Order {
        so_id: so_id.to_owned(),
        online_no: format!("TB-{so_id}"),
        consignee_name: name,
        consignee_mobile: mobile,
        province: "北京市".to_owned(),
        city: "北京市".to_owned(),
        area: "东城区".to_owned(),
        detail_address: address,
        remark,
        total_amount: yuan(1_999),
        items: vec![OrderItem {
            product_code: product_code.to_owned(),
            quantity: 1,
            retail_price: yuan(2_099),
            discount_amount: yuan(100),
            actual_price: yuan(1_999),
            is_gift: false,
        }],
        ..Order::default()
    }
}

/// Short waits: enough to be one, too little to be waited for.
pub(crate) fn hurried(settings: &mut Settings) {
    settings.upstream.request_timeout = Duration::from_millis(700);
    settings.upstream.breaker_failures = 1_000;
    settings.orders.schedule = vec![Duration::from_millis(20), Duration::from_millis(50)];
    settings.orders.doubt_wait = Duration::from_millis(700);
}

/// A service that pushes without long waits, and a product that is on sale.
async fn shop(plan: Plan) -> (World, String) {
    let world = plan.settings(hurried).start().await;
    let code = on_sale(&world).await;
    (world, code)
}

pub(crate) async fn on_sale(world: &World) -> String {
    let products = world.products().await;
    products.into_iter().find(|product| product.is_sales).expect("something is on sale").product_code
}

async fn administration(world: &World) -> HaierAdministrationClient<Channel> {
    HaierAdministrationClient::new(world.channel().connect().await.unwrap())
}

/// Pushes and waits for the outcome.
pub(crate) async fn push(client: &mut Client, order: Order) -> Result<Order, Status> {
    let wait = Some(prost_types::Duration { seconds: 20, nanos: 0 });
    client.push_order(PushOrderRequest { order: Some(order), wait }).await.map(whole)
}

/// Pushes and does not wait.
async fn accept(world: &World, order: Order) -> Result<Order, Status> {
    world.client().push_order(PushOrderRequest { order: Some(order), wait: None }).await.map(whole)
}

fn whole(answer: tonic::Response<OrderResponse>) -> Order {
    answer.into_inner().order.expect("an order is answered")
}

pub(crate) async fn get(client: &mut Client, so_id: &str) -> Order {
    whole(client.get_order(GetOrderRequest { so_id: so_id.to_owned() }).await.unwrap())
}

/// The order once it stands so.
pub(crate) async fn until(client: &mut Client, so_id: &str, state: OrderState) -> Order {
    let request = haier_integration::proto::WatchOrderRequest { so_id: so_id.to_owned() };
    let mut stream = client.watch_order(request).await.unwrap().into_inner();
    within(async {
        loop {
            let order = stream.message().await.unwrap().expect("the watch does not end").order.unwrap();
            if order.state() == state {
                return order;
            }
        }
    })
    .await
}

async fn facts(world: &World, so_id: &str) -> Vec<OrderFact> {
    let request = ListOrderFactsRequest { so_id: so_id.to_owned(), page_size: 1_000, ..Default::default() };
    world.client().list_order_facts(request).await.unwrap().into_inner().facts
}

async fn kinds(world: &World, so_id: &str) -> Vec<String> {
    facts(world, so_id).await.into_iter().map(|fact| fact.kind).collect()
}

/// Epoch and number of a cursor. Callers must not do this.
pub(crate) fn place(cursor: &str) -> (i64, i64) {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(cursor).unwrap();
    let text = String::from_utf8(text).unwrap();
    let place: Vec<&str> = text.split(':').collect();
    (place[1].parse().unwrap(), place[2].parse().unwrap())
}

/// All changes there are, which must be numbered without a gap.
async fn changes_of(world: &World, so_id: &str) -> Vec<OrderState> {
    let request = ListOrderChangesRequest { cursor: String::new(), page_size: 1_000 };
    let answer = world.client().list_order_changes(request).await.unwrap().into_inner();
    for (change, number) in answer.changes.iter().zip(1..) {
        assert_eq!(place(&change.cursor), (1, number));
    }
    assert_eq!(answer.next_cursor, answer.head_cursor);
    answer.changes.iter().filter(|change| change.so_id == so_id).map(OrderChange::state).collect()
}

/// Entries of the stand-in's book with this number.
pub(crate) async fn booked(haier: &crate::support::Haier, so_id: &str) -> Vec<Value> {
    let book = haier.orders().await;
    let orders = book["orders"].as_array().unwrap();
    orders.iter().filter(|order| order["soId"] == so_id).cloned().collect()
}
