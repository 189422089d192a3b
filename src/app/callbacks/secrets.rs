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
    error::Result,
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
            signer: Signer { account: account.name.clone(), seller_code: account.customer_code.clone() },
        })
    }
}

/// The secrets as last read.
#[derive(Debug, Default)]
pub(in crate::app) struct CallbackSecrets(RwLock<Arc<[CallbackSecret]>>);

impl CallbackSecrets {
    fn replace(&self, accounts: &[Account]) {
        let secrets = accounts.iter().filter_map(CallbackSecret::of).collect();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = secrets;
    }

    /// Every account that signed these parameters, at least one.
    pub(super) fn signers(&self, parameters: &Parameters) -> std::result::Result<Vec<Signer>, Refusal> {
        let all = Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner));
        let app_key = parameters.get("AppKey");
        let mut of_key = all.iter().filter(|secret| secret.app_key == app_key).peekable();
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
    /// Takes the secrets of all accounts anew; whenever accounts may have changed.
    ///
    /// # Errors
    /// When they cannot be read; those read before stay.
    #[expect(clippy::unused_async, reason = "stored accounts are read from the database")]
    pub(in crate::app) async fn callback_secrets_refresh(&self) -> Result<()> {
        let accounts: Vec<Account> = self.upstreams.given.account.iter().cloned().collect();
        self.callbacks.secrets.replace(&accounts);
        Ok(())
    }
}
