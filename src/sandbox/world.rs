//! Everything the stand-in knows while it runs.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::answer::Wrap;
use super::book::Book;
use super::catalogue::Catalogue;
use super::changes::{ChangeBook, Changes};
use super::endpoint::System;
use super::events::Event;
use super::faults::Faults;
use super::journal::Journal;
use super::logistics::Parcels;
use super::throttle::Throttle;
use super::tokens::Tokens;
use super::{Options, StockShape};

/// The state shared by all calls.
pub(super) struct World {
    pub(super) seed: u64,
    pub(super) stock_shape: StockShape,
    pub(super) latency: Duration,
    pub(super) throttle: Throttle,
    pub(super) faults: Faults,
    pub(super) changes: ChangeBook,
    pub(super) parcels: Parcels,
    pub(super) journal: Arc<Journal>,
    pub(super) book: Book,
    tokens: [Tokens; System::ALL.len()],
    closing: CancellationToken,
    products: u64,
    envelope: bool,
}

impl World {
    pub(super) fn new(options: &Options, closing: CancellationToken) -> io::Result<Self> {
        let (journal, events) = Journal::open(options.state.as_deref(), closing.clone())?;
        let journal = Arc::new(journal);
        let (changes, book) = (ChangeBook::default(), Book::new(options.seed, Arc::clone(&journal)));
        replay(events, &changes, &book);
        Ok(Self {
            seed: options.seed,
            stock_shape: options.stock_shape,
            latency: options.latency,
            tokens: System::ALL.map(|_| Tokens::new(options.token_life, options.single_token)),
            throttle: Throttle::new(options.throttle),
            faults: Faults::new(options.seed, options.faults.faults()),
            changes,
            parcels: Parcels::default(),
            journal,
            book,
            closing,
            products: options.products,
            envelope: options.envelope,
        })
    }

    /// The catalogue as it stands now.
    pub(super) fn catalogue(&self) -> Catalogue {
        Catalogue { seed: self.seed, products: self.products, changes: self.changes.current() }
    }

    /// The tokens of a system; either has its own.
    pub(super) fn tokens(&self, system: System) -> &Tokens {
        &self.tokens[system as usize]
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

/// Comes to where a former life ended.
fn replay(events: Vec<Event>, changes: &ChangeBook, book: &Book) {
    let mut laid = Changes::default();
    for event in events {
        match event {
            Event::Catalogue(change) => change.lay_over(&mut laid),
            event => book.replay(event),
        }
    }
    changes.replace(laid);
}
