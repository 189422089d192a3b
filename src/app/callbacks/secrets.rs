//! The secrets that callbacks are signed with, over all accounts, active or not: an order keeps its account for ever. Kept
//! in memory, so that whoever sends forged callbacks never reaches the database.

use std::sync::{Arc, PoisonError, RwLock};

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::{ExposeSecret as _, SecretString};

use super::signature;
use crate::{
    app::App,
    domain::{
        accounts::Account,
        callbacks::{Parameters, Refusal, Signer},
    },
    error::{Causes, Error, Result},
    store::haier_configs,
    upstream::account_identity,
};

/// How long a secret stays good that was replaced, or whose account cannot be opened: Haier and we do not change it in the same
/// second.
const FORMER_FOR: TimeDelta = TimeDelta::days(1);
/// Accounts that were read longer ago may be others by now. They are read every second.
const STALE_AFTER: TimeDelta = TimeDelta::seconds(30);

/// What one account's callbacks are known by.
#[derive(Debug, Clone)]
struct CallbackSecret {
    /// Row of a stored account.
    account_id: Option<i64>,
    app_key: String,
    secret: SecretString,
    signer: Signer,
    /// Until when it is good. `None`: it is the account's present one.
    until: Option<DateTime<Utc>>,
}

impl CallbackSecret {
    /// `None`: the account has no part at the order system.
    fn of(account: &Account) -> Option<Self> {
        let ylh = account.ylh.as_ref()?;
        Some(Self {
            account_id: account.origin.account_id(),
            until: None,
            app_key: ylh.callback_app_key.clone(),
            secret: ylh.callback_secret.clone(),
            signer: Signer {
                account: account.name.clone(),
                seller_code: account.customer_code.clone(),
                identity: account_identity(account),
            },
        })
    }

    fn is_same_secret(&self, other: &Self) -> bool {
        self.app_key == other.app_key && self.secret.expose_secret() == other.secret.expose_secret()
    }

    /// The same as a former one, good for a while from the first time on.
    fn former(&self, now: DateTime<Utc>) -> Self {
        Self { until: Some(self.until.unwrap_or(now + FORMER_FOR)), ..self.clone() }
    }

    fn is_good(&self, now: DateTime<Utc>) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

/// The secrets as last read.
#[derive(Debug, Default)]
pub(in crate::app) struct CallbackSecrets {
    known: RwLock<Arc<Known>>,
    /// When the accounts were last read. `None`: never.
    read_at: RwLock<Option<DateTime<Utc>>>,
}

#[derive(Debug, Default)]
struct Known {
    secrets: Vec<CallbackSecret>,
    /// Ids and versions of the stored accounts that they were read from. `None`: not all of them could be opened.
    versions: Option<Vec<(i64, i64)>>,
    /// Whether that was told.
    is_complained_of: bool,
}

impl Known {
    /// The former secrets of a stored account that are good still, `present` aside.
    fn former_of(
        &self,
        id: i64,
        present: Option<&CallbackSecret>,
        now: DateTime<Utc>,
    ) -> Vec<CallbackSecret> {
        let own = self.secrets.iter().filter(|secret| secret.account_id == Some(id) && secret.is_good(now));
        let others = own.filter(|secret| present.is_none_or(|present| !secret.is_same_secret(present)));
        others.map(|secret| secret.former(now)).collect()
    }
}

impl CallbackSecrets {
    fn get(&self) -> Arc<Known> {
        Arc::clone(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn mark_read(&self, now: DateTime<Utc>) {
        *self.read_at.write().unwrap_or_else(PoisonError::into_inner) = Some(now);
    }

    fn replace(&self, known: Known) {
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(known);
    }

    /// Whether every account is open and was read a moment ago: only then a refused signature is certainly a wrong one.
    pub(super) fn is_complete(&self, now: DateTime<Utc>) -> bool {
        let read_at = *self.read_at.read().unwrap_or_else(PoisonError::into_inner);
        self.get().versions.is_some() && read_at.is_some_and(|at| (now - at).abs() < STALE_AFTER)
    }

    /// Every account that signed these parameters, at least one.
    pub(super) fn signers(
        &self,
        parameters: &Parameters,
        now: DateTime<Utc>,
    ) -> std::result::Result<Vec<Signer>, Refusal> {
        let known = self.get();
        let app_key = parameters.get("AppKey");
        let good = known.secrets.iter().filter(|secret| secret.is_good(now));
        let mut of_key = good.filter(|secret| secret.app_key == app_key).peekable();
        if of_key.peek().is_none() {
            signature::compare_with_nothing(parameters);
            return Err(Refusal::AppKey);
        }
        let signed = of_key.filter(|known| signature::is_signed_with(parameters, &known.secret));
        let signers: Vec<Signer> = signed.map(|known| known.signer.clone()).collect();
        if signers.is_empty() { Err(Refusal::Signature) } else { Ok(signers) }
    }
}

impl App {
    /// Takes the secrets of all accounts anew if any account has come, gone or changed. Cheap, and therefore often.
    ///
    /// # Errors
    /// When the database does not answer; those read before stay.
    pub(in crate::app) async fn callback_secrets_refresh(&self) -> Result<()> {
        let versions = haier_configs::versions(&mut self.store.read().await?).await?;
        let (before, now) = (self.callbacks.secrets.get(), self.clock.now());
        if before.versions.as_ref() == Some(&versions) {
            self.callbacks.secrets.mark_read(now);
            return Ok(());
        }
        let given = self.upstreams.given.account.iter().filter_map(CallbackSecret::of);
        let (mut secrets, mut closed): (Vec<_>, _) = (given.collect(), None);
        for (id, _) in &versions {
            match self.account_load(*id).await {
                Ok((account, _)) => {
                    let present = CallbackSecret::of(&account);
                    secrets.extend(before.former_of(*id, present.as_ref(), now));
                    secrets.extend(present);
                }
                // Deleted since: the next look sees that.
                Err(Error::NotFound { .. }) => {}
                Err(error @ (Error::StoreUnavailable(_) | Error::DeadlineExceeded)) => return Err(error),
                Err(error) => {
                    secrets.extend(before.former_of(*id, None, now));
                    closed = Some(error);
                }
            }
        }
        if let Some(error) = closed.as_ref().filter(|_| !before.is_complained_of) {
            tracing::error!(
                error = %Causes(&error),
                "an account's secrets cannot be opened: callbacks that no known secret signed are answered 503 until they can"
            );
        }
        self.callbacks.secrets.replace(Known {
            secrets,
            versions: closed.is_none().then_some(versions),
            is_complained_of: closed.is_some(),
        });
        self.callbacks.secrets.mark_read(now);
        Ok(())
    }
}
