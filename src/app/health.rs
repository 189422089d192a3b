//! What this process knows of its own health. The worker of the same name keeps it fresh.

use std::time::Duration;

use tokio::sync::watch;

use super::App;
use crate::{domain::reasons::Reason, error::Causes, upstream::Call};

/// Health of what the service stands on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Health {
    /// The database answered and could be written when last asked.
    pub database: bool,
    /// Haier let us in when last asked. `None`: no account, or not asked yet.
    pub let_in: Option<bool>,
    /// It lets us in and answers calls. `None`: as above.
    pub upstream: Option<bool>,
    /// The process is going down.
    pub draining: bool,
}

impl Health {
    /// Whether calls should be sent here. A Haier that is down does not count: what is stored can still be read.
    #[must_use]
    pub const fn is_ready(self) -> bool {
        self.database && !self.draining
    }
}

impl App {
    /// Health as last checked, and its changes.
    #[must_use]
    pub fn health(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }

    /// Shows how full the pool of connections is.
    pub fn record_pool(&self) {
        let pool = self.store.pool_use();
        #[expect(clippy::cast_precision_loss, reason = "a handful of connections")]
        let (in_use, max) = (pool.in_use as f64, pool.max as f64);
        metrics::gauge!("haier_db_connections_in_use").set(in_use);
        metrics::gauge!("haier_db_connections_max").set(max);
    }

    /// Sees whether the database answers and can be written; a change is logged once.
    pub async fn check_database(&self, limit: Duration) {
        let connections = self.store.connections();
        let outcome = tokio::time::timeout(limit, self.store.check()).await;
        let is_silent = match &outcome {
            Ok(checked) => checked.as_ref().is_err_and(|error| !error.is_answer()),
            Err(_) => true,
        };
        if is_silent {
            // New connections may not be.
            self.store.renew(connections);
        }
        let fault = match outcome {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(Causes(&error).to_string()),
            Err(_) => Some(format!("no answer within {} s", limit.as_secs_f64())),
        };
        metrics::gauge!("haier_dependency_up", "dependency" => "database")
            .set(f64::from(u8::from(fault.is_none())));
        let up = fault.is_none();
        let changed =
            self.health.send_if_modified(|health| std::mem::replace(&mut health.database, up) != up);
        match fault {
            Some(fault) if changed => {
                tracing::error!(fault, "the database does not answer, or cannot be written: not ready")
            }
            None if changed => tracing::info!("the database answers and can be written: ready"),
            _ => {}
        }
    }

    /// Sees whether Haier lets us in. A valid token is proof enough, so this is cheap.
    pub async fn check_upstream(&self) {
        let Ok(openplat) = self.openplat() else { return };
        let outcome = openplat.client().authenticate(&Call::BULK).await;
        // Not asked, so nothing is known anew.
        let not_asked = [Reason::Paused, Reason::StoreUnavailable];
        if outcome.as_ref().is_err_and(|error| not_asked.contains(&error.reason)) {
            return;
        }
        let let_in = Some(outcome.is_ok());
        let changed =
            self.health.send_if_modified(|health| std::mem::replace(&mut health.let_in, let_in) != let_in);
        if let (Err(error), true) = (outcome, changed) {
            tracing::warn!(reason = %error.reason, %error, "Haier does not let us in; what is stored is served");
        }
        self.judge_upstream();
    }

    /// Says whether Haier is up: it lets us in, and has answered since the last breaker opened and since listings fail. A
    /// change is logged once.
    pub fn judge_upstream(&self) {
        let Ok(openplat) = self.openplat() else { return };
        let answers = openplat.client().has_answered();
        let changed = self.health.send_if_modified(|health| {
            let up = health.let_in.map(|let_in| let_in && answers);
            std::mem::replace(&mut health.upstream, up) != up
        });
        let Health { let_in, upstream: Some(up), .. } = *self.health.borrow() else { return };
        metrics::gauge!("haier_dependency_up", "dependency" => "openplat").set(f64::from(u8::from(up)));
        let account = openplat.account().name.as_str();
        match (changed, up) {
            (true, true) => tracing::info!(account, "Haier lets us in and answers"),
            // Else the login has said so.
            (true, false) if let_in == Some(true) => {
                tracing::warn!(account, "Haier does not answer; what is stored is served");
            }
            _ => {}
        }
    }
}
