//! Everything the stand-in knows while it runs.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio_util::sync::CancellationToken;

use super::answer::Wrap;
use super::book::{Book, Conflict, Done};
use super::callback_note::{Manner, Wishes};
use super::callbacks::Callbacks;
use super::catalogue::Catalogue;
use super::changes::{ChangeBook, Changes};
use super::endpoint::System;
use super::events::Event;
use super::faults::Faults;
use super::journal::Journal;
use super::logistics::Parcels;
use super::order::Push;
use super::throttle::Throttle;
use super::tokens::Tokens;
use super::{Options, StockShape, errands};

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
    pub(super) callbacks: Callbacks,
    pub(super) callback_json: bool,
    pub(super) http: reqwest::Client,
    pub(super) closing: CancellationToken,
    tokens: [Tokens; System::ALL.len()],
    products: u64,
    envelope: bool,
}

impl World {
    pub(super) fn new(options: &Options, closing: CancellationToken) -> io::Result<Self> {
        let (journal, events) = Journal::open(options.state.as_deref(), closing.clone())?;
        let journal = Arc::new(journal);
        let (changes, book) = (ChangeBook::default(), Book::new(options.seed, Arc::clone(&journal)));
        let delay = TimeDelta::from_std(options.callback_delay).unwrap_or(TimeDelta::MAX);
        let manner = Manner { delay, order_key: options.callback_order_key };
        let callbacks = Callbacks::new(manner, options.callback_url.clone(), Arc::clone(&journal));
        replay(events, &changes, &book, &callbacks);
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
            callbacks,
            callback_json: options.callback_json,
            http: errands::client().map_err(io::Error::other)?,
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

    /// Books a push and decides about it.
    pub(super) fn book(&self, push: Push, wishes: &Wishes) -> Result<Done, Conflict> {
        self.book.book(push, wishes.decision(), |order| self.callbacks.note(order, None, wishes))
    }

    /// Books what was cut off and is due by now; how many.
    pub(super) async fn book_late(&self, now: DateTime<Utc>) -> usize {
        let mut booked = 0;
        for late in self.book.take_late(now) {
            // One whose number is there by now was a repetition.
            let Ok(done) = self.book(late.push, &late.wishes) else { continue };
            if done.keeping.done().await.is_ok() {
                booked += 1;
                done.note.into_iter().for_each(|note| self.callbacks.plan(note));
            }
        }
        booked
    }

    /// Waits, but no longer than the stand-in lives.
    pub(super) async fn wait(&self, what: impl Future<Output = ()>) {
        tokio::select! {
            () = what => {}
            () = self.closing.cancelled() => {}
        }
    }
}

/// Comes to where a former life ended. Callbacks that were not heard then are sent, if there is an address.
fn replay(events: Vec<Event>, changes: &ChangeBook, book: &Book, callbacks: &Callbacks) {
    let mut laid = Changes::default();
    for event in events {
        match event {
            Event::Catalogue(change) => change.lay_over(&mut laid),
            Event::CallbackEnded { id } => callbacks.forget(id),
            event => {
                if let Event::Booked { note: Some(note), .. } | Event::Cancelled { note: Some(note), .. } =
                    &event
                {
                    callbacks.plan(note.clone());
                }
                book.replay(event);
            }
        }
    }
    changes.replace(laid);
}
