//! A stand-in for the supplier over real HTTP, for development, demonstrations and tests: a catalogue of any size made on
//! demand, its token, throttle and faults, and controls under `/_sandbox/`. Uses nothing of the rest of the crate, so
//! that it cannot share a mistake with the client that it tests.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::StatusCode;
use axum::routing::post;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use connection::{Door, Scissors};
use endpoint::Endpoint;
use world::World;

pub use presets::Preset;

mod answer;
mod balance;
mod book;
mod call;
mod callback_note;
mod callback_sign;
mod callbacks;
mod catalogue;
mod catalogue_change;
mod changes;
mod codes;
mod connection;
mod control;
mod control_guard;
mod damage;
mod decimal;
mod dice;
mod endpoint;
mod errands;
mod events;
mod fault_input;
mod fault_kinds;
mod faults;
mod groups;
mod journal;
mod listing;
mod logistics;
mod openplat;
mod order;
mod order_check;
mod order_control;
mod order_papers;
mod presets;
mod prices;
mod request;
mod shanghai;
mod stock;
mod throttle;
mod tokens;
mod world;
mod ylh;

/// The open platform's client id.
pub const CLIENT_ID: &str = "sandbox";
/// The open platform's client secret.
pub const CLIENT_SECRET: &str = "sandbox";
/// The order system's client id.
pub const YLH_CLIENT_ID: &str = "sandbox";
/// The order system's user.
pub const YLH_USERNAME: &str = "sandbox";
/// The password of every customer, and of the order system's client and user.
pub const PASSWORD: &str = "sandbox";
/// The two sellers, as sold-to codes (售达方).
pub const CUSTOMER_CODES: [&str; 2] = ["8800000001", "8800000002"];

/// The apps that speak to the two sellers by callback.
pub const CALLBACK_APPS: [&str; 2] = ["sandbox-app", "sandbox-app-2"];
/// The secret that both sign with.
pub const CALLBACK_SECRET: &str = "sandbox-callback-secret";

/// The state file of a stand-in of a process, when none is named.
pub const DEFAULT_STATE: &str = "haier-sandbox.db";

/// How long calls in progress have to end by themselves, and then again to notice that they were cut.
const PATIENCE: Duration = Duration::from_millis(400);

/// What the stand-in is like.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen; port 0 takes a free one.
    pub addr: SocketAddr,
    /// How many products the catalogue has.
    pub products: u64,
    /// What the catalogue and all chance follow from.
    pub seed: u64,
    /// Added to every call of the supplier's endpoints.
    pub latency: Duration,
    /// Calls in any second, above which they are refused; `None`: never.
    pub throttle: Option<u32>,
    /// Only the newest token lives.
    pub single_token: bool,
    /// After what time a token expires.
    pub token_life: Duration,
    /// How the stock endpoint answers.
    pub stock_shape: StockShape,
    /// Products and prices come in `{"success":true,"data":…}` rather than bare.
    pub envelope: bool,
    /// The faults switched on from the start.
    pub faults: Preset,
    /// The file that keeps orders and changes of the catalogue over a restart.
    pub state: Option<PathBuf>,
    /// Where the order system sends its callbacks; `None`: nowhere, and then none is made.
    pub callback_url: Option<String>,
    /// How long after it is decided a callback is sent.
    pub callback_delay: Duration,
    /// What callbacks call `PlatformOrderNo`.
    pub callback_order_key: CallbackOrderKey,
    /// Callbacks have a JSON body rather than a form.
    pub callback_json: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            addr: SocketAddr::from(([127, 0, 0, 1], 18080)),
            products: 1000,
            seed: 42,
            latency: Duration::ZERO,
            throttle: Some(100),
            single_token: false,
            token_life: Duration::from_secs(3600),
            stock_shape: StockShape::List,
            envelope: false,
            faults: Preset::None,
            state: None,
            callback_url: None,
            callback_delay: Duration::from_secs(1),
            callback_order_key: CallbackOrderKey::SoId,
            callback_json: false,
        }
    }
}

/// The shape of a stock answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StockShape {
    /// One object per warehouse, in an envelope.
    List,
    /// The fullest warehouse alone, bare.
    Object,
}

impl FromStr for StockShape {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "list" => Ok(Self::List),
            "object" => Ok(Self::Object),
            _ => Err(format!("stock shape {text:?} is unknown, allowed are list and object")),
        }
    }
}

impl fmt::Display for StockShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::List => "list",
            Self::Object => "object",
        })
    }
}

/// The number of ours that a callback names an order by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallbackOrderKey {
    /// The sub-order's `soId`.
    SoId,
    /// The platform's `onlineNo`, which several sub-orders may share.
    OnlineNo,
}

impl FromStr for CallbackOrderKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "so_id" => Ok(Self::SoId),
            "online_no" => Ok(Self::OnlineNo),
            _ => Err(format!("order key {text:?} is unknown, allowed are so_id and online_no")),
        }
    }
}

/// Why the stand-in did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The address is taken or not ours.
    #[error("the sandbox cannot listen on {addr}")]
    Listen {
        /// The address asked for.
        addr: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The state file cannot be opened, is damaged, or is in use.
    #[error("the sandbox cannot use its state file {}", path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: io::Error,
    },
}

/// A running stand-in. Dropped, it stops without waiting.
pub struct Sandbox {
    addr: SocketAddr,
    stopping: CancellationToken,
    closing: CancellationToken,
    server: Option<JoinHandle<io::Result<()>>>,
    world: Arc<World>,
    errands: JoinHandle<()>,
}

/// Starts a stand-in; it answers when this returns.
pub async fn start(options: Options) -> Result<Sandbox, StartError> {
    let closing = CancellationToken::new();
    let world = World::new(&options, closing.clone())
        .map_err(|source| StartError::State { path: options.state.clone().unwrap_or_default(), source })?;
    let listen = |source| StartError::Listen { addr: options.addr, source };
    let listener = TcpListener::bind(options.addr).await.map_err(listen)?;
    let addr = listener.local_addr().map_err(listen)?;
    let stopping = CancellationToken::new();
    let world = Arc::new(world);
    let errands = tokio::spawn(errands::run(Arc::clone(&world)));
    let server = axum::serve(
        Door { listener, closing: closing.clone() },
        router(Arc::clone(&world)).into_make_service_with_connect_info::<Scissors>(),
    )
    .with_graceful_shutdown(stopping.clone().cancelled_owned());
    let server = tokio::spawn(server.into_future());
    tracing::info!(%addr, products = options.products, seed = options.seed, "the sandbox listens");
    Ok(Sandbox { addr, stopping, closing, server: Some(server), world, errands })
}

impl Sandbox {
    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The base URL of the open platform, without a slash at the end.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Sends callbacks there from now on.
    pub fn call_back_at(&self, url: String) {
        self.world.callbacks.set_url(Some(url));
    }

    /// Stops: calls in progress get a moment to end, then their connections are cut. Takes less than a second.
    pub async fn stop(mut self) {
        let Some(mut server) = self.server.take() else { return };
        self.stopping.cancel();
        let ended = tokio::time::timeout(PATIENCE, &mut server).await.is_ok();
        self.closing.cancel();
        if !ended && tokio::time::timeout(PATIENCE, &mut server).await.is_err() {
            server.abort();
        }
        // Whoever starts one next may want the same file.
        self.world.journal.closed().await;
        let _ = (&mut self.errands).await;
    }
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox").field("addr", &self.addr).finish_non_exhaustive()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.stopping.cancel();
        self.closing.cancel();
    }
}

fn router(world: Arc<World>) -> Router {
    let controls = Router::new().merge(control::routes()).merge(order_control::routes());
    let mut router = controls.layer(axum::middleware::from_fn(control_guard::guard));
    for endpoint in Endpoint::ALL {
        for path in endpoint.paths() {
            router = router.route(
                &path,
                post(
                    move |State(world): State<Arc<World>>,
                          ConnectInfo(scissors): ConnectInfo<Scissors>,
                          request: Request| {
                        call::answer(world, endpoint, scissors, request)
                    },
                ),
            );
        }
    }
    router
        .fallback(async || answer::refusal(StatusCode::NOT_FOUND, "接口不存在"))
        .method_not_allowed_fallback(async || {
            answer::refusal(StatusCode::METHOD_NOT_ALLOWED, "请求方式不正确")
        })
        .with_state(world)
}
