//! Storing an order at best: one transaction with two inserts, an order and its line, and nothing else. Made by whoever asks,
//! or behind one bare tonic method, which is this program again as a process of its own.

use std::{
    convert::Infallible,
    ffi::OsStr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use diesel::{ExpressionMethods as _, SqliteConnection};
use diesel_async::{
    AsyncConnection as _, AsyncPgConnection, RunQueryDsl as _, SimpleAsyncConnection as _,
    sync_connection_wrapper::SyncConnectionWrapper,
};
use futures_util::future::BoxFuture;
use haier_integration::proto::{
    Order, OrderResponse, PushOrderRequest, haier_integration_server::SERVICE_NAME,
};
use tokio::sync::Mutex;
use tonic::{
    Request, Response, Status,
    server::{Grpc, NamedService, UnaryService},
};
use tonic_prost::ProstCodec;

use super::{bare_server, process::Process};

/// As many as the service has.
const CONNECTIONS: usize = 10;

const TABLES: &str = "\
    CREATE TABLE IF NOT EXISTS bare_orders (id bigint PRIMARY KEY, so_id text NOT NULL UNIQUE, online_no text NOT NULL, \
        consignee_name text NOT NULL, consignee_mobile text NOT NULL, detail_address text NOT NULL, \
        total_amount bigint NOT NULL); \
    CREATE TABLE IF NOT EXISTS bare_items (order_id bigint NOT NULL, line bigint NOT NULL, product_code text NOT NULL, \
        actual_price bigint NOT NULL, PRIMARY KEY (order_id, line))";

/// Those of the service.
const PRAGMAS: &str = "PRAGMA busy_timeout = 10000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
                       PRAGMA foreign_keys = ON; PRAGMA cache_size = -16000; PRAGMA temp_store = MEMORY";

diesel::table! {
    bare_orders (id) {
        id -> BigInt,
        so_id -> Text,
        online_no -> Text,
        consignee_name -> Text,
        consignee_mobile -> Text,
        detail_address -> Text,
        total_amount -> BigInt,
    }
}

diesel::table! {
    bare_items (order_id, line) {
        order_id -> BigInt,
        line -> BigInt,
        product_code -> Text,
        actual_price -> BigInt,
    }
}

macro_rules! two_inserts {
    ($conn:expr, $begin:literal, $id:expr, $order:expr) => {{
        let (conn, id, order) = ($conn, $id, $order);
        conn.batch_execute($begin).await?;
        let row = (
            bare_orders::id.eq(id),
            bare_orders::so_id.eq(&order.so_id),
            bare_orders::online_no.eq(&order.online_no),
            bare_orders::consignee_name.eq(&order.consignee_name),
            bare_orders::consignee_mobile.eq(&order.consignee_mobile),
            bare_orders::detail_address.eq(&order.detail_address),
            bare_orders::total_amount.eq(units(&order.total_amount)),
        );
        diesel::insert_into(bare_orders::table).values(row).execute(conn).await?;
        let [item] = order.items.as_slice() else { anyhow::bail!("an order has one line here") };
        let line = (
            bare_items::order_id.eq(id),
            bare_items::line.eq(1_i64),
            bare_items::product_code.eq(&item.product_code),
            bare_items::actual_price.eq(units(&item.actual_price)),
        );
        diesel::insert_into(bare_items::table).values(line).execute(conn).await?;
        conn.batch_execute("COMMIT").await?;
    }};
}

fn units(money: &Option<haier_integration::proto::Money>) -> i64 {
    money.as_ref().map_or(0, |money| money.units)
}

/// Both tables in the database of a service, and connections of our own to it.
pub(crate) struct BareOrders {
    connections: Connections,
    turn: AtomicUsize,
}

enum Connections {
    Postgres(Vec<Mutex<AsyncPgConnection>>),
    Sqlite(Mutex<SyncConnectionWrapper<SqliteConnection>>),
}

impl BareOrders {
    /// Connects, by an address as the service takes it, and makes the tables where they are not there.
    pub(crate) async fn open(url: &str) -> anyhow::Result<Arc<Self>> {
        let connections = if let Some(file) = url.strip_prefix("sqlite://") {
            let mut conn = SyncConnectionWrapper::establish(file).await?;
            conn.batch_execute(PRAGMAS).await?;
            conn.batch_execute(TABLES).await?;
            Connections::Sqlite(Mutex::new(conn))
        } else {
            let mut all = Vec::new();
            for _ in 0..CONNECTIONS {
                all.push(Mutex::new(AsyncPgConnection::establish(url).await?));
            }
            all[0].lock().await.batch_execute(TABLES).await?;
            Connections::Postgres(all)
        };
        Ok(Arc::new(Self { connections, turn: AtomicUsize::new(0) }))
    }

    /// Stores an order of one line.
    pub(crate) async fn insert(&self, order: &Order) -> anyhow::Result<()> {
        let id: i64 = rand::random();
        match &self.connections {
            Connections::Postgres(all) => {
                let turn = self.turn.fetch_add(1, Ordering::Relaxed) % all.len();
                let mut conn = all[turn].lock().await;
                two_inserts!(&mut *conn, "BEGIN", id, order);
            }
            Connections::Sqlite(conn) => {
                let mut conn = conn.lock().await;
                two_inserts!(&mut *conn, "BEGIN IMMEDIATE", id, order);
            }
        }
        Ok(())
    }
}

/// Starts the process that has the method, over this database; returns its address.
pub(crate) fn start(database_url: &str) -> anyhow::Result<(Process, String)> {
    bare_server::start_with("--bare-orders", OsStr::new(database_url))
}

/// Answers calls until the starter is gone.
pub(crate) async fn serve(database_url: &str) -> anyhow::Result<()> {
    let orders = BareOrders::open(database_url).await?;
    bare_server::answer_calls(Method { orders }).await
}

/// `PushOrder`, which stores the order and answers it.
#[derive(Clone)]
struct Method {
    orders: Arc<BareOrders>,
}

impl NamedService for Method {
    const NAME: &'static str = SERVICE_NAME;
}

impl tower::Service<http::Request<tonic::body::Body>> for Method {
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<tonic::body::Body>) -> Self::Future {
        let method = self.clone();
        Box::pin(async move { Ok(Grpc::new(ProstCodec::default()).unary(method, request).await) })
    }
}

impl UnaryService<PushOrderRequest> for Method {
    type Response = OrderResponse;
    type Future = BoxFuture<'static, Result<Response<OrderResponse>, Status>>;

    fn call(&mut self, request: Request<PushOrderRequest>) -> Self::Future {
        let orders = Arc::clone(&self.orders);
        Box::pin(async move {
            let order = request.into_inner().order.unwrap_or_default();
            orders.insert(&order).await.map_err(|error| Status::internal(format!("{error:#}")))?;
            Ok(Response::new(OrderResponse { order: Some(order) }))
        })
    }
}
