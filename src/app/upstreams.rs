//! The clients of Haier, by account: the active one for what begins now, the others for what began with them.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::App;
use crate::{
    domain::{accounts::Account, pauses::Pause},
    error::{Error, Result},
    upstream::{self, Openplat},
};

/// A client that is not the active one is closed when nobody has used it for so long.
const IDLE: Duration = Duration::from_secs(600);

/// Makes the client of an account. Clients of one account at Haier share its budget and its token.
pub trait OpenUpstream: Send + Sync {
    /// A client.
    ///
    /// # Errors
    /// When this machine has no usable TLS roots.
    fn open(&self, account: Account) -> upstream::Result<Openplat>;
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
    pause: Option<Pause>,
}

struct Client {
    openplat: Arc<Openplat>,
    /// Version of the stored account; 0 of the given one.
    version: i64,
    used: Instant,
}

impl Client {
    fn is(&self, name: &str, version: i64) -> bool {
        self.openplat.account().name == name && self.version == version
    }
}

impl Upstreams {
    pub(super) fn new(opener: Box<dyn OpenUpstream>, given: GivenAccount) -> Self {
        Self { opener, given, clients: Mutex::default() }
    }

    /// The client for what begins now.
    pub(super) fn active(&self) -> Option<Arc<Openplat>> {
        self.lock().active.as_ref().map(|client| Arc::clone(&client.openplat))
    }

    /// Whether this very version of an account is the active one.
    pub(super) fn is_active(&self, name: &str, version: i64) -> bool {
        self.lock().active.as_ref().is_some_and(|client| client.is(name, version))
    }

    /// Makes an account the active one, or none; what runs on another one goes on with that. The client before it.
    pub(super) fn activate(&self, account: Option<(Account, i64)>) -> Result<Option<Arc<Openplat>>> {
        let client = account.map(|(account, version)| self.client(account, version)).transpose()?;
        let mut clients = self.lock();
        if let Some(client) = &client {
            client.openplat.set_pause(clients.pause.clone());
        }
        let before = std::mem::replace(&mut clients.active, client);
        let known = before.as_ref().map(|client| Arc::clone(&client.openplat));
        clients.others.extend(before);
        clients.others.retain(|other| Arc::strong_count(&other.openplat) > 1 || other.used.elapsed() < IDLE);
        Ok(known)
    }

    /// The client of an account by name, if one is open.
    pub(super) fn find(&self, name: &str) -> Option<Arc<Openplat>> {
        let mut clients = self.lock();
        let Clients { active, others, .. } = &mut *clients;
        // The newest of the others, which are in the order in which they were left.
        let client =
            active.iter_mut().chain(others.iter_mut().rev()).find(|c| c.openplat.account().name == name)?;
        client.used = Instant::now();
        Some(Arc::clone(&client.openplat))
    }

    /// Opens a client beside the active one.
    pub(super) fn open(&self, account: Account, version: i64) -> Result<Arc<Openplat>> {
        let client = self.client(account, version)?;
        let openplat = Arc::clone(&client.openplat);
        let mut clients = self.lock();
        openplat.set_pause(clients.pause.clone());
        clients.others.push(client);
        Ok(openplat)
    }

    /// Holds the calls of every client back, those of later ones too; `None` lets them pass again.
    pub(super) fn set_pause(&self, pause: Option<&Pause>) {
        let mut clients = self.lock();
        clients.pause = pause.cloned();
        for client in clients.active.iter().chain(&clients.others) {
            client.openplat.set_pause(pause.cloned());
        }
    }

    /// All that are open, the active one first.
    pub(super) fn all(&self) -> Vec<Arc<Openplat>> {
        let clients = self.lock();
        clients.active.iter().chain(&clients.others).map(|client| Arc::clone(&client.openplat)).collect()
    }

    fn client(&self, account: Account, version: i64) -> Result<Client> {
        let openplat = Arc::new(self.opener.open(account)?);
        Ok(Client { openplat, version, used: Instant::now() })
    }

    fn lock(&self) -> MutexGuard<'_, Clients> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl App {
    /// The client for what begins now.
    pub(super) fn openplat(&self) -> Result<Arc<Openplat>> {
        self.upstreams.active().ok_or(Error::NotConfigured)
    }

    /// The client of the account that a piece of work began with. `None`: it is not there any more.
    #[expect(clippy::unused_async, reason = "stored accounts are read from the database")]
    pub(super) async fn upstream_of(&self, name: &str) -> Result<Option<Arc<Openplat>>> {
        if let Some(openplat) = self.upstreams.find(name) {
            return Ok(Some(openplat));
        }
        let given = self.upstreams.given.account.clone().filter(|account| account.name == name);
        given.map(|account| self.upstreams.open(account, 0)).transpose()
    }

    /// Makes the account that is to be active the active one, here.
    ///
    /// # Errors
    /// When its client cannot be made.
    #[expect(clippy::unused_async, reason = "the active account is read from the database")]
    pub async fn upstreams_refresh(&self) -> Result<()> {
        let wanted = self.upstreams.given.account.as_ref();
        if let Some(account) = wanted.filter(|account| !self.upstreams.is_active(&account.name, 0)) {
            self.upstreams.activate(Some((account.clone(), 0)))?;
        }
        Ok(())
    }
}
