//! Makes the clients of Haier's two systems from settings: those of one account share what Haier counts by account.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use rustls::pki_types::CertificateDer;
use secrecy::ExposeSecret as _;

use crate::{
    app::{OpenUpstream, StoredLedger, StoredTokens},
    config::Settings,
    domain::{
        accounts::{Account, YlhAccount},
        clock::Clock,
        slots::Rules,
    },
    redact, sandbox,
    store::Store,
    upstream::{
        self, BreakerSettings, Budget, Haier, Means, MemoryLedger, MemoryShelf, Openplat, Reach,
        RetrySettings, SlotLedger, TokenShelf, Ylh,
    },
};

/// Makes clients.
pub(super) struct Opener {
    settings: upstream::Settings,
    /// The same for the order system, which has a rate of its own.
    order_settings: upstream::Settings,
    store: Store,
    process: u16,
    clock: Arc<dyn Clock>,
    shared: Mutex<HashMap<String, Shared>>,
}

/// What the clients of one system and account have in common.
#[derive(Clone)]
struct Shared {
    budget: Budget,
    /// Where they share their token when no other process can have a part in it.
    shelf: Arc<MemoryShelf>,
}

impl Opener {
    /// `roots`: the authorities of Haier's certificate, where they are not the system's.
    pub(super) fn new(
        settings: &Settings,
        roots: Option<Vec<CertificateDer<'static>>>,
        store: Store,
        process: u16,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let order_rate = settings.order_rate;
        let settings = upstream::Settings {
            roots,
            reach: Reach::Public,
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
            evidence: settings.orders.evidence.clone(),
            cancelled_words: settings.upstream.cancelled_words.clone(),
        };
        let order_settings = upstream::Settings { rate: order_rate, ..settings.clone() };
        Self { settings, order_settings, store, process, clock, shared: Mutex::default() }
    }

    fn means(&self, account_key: &str, settings: &upstream::Settings, reach: Reach) -> Means {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Shared { budget: self.budget(account_key, settings.rate), shelf: Arc::default() };
        let Shared { budget, shelf } = shared.entry(account_key.to_owned()).or_insert_with(new).clone();
        let shelf: Arc<dyn TokenShelf> = if self.store.is_exclusive() {
            shelf.for_client()
        } else {
            Arc::new(StoredTokens::new(self.store.clone(), account_key.to_owned(), self.process))
        };
        Means {
            settings: upstream::Settings { reach, ..settings.clone() },
            budget,
            shelf,
            clock: self.clock.clone(),
        }
    }

    /// What the replicas of this account may send together. An SQLite file has one process, which counts by itself.
    fn budget(&self, account_key: &str, rate: u32) -> Budget {
        if rate == 0 {
            return Budget::unlimited();
        }
        let rules = Rules::new(rate);
        let ledger: Arc<dyn SlotLedger> = if self.store.is_exclusive() {
            Arc::new(MemoryLedger::new(rules))
        } else {
            Arc::new(StoredLedger::new(self.store.clone(), account_key.to_owned(), rules))
        };
        Budget::new(ledger, &rules)
    }

    fn open_ylh(&self, name: &str, account: YlhAccount, reach: Reach) -> upstream::Result<Ylh> {
        warn_of_plain_http(name, &account);
        let means = self.means(&upstream::ylh_account_key(&account), &self.order_settings, reach);
        Ylh::new(name, account, means)
    }
}

impl OpenUpstream for Opener {
    fn open(&self, account: Account, reach: Reach) -> upstream::Result<Haier> {
        redact::learn(account.secrets().filter(|secret| secret.expose_secret() != sandbox::PASSWORD));
        let ylh = account.ylh.clone().map(|ylh| self.open_ylh(&account.name, ylh, reach)).transpose()?;
        let means = self.means(&upstream::account_key(&account), &self.settings, reach);
        let openplat = Openplat::new(account, means)?;
        Ok(Haier { openplat: Arc::new(openplat), ylh: ylh.map(Arc::new) })
    }
}

/// Haier lists the order system's hosts with http, so that they are called so; but passwords and customers' names then
/// travel in the open. Not on this host.
fn warn_of_plain_http(account: &str, ylh: &YlhAccount) {
    let is_open = |address: &&String| {
        let host = url::Url::parse(address).ok().filter(|url| url.scheme() == "http").map(|url| {
            url.host().is_some_and(|host| match host {
                url::Host::Domain(name) => name == "localhost",
                url::Host::Ipv4(ip) => ip.is_loopback(),
                url::Host::Ipv6(ip) => ip.is_loopback(),
            })
        });
        host == Some(false)
    };
    if let Some(address) = [&ylh.base_url, &ylh.auth_url].into_iter().find(is_open) {
        tracing::warn!(
            account,
            address,
            "the order system is called without TLS: what is sent can be read on the way; give an https address if Haier \
             serves one"
        );
    }
}
