//! `sandbox`: the stand-in for Haier as a process of its own, and its options for `serve`.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};

use super::{console::Console, failure::Failure};
use crate::{
    config::{LogFormat, parse_duration},
    sandbox::{self, CallbackOrderKey, Options, Preset, Sandbox, StockShape},
    telemetry,
};

/// Run a stand-in for Haier
///
/// Speaks both of Haier's interfaces over plain HTTP, the open platform with an invented catalogue and the order system
/// with a real order book, so that the service and its clients can be tried and tested without an account. The same seed
/// gives the same products. Orders and catalogue changes outlast a kill -9: each is in the state file before it is
/// answered. Ends on Ctrl-C.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haier-integration sandbox
  haier-integration sandbox --products 100000 --latency 50ms
  haier-integration sandbox --throttle off --token-life 10s --single-token
  haier-integration sandbox --faults harsh --products 5000
  haier-integration sandbox --callback-url http://127.0.0.1:8081/callbacks/ylh --callback-delay 5s
  haier-integration sandbox --addr 127.0.0.1:0 --seed 7 --stock-shape object --envelope

Accounts (client, user, and every password: sandbox):
  sellers 8800000001 and 8800000002; callbacks by sandbox-app and sandbox-app-2, secret sandbox-callback-secret.
  Paths of the order system are served without a suffix and with -dev and -pre.

Controls:
  GET  /_sandbox/stats                calls, and the most in any second, by system and endpoint
  GET  /_sandbox/catalogue            one product as it is served (?productCode=CODE); POST changes it
  GET  /_sandbox/faults               what is switched on; POST adds, DELETE clears; a wrong kind lists all of them
  GET  /_sandbox/orders               the book, how often each soId was received, what is still to be booked
  POST /_sandbox/orders/settle        books now what was cut off to be booked later
  GET  /_sandbox/callbacks            those that wait and those that were heard; POST sends one by hand
  POST /_sandbox/callbacks/settle     sends now what waits
  POST /_sandbox/callbacks/url        {\"url\": \"http://…\"}: sends them there from now on")]
pub(super) struct SandboxArgs {
    /// Address to listen at; port 0 takes a free one, and it is printed
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:18080")]
    addr: SocketAddr,
    /// Products in the catalogue, 0 to 10000000
    #[arg(long, value_name = "N", default_value = "1000", value_parser = clap::value_parser!(u64).range(0..=10_000_000))]
    products: u64,
    /// Seed of the catalogue, any whole number
    #[arg(long, value_name = "N", default_value = "42")]
    seed: u64,
    /// Time every answer waits, with its unit, up to 10m
    #[arg(long, value_name = "TIME", default_value = "0ms", value_parser = latency)]
    latency: Duration,
    /// Calls a second above which it answers 429, 1 to 1000000, or `off`
    #[arg(long, value_name = "N|off", default_value = "100")]
    throttle: Throttle,
    /// A new token revokes the one before [default: several live]
    #[arg(long)]
    single_token: bool,
    /// Life of a token, with its unit, 1s to 7d
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = token_life)]
    token_life: Duration,
    /// Shape of the stock answer: `list` or `object`
    #[arg(long, value_name = "SHAPE", default_value = "list", hide_possible_values = true)]
    stock_shape: Shape,
    /// Wrap product and price answers in {"success":true,"data":…} [default: bare]
    #[arg(long)]
    envelope: bool,
    /// Faults from the start: `none`, `mild` or `harsh`
    ///
    /// mild: about one call in sixty is slow, answers 5xx or 429, or loses its connection. harsh: about one in six, token
    /// calls and listings too: 500, 502, 503, 504, 429 with and without Retry-After, connections reset before, in and
    /// instead of an answer, answers that hang for 2 s, truncated JSON, HTML pages, 200 with an error body, tokens voided
    /// in mid-run; orders booked though the answer was lost, or seconds after it; callbacks twice, late, early and out of
    /// order. Both hold only faults that asking again heals (none that spoils a record or refuses a code for good),
    /// so that a catalogue synced under them must come out whole. Single faults: POST /_sandbox/faults.
    #[arg(long, value_name = "PRESET", default_value = "none")]
    faults: Preset,
    /// Where callbacks about orders go, http or https [default: nowhere, and none is made]
    ///
    /// One that is not answered 200 is sent again, up to 8 times, after 1 s, 2 s, 4 s and so on up to 30 s; those still
    /// waiting at the end are sent after the next start.
    #[arg(long, value_name = "URL", value_parser = callback_url)]
    callback_url: Option<String>,
    /// Time from a decision about an order to its callback, with its unit, up to 10m
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = latency)]
    callback_delay: Duration,
    /// What callbacks call PlatformOrderNo: `so_id` or `online_no`
    #[arg(long, value_name = "KEY", default_value = "so_id")]
    callback_order_key: CallbackOrderKey,
    /// Send callbacks as JSON [default: as a form]
    #[arg(long)]
    callback_json: bool,
    /// File that keeps orders and catalogue changes [default: haier-sandbox.db in the working directory]
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
}

/// The options of `sandbox` for `serve`, with `--sandbox-` in front.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Sandbox (only with --sandbox)")]
pub(super) struct ServeSandboxArgs {
    /// Use a stand-in for Haier, started in this process, and its account instead of any other
    #[arg(long)]
    sandbox: bool,
    /// Its address; port 0 takes a free one [default: 127.0.0.1:18080]
    #[arg(long, value_name = "IP:PORT", requires = "sandbox")]
    sandbox_addr: Option<SocketAddr>,
    /// Products in its catalogue, 0 to 10000000 [default: 1000]
    #[arg(long, value_name = "N", requires = "sandbox", value_parser = clap::value_parser!(u64).range(0..=10_000_000))]
    sandbox_products: Option<u64>,
    /// Seed of its catalogue, any whole number [default: 42]
    #[arg(long, value_name = "N", requires = "sandbox")]
    sandbox_seed: Option<u64>,
    /// Time every answer waits, with its unit, up to 10m [default: 0ms]
    #[arg(long, value_name = "TIME", requires = "sandbox", value_parser = latency)]
    sandbox_latency: Option<Duration>,
    /// Calls a second above which it answers 429, 1 to 1000000, or `off` [default: 100]
    #[arg(long, value_name = "N|off", requires = "sandbox")]
    sandbox_throttle: Option<Throttle>,
    /// A new token revokes the one before [default: several live]
    #[arg(long, requires = "sandbox")]
    sandbox_single_token: bool,
    /// Life of a token, with its unit, 1s to 7d [default: 1h]
    #[arg(long, value_name = "TIME", requires = "sandbox", value_parser = token_life)]
    sandbox_token_life: Option<Duration>,
    /// Shape of the stock answer: `list` or `object` [default: list]
    #[arg(long, value_name = "SHAPE", requires = "sandbox", hide_possible_values = true)]
    sandbox_stock_shape: Option<Shape>,
    /// Wrap product and price answers in {"success":true,"data":…} [default: bare]
    #[arg(long, requires = "sandbox")]
    sandbox_envelope: bool,
    /// Faults from the start: `none`, `mild` (about one call in sixty) or `harsh` (about one in six); `sandbox --help`
    /// tells which [default: none]
    #[arg(long, value_name = "PRESET", requires = "sandbox")]
    sandbox_faults: Option<Preset>,
    /// Where its callbacks about orders go, http or https [default: to this service, at --callback-addr]
    #[arg(long, value_name = "URL", requires = "sandbox", value_parser = callback_url)]
    sandbox_callback_url: Option<String>,
    /// Time from a decision about an order to its callback, with its unit, up to 10m [default: 1s]
    #[arg(long, value_name = "TIME", requires = "sandbox", value_parser = latency)]
    sandbox_callback_delay: Option<Duration>,
    /// What its callbacks call PlatformOrderNo: `so_id` or `online_no` [default: so_id]
    #[arg(long, value_name = "KEY", requires = "sandbox")]
    sandbox_callback_order_key: Option<CallbackOrderKey>,
    /// It sends callbacks as JSON [default: as a form]
    #[arg(long, requires = "sandbox")]
    sandbox_callback_json: bool,
    /// File that keeps orders and catalogue changes [default: haier-sandbox.db beside a SQLite database, else in the
    /// working directory]
    #[arg(long, value_name = "FILE", requires = "sandbox")]
    sandbox_state: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Shape {
    List,
    Object,
}

impl From<Shape> for StockShape {
    fn from(shape: Shape) -> Self {
        match shape {
            Shape::List => Self::List,
            Shape::Object => Self::Object,
        }
    }
}

/// A number of calls a second, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Throttle(Option<u32>);

impl std::str::FromStr for Throttle {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse() {
            _ if text == "off" => Ok(Self(None)),
            Ok(calls) if (1..=1_000_000).contains(&calls) => Ok(Self(Some(calls))),
            _ => Err("a whole number from 1 to 1000000, or off, is allowed".to_owned()),
        }
    }
}

fn latency(text: &str) -> Result<Duration, String> {
    parse_duration(text).and_then(|time| {
        if time <= Duration::from_secs(600) { Ok(time) } else { Err("0ms to 10m is allowed".to_owned()) }
    })
}

fn callback_url(text: &str) -> Result<String, String> {
    match url::Url::parse(text) {
        Ok(url) if ["http", "https"].contains(&url.scheme()) => Ok(text.to_owned()),
        _ => Err("an address such as http://127.0.0.1:8081/callbacks/ylh is allowed".to_owned()),
    }
}

fn token_life(text: &str) -> Result<Duration, String> {
    let allowed = Duration::from_secs(1)..=Duration::from_secs(7 * 24 * 3600);
    parse_duration(text).and_then(|time| {
        if allowed.contains(&time) { Ok(time) } else { Err("1s to 7d is allowed".to_owned()) }
    })
}

impl From<SandboxArgs> for Options {
    fn from(args: SandboxArgs) -> Self {
        Self {
            addr: args.addr,
            products: args.products,
            seed: args.seed,
            latency: args.latency,
            throttle: args.throttle.0,
            single_token: args.single_token,
            token_life: args.token_life,
            stock_shape: args.stock_shape.into(),
            envelope: args.envelope,
            faults: args.faults,
            state: args.state,
            callback_url: args.callback_url,
            callback_delay: args.callback_delay,
            callback_order_key: args.callback_order_key,
            callback_json: args.callback_json,
        }
    }
}

impl ServeSandboxArgs {
    /// The sandbox to start, if one was asked for.
    pub(super) fn options(self) -> Option<Options> {
        let standard = Options::default();
        self.sandbox.then(|| Options {
            addr: self.sandbox_addr.unwrap_or(standard.addr),
            products: self.sandbox_products.unwrap_or(standard.products),
            seed: self.sandbox_seed.unwrap_or(standard.seed),
            latency: self.sandbox_latency.unwrap_or(standard.latency),
            throttle: self.sandbox_throttle.map_or(standard.throttle, |throttle| throttle.0),
            single_token: self.sandbox_single_token,
            token_life: self.sandbox_token_life.unwrap_or(standard.token_life),
            stock_shape: self.sandbox_stock_shape.map_or(standard.stock_shape, Into::into),
            envelope: self.sandbox_envelope,
            faults: self.sandbox_faults.unwrap_or(standard.faults),
            state: self.sandbox_state,
            callback_url: self.sandbox_callback_url,
            callback_delay: self.sandbox_callback_delay.unwrap_or(standard.callback_delay),
            callback_order_key: self.sandbox_callback_order_key.unwrap_or(standard.callback_order_key),
            callback_json: self.sandbox_callback_json,
        })
    }
}

pub(super) async fn run(args: SandboxArgs, console: &mut Console) -> Result<u8, Failure> {
    telemetry::init(LogFormat::Text, "info").map_err(anyhow::Error::from)?;
    let (products, seed) = (args.products, args.seed);
    let mut options = Options::from(args);
    options.state.get_or_insert_with(|| sandbox::DEFAULT_STATE.into());
    let sandbox = sandbox::start(options).await.map_err(anyhow::Error::from)?;
    let told = tell(&sandbox, products, seed, console);
    if told.is_ok() {
        termination().await.map_err(anyhow::Error::from)?;
    }
    sandbox.stop().await;
    told.map(|()| 0).map_err(Failure::from)
}

fn tell(sandbox: &Sandbox, products: u64, seed: u64, console: &mut Console) -> std::io::Result<()> {
    let url = sandbox.base_url();
    console.say(&format!("sandbox at {url}: {products} products, seed {seed}; Ctrl-C ends it"))?;
    console.say("a token from it:")?;
    console.say(&format!(
        "  curl -s {url}/oauth2/auth -H 'content-type: application/json' \
         -d '{{\"client_id\":\"sandbox\",\"client_secret\":\"sandbox\",\"grant_type\":\"client_credentials\"}}'"
    ))?;
    console.say("the service against it:")?;
    console.say(&format!(
        "  HAIER_BASE_URL={url} HAIER_CLIENT_ID=sandbox HAIER_CLIENT_SECRET=sandbox HAIER_CUSTOMER_CODE=8800000001 \
         HAIER_PASSWORD=sandbox HAIER_SELLER_PASSWORD=sandbox haier-integration serve"
    ))?;
    console.say("what was called:")?;
    console.say(&format!("  curl -s {url}/_sandbox/stats"))
}

/// Waits for Ctrl-C or SIGTERM.
async fn termination() -> std::io::Result<()> {
    #[cfg(unix)]
    {
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted,
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}
