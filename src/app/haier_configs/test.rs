//! Whether Haier lets an account in: each of its systems is asked for real.

use std::time::{Duration, Instant};

use super::NewHaierConfig;
use crate::{
    app::{App, Ctx},
    domain::{accounts::Account, pauses::PauseTarget, reasons::Reason, violations::Violations},
    error::{Error, Result},
    upstream,
};

/// Which account to test.
#[derive(Debug)]
pub enum TestedAccount {
    /// The one in use.
    InUse,
    /// A stored one, by name.
    Stored(String),
    /// One that is not stored, with what was found wrong with the request before.
    Unsaved(NewHaierConfig, Violations),
}

/// What came of asking one system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountCheck {
    /// Which system.
    pub system: PauseTarget,
    /// How long it took; nothing for a system that was not asked.
    pub took: Duration,
    /// How it went.
    pub outcome: CheckOutcome,
}

/// How it went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckOutcome {
    /// It lets us in.
    Passed,
    /// The account has no part there.
    NotConfigured,
    /// It does not, or could not be asked.
    Failed {
        /// Why.
        reason: Reason,
        /// In words, with what to check.
        detail: String,
    },
}

impl App {
    /// Logs in at both systems under an account; its name, and what came of each.
    ///
    /// # Errors
    /// When there is no such account, it is wrong, its secrets do not open, or the database does not answer. That Haier
    /// refuses it is no error.
    pub async fn haier_config_test(
        &self,
        _: &Ctx,
        tested: TestedAccount,
    ) -> Result<(String, Vec<AccountCheck>)> {
        let account = self.tested_account(tested).await?;
        let name = account.name.clone();
        // A client of its own: what breakers and refusals of the one in use remember is not asked for here.
        let haier = self.upstreams.open_apart(account)?;
        let openplat = async { check(PauseTarget::OpenPlatform, haier.openplat.client().log_in()).await };
        let ylh = async {
            match &haier.ylh {
                Some(ylh) => check(PauseTarget::OrderSystem, ylh.client().log_in()).await,
                None => AccountCheck {
                    system: PauseTarget::OrderSystem,
                    took: Duration::ZERO,
                    outcome: CheckOutcome::NotConfigured,
                },
            }
        };
        Ok((name, <[_; 2]>::from(tokio::join!(openplat, ylh)).into()))
    }

    async fn tested_account(&self, tested: TestedAccount) -> Result<Account> {
        match tested {
            TestedAccount::InUse => Ok(self.openplat()?.account().clone()),
            TestedAccount::Stored(name) => match self.account_find(&name).await? {
                Some((account, ..)) => Ok(account),
                None => Err(Error::NotFound { what: super::WHAT, key: format!("`{name}`") }),
            },
            TestedAccount::Unsaved(new, violations) => self.account_check(new, violations).await,
        }
    }
}

async fn check(system: PauseTarget, asking: impl Future<Output = upstream::Result<()>>) -> AccountCheck {
    let began = Instant::now();
    let outcome = match asking.await {
        Ok(()) => CheckOutcome::Passed,
        Err(error) => {
            let detail = format!("{}; {}", error.detail, remedy(error.reason));
            CheckOutcome::Failed { reason: error.reason, detail }
        }
    };
    AccountCheck { system, took: began.elapsed(), outcome }
}

/// What a person looks at next.
const fn remedy(reason: Reason) -> &'static str {
    match reason {
        Reason::AuthFailed => {
            "the host answers, so it is the credentials, or they are those of another environment"
        }
        Reason::Forbidden => "ask Haier whether this address is on their allow list",
        Reason::Paused => "resume calls first, or wait for the pause's end",
        Reason::RequestTimeout | Reason::ConnectionFailed | Reason::ServerError => {
            "check the address and the way there (DNS, firewall, proxy), and whether Haier is up"
        }
        Reason::ValidationError | Reason::MalformedAnswer => {
            "check base_url, token_url and auth_url: what answers there is not Haier's token service as described"
        }
        _ => "the service's log has more",
    }
}
