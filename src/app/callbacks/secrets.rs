//! The secrets that callbacks are signed with, over all accounts, active or not: an order keeps its account for ever. Kept
//! in memory, so that whoever sends forged callbacks never reaches the database.

use std::sync::{Arc, PoisonError, RwLock};

use secrecy::SecretString;

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

/// What one account's callbacks are known by.
#[derive(Debug)]
struct CallbackSecret {
    app_key: String,
    secret: SecretString,
    signer: Signer,
}

impl CallbackSecret {
    /// `None`: the account has no part at the order system.
    fn of(account: &Account) -> Option<Self> {
        let ylh = account.ylh.as_ref()?;
        Some(Self {
            app_key: ylh.callback_app_key.clone(),
            secret: ylh.callback_secret.clone(),
            signer: Signer {
                account: account.name.clone(),
                seller_code: account.customer_code.clone(),
                identity: account_identity(account),
            },
        })
    }
}

/// The secrets as last read.
#[derive(Debug, Default)]
pub(in crate::app) struct CallbackSecrets(RwLock<Arc<Known>>);

#[derive(Debug, Default)]
struct Known {
    secrets: Vec<CallbackSecret>,
    /// Ids and versions of the stored accounts that they were read from. `None`: not all of them could be opened.
    versions: Option<Vec<(i64, i64)>>,
    /// Whether that was told.
    is_complained_of: bool,
}

impl CallbackSecrets {
    fn get(&self) -> Arc<Known> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn replace(&self, known: Known) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(known);
    }

    /// Every account that signed these parameters, at least one.
    pub(super) fn signers(&self, parameters: &Parameters) -> std::result::Result<Vec<Signer>, Refusal> {
        let known = self.get();
        let app_key = parameters.get("AppKey");
        let mut of_key = known.secrets.iter().filter(|secret| secret.app_key == app_key).peekable();
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
        let before = self.callbacks.secrets.get();
        if before.versions.as_ref() == Some(&versions) {
            return Ok(());
        }
        let mut accounts: Vec<Account> = self.upstreams.given.account.iter().cloned().collect();
        let mut closed = None;
        for (id, _) in &versions {
            match self.account_load(*id).await {
                Ok((account, _)) => accounts.push(account),
                // Deleted since: the next look sees that.
                Err(Error::NotFound { .. }) => {}
                Err(error @ (Error::StoreUnavailable(_) | Error::DeadlineExceeded)) => return Err(error),
                Err(error) => closed = Some(error),
            }
        }
        if let Some(error) = closed.as_ref().filter(|_| !before.is_complained_of) {
            tracing::error!(error = %Causes(&error), "an account's secrets cannot be opened: its callbacks are refused until they can");
        }
        self.callbacks.secrets.replace(Known {
            secrets: accounts.iter().filter_map(CallbackSecret::of).collect(),
            versions: closed.is_none().then_some(versions),
            is_complained_of: closed.is_some(),
        });
        Ok(())
    }
}
