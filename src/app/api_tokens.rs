//! Tokens: made and revoked for all replicas, obeyed at once by the one that was told and within two seconds by the
//! others; and who a caller is by the one he shows.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use secrecy::SecretString;

use super::{App, Ctx, to_its_end};
use crate::{
    auth::{Identity, NewSecret, Refusal, Shown},
    domain::{
        api_tokens::{ApiToken, StoredToken, TokenName},
        audit::{Change, MASKED},
        callers::Role,
        clock::to_micros,
        pages::{Page, PageRequest},
        violations::Violations,
    },
    error::{Causes, Error, Result},
    store::{self, api_tokens},
};

/// What a token is made of.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// Who will call with it.
    pub name: TokenName,
    /// What he may do.
    pub role: Role,
    /// From when on it is refused. `None`: never.
    pub expires_at: Option<DateTime<Utc>>,
}

impl App {
    /// Who calls, by what he shows. Asks no database.
    ///
    /// # Errors
    /// Why it is nobody we know.
    pub fn caller_identify(&self, shown: &Shown<'_>) -> std::result::Result<Identity, Refusal> {
        self.gate.identify(shown, self.clock.now())
    }

    /// Sees that whoever was let in would be so still. Asks no database.
    ///
    /// # Errors
    /// Why he is not.
    pub fn caller_check(&self, identity: &Identity) -> Result<()> {
        Ok(self.gate.check(identity, self.clock.now())?)
    }

    /// Whether nobody needs a token, as far as was read.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.gate.is_open()
    }

    /// From now on every call needs a token or a certificate, for the life of this process.
    pub fn close_gate(&self) {
        self.gate.close();
    }

    /// Makes a token; its text is known to nobody but whoever gets this answer.
    ///
    /// # Errors
    /// When the name was given before, the end is past, or the first token is not an admin's; when the database does not
    /// answer.
    pub async fn api_token_create(
        self: &Arc<Self>,
        ctx: &Ctx,
        new: NewToken,
    ) -> Result<(ApiToken, SecretString)> {
        let (app, ctx) = (Arc::clone(self), ctx.clone());
        to_its_end(async move { app.token_store(&ctx, new).await }).await
    }

    async fn token_store(&self, ctx: &Ctx, new: NewToken) -> Result<(ApiToken, SecretString)> {
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        api_tokens::lock(&mut tx).await?;
        let all = api_tokens::all(&mut tx).await?;
        let is_first = all.is_empty() && !self.gate.has_outside_admin();
        let new = check(new, is_first, now)?;
        let mut id = self.next_id(now)?;
        while all.iter().any(|stored| stored.token.id == id) {
            id = self.next_id(now)?;
        }
        let secret = NewSecret::draw(id);
        let token = ApiToken {
            id,
            name: new.name.to_string(),
            role: new.role,
            created_at: now,
            created_by: ctx.caller.name.clone(),
            expires_at: new.expires_at.map(to_micros),
            revoked_at: None,
            last_used_at: None,
        };
        let stored = StoredToken { token, hash: secret.hash };
        api_tokens::insert(&mut tx, &stored).await.map_err(|error| match error {
            store::Error::Conflict => Error::AlreadyExists {
                what: "a token named",
                key: new.name.to_string(),
                remedy: "; names are never given twice, not even after a revocation: choose another",
            },
            error => error.into(),
        })?;
        let expires_at = stored.token.expires_at.map(|end| Change::to("expires_at", end.to_rfc3339()));
        let changes = [Change::to("role", new.role.as_str()), Change::to("token", MASKED)];
        let changes = changes.into_iter().chain(expires_at).collect();
        self.audit(&mut tx, ctx, "token.create", &stored.token.name, changes).await?;
        tx.commit().await?;
        self.learn_or_warn().await;
        Ok((stored.token, secret.text))
    }

    /// One page of the tokens, by name.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn api_tokens_list(
        &self,
        _: &Ctx,
        page: &PageRequest<String>,
    ) -> Result<Page<ApiToken, String>> {
        Ok(api_tokens::list(&mut self.store.read().await?, page).await?)
    }

    /// Ends a token. One that has been revoked stays as it is.
    ///
    /// # Errors
    /// When there is none of this name, it is the last one of an admin, or the database does not answer.
    pub async fn api_token_revoke(self: &Arc<Self>, ctx: &Ctx, name: &TokenName) -> Result<ApiToken> {
        let (app, ctx, name) = (Arc::clone(self), ctx.clone(), name.to_string());
        to_its_end(async move { app.token_end(&ctx, name).await }).await
    }

    async fn token_end(&self, ctx: &Ctx, name: String) -> Result<ApiToken> {
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        api_tokens::lock(&mut tx).await?;
        let (ended, others): (Vec<_>, Vec<_>) = api_tokens::all(&mut tx)
            .await?
            .into_iter()
            .map(|stored| stored.token)
            .partition(|token| token.name == name);
        let Some(mut token) = ended.into_iter().next() else {
            return Err(Error::NotFound { what: "the token", key: name });
        };
        if token.revoked_at.is_some() {
            return Ok(token);
        }
        let opens_all = |token: &ApiToken| token.role == Role::Admin && token.is_alive(now);
        if opens_all(&token) && !self.gate.has_outside_admin() && !others.iter().any(opens_all) {
            return Err(Error::LastAdmin { name });
        }
        api_tokens::revoke(&mut tx, token.id, now).await?;
        let changes = vec![Change::to("revoked_at", now.to_rfc3339())];
        self.audit(&mut tx, ctx, "token.revoke", &token.name, changes).await?;
        tx.commit().await?;
        token.revoked_at = Some(now);
        self.learn_or_warn().await;
        Ok(token)
    }

    /// Reads the tokens, and goes by them from now on.
    ///
    /// # Errors
    /// When the database does not answer; what was read before stays in force.
    pub async fn api_tokens_refresh(&self) -> Result<()> {
        // One at a time, so that what was read before a change is not gone by after it.
        let _reading = self.tokens_reading.lock().await;
        let tokens = api_tokens::all(&mut self.store.read().await?).await?;
        let was_open = self.is_open();
        self.gate.learn(tokens);
        if was_open && !self.is_open() {
            tracing::info!("there is a token: from now on every call needs one");
        }
        Ok(())
    }

    /// The change is made: that this replica cannot read it back now must not hide the answer.
    async fn learn_or_warn(&self) {
        if let Err(error) = self.api_tokens_refresh().await {
            tracing::warn!(error = %Causes(&error), "the tokens cannot be read; what was read last stays in force, trying again");
        }
    }

    /// Writes when tokens were last shown, each at most once a minute.
    ///
    /// # Errors
    /// When the database does not answer; then they are written later.
    pub async fn api_token_uses_store(&self) -> Result<()> {
        let due = self.gate.uses_due(self.clock.now());
        if due.is_empty() {
            return Ok(());
        }
        let mut tx = self.store.begin().await?;
        for (id, at) in due {
            api_tokens::touch(&mut tx, id, at).await?;
        }
        tx.commit().await?;
        self.api_tokens_refresh().await
    }
}

fn check(new: NewToken, is_first: bool, now: DateTime<Utc>) -> Result<NewToken> {
    let mut violations = Violations::default();
    if is_first && new.role != Role::Admin {
        violations.add(
            "role",
            format!(
                "is {}; the first token must be an admin's: from then on every call needs one, and nobody could make \
                 another",
                new.role
            ),
        );
    }
    if let Some(end) = new.expires_at.filter(|end| *end <= now) {
        violations.add(
            "expires_at",
            format!(
                "{} is not in the future (it is {} now); leave it out for a token that never ends",
                end.to_rfc3339(),
                now.to_rfc3339()
            ),
        );
    }
    violations.into_result(new).map_err(Error::Invalid)
}
