//! Makes the clients of Haier from settings: clients of one account share what Haier counts by account.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    app::{OpenUpstream, StoredLedger, StoredTokens, SystemClock},
    config::Settings,
    domain::{accounts::Account, clock::Clock, slots::Rules},
    store::Store,
    upstream::{
        self, BreakerSettings, Budget, MemoryLedger, MemoryShelf, Openplat, RetrySettings, SlotLedger,
        TokenShelf,
    },
};

/// Makes clients.
pub(super) struct Opener {
    settings: upstream::Settings,
    store: Store,
    process: u16,
    clock: Arc<SystemClock>,
    shared: Mutex<HashMap<String, Shared>>,
}

/// What the clients of one account have in common.
#[derive(Clone)]
struct Shared {
    budget: Budget,
    /// Where they share their token when no other process can have a part in it.
    shelf: Arc<MemoryShelf>,
}

impl Opener {
    pub(super) fn new(settings: &Settings, store: Store, process: u16, clock: Arc<SystemClock>) -> Self {
        let settings = upstream::Settings {
            request_timeout: settings.upstream.request_timeout,
            token_timeout: settings.upstream.token_timeout,
            listing_timeout: settings.upstream.listing_timeout,
            retry: RetrySettings {
                tries: settings.upstream.tries,
                base: settings.upstream.retry_base,
                max: settings.upstream.retry_max,
                seed: rand::random(),
            },
            breaker: BreakerSettings {
                failures: settings.upstream.breaker_failures,
                open: settings.upstream.breaker_open,
                probes: settings.upstream.breaker_probes,
            },
            rate: settings.upstream_rate,
        };
        Self { settings, store, process, clock, shared: Mutex::default() }
    }

    fn shared(&self, account_key: &str) -> Shared {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Shared { budget: self.budget(account_key), shelf: Arc::default() };
        shared.entry(account_key.to_owned()).or_insert_with(new).clone()
    }

    /// What the replicas of this account may send together. An SQLite file has one process, which counts by itself.
    fn budget(&self, account_key: &str) -> Budget {
        if self.settings.rate == 0 {
            return Budget::unlimited();
        }
        let rules = Rules::new(self.settings.rate);
        let ledger: Arc<dyn SlotLedger> = if self.store.is_exclusive() {
            Arc::new(MemoryLedger::new(rules))
        } else {
            Arc::new(StoredLedger::new(self.store.clone(), account_key.to_owned(), rules))
        };
        Budget::new(ledger, &rules)
    }
}

impl OpenUpstream for Opener {
    fn open(&self, account: Account) -> upstream::Result<Openplat> {
        let account_key = upstream::account_key(&account);
        let Shared { budget, shelf } = self.shared(&account_key);
        let shelf: Arc<dyn TokenShelf> = if self.store.is_exclusive() {
            shelf
        } else {
            Arc::new(StoredTokens::new(self.store.clone(), account_key, self.process))
        };
        let clock: Arc<dyn Clock> = self.clock.clone();
        Openplat::new(account, self.settings.clone(), budget, Some(shelf), clock)
    }
}
