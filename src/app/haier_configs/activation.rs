//! Which stored account is in use: at most one, held by the database, and shown before it is switched.

use std::sync::Arc;

use super::{check_etag, fetch, fetch_by_id};
use crate::{
    app::{App, Ctx, to_its_end},
    domain::{
        accounts::{Account, Naming, difference},
        audit::Change,
        haier_configs::HaierConfig,
        schedules::ScheduleName,
        sync_logs::Trigger,
        violations::Violations,
    },
    error::{Error, Result},
    store::{haier_configs, products, schedules},
};

/// What activating an account does.
#[derive(Debug, Clone)]
pub struct Activation {
    /// The account, as it is afterwards.
    pub config: HaierConfig,
    /// Name of the account in use before; empty: there was none.
    pub previous: String,
    /// What is different for calls, secrets masked.
    pub changes: Vec<Change>,
}

impl App {
    /// Makes an account the one in use, in place of any other; with `validate_only` says what that would change. A non-empty
    /// `etag` must be its present one.
    ///
    /// # Errors
    /// When there is none or it was changed, what it holds is not allowed any more, its secrets do not open, or the database
    /// does not answer.
    pub async fn haier_config_activate(
        self: &Arc<Self>,
        ctx: &Ctx,
        name: &str,
        etag: &str,
        validate_only: bool,
    ) -> Result<Activation> {
        let config = fetch(&mut self.store.read().await?, name).await?;
        check_etag(&config, etag)?;
        // Settings of the service, and where names lead, may be others than when it was stored.
        let mut violations = Violations::default();
        config.draft.check(Naming::Fields, self.account_rules, &mut violations);
        self.check_hosts(&config.draft, &mut violations).await;
        violations.into_result(()).map_err(Error::Invalid)?;
        // Before it is switched to: an account that does not open would leave every replica without one.
        let (account, _) = self.account_load(config.id).await?;
        let before = self.account_in_use().await?;
        let previous = before.as_ref().map(|account| account.name.clone()).unwrap_or_default();
        let changes = if self.upstreams.given.over_any_other {
            // Calls go on to the sandbox.
            Vec::new()
        } else {
            difference::of_accounts(before.as_ref(), &account)
        };
        if validate_only {
            return Ok(Activation { config, previous, changes });
        }
        let (app, ctx, etag) = (Arc::clone(self), ctx.clone(), etag.to_owned());
        let config = to_its_end(async move {
            let stored = app.store_active(&ctx, &config, &etag).await?;
            app.upstreams_follow().await?;
            Ok(stored)
        })
        .await?;
        Ok(Activation { config, previous, changes })
    }

    async fn store_active(&self, ctx: &Ctx, config: &HaierConfig, etag: &str) -> Result<HaierConfig> {
        let mut tx = self.store.begin().await?;
        haier_configs::lock(&mut tx).await?;
        let present = fetch(&mut tx, &config.name).await?;
        check_etag(&present, etag)?;
        if present.active {
            return Ok(present);
        }
        let other = match haier_configs::active(&mut tx).await? {
            Some((id, _)) => haier_configs::find_by_id(&mut tx, id).await?.map(|other| other.name),
            None => None,
        };
        haier_configs::set_active(&mut tx, Some(present.id), self.clock.now()).await?;
        let calls_go_elsewhere = !self.upstreams.given.over_any_other
            && (other.is_some()
                || self.upstreams.given.account.is_some()
                || !products::is_empty(&mut tx).await?);
        if calls_go_elsewhere {
            schedules::want(&mut tx, ScheduleName::Full, Trigger::AccountSwitch).await?;
        }
        let changes = Change::between("active", other, Some(present.name.clone()));
        self.audit(&mut tx, ctx, "account.activate", &present.name, changes.into_iter().collect()).await?;
        let stored = fetch_by_id(&mut tx, present.id).await?;
        tx.commit().await?;
        tracing::info!(account = stored.name, caller = %ctx.caller, "an account was activated");
        Ok(stored)
    }

    /// Takes an account out of use; one that is not in use stays so. A non-empty `etag` must be its present one.
    ///
    /// # Errors
    /// When there is none or it was changed, or the database does not answer.
    pub async fn haier_config_deactivate(
        self: &Arc<Self>,
        ctx: &Ctx,
        name: &str,
        etag: &str,
    ) -> Result<HaierConfig> {
        let (app, ctx, name, etag) = (Arc::clone(self), ctx.clone(), name.to_owned(), etag.to_owned());
        to_its_end(async move {
            let mut tx = app.store.begin().await?;
            haier_configs::lock(&mut tx).await?;
            let present = fetch(&mut tx, &name).await?;
            check_etag(&present, &etag)?;
            if !present.active {
                return Ok(present);
            }
            haier_configs::set_active(&mut tx, None, app.clock.now()).await?;
            let given = &app.upstreams.given;
            if given.account.is_some() && !given.over_any_other {
                // Calls go on under the account of the environment.
                schedules::want(&mut tx, ScheduleName::Full, Trigger::AccountSwitch).await?;
            }
            let changes = vec![Change::from("active", name.clone())];
            app.audit(&mut tx, &ctx, "account.deactivate", &name, changes).await?;
            let stored = fetch_by_id(&mut tx, present.id).await?;
            tx.commit().await?;
            tracing::info!(account = name, caller = %ctx.caller, "an account was deactivated");
            app.upstreams_follow().await?;
            Ok(stored)
        })
        .await
    }

    /// The account that calls go to now: the sandbox's where there is one, the active one, else the environment's.
    async fn account_in_use(&self) -> Result<Option<Account>> {
        let given = &self.upstreams.given;
        if given.over_any_other {
            return Ok(given.account.clone());
        }
        let active = haier_configs::active(&mut self.store.read().await?).await?;
        let Some((id, _)) = active else { return Ok(given.account.clone()) };
        match self.account_load(id).await {
            // One that does not open any more is in nobody's way.
            Err(Error::NotFound { .. } | Error::MissingKey { .. } | Error::Internal(_)) => Ok(None),
            loaded => loaded.map(|(account, _)| Some(account)),
        }
    }
}
