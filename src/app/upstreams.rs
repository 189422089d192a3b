//! The clients of Haier, by account: the active one for what begins now, the others for what began with them.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::App;
use crate::{
    domain::{accounts::Account, pauses::Pause},
    error::{Error, Result},
    upstream::{self, Haier, Openplat, Ylh},
};

/// A client that is not the active one is closed when nobody has used it for so long.
const IDLE: Duration = Duration::from_secs(600);

/// Makes the clients of an account. Those of one account at Haier share its budgets and its tokens.
pub trait OpenUpstream: Send + Sync {
    /// The clients of both systems.
    ///
    /// # Errors
    /// When this machine has no usable TLS roots.
    fn open(&self, account: Account) -> upstream::Result<Haier>;
}

/// Which accounts there are without looking into the database.
#[derive(Debug, Clone, Default)]
pub struct GivenAccount {
    /// The account of the environment or of the sandbox.
    pub account: Option<Account>,
    /// Whether it is used even where another one is active: that of `serve --sandbox` is.
    pub over_any_other: bool,
}

/// All clients of this process.
pub(super) struct Upstreams {
    opener: Box<dyn OpenUpstream>,
    pub(super) given: GivenAccount,
    clients: Mutex<Clients>,
}

#[derive(Default)]
struct Clients {
    active: Option<Client>,
    others: Vec<Client>,
    pauses: Vec<Pause>,
}

struct Client {
    haier: Haier,
    /// Version of the stored account; 0 of the given one.
    version: i64,
    used: Instant,
}

impl Client {
    fn is(&self, name: &str, version: i64) -> bool {
        self.name() == name && self.version == version
    }

    fn name(&self) -> &str {
        &self.haier.openplat.account().name
    }
}

impl Upstreams {
    pub(super) fn new(opener: Box<dyn OpenUpstream>, given: GivenAccount) -> Self {
        Self { opener, given, clients: Mutex::default() }
    }

    /// The client for what begins now.
    pub(super) fn active(&self) -> Option<Haier> {
        self.lock().active.as_ref().map(|client| client.haier.clone())
    }

    /// Whether this very version of an account is the active one.
    pub(super) fn is_active(&self, name: &str, version: i64) -> bool {
        self.lock().active.as_ref().is_some_and(|client| client.is(name, version))
    }

    /// Makes an account the active one, or none; what runs on another one goes on with that. The client before it.
    pub(super) fn activate(&self, account: Option<(Account, i64)>) -> Result<Option<Haier>> {
        let client = account.map(|(account, version)| self.client(account, version)).transpose()?;
        let mut clients = self.lock();
        if let Some(client) = &client {
            client.haier.set_pauses(&clients.pauses);
        }
        let before = std::mem::replace(&mut clients.active, client);
        let known = before.as_ref().map(|client| client.haier.clone());
        clients.others.extend(before);
        clients.others.retain(|other| other.haier.is_in_use() || other.used.elapsed() < IDLE);
        Ok(known)
    }

    /// The client of an account by name, if one is open.
    pub(super) fn find(&self, name: &str) -> Option<Haier> {
        let mut clients = self.lock();
        let Clients { active, others, .. } = &mut *clients;
        // The newest of the others, which are in the order in which they were left.
        let client = active.iter_mut().chain(others.iter_mut().rev()).find(|c| c.name() == name)?;
        client.used = Instant::now();
        Some(client.haier.clone())
    }

    /// Opens a client beside the active one.
    pub(super) fn open(&self, account: Account, version: i64) -> Result<Haier> {
        let client = self.client(account, version)?;
        let haier = client.haier.clone();
        let mut clients = self.lock();
        haier.set_pauses(&clients.pauses);
        clients.others.push(client);
        Ok(haier)
    }

    /// Holds the calls of every client back by these pauses, those of later ones too; all others pass again.
    pub(super) fn set_pauses(&self, in_force: &[Pause]) {
        let mut clients = self.lock();
        clients.pauses = in_force.to_vec();
        for client in clients.active.iter().chain(&clients.others) {
            client.haier.set_pauses(in_force);
        }
    }

    /// All that are open, the active one first.
    pub(super) fn all(&self) -> Vec<Haier> {
        let clients = self.lock();
        clients.active.iter().chain(&clients.others).map(|client| client.haier.clone()).collect()
    }

    fn client(&self, account: Account, version: i64) -> Result<Client> {
        Ok(Client { haier: self.opener.open(account)?, version, used: Instant::now() })
    }

    fn lock(&self) -> MutexGuard<'_, Clients> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl App {
    /// The open platform for what begins now.
    pub(super) fn openplat(&self) -> Result<Arc<Openplat>> {
        Ok(self.upstreams.active().ok_or(Error::NotConfigured)?.openplat)
    }

    /// The order system for what begins now.
    ///
    /// # Errors
    /// Without an account, and under one that has no part there.
    pub fn ylh(&self) -> Result<Arc<Ylh>> {
        let haier = self.upstreams.active().ok_or(Error::NotConfigured)?;
        let account = || haier.openplat.account().name.clone();
        haier.ylh.clone().ok_or_else(|| Error::OrdersNotConfigured { account: account() })
    }

    /// The clients of the account that a piece of work began with. `None`: it is not there any more.
    #[expect(clippy::unused_async, reason = "stored accounts are read from the database")]
    pub(super) async fn upstream_of(&self, name: &str) -> Result<Option<Haier>> {
        if let Some(haier) = self.upstreams.find(name) {
            return Ok(Some(haier));
        }
        let given = self.upstreams.given.account.clone().filter(|account| account.name == name);
        given.map(|account| self.upstreams.open(account, 0)).transpose()
    }

    /// Makes the account that is to be active the active one, here.
    ///
    /// # Errors
    /// When its client cannot be made.
    pub async fn upstreams_refresh(&self) -> Result<()> {
        let wanted = self.upstreams.given.account.as_ref();
        if let Some(account) = wanted.filter(|account| !self.upstreams.is_active(&account.name, 0)) {
            self.upstreams.activate(Some((account.clone(), 0)))?;
        }
        self.callback_secrets_refresh().await
    }
}
