//! The callbacks that wait and those that were heard: which one is next, and what became of each.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::{Notify, watch};

use super::callback_note::{Manner, Method, Note, Wishes};
use super::events::Event;
use super::journal::Journal;
use super::order::Order;
use super::shanghai;

/// How often a callback is sent until it is answered 200.
const TRIES: u32 = 8;
const MAX_WAIT_S: i64 = 30;
/// How many are on their way at the same time at most.
const IN_FLIGHT: usize = 32;

/// All callbacks.
pub(super) struct Callbacks {
    manner: Manner,
    url: Mutex<Option<String>>,
    next_id: AtomicU64,
    desk: Mutex<Desk>,
    journal: Arc<Journal>,
    /// Something may have fallen due.
    pub(super) wake: Notify,
    /// Raised whenever something was sent.
    sent: watch::Sender<u64>,
}

#[derive(Default)]
struct Desk {
    waiting: Vec<Waiting>,
    ended: Vec<Ended>,
}

#[derive(Clone, Debug)]
struct Waiting {
    note: Note,
    due: DateTime<Utc>,
    tries: u32,
    sending: bool,
    answer: String,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Ended {
    id: u64,
    so_id: String,
    method: Method,
    outcome: &'static str,
    tries: u32,
    answer: String,
}

/// How a callback was received.
pub(super) struct Heard {
    /// It was answered 200: it is not sent again.
    pub(super) ok: bool,
    /// What was answered, or why nothing was.
    pub(super) answer: String,
}

impl Callbacks {
    pub(super) fn new(manner: Manner, url: Option<String>, journal: Arc<Journal>) -> Self {
        Self {
            manner,
            url: Mutex::new(url),
            next_id: AtomicU64::new(1),
            desk: Mutex::default(),
            journal,
            wake: Notify::new(),
            sent: watch::Sender::new(0),
        }
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where they go; without an address none is made, and those that wait go on waiting.
    pub(super) fn url(&self) -> Option<String> {
        self.url.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set_url(&self, url: Option<String>) {
        *self.url.lock().unwrap_or_else(PoisonError::into_inner) = url;
        self.wake.notify_one();
        // Whoever waits for one to be sent need not, if there is no address any more.
        self.sent.send_modify(|times| *times += 1);
    }

    /// The callback about what was decided; it goes out once it is [planned](Self::plan).
    pub(super) fn note(&self, order: &Order, cancelled: Option<bool>, wishes: &Wishes) -> Option<Note> {
        self.url()?;
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        self.manner.note(id, order, cancelled, wishes, shanghai::now())
    }

    pub(super) fn plan(&self, note: Note) {
        self.next_id.fetch_max(note.id + 1, Ordering::Relaxed);
        let due = note.due;
        self.desk().waiting.push(Waiting { note, due, tries: 0, sending: false, answer: String::new() });
        self.wake.notify_one();
    }

    /// One of a former life that was heard then.
    pub(super) fn forget(&self, id: u64) {
        self.desk().waiting.retain(|waiting| waiting.note.id != id);
    }

    /// Takes what is due and may go now.
    pub(super) fn take_due(&self, now: DateTime<Utc>) -> Vec<Note> {
        let mut desk = self.desk();
        let mut free = IN_FLIGHT.saturating_sub(desk.waiting.iter().filter(|one| one.sending).count());
        let mut taken = Vec::new();
        while free > 0 {
            let next = desk.waiting.iter().position(|one| one.may_go(now, &desk.waiting));
            let Some(one) = next.and_then(|at| desk.waiting.get_mut(at)) else { break };
            one.sending = true;
            taken.push(one.note.clone());
            free -= 1;
        }
        taken
    }

    /// When the next one falls due after now.
    pub(super) fn next_due(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.desk().waiting.iter().map(|one| one.due).filter(|due| *due > now).min()
    }

    /// Takes down how one that was taken was received.
    pub(super) fn heard(&self, id: u64, heard: Heard) {
        let mut desk = self.desk();
        let Some(at) = desk.waiting.iter().position(|one| one.note.id == id) else { return };
        let one = &mut desk.waiting[at];
        (one.sending, one.tries, one.answer) = (false, one.tries + 1, heard.answer);
        if !heard.ok && one.tries < TRIES {
            one.due = shanghai::now() + TimeDelta::seconds((1 << (one.tries - 1)).min(MAX_WAIT_S));
        } else {
            let Waiting { note, tries, answer, .. } = desk.waiting.remove(at);
            // Not waited for: one that is sent again after a restart is a repetition, which must do no harm.
            let _ = self.journal.append(&Event::CallbackEnded { id });
            for other in desk.waiting.iter_mut().filter(|other| other.note.so_id == note.so_id) {
                if other.note.behind {
                    other.due = other.due.min(shanghai::now());
                }
            }
            let outcome = if heard.ok { "answered" } else { "given_up" };
            let Note { so_id, method, .. } = note;
            desk.ended.push(Ended { id, so_id, method, outcome, tries, answer });
        }
        drop(desk);
        self.sent.send_modify(|times| *times += 1);
        self.wake.notify_one();
    }

    /// Returns once this one was sent, whatever came of it.
    pub(super) async fn sent(&self, id: u64) {
        let tried = |desk: &Desk| !desk.waiting.iter().any(|one| one.note.id == id && one.tries == 0);
        self.until(tried).await;
    }

    /// Makes everything that waits due now, and returns once each was sent.
    pub(super) async fn settle(&self) {
        let before: HashSet<_> = {
            let mut desk = self.desk();
            let now = shanghai::now();
            let waiting = desk.waiting.iter_mut();
            waiting
                .map(|one| {
                    one.due = one.due.min(now);
                    (one.note.id, one.tries)
                })
                .collect()
        };
        self.wake.notify_one();
        let tried = |desk: &Desk| !desk.waiting.iter().any(|one| before.contains(&(one.note.id, one.tries)));
        self.until(tried).await;
    }

    async fn until(&self, holds: impl Fn(&Desk) -> bool) {
        let mut sent = self.sent.subscribe();
        while self.url().is_some() && !holds(&self.desk()) {
            if sent.changed().await.is_err() {
                return;
            }
        }
    }

    /// The answer of `GET callbacks`.
    pub(super) fn shown(&self) -> Value {
        let desk = self.desk();
        let waiting: Vec<_> = desk.waiting.iter().map(Waiting::shown).collect();
        json!({ "url": self.url(), "waiting": waiting, "ended": desk.ended })
    }
}

impl Waiting {
    /// Callbacks of one order go one after the other, those that are meant to be second last.
    fn may_go(&self, now: DateTime<Utc>, all: &[Self]) -> bool {
        let rank = |one: &Self| (one.note.behind, one.due, one.note.id);
        let before = |other: &Self| {
            other.note.so_id == self.note.so_id
                && other.note.id != self.note.id
                && (other.sending || (other.due <= now && rank(other) < rank(self)))
        };
        !self.sending && self.due <= now && !all.iter().any(before)
    }

    fn shown(&self) -> Value {
        json!({
            "id": self.note.id,
            "soId": self.note.so_id,
            "method": self.note.method,
            "data": self.note.data,
            "due": self.due,
            "tries": self.tries,
            "answer": self.answer,
        })
    }
}
