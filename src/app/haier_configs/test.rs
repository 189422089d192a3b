//! Whether Haier lets an account in: each of its systems is asked for real, and each password is tried by one harmless call.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::NewHaierConfig;
use crate::{
    app::{App, Ctx},
    domain::{
        accounts::Account, pauses::PauseTarget, products::ProductCode, reasons::Reason, stock::CountyCode,
        violations::Violations,
    },
    error::{Error, Result},
    store::products,
    upstream::{self, Call, Openplat, Patience, Ylh},
};

/// A number under which no order is delivered.
const NO_ORDER: &str = "SO.00000000.000000";
/// A code to ask for where no product is stored. Whether Haier knows it makes no difference.
const ANY_CODE: &str = "GA0SZC00U";

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
    /// How it went: passed where all parts did.
    pub outcome: CheckOutcome,
    /// What was tried. Empty for a system that was not asked.
    pub parts: Vec<CheckedPart>,
}

/// One thing of an account that was tried at a system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedPart {
    /// `login`, `orders`, or the field of the account that was tried.
    pub part: &'static str,
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
    /// Logs in at both systems under an account and tries each of its passwords; its name, and what came of each system.
    ///
    /// # Errors
    /// When there is no such account, it is wrong, its secrets do not open, or the database does not answer. That Haier
    /// refuses it is no error.
    pub async fn haier_config_test(
        &self,
        ctx: &Ctx,
        tested: TestedAccount,
    ) -> Result<(String, Vec<AccountCheck>)> {
        let account = self.tested_account(tested).await?;
        let name = account.name.clone();
        // A client of its own: what breakers and refusals of the one in use remember is not asked for here.
        let haier = self.upstreams.open_apart(account)?;
        let code = self.any_code().await?;
        let (patience, _seat) = Patience::new(ctx.deadline);
        let call = Call::live(&patience);
        let openplat = check(PauseTarget::OpenPlatform, openplat_parts(&haier.openplat, &code, &call));
        let ylh = async {
            match &haier.ylh {
                Some(ylh) => check(PauseTarget::OrderSystem, Box::pin(ylh_parts(ylh, &call))).await,
                None => AccountCheck {
                    system: PauseTarget::OrderSystem,
                    took: Duration::ZERO,
                    outcome: CheckOutcome::NotConfigured,
                    parts: Vec::new(),
                },
            }
        };
        Ok((name, <[_; 2]>::from(tokio::join!(openplat, ylh)).into()))
    }

    /// A code that Haier is likely to know.
    async fn any_code(&self) -> Result<ProductCode> {
        let stored = products::list_codes(&mut self.store.read().await?, None, None, None, 1).await?;
        Ok(stored.into_iter().next().unwrap_or_else(|| ProductCode::from_stored(ANY_CODE.to_owned())))
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

async fn check(system: PauseTarget, trying: impl Future<Output = Vec<CheckedPart>>) -> AccountCheck {
    let began = Instant::now();
    let parts = trying.await;
    let failed = parts.iter().filter_map(|part| match &part.outcome {
        CheckOutcome::Failed { reason, detail } => Some((*reason, format!("{}: {detail}", part.part))),
        CheckOutcome::Passed | CheckOutcome::NotConfigured => None,
    });
    let (reasons, details): (Vec<_>, Vec<_>) = failed.unzip();
    let outcome = match reasons.first() {
        Some(reason) => CheckOutcome::Failed { reason: *reason, detail: details.join("; ") },
        None => CheckOutcome::Passed,
    };
    AccountCheck { system, took: began.elapsed(), outcome, parts }
}

/// The login, then each password by the cheapest call that carries it: H1 and H3 for one code, and H5.
async fn openplat_parts(openplat: &Openplat, code: &ProductCode, call: &Call<'_>) -> Vec<CheckedPart> {
    let login = part("login", openplat.client().log_in()).await;
    if login.outcome != CheckOutcome::Passed {
        return vec![login];
    }
    let (codes, county) = (std::slice::from_ref(code), CountyCode::default());
    let (password, seller, customer) = tokio::join!(
        part("password", openplat.products(codes, call)),
        part("seller_password", openplat.stock(code, &county, call)),
        part("customer_password", openplat.balances(call)),
    );
    vec![login, password, seller, customer]
}

/// The login, then a look for the parcels of an order that does not exist.
async fn ylh_parts(ylh: &Arc<Ylh>, call: &Call<'_>) -> Vec<CheckedPart> {
    let login = part("login", ylh.client().log_in()).await;
    if login.outcome != CheckOutcome::Passed {
        return vec![login];
    }
    let orders = part("orders", ylh.courier_numbers(&[NO_ORDER.to_owned()], call)).await;
    vec![login, orders]
}

async fn part<T>(part: &'static str, trying: impl Future<Output = upstream::Result<T>>) -> CheckedPart {
    let outcome = match trying.await {
        Ok(_) => CheckOutcome::Passed,
        // Haier let the call in, and does not know what was asked for.
        Err(error) if matches!(error.reason, Reason::EmptyAnswer | Reason::UnknownCode) => {
            CheckOutcome::Passed
        }
        Err(error) if part == "orders" && error.reason == Reason::ValidationError => CheckOutcome::Passed,
        Err(error) => {
            let detail = format!("{}; {}", error.detail, remedy(part, error.reason));
            CheckOutcome::Failed { reason: error.reason, detail }
        }
    };
    CheckedPart { part, outcome }
}

/// What a person looks at next.
fn remedy(part: &str, reason: Reason) -> &'static str {
    match reason {
        Reason::ValidationError | Reason::ServerError if part.ends_with("password") => {
            "Haier took the login and refuses this call: check this password, customer_code and send_to_code"
        }
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
