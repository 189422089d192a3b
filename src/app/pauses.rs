//! The pause switch: stored for all replicas, obeyed at once by the one that was told and within two seconds by the others.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{App, Ctx, to_its_end};
use crate::{
    domain::{
        audit::Change,
        clock::to_micros,
        pauses::{Pause, PauseTarget},
        violations::Violation,
    },
    error::{Error, Result},
    store::pauses,
};

impl App {
    /// Holds calls back until then, or until somebody resumes. A pause in force gets the new reason and end.
    ///
    /// # Errors
    /// When `until` is not in the future, or the database does not answer.
    pub async fn upstream_pause(
        self: &Arc<Self>,
        ctx: &Ctx,
        target: PauseTarget,
        reason: String,
        until: Option<DateTime<Utc>>,
    ) -> Result<Pause> {
        let now = self.clock.now();
        if let Some(until) = until.filter(|until| *until <= now) {
            let description = format!(
                "{} is not in the future (it is {} now); leave it out to pause until resumed",
                until.to_rfc3339(),
                now.to_rfc3339()
            );
            return Err(Error::Invalid(vec![Violation { field: "until".to_owned(), description }]));
        }
        let until = until.map(to_micros);
        let pause = Pause { target, reason, until, paused_by: ctx.caller.name.clone(), since: now };
        let (app, ctx) = (Arc::clone(self), ctx.clone());
        to_its_end(async move { app.pause_store(&ctx, pause).await }).await
    }

    async fn pause_store(&self, ctx: &Ctx, mut pause: Pause) -> Result<Pause> {
        let mut tx = self.store.begin().await?;
        let all = pauses::list(&mut tx).await?;
        let in_force = all.iter().find(|other| other.target == pause.target && other.is_on(pause.since));
        if let Some(in_force) = in_force {
            pause.since = in_force.since;
        }
        let pause = pauses::upsert(&mut tx, pause).await?;
        let changes = changes(in_force, Some(&pause));
        self.audit(&mut tx, ctx, "upstream.pause", pause.target.as_str(), changes).await?;
        tx.commit().await?;
        self.pauses_refresh().await?;
        Ok(pause)
    }

    /// Lets calls pass again; whether any were held back.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn upstream_resume(self: &Arc<Self>, ctx: &Ctx, target: PauseTarget) -> Result<bool> {
        let (app, ctx) = (Arc::clone(self), ctx.clone());
        to_its_end(async move {
            let was_paused = app.pauses_in_force().iter().any(|pause| pause.target == target);
            let mut tx = app.store.begin().await?;
            let stored = pauses::list(&mut tx).await?.into_iter().find(|pause| pause.target == target);
            if let Some(pause) = &stored {
                pauses::delete(&mut tx, target).await?;
                let changes = changes(Some(pause), None);
                app.audit(&mut tx, &ctx, "upstream.resume", target.as_str(), changes).await?;
                tx.commit().await?;
                tracing::info!(held_back = target.as_str(), caller = %ctx.caller, "an operator resumes calls to Haier");
            }
            app.pauses_refresh().await?;
            Ok(stored.is_some() || was_paused)
        })
        .await
    }

    /// Pauses in force, by target.
    #[must_use]
    pub fn pauses_in_force(&self) -> Vec<Pause> {
        let now = self.clock.now();
        self.pauses.borrow().iter().filter(|pause| pause.is_on(now)).cloned().collect()
    }

    /// Reads what is stored, and obeys it; a change is logged once.
    ///
    /// # Errors
    /// When the database does not answer; what was read before stays in force.
    pub async fn pauses_refresh(&self) -> Result<()> {
        // One at a time, so that what was read before a pause is not obeyed after it.
        let _reading = self.pauses_reading.lock().await;
        let now = self.clock.now();
        let mut conn = self.store.read().await?;
        let stored = pauses::list(&mut conn).await?;
        drop(conn);
        let (in_force, ended): (Vec<_>, Vec<_>) = stored.into_iter().partition(|pause| pause.is_on(now));
        if !ended.is_empty() {
            let mut tx = self.store.begin().await?;
            pauses::sweep(&mut tx, now).await?;
            tx.commit().await?;
        }
        self.pauses_obey(&in_force);
        Ok(())
    }

    fn pauses_obey(&self, in_force: &[Pause]) {
        let before = self.pauses.send_replace(in_force.to_vec());
        self.upstreams.set_pauses(in_force);
        for target in PauseTarget::ALL {
            let of = |pauses: &[Pause]| pauses.iter().find(|pause| pause.target == target).cloned();
            let (was, is) = (of(&before), of(in_force));
            metrics::gauge!("haier_upstream_paused", "target" => target.as_str())
                .set(f64::from(u8::from(is.is_some())));
            match is {
                Some(pause) if was.as_ref() != Some(&pause) => {
                    tracing::warn!(held_back = target.as_str(), paused_by = pause.paused_by, "{pause}");
                }
                None if was.is_some() => {
                    tracing::info!(held_back = target.as_str(), "calls to Haier are let pass again");
                }
                _ => {}
            }
        }
    }
}

fn changes(before: Option<&Pause>, after: Option<&Pause>) -> Vec<Change> {
    let reason = |pause: &Pause| pause.reason.clone();
    let until = |pause: &Pause| pause.until.map_or("resumed".to_owned(), |until| until.to_rfc3339());
    [
        Change::between("reason", before.map(reason), after.map(reason)),
        Change::between("until", before.map(until), after.map(until)),
    ]
    .into_iter()
    .flatten()
    .collect()
}
