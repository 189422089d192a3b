//! The clients of Haier's two systems: tokens, the wire, and the one policy that every call to either goes through.
//!
//! Built from an account, and replaced when that changes. Knows nothing of what is stored.

mod account_key;
mod admission;
mod breaker;
mod budget;
mod connecting;
mod endpoint;
mod envelope;
mod error;
mod frames;
mod gate;
mod hosts;
mod listing;
mod matrix;
mod memory_shelf;
mod openplat;
mod order_body;
mod outgoing;
mod patience;
mod policy;
mod record;
mod redact;
mod retry;
mod site;
mod status;
mod subject;
mod token;
mod token_flight;
mod token_share;
mod traffic;
mod transport;
mod waits;
mod wire;
mod ylh;

use std::{sync::Arc, time::Duration};

use rustls::pki_types::CertificateDer;

pub use account_key::{account_identity, account_key, ylh_account_key};
pub use admission::Reservation;
pub use breaker::BreakerSettings;
pub use budget::{Budget, MemoryLedger, Priority, SlotLedger, Unreachable};
pub use error::{Error, Result};
pub use hosts::{Reach, private_number};
pub use listing::{Listing, ListingEvent};
pub use memory_shelf::MemoryShelf;
pub use openplat::Openplat;
pub use order_body::order_body;
pub use patience::{Call, MaySend, Patience, Seat};
pub use policy::{Client, Means};
pub use record::BadRecord;
pub use retry::RetrySettings;
pub use status::{BreakerState, BreakerStatus, BudgetStatus, SystemStatus, TokenStatus};
pub use token_share::{Lease, TokenShelf};
pub use waits::Waits;
pub use ylh::{OrderCall, Ylh};

use crate::domain::{order_evidence::EvidenceRules, pauses::Pause};

/// Time limits and sizes of a client.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Authorities that Haier's certificate may be of; none: the system's.
    pub roots: Option<Vec<CertificateDer<'static>>>,
    /// Which hosts may be called.
    pub reach: Reach,
    /// Longest time of one send.
    pub request_timeout: Duration,
    /// Longest time of one send of a token call.
    pub token_timeout: Duration,
    /// Longest time of a whole listing; its headers, and each read, have `request_timeout`.
    pub listing_timeout: Duration,
    /// How often a call is repeated.
    pub retry: RetrySettings,
    /// When an operation is left alone.
    pub breaker: BreakerSettings,
    /// Calls a second that the budget allows, to show; 0: no limit.
    pub rate: u32,
    /// What Haier's refusal of a new order proves.
    pub evidence: EvidenceRules,
    /// One of these in the message of a refused cancellation says that the order is cancelled.
    pub cancelled_words: Vec<String>,
}

/// What Haier answered: each record by itself, readable or not, in Haier's order.
pub type Answer<T> = Vec<std::result::Result<T, BadRecord>>;

/// The clients of both systems under one account.
#[derive(Clone)]
pub struct Haier {
    /// The open platform.
    pub openplat: Arc<Openplat>,
    /// The order system, if the account has a part there.
    pub ylh: Option<Arc<Ylh>>,
}

impl Haier {
    /// Obeys these pauses at once, also for calls that wait for a slot; all others let calls pass again.
    pub fn set_pauses(&self, in_force: &[Pause]) {
        self.clients().for_each(|client| client.set_pauses(in_force));
    }

    /// How budget, breakers and token of each system stand.
    pub fn status(&self) -> impl Iterator<Item = SystemStatus> {
        self.clients().map(|client| client.status())
    }

    fn clients(&self) -> impl Iterator<Item = &Arc<Client>> {
        std::iter::once(self.openplat.client()).chain(self.ylh.iter().map(|ylh| ylh.client()))
    }

    /// Whether anybody but the owner of this value uses a client.
    #[must_use]
    pub fn is_in_use(&self) -> bool {
        Arc::strong_count(&self.openplat) > 1
            || self.ylh.as_ref().is_some_and(|ylh| Arc::strong_count(ylh) > 1)
    }
}
