//! Clients of the stand-in for one replica, which share nothing with those of another one, and a gate before their tokens.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use haier_integration::{
    app::OpenUpstream,
    domain::{
        accounts::Account,
        clock::{BoxFuture, Clock},
        order_evidence::EvidenceRules,
    },
    upstream::{
        self, BreakerSettings, Budget, Haier, Lease, Means, MemoryShelf, Openplat, Reach, RetrySettings,
        Settings, TokenShelf, Unreachable, Ylh,
    },
};
use tokio::sync::watch;

use crate::support::within;

/// While it is closed, calls to the order system stand still where they need a token, however long that lasts.
#[derive(Clone)]
pub(super) struct Gate(watch::Sender<Standing>);

#[derive(Default)]
struct Standing {
    closed: bool,
    before_it: usize,
}

impl Gate {
    pub(super) fn new() -> Self {
        Self(watch::Sender::default())
    }

    pub(super) fn close(&self) {
        self.0.send_modify(|standing| standing.closed = true);
    }

    pub(super) fn open(&self) {
        self.0.send_modify(|standing| standing.closed = false);
    }

    /// Returns when somebody stands before it.
    pub(super) async fn reached(&self) {
        drop(within(self.0.subscribe().wait_for(|standing| standing.before_it > 0)).await.unwrap());
    }

    async fn pass(&self) {
        self.0.send_modify(|standing| standing.before_it += 1);
        drop(self.0.subscribe().wait_for(|standing| !standing.closed).await.unwrap());
        self.0.send_modify(|standing| standing.before_it -= 1);
    }
}

/// A shelf behind the gate.
struct Gated {
    shelf: Arc<dyn TokenShelf>,
    gate: Gate,
}

impl TokenShelf for Gated {
    fn find(&self) -> BoxFuture<'_, Result<Option<Vec<u8>>, Unreachable>> {
        Box::pin(async {
            self.gate.pass().await;
            self.shelf.find().await
        })
    }

    fn lease(&self, time: Duration) -> BoxFuture<'_, Result<Lease, Unreachable>> {
        self.shelf.lease(time)
    }

    fn release(&self, sealed: Option<Vec<u8>>) -> BoxFuture<'_, Result<(), Unreachable>> {
        self.shelf.release(sealed)
    }
}

pub(super) struct Opener {
    clock: Arc<dyn Clock>,
    gate: Gate,
    /// By the address of the open platform: a token is known only where it was issued.
    shelves: Mutex<HashMap<String, Shelves>>,
    breaker_failures: u32,
}

#[derive(Clone, Default)]
struct Shelves {
    openplat: Arc<MemoryShelf>,
    ylh: Arc<MemoryShelf>,
}

impl Opener {
    pub(super) fn new(clock: Arc<dyn Clock>, gate: Gate, breaker_failures: u32) -> Self {
        Self { clock, gate, shelves: Mutex::default(), breaker_failures }
    }
}

/// Real time, since what is waited for is a real stand-in: enough for an answer, too little to be waited for.
fn settings(failures: u32) -> Settings {
    Settings {
        // Without roots of its own, each client would read those of the machine.
        roots: Some(Vec::new()),
        reach: Reach::Anywhere,
        request_timeout: Duration::from_millis(400),
        token_timeout: Duration::from_millis(400),
        listing_timeout: Duration::from_secs(10),
        retry: RetrySettings {
            tries: 3,
            base: Duration::from_millis(1),
            max: Duration::from_millis(3),
            seed: 1,
        },
        breaker: BreakerSettings { failures, open: Duration::from_secs(30), probes: 1 },
        rate: 0,
        evidence: EvidenceRules::default(),
        cancelled_words: vec!["已取消".to_owned()],
    }
}

impl OpenUpstream for Opener {
    fn open(&self, account: Account, _: Reach) -> upstream::Result<Haier> {
        let shelves = self.shelves.lock().unwrap().entry(account.base_url.clone()).or_default().clone();
        let means = |shelf: Arc<dyn TokenShelf>| Means {
            settings: settings(self.breaker_failures),
            budget: Budget::unlimited(),
            shelf,
            clock: Arc::clone(&self.clock),
        };
        let gated = Gated { shelf: shelves.ylh.for_client(), gate: self.gate.clone() };
        let part = account.ylh.clone().map(|part| Ylh::new(&account.name, part, means(Arc::new(gated))));
        let ylh = part.transpose()?.map(Arc::new);
        let openplat = Openplat::new(account, means(shelves.openplat.for_client()))?;
        Ok(Haier { openplat: Arc::new(openplat), ylh })
    }
}
