//! The clients of Haier, by account: the active one for what begins now, the others for what began with them.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::App;
use crate::{
    domain::{accounts::Account, pauses::Pause},
    error::{Causes, Error, Result},
    store::haier_configs,
    upstream::{self, Haier, Openplat, Reach, SystemStatus, Ylh},
};

/// A client that is not the active one is closed when nobody has used it for so long.
const IDLE: Duration = Duration::from_secs(600);

/// Makes the clients of an account. Those of one account at Haier share its budgets and its tokens.
pub trait OpenUpstream: Send + Sync {
    /// The clients of both systems, which call no hosts beyond `reach`.
    ///
    /// # Errors
    /// When this machine has no usable TLS roots.
    fn open(&self, account: Account, reach: Reach) -> upstream::Result<Haier>;
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
    /// Which hosts accounts may name that callers have given.
    reach: Reach,
    clients: Mutex<Clients>,
    /// Held while the active account is read and made so.
    following: tokio::sync::Mutex<()>,
}

struct Clients {
    active: std::result::Result<Client, Unusable>,
    others: Vec<Client>,
    pauses: Vec<Pause>,
}

struct Client {
    haier: Haier,
    identity: Identity,
    used: Instant,
}

/// Which state of which account a client was made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    id: i64,
    version: i64,
}

impl Identity {
    /// Of the account that is not stored.
    const GIVEN: Self = Self { id: 0, version: 0 };
}

/// Why there is no client for what begins now.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Unusable {
    NotConfigured,
    NoKey,
    MissingKey(String),
    Broken(String),
}

impl Unusable {
    fn of(error: &Error) -> Self {
        match error {
            Error::NoKey => Self::NoKey,
            Error::MissingKey { detail } => Self::MissingKey(detail.clone()),
            Error::Internal(cause) => Self::Broken(cause.to_string()),
            other => Self::Broken(other.to_string()),
        }
    }
}

impl From<Unusable> for Error {
    fn from(unusable: Unusable) -> Self {
        match unusable {
            Unusable::NotConfigured => Self::NotConfigured,
            Unusable::NoKey => Self::NoKey,
            Unusable::MissingKey(detail) => Self::MissingKey { detail },
            Unusable::Broken(cause) => Self::Internal(cause.into()),
        }
    }
}

impl Clients {
    /// All of them, the active one first.
    fn iter(&self) -> impl Iterator<Item = &Client> {
        self.active.as_ref().ok().into_iter().chain(&self.others)
    }

    /// Puts the active one among the others, for what runs on it.
    fn replace_active(&mut self, active: std::result::Result<Client, Unusable>) -> Option<Haier> {
        let before = std::mem::replace(&mut self.active, active).ok();
        let haier = before.as_ref().map(|client| client.haier.clone());
        self.put_aside(before);
        haier
    }

    /// Keeps a client that is not the active one, and closes those that nobody needs any more.
    fn put_aside(&mut self, client: Option<Client>) {
        self.others.extend(client);
        self.others.retain(|other| other.haier.is_in_use() || other.used.elapsed() < IDLE);
    }
}

impl Upstreams {
    pub(super) fn new(opener: Box<dyn OpenUpstream>, given: GivenAccount, reach: Reach) -> Self {
        let clients =
            Clients { active: Err(Unusable::NotConfigured), others: Vec::new(), pauses: Vec::new() };
        Self { opener, given, reach, clients: Mutex::new(clients), following: tokio::sync::Mutex::default() }
    }

    /// The client for what begins now, or why there is none.
    fn active(&self) -> std::result::Result<Haier, Unusable> {
        self.lock().active.as_ref().map(|client| client.haier.clone()).map_err(Clone::clone)
    }

    /// The client for what begins now, if there is one.
    pub(super) fn find_active(&self) -> Option<Haier> {
        self.active().ok()
    }

    /// Whether there is a client for what begins now.
    pub(super) fn is_usable(&self) -> bool {
        self.lock().active.is_ok()
    }

    /// Whether the active client was made from this.
    fn is_active(&self, identity: Identity) -> bool {
        self.lock().active.as_ref().is_ok_and(|client| client.identity == identity)
    }

    /// Makes an account the active one; what runs on another one goes on with that. The client before it.
    fn activate(&self, account: Account, identity: Identity) -> Result<Option<Haier>> {
        let client = self.client(account, identity)?;
        let mut clients = self.lock();
        client.haier.set_pauses(&clients.pauses);
        Ok(clients.replace_active(Ok(client)))
    }

    /// Leaves nothing active; whether that is news.
    fn deactivate(&self, unusable: Unusable) -> bool {
        let mut clients = self.lock();
        let is_news = clients.active.as_ref().err() != Some(&unusable);
        if is_news {
            clients.replace_active(Err(unusable));
        }
        is_news
    }

    /// The client that was made from this, if one is open: one of an earlier state of the account holds its old secrets.
    fn find(&self, identity: Identity) -> Option<Haier> {
        let mut clients = self.lock();
        let Clients { active, others, .. } = &mut *clients;
        let client = active.iter_mut().chain(others).find(|client| client.identity == identity)?;
        client.used = Instant::now();
        Some(client.haier.clone())
    }

    /// Opens a client beside the active one.
    fn open(&self, account: Account, identity: Identity) -> Result<Haier> {
        let client = self.client(account, identity)?;
        let haier = client.haier.clone();
        let mut clients = self.lock();
        haier.set_pauses(&clients.pauses);
        clients.put_aside(Some(client));
        Ok(haier)
    }

    /// Clients that nobody else gets.
    pub(super) fn open_apart(&self, account: Account) -> Result<Haier> {
        let haier = self.open_client(account)?;
        haier.set_pauses(&self.lock().pauses);
        Ok(haier)
    }

    /// Holds the calls of every client back by these pauses, those of later ones too; all others pass again.
    pub(super) fn set_pauses(&self, in_force: &[Pause]) {
        let mut clients = self.lock();
        clients.pauses = in_force.to_vec();
        for client in clients.iter() {
            client.haier.set_pauses(in_force);
        }
    }

    /// How calls stand under the active account, and then under others for as long as something runs under them.
    pub(super) fn status(&self) -> Vec<SystemStatus> {
        let clients = self.lock();
        let active = clients.active.as_ref().ok().into_iter().flat_map(|client| client.haier.status());
        let others = clients.others.iter().filter(|other| other.haier.is_in_use());
        let others = others.flat_map(|other| other.haier.status());
        active.chain(others.map(|status| SystemStatus { former: true, ..status })).collect()
    }

    fn client(&self, account: Account, identity: Identity) -> Result<Client> {
        Ok(Client { haier: self.open_client(account)?, identity, used: Instant::now() })
    }

    fn open_client(&self, account: Account) -> upstream::Result<Haier> {
        // No stored account has the name of the given one.
        let is_given = self.given.account.as_ref().is_some_and(|given| given.name == account.name);
        self.opener.open(account, if is_given { Reach::Anywhere } else { self.reach })
    }

    fn lock(&self) -> MutexGuard<'_, Clients> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl App {
    /// The open platform for what begins now.
    pub(super) fn openplat(&self) -> Result<Arc<Openplat>> {
        Ok(self.upstreams.active()?.openplat)
    }

    /// The order system for what begins now.
    ///
    /// # Errors
    /// Without an account, and under one that has no part there.
    pub fn ylh(&self) -> Result<Arc<Ylh>> {
        let haier = self.upstreams.active()?;
        let account = || haier.openplat.account().name.clone();
        haier.ylh.clone().ok_or_else(|| Error::OrdersNotConfigured { account: account() })
    }

    /// The clients of the account that a piece of work began with. `None`: it is not there any more.
    pub(super) async fn upstream_of(&self, name: &str) -> Result<Option<Haier>> {
        let given = self.upstreams.given.account.as_ref().filter(|account| account.name == name);
        let identity = match given {
            Some(_) => Some(Identity::GIVEN),
            None => haier_configs::find_version(&mut self.store.read().await?, name)
                .await?
                .map(|(id, version)| Identity { id, version }),
        };
        let Some(identity) = identity else { return Ok(None) };
        if let Some(haier) = self.upstreams.find(identity) {
            return Ok(Some(haier));
        }
        let account = match given {
            Some(account) => Some((account.clone(), Identity::GIVEN)),
            None => self
                .account_find(name)
                .await?
                .map(|(account, id, version)| (account, Identity { id, version })),
        };
        account.map(|(account, identity)| self.upstreams.open(account, identity)).transpose()
    }

    /// Reads which account is to be active, and makes it so here; whether it was another one before.
    async fn upstreams_refresh(&self) -> Result<bool> {
        self.callback_secrets_refresh().await?;
        let Some((account, identity)) = self.account_wanted().await? else {
            return Ok(self.upstreams.deactivate(Unusable::NotConfigured));
        };
        if self.upstreams.is_active(identity) {
            return Ok(false);
        }
        let account = match account {
            Some(account) => account,
            None => match self.account_load(identity.id).await {
                Ok((account, version)) if version == identity.version => account,
                // Changed or deleted since: the next look sees how it is then.
                Ok(_) | Err(Error::NotFound { .. }) => return Ok(false),
                Err(error @ (Error::StoreUnavailable(_) | Error::DeadlineExceeded)) => return Err(error),
                Err(error) => {
                    let unusable = Unusable::of(&error);
                    if self.upstreams.deactivate(unusable) {
                        tracing::error!(error = %Causes(&error), "the active account cannot be used: nothing is sent to Haier");
                    }
                    return Ok(false);
                }
            },
        };
        let name = account.name.clone();
        let before = self.upstreams.activate(account, identity)?;
        let before = before.map(|haier| haier.openplat.account().name.clone()).unwrap_or_default();
        tracing::info!(account = name, before, "calls to Haier go under this account from now on");
        Ok(true)
    }

    /// Reads which account is to be active, makes it so here, and begins the first loading of an empty store under it.
    ///
    /// # Errors
    /// When the database does not answer; then the account that was active stays so.
    pub async fn upstreams_follow(&self) -> Result<()> {
        // One at a time, so that what was read before a switch is not obeyed after it, and whoever finds the account active
        // finds the first run stored.
        let _following = self.upstreams.following.lock().await;
        if self.upstreams_refresh().await? {
            self.sync_first_start().await?;
        }
        Ok(())
    }

    /// Which account is to be active. A stored one comes without its secrets, which need not be opened every time.
    async fn account_wanted(&self) -> Result<Option<(Option<Account>, Identity)>> {
        let given = &self.upstreams.given;
        let stored = if given.over_any_other {
            None
        } else {
            haier_configs::active(&mut self.store.read().await?).await?
        };
        Ok(match stored {
            Some((id, version)) => Some((None, Identity { id, version })),
            None => given.account.clone().map(|account| (Some(account), Identity::GIVEN)),
        })
    }
}
