//! PLACEHOLDER: the stand-in for Haier is written elsewhere and replaces this file whole; the shapes stay.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

/// How the sandbox behaves.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Address to listen at; port 0 takes a free one.
    pub addr: SocketAddr,
    /// Products in the catalogue.
    pub products: u64,
    /// Seed of the catalogue: the same one gives the same products.
    pub seed: u64,
    /// Time every answer waits.
    pub latency: Duration,
    /// Calls a second above which it answers 429; none: no throttle.
    pub throttle: Option<u32>,
    /// Whether a new token revokes the one before.
    pub single_token: bool,
    /// Life of a token.
    pub token_life: Duration,
    /// Shape of the stock answer.
    pub stock_shape: StockShape,
    /// Whether product and price answers stand in an envelope.
    pub envelope: bool,
    /// File that keeps order book and catalogue changes.
    pub state: Option<PathBuf>,
}

/// Shape of the stock answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StockShape {
    /// A list of warehouses.
    List,
    /// One object.
    Object,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            addr: SocketAddr::from((Ipv4Addr::LOCALHOST, 18080)),
            products: 1000,
            seed: 42,
            latency: Duration::ZERO,
            throttle: Some(100),
            single_token: false,
            token_life: Duration::from_secs(3600),
            stock_shape: StockShape::List,
            envelope: false,
            state: None,
        }
    }
}

/// Why a sandbox did not start.
#[derive(Debug, thiserror::Error)]
#[error("this build has no sandbox yet")]
pub struct StartError;

/// A running sandbox.
#[derive(Debug)]
pub struct Sandbox {
    addr: SocketAddr,
}

/// Starts a sandbox.
///
/// # Errors
/// Always, until the real one is here.
pub async fn start(_options: Options) -> Result<Sandbox, StartError> {
    Err(StartError)
}

impl Sandbox {
    /// The address taken.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The address as a base URL.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Stops it.
    pub async fn stop(self) {}
}
