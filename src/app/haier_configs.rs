//! Upstream accounts: checked whole, stored with their secrets sealed, at most one active. Which account is in use is
//! decided here; that calls go there is the matter of whoever makes the clients.

mod activation;
mod change;
mod test;

use std::sync::Arc;

use secrecy::ExposeSecret as _;

pub use activation::Activation;
pub use test::{AccountCheck, CheckOutcome, CheckedPart, TestedAccount};

use super::{App, Ctx, to_its_end};
use crate::{
    domain::{
        accounts::{Account, AccountDraft, Field, Naming, Origin, Preset, difference},
        haier_configs::{self as domain, HaierConfig, HaierConfigFilter, MAX_NAME_CHARS, RESERVED_NAMES},
        pages::{Page, PageRequest},
        sealed::{Place, Sealed},
        violations::Violations,
    },
    error::{Error, Result},
    store::{Conn, Tx, haier_configs, order_accounts, orders, sync_runs},
    upstream,
};

const WHAT: &str = "account";

/// An account that somebody wants stored.
#[derive(Debug, Clone, Default)]
pub struct NewHaierConfig {
    /// Its name.
    pub name: String,
    /// Its fields.
    pub draft: AccountDraft,
    /// One of Haier's environments, whose hosts it gets.
    pub preset: Option<Preset>,
}

impl App {
    /// Stores a new account, not active; `violations` are what was found wrong with the request before. With
    /// `validate_only` everything is checked and nothing stored.
    ///
    /// # Errors
    /// Everything that is wrong with it; when the name is taken, there is no key, or the database does not answer.
    pub async fn haier_config_create(
        self: &Arc<Self>,
        ctx: &Ctx,
        new: NewHaierConfig,
        mut violations: Violations,
        validate_only: bool,
    ) -> Result<HaierConfig> {
        check_name(&new.name, &mut violations);
        let draft = self.haier_config_draft(new.draft, new.preset, violations).await?;
        let sealer = Arc::clone(self.key_ring()?);
        let (app, ctx, name) = (Arc::clone(self), ctx.clone(), new.name);
        to_its_end(async move {
            let now = app.clock.now();
            let mut id = app.next_id(now)?;
            let mut tx = app.store.begin().await?;
            haier_configs::lock(&mut tx).await?;
            while haier_configs::find_by_id(&mut tx, id).await?.is_some() {
                id = app.next_id(now)?;
            }
            if haier_configs::find(&mut tx, &name).await?.is_some() {
                let remedy = "; change it by UpdateHaierConfig";
                return Err(Error::AlreadyExists { what: WHAT, key: name, remedy });
            }
            if let Some(so_id) = order_accounts::find_of_name(&mut tx, &name).await? {
                let what = "an order of a deleted account named";
                let remedy = "; an order keeps the account of its first attempt: choose another name";
                return Err(Error::AlreadyExists { what, key: format!("{name} ({so_id})"), remedy });
            }
            haier_configs::insert(&mut tx, id, &name, &draft, now).await?;
            for (field, secret) in given_secrets(&draft) {
                let sealed = sealer.seal(place(id, field), secret)?;
                haier_configs::put_secret(&mut tx, id, field, &sealed, now).await?;
            }
            let changes = difference::of_drafts(None, Some(&draft), &[]);
            app.audit(&mut tx, &ctx, "account.create", &name, changes).await?;
            let stored = fetch_by_id(&mut tx, id).await?;
            if !validate_only {
                tx.commit().await?;
                tracing::info!(account = name, caller = %ctx.caller, "an account was stored");
            }
            Ok(stored)
        })
        .await
    }

    /// One account.
    ///
    /// # Errors
    /// When there is none of this name, or the database does not answer.
    pub async fn haier_config_fetch(&self, _: &Ctx, name: &str) -> Result<HaierConfig> {
        fetch(&mut self.store.read().await?, name).await
    }

    /// One page of the accounts that match, newest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn haier_configs_list(
        &self,
        _: &Ctx,
        filter: &HaierConfigFilter,
        page: &PageRequest<i64>,
    ) -> Result<Page<HaierConfig, i64>> {
        Ok(haier_configs::list(&mut self.store.read().await?, filter, page).await?)
    }

    /// Removes an account. A non-empty `etag` must be its present one.
    ///
    /// # Errors
    /// When there is none, it is in use or was changed, or the database does not answer.
    pub async fn haier_config_delete(self: &Arc<Self>, ctx: &Ctx, name: &str, etag: &str) -> Result<()> {
        let (app, ctx, name, etag) = (Arc::clone(self), ctx.clone(), name.to_owned(), etag.to_owned());
        to_its_end(async move {
            let mut tx = app.store.begin().await?;
            haier_configs::lock(&mut tx).await?;
            let config = fetch(&mut tx, &name).await?;
            check_etag(&config, &etag)?;
            refuse_if_in_use(&mut tx, &config).await?;
            haier_configs::delete(&mut tx, config.id).await?;
            let changes = difference::of_drafts(Some(&config.draft), None, &[]);
            app.audit(&mut tx, &ctx, "account.delete", &name, changes).await?;
            tx.commit().await?;
            tracing::info!(account = name, caller = %ctx.caller, "an account was deleted");
            Ok(())
        })
        .await
    }

    /// A stored account with its secrets, and the version it has; for whoever makes clients.
    ///
    /// # Errors
    /// When there is none, its secrets do not open, or the database does not answer.
    pub async fn account_load(&self, id: i64) -> Result<(Account, i64)> {
        let mut conn = self.store.read().await?;
        let config = haier_configs::find_by_id(&mut conn, id).await?;
        let config = config.ok_or_else(|| Error::NotFound { what: WHAT, key: id.to_string() })?;
        let secrets = haier_configs::secrets(&mut conn, id).await?;
        drop(conn);
        self.account_open(&config, &secrets)
    }

    /// The same by name, with its id; `None` if there is none of it.
    ///
    /// # Errors
    /// When its secrets do not open, or the database does not answer.
    pub async fn account_find(&self, name: &str) -> Result<Option<(Account, i64, i64)>> {
        let mut conn = self.store.read().await?;
        let Some(config) = haier_configs::find(&mut conn, name).await? else { return Ok(None) };
        let secrets = haier_configs::secrets(&mut conn, config.id).await?;
        drop(conn);
        let (account, version) = self.account_open(&config, &secrets)?;
        Ok(Some((account, config.id, version)))
    }

    fn account_open(&self, config: &HaierConfig, secrets: &[(Field, Sealed)]) -> Result<(Account, i64)> {
        let key_ring = self.key_ring()?;
        let mut draft = config.draft.clone();
        for (field, sealed) in secrets {
            draft.set(*field, key_ring.open(place(config.id, *field), sealed)?.expose_secret());
        }
        let account = Account { origin: Origin::Stored(config.id), ..draft.account(&config.name) };
        Ok((account, config.version))
    }

    /// An account that is not stored, checked as stored ones are.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub async fn account_check(&self, new: NewHaierConfig, violations: Violations) -> Result<Account> {
        let name = if new.name.is_empty() { "unsaved".to_owned() } else { new.name };
        self.haier_config_draft(new.draft, new.preset, violations).await.map(|draft| draft.account(&name))
    }

    /// Fills in what a preset means, and checks everything.
    async fn haier_config_draft(
        &self,
        mut draft: AccountDraft,
        preset: Option<Preset>,
        mut violations: Violations,
    ) -> Result<AccountDraft> {
        if let Some(preset) = preset {
            draft.fill(preset, Naming::Fields, &mut violations);
        }
        draft.check(Naming::Fields, self.account_rules, &mut violations);
        self.check_hosts(&draft, &mut violations).await;
        violations.into_result(draft).map_err(Error::Invalid)
    }

    /// Notes hosts that a caller may not make us call.
    async fn check_hosts(&self, draft: &AccountDraft, violations: &mut Violations) {
        if self.account_rules.allow_private_hosts {
            return;
        }
        for field in Field::ALL.iter().copied().filter(|field| field.is_address()) {
            let Some(address) = draft.setting(field) else { continue };
            if let Some(number) = upstream::private_number(address).await {
                let message = format!(
                    "leads to {number}, which is this machine or in a private network; start the service with \
                     --allow-private-hosts (HAIER_INTEGRATION_ALLOW_PRIVATE_HOSTS=true) to allow it"
                );
                violations.add(Naming::Fields.of(field), message);
            }
        }
    }
}

/// The one place that says what stands in the way of deleting an account.
async fn refuse_if_in_use(tx: &mut Tx, config: &HaierConfig) -> Result<()> {
    let name = || config.name.clone();
    if config.active {
        return Err(Error::AccountActive { name: name() });
    }
    if let Some(sync_log_id) = sync_runs::find_of_account(tx, &config.name).await? {
        return Err(Error::AccountBusy { name: name(), what: format!("sync log {sync_log_id}") });
    }
    if let Some(so_id) = orders::find_open_of_account(tx, &config.name).await? {
        return Err(Error::AccountBusy { name: name(), what: format!("order {so_id}") });
    }
    Ok(())
}

async fn fetch(conn: &mut Conn, name: &str) -> Result<HaierConfig> {
    let found = haier_configs::find(conn, name).await?;
    found.ok_or_else(|| Error::NotFound { what: WHAT, key: format!("`{name}`") })
}

async fn fetch_by_id(conn: &mut Conn, id: i64) -> Result<HaierConfig> {
    let found = haier_configs::find_by_id(conn, id).await?;
    found.ok_or_else(|| Error::NotFound { what: WHAT, key: id.to_string() })
}

/// An empty etag asks for nothing.
fn check_etag(config: &HaierConfig, etag: &str) -> Result<()> {
    if etag.is_empty() || etag == config.etag() {
        return Ok(());
    }
    Err(Error::EtagMismatch { what: WHAT, key: config.name.clone() })
}

fn check_name(name: &str, violations: &mut Violations) {
    const FIELD: &str = "haier_config.name";
    if name.trim().is_empty() {
        violations.add(FIELD, "is required");
    } else if name.trim() != name || name.chars().any(char::is_control) {
        violations.add(FIELD, "must hold no control characters, and no blanks at its ends");
    }
    if name.chars().count() > MAX_NAME_CHARS {
        violations.add(FIELD, format!("must have at most {MAX_NAME_CHARS} characters"));
    }
    if RESERVED_NAMES.contains(&name) {
        violations
            .add(FIELD, format!("`{name}` stands for an account that is not stored: choose another name"));
    }
}

fn given_secrets(draft: &AccountDraft) -> impl Iterator<Item = (Field, &str)> {
    Field::ALL.iter().filter_map(|field| Some((*field, draft.secret(*field)?.expose_secret())))
}

fn place(id: i64, field: Field) -> Place<'static> {
    Place { table: domain::TABLE, row: id, field: field.path() }
}
