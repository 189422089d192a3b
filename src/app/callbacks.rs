//! Callbacks of the order system: found genuine, stored, answered; and then, in the worker's hands, matched to their orders.

mod apply;
mod refusals;
mod sealing;
mod secrets;
mod signature;
mod wire;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use chrono::TimeDelta;
use tokio::sync::{Notify, Semaphore};

use super::{App, Ctx, to_its_end};
use crate::{
    domain::{
        callbacks::{CallbackFilter, ReceivedCallback, Refusal, StoredCallback, parse_time_stamp},
        callers::Role,
        mobiles::strike_mobiles,
        orders::facts::CallbackMethod,
        pages::{Page, PageRequest},
    },
    error::{Causes, Result},
    store::callbacks,
};
pub use apply::CallbackRounds;
use refusals::Refusals;
use sealing::words;
use secrets::CallbackSecrets;
use wire::Data;

/// How callbacks are taken. All of it is settings.
#[derive(Debug, Clone)]
pub struct CallbackSettings {
    /// How far a callback's `TimeStamp` may be from now.
    pub window: TimeDelta,
    /// How long one may lie without an order before that is complained of.
    pub parked_warning: TimeDelta,
}

/// Callbacks that are written at a time: in a burst the others wait for their turn, and not for a connection to the
/// database, which they would be refused after a while.
const STORING: usize = 32;

/// What callbacks need of this process.
pub(super) struct Callbacks {
    settings: CallbackSettings,
    secrets: CallbackSecrets,
    refusals: Refusals,
    /// A permit for each that is being written.
    storing: Semaphore,
    /// Rung when one was stored.
    wake: Notify,
    /// Set when orders were bound to another account: parked ones may be theirs.
    rematch: AtomicBool,
}

impl Callbacks {
    pub(super) fn new(settings: CallbackSettings) -> Self {
        Self {
            settings,
            secrets: CallbackSecrets::default(),
            refusals: Refusals::default(),
            storing: Semaphore::new(STORING),
            wake: Notify::new(),
            rematch: AtomicBool::new(false),
        }
    }

    /// Has parked ones matched again.
    pub(super) fn rematch(&self) {
        self.rematch.store(true, Ordering::Release);
        self.wake.notify_one();
    }
}

/// What came of a callback.
#[derive(Debug)]
pub enum CallbackOutcome {
    /// It is stored, now or before.
    Taken {
        /// The order number that it carried.
        platform_order_no: String,
    },
    /// It is not genuine, says nothing that could be understood, or came too late; of these the last is stored all the same.
    Refused(Refusal),
}

impl App {
    /// Takes a callback: what is genuine is stored before this returns, and applied afterwards. The same one again is
    /// harmless.
    ///
    /// # Errors
    /// When it cannot be stored: the sender must repeat it.
    pub async fn callback_receive(
        self: &Arc<Self>,
        content_type: &str,
        body: &[u8],
    ) -> Result<CallbackOutcome> {
        let (mut received, is_late) = match self.callback_check(content_type, body) {
            Ok(checked) => checked,
            Err(refusal) => {
                self.callbacks.refusals.record(refusal, self.clock.now());
                return Ok(CallbackOutcome::Refused(refusal));
            }
        };
        received.id = self.next_id(received.received_at)?;
        self.callback_seal(&mut received);
        let app = Arc::clone(self);
        to_its_end(async move {
            let _turn = app.callbacks.storing.acquire().await;
            let mut tx = app.store.begin().await?;
            let is_new = callbacks::insert(&mut tx, &received).await?;
            tx.commit().await?;
            let outcome = if is_new { "accepted" } else { "repeated" };
            metrics::counter!("haier_callbacks_total", "outcome" => outcome, "reason" => "").increment(1);
            tracing::debug!(
                method = received.method.as_str(),
                order = received.platform_order_no,
                is_new,
                "a callback is stored"
            );
            app.callbacks.wake.notify_one();
            if is_late {
                // Late it may be by our clock, or because Haier could not reach us. It is genuine, and once it is there the same
                // one again is harmless: it is kept.
                app.callbacks.refusals.record(Refusal::TimeStamp, app.clock.now());
                return Ok(CallbackOutcome::Refused(Refusal::TimeStamp));
            }
            Ok(CallbackOutcome::Taken { platform_order_no: received.platform_order_no })
        })
        .await
        .inspect_err(|error| {
            metrics::counter!("haier_callbacks_total", "outcome" => "failed", "reason" => error.reason().as_str())
                .increment(1);
        })
    }

    /// What came, and whether it is too far from now. The signature first: of what is forged nothing else is looked at.
    fn callback_check(
        &self,
        content_type: &str,
        body: &[u8],
    ) -> std::result::Result<(ReceivedCallback, bool), Refusal> {
        let parameters = wire::parameters(content_type, body).ok_or(Refusal::Body)?;
        let now = self.clock.now();
        let secrets = &self.callbacks.secrets;
        let signers = secrets
            .signers(&parameters, now)
            .map_err(|refusal| if secrets.is_complete(now) { refusal } else { Refusal::Accounts })?;
        let sent_at = parse_time_stamp(parameters.get("TimeStamp")).ok_or(Refusal::TimeStamp)?;
        let is_late = (now - sent_at).abs() > self.callbacks.settings.window;
        let method = CallbackMethod::parse(parameters.get("Method")).ok_or(Refusal::Method)?;
        let text = parameters.get("Data");
        let data = Data::parse(text).ok_or(Refusal::Data)?;
        let numbers = [data.platform_order_no.as_str(), data.haier_order_no.as_deref().unwrap_or_default()];
        let (words, text) = (words(&data), strike_mobiles(&wire::plain(text), &numbers));
        let received = ReceivedCallback {
            // Given where it is stored.
            id: 0,
            received_at: now,
            app_key: parameters.get("AppKey").to_owned(),
            signers,
            method,
            time_stamp: parameters.get("TimeStamp").to_owned(),
            platform_order_no: data.platform_order_no,
            haier_order_no: data.haier_order_no,
            success: data.success,
            words,
            data: text,
            sealed: None,
            digest: signature::fingerprint(&parameters),
        };
        Ok((received, is_late))
    }

    /// One page of the stored callbacks that match, newest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn callbacks_list(
        &self,
        ctx: &Ctx,
        filter: &CallbackFilter,
        page: &PageRequest<i64>,
    ) -> Result<Page<StoredCallback, i64>> {
        let mut page = callbacks::list(&mut self.store.read().await?, filter, page).await?;
        let shown = |callback: StoredCallback| {
            if ctx.caller.role == Role::Reader {
                return callback.masked();
            }
            match self.callback_open(callback.received.clone()) {
                Ok(received) => StoredCallback { received, ..callback },
                Err(error) => {
                    tracing::warn!(error = %Causes(&error), "what Haier says in words does not open, and is not shown");
                    callback.masked()
                }
            }
        };
        page.items = page.items.into_iter().map(shown).collect();
        Ok(page)
    }

    /// Returns when a callback was stored here since the last time.
    pub async fn callback_stored(&self) {
        self.callbacks.wake.notified().await;
    }
}
