//! Everything the stand-in knows while it runs.

use std::future::Future;
use std::io;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::answer::Wrap;
use super::catalogue::Catalogue;
use super::changes::ChangeBook;
use super::faults::Faults;
use super::logistics::Parcels;
use super::throttle::Throttle;
use super::tokens::Tokens;
use super::{Options, StockShape};

/// The state shared by all calls.
pub(super) struct World {
    pub(super) seed: u64,
    pub(super) stock_shape: StockShape,
    pub(super) latency: Duration,
    pub(super) tokens: Tokens,
    pub(super) throttle: Throttle,
    pub(super) faults: Faults,
    pub(super) changes: ChangeBook,
    pub(super) parcels: Parcels,
    closing: CancellationToken,
    products: u64,
    envelope: bool,
}

impl World {
    pub(super) fn new(options: &Options, closing: CancellationToken) -> io::Result<Self> {
        Ok(Self {
            seed: options.seed,
            stock_shape: options.stock_shape,
            latency: options.latency,
            tokens: Tokens::new(options.token_life, options.single_token),
            throttle: Throttle::new(options.throttle),
            faults: Faults::new(options.seed, options.faults.faults()),
            changes: ChangeBook::open(options.state.clone())?,
            parcels: Parcels::default(),
            closing,
            products: options.products,
            envelope: options.envelope,
        })
    }

    /// The catalogue as it stands now.
    pub(super) fn catalogue(&self) -> Catalogue {
        Catalogue { seed: self.seed, products: self.products, changes: self.changes.current() }
    }

    pub(super) fn wrap(&self) -> Wrap {
        if self.envelope { Wrap::Envelope } else { Wrap::Bare }
    }

    /// Waits, but no longer than the stand-in lives.
    pub(super) async fn wait(&self, what: impl Future<Output = ()>) {
        tokio::select! {
            () = what => {}
            () = self.closing.cancelled() => {}
        }
    }
}
