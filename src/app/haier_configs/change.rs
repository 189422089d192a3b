//! Changing a stored account: what the mask names changes, everything else stays, and the whole is checked anew.

use std::sync::Arc;

use super::{check_etag, fetch, fetch_by_id, given_secrets, place};
use crate::{
    app::{App, Ctx, order_accounts::rebound_change, to_its_end},
    domain::{
        accounts::{AccountDraft, Field, difference},
        haier_configs::{ChangedHaierConfig, HaierConfig, HaierConfigChange},
        schedules::ScheduleName,
        sync_logs::Trigger,
        violations::Violations,
    },
    error::{Error, Result},
    store::{haier_configs, schedules},
};

/// How often a change that others got ahead of is made anew.
const TRIES: usize = 5;
/// Fields by which Haier shows another catalogue: with them changed, an account in use is another one.
const OF_CATALOGUE: [&str; 4] = ["base_url", "customer_code", "send_to_code", "supplier_code"];

impl App {
    /// Changes an account; a non-empty `etag` must be its present one. `violations` are what was found wrong with the
    /// request before.
    ///
    /// # Errors
    /// Everything that would be wrong with the changed account; when there is none of this name or it was changed since it
    /// was read, a secret is given and there is no key, or the database does not answer.
    pub async fn haier_config_update(
        self: &Arc<Self>,
        ctx: &Ctx,
        name: &str,
        etag: &str,
        change: HaierConfigChange,
        mut violations: Violations,
    ) -> Result<ChangedHaierConfig> {
        let given = self.upstreams.given.account.as_ref();
        if let Some(account) = given.filter(|account| account.name == name && change.is_only_same_place()) {
            violations.into_result(()).map_err(Error::Invalid)?;
            let rebound_orders = self.orders_rebind_given(ctx, account).await?;
            return Ok(ChangedHaierConfig { name: name.to_owned(), stored: None, rebound_orders });
        }
        let same_place = change.same_place;
        for _ in 0..TRIES {
            let before = fetch(&mut self.store.read().await?, name).await?;
            check_etag(&before, etag)?;
            let (merged, preset) = (merged(&before.draft, &change), change.preset);
            let draft = self.haier_config_draft(merged, preset, std::mem::take(&mut violations)).await?;
            let (app, ctx) = (Arc::clone(self), ctx.clone());
            let stored = to_its_end(async move {
                let stored = app.store_change(&ctx, &before, &draft, same_place).await?;
                app.upstreams_follow().await?;
                Ok(stored)
            })
            .await?;
            if let Some((stored, rebound_orders)) = stored {
                return Ok(ChangedHaierConfig {
                    name: name.to_owned(),
                    stored: Some(stored),
                    rebound_orders,
                });
            }
        }
        Err(Error::EtagMismatch { what: super::WHAT, key: name.to_owned() })
    }

    /// The account, and how many orders were bound to where it leads now. `None`: somebody has changed it since.
    async fn store_change(
        &self,
        ctx: &Ctx,
        before: &HaierConfig,
        draft: &AccountDraft,
        same_place: bool,
    ) -> Result<Option<(HaierConfig, usize)>> {
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        haier_configs::lock(&mut tx).await?;
        let present = haier_configs::find_by_id(&mut tx, before.id).await?;
        let Some(present) = present.filter(|present| present.version == before.version) else {
            return Ok(None);
        };
        let replaced: Vec<_> = given_secrets(draft).map(|(field, _)| field).collect();
        let mut changes = difference::of_drafts(Some(&before.draft), Some(draft), &replaced);
        let rebound = self.orders_follow_account(&mut tx, before, draft, same_place).await?;
        changes.extend(rebound_change(rebound));
        if changes.is_empty() {
            return Ok(Some((before.clone(), rebound)));
        }
        haier_configs::update(&mut tx, before.id, draft, now).await?;
        for (field, secret) in given_secrets(draft) {
            let sealed = self.key_ring()?.seal(place(before.id, field), secret)?;
            haier_configs::put_secret(&mut tx, before.id, field, &sealed, now).await?;
        }
        for secret in before.secrets.iter().filter(|secret| !draft.has(secret.field)) {
            haier_configs::delete_secret(&mut tx, before.id, secret.field).await?;
        }
        let other_catalogue = changes.iter().any(|change| OF_CATALOGUE.contains(&&*change.field));
        if present.active && other_catalogue && !self.upstreams.given.over_any_other {
            schedules::want(&mut tx, ScheduleName::Full, Trigger::AccountSwitch).await?;
        }
        self.audit(&mut tx, ctx, "account.update", &before.name, changes).await?;
        let stored = fetch_by_id(&mut tx, before.id).await?;
        tx.commit().await?;
        tracing::info!(account = before.name, caller = %ctx.caller, "an account was changed");
        if rebound > 0 {
            self.orders_rebound(ctx, &before.name, rebound);
        }
        Ok(Some((stored, rebound)))
    }
}

/// What is stored with the change made on it.
fn merged(stored: &AccountDraft, change: &HaierConfigChange) -> AccountDraft {
    let mut draft = stored.clone();
    if change.remove_ylh {
        draft.remove_ylh();
    }
    if change.preset.is_some() {
        // The hosts of before give way; those named beside the preset are held against it.
        for field in [Field::BaseUrl, Field::YlhBaseUrl, Field::YlhServiceSuffix] {
            draft.set(field, "");
        }
        if stored.has_ylh() && !change.remove_ylh {
            draft.add_ylh();
        }
    }
    if change.draft.has_ylh() {
        draft.add_ylh();
    }
    for field in &change.fields {
        match change.draft.secret(*field) {
            Some(secret) => draft.set(*field, secrecy::ExposeSecret::expose_secret(secret)),
            None => draft.set(*field, change.draft.setting(*field).unwrap_or_default()),
        }
    }
    draft
}
