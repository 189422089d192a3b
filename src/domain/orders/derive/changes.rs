//! What was asked for after an order was stored: other times, or its cancellation; and how far Haier has been told.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::{
    super::{
        facts::{ChangeAnswer, Fact, FactKind, is_ours},
        standing::{Failure, OpenAttempt},
    },
    callbacks::Callbacks,
};
use crate::domain::reasons::Reason;

/// What is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Wish {
    /// Other times of these.
    Reschedule {
        delivery: bool,
        installation: bool,
    },
    Cancel,
}

pub(super) struct Change<'a> {
    number: i64,
    wish: Option<(DateTime<Utc>, Wish)>,
    /// Of several answers the strongest, then the latest.
    best: Option<(DateTime<Utc>, &'a ChangeAnswer)>,
    /// When the last attempt failed that may arrive at Haier all the same.
    astray_at: Option<DateTime<Utc>>,
    /// The last attempt that has begun and not ended.
    open: Option<i64>,
    /// Number of the last attempt.
    pub(super) attempts: i64,
    pub(super) tries: usize,
    pub(super) last_try_at: Option<DateTime<Utc>>,
    pub(super) held_until: Option<DateTime<Utc>>,
    pub(super) not_before: Option<DateTime<Utc>>,
}

/// What came of each attempt at a change, by the attempt's number; each answer with the time we learnt it.
type Answers<'a> = BTreeMap<i64, Vec<(DateTime<Utc>, &'a ChangeAnswer)>>;

pub(super) struct Changes<'a>(BTreeMap<i64, Change<'a>>);

impl<'a> Changes<'a> {
    pub(super) fn of(facts: &'a [Fact]) -> Self {
        let mut changes: BTreeMap<i64, Change<'a>> = BTreeMap::new();
        let mut began: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
        let mut ended: BTreeMap<i64, Answers<'a>> = BTreeMap::new();
        for fact in facts {
            let (number, wish) = match &fact.kind {
                FactKind::CancelRequested { number, .. } => (*number, Some(Wish::Cancel)),
                FactKind::RescheduleRequested { number, distribution_time, install_time, .. } => {
                    let (delivery, installation) = (distribution_time.is_some(), install_time.is_some());
                    (*number, Some(Wish::Reschedule { delivery, installation }))
                }
                FactKind::ChangeBegan { number, attempt } => {
                    began.entry(*number).or_default().push(*attempt);
                    (*number, None)
                }
                FactKind::ChangeEnded { number, attempt, answer } => {
                    let answers = ended.entry(*number).or_default().entry(*attempt).or_default();
                    answers.push((fact.at, answer));
                    (*number, None)
                }
                _ => continue,
            };
            let change = changes.entry(number).or_insert_with(|| Change::new(number));
            if let Some(wish) = wish {
                change.wish = change.wish.max(Some((fact.at, wish)));
            }
        }
        for (number, change) in &mut changes {
            let answers = ended.remove(number).unwrap_or_default();
            let began = began.remove(number).unwrap_or_default();
            change.open = began.iter().copied().filter(|attempt| !answers.contains_key(attempt)).max();
            change.attempts = began.into_iter().chain(answers.keys().copied()).max().unwrap_or(0);
            answers.into_values().for_each(|answers| change.hear(answers));
        }
        Self(changes)
    }

    pub(super) fn find(&self, number: i64) -> Option<&Change<'a>> {
        self.0.get(&number)
    }

    pub(super) fn last(&self) -> i64 {
        self.0.last_key_value().map_or(0, |(number, _)| *number)
    }

    /// The last cancellation that is neither refused nor known to have come off.
    pub(super) fn cancelling(&self, callbacks: &Callbacks<'_>) -> Option<i64> {
        self.0.values().rev().find(|change| change.is_open_cancel(callbacks)).map(|change| change.number)
    }

    /// Whether Haier says of the order that it is cancelled.
    pub(super) fn came_off(&self) -> bool {
        self.0.values().any(|change| matches!(change.best, Some((_, ChangeAnswer::CancelledAlready { .. }))))
    }

    /// When a cancellation was last asked for.
    pub(super) fn cancel_asked_at(&self) -> Option<DateTime<Utc>> {
        self.0.values().filter_map(Change::cancel_asked_at).max()
    }

    /// The next one that Haier is to be told. Other times need Haier's number; while it is unknown they wait, and hold up
    /// nothing.
    pub(super) fn next(&self, cancelling: Option<i64>, numbered: bool) -> Option<i64> {
        let next = self.0.values().find(|change| match change.wish {
            Some((_, Wish::Cancel)) => Some(change.number) == cancelling && !change.is_done(),
            Some((_, Wish::Reschedule { .. })) => {
                numbered && !change.is_answered() && !self.is_overtaken(change, cancelling)
            }
            None => false,
        });
        next.map(|change| change.number)
    }

    /// Whether this was tried at least once, and what was asked for later leaves nothing of it: no order, or other times in
    /// place of all of these.
    fn is_overtaken(&self, change: &Change<'_>, cancelling: Option<i64>) -> bool {
        let later = || self.0.range(change.number + 1..).filter_map(|(_, later)| later.times());
        let replaced = |wanted: fn(&(bool, bool)) -> bool| later().any(|times| wanted(&times));
        let (delivery, installation) = change.times().unwrap_or_default();
        change.best.is_some()
            && (cancelling.is_some_and(|number| number > change.number)
                || ((!delivery || replaced(|times| times.0)) && (!installation || replaced(|times| times.1))))
    }

    /// One that is under way.
    pub(super) fn open(&self) -> Option<OpenAttempt> {
        let open = |change: &Change<'_>| {
            change.open.map(|attempt| OpenAttempt::Change { number: change.number, attempt })
        };
        self.0.values().find_map(open)
    }

    /// How the last change that Haier refused was refused, unless a later one of its kind was done.
    pub(super) fn refusal(&self) -> Option<Failure> {
        let refused = self.undone().filter_map(|change| match change.best {
            Some((at, ChangeAnswer::Refused { words } | ChangeAnswer::CancelledAlready { words })) => {
                Some((at, Failure { reason: Reason::OrderRefused, words: words.clone() }))
            }
            _ => None,
        });
        refused.max_by(|one, other| order_of(one).cmp(&order_of(other))).map(|(_, failure)| failure)
    }

    /// How the last change failed that is asked for still.
    pub(super) fn failure(&self, cancelling: Option<i64>) -> Option<Failure> {
        let waiting = self.undone().filter(|change| !self.is_overtaken(change, cancelling));
        let failed = waiting.filter_map(|change| match change.best {
            Some((at, ChangeAnswer::Failed { reason, words, .. })) => {
                Some((at, Failure { reason: *reason, words: words.clone() }))
            }
            _ => None,
        });
        failed.max_by(|one, other| order_of(one).cmp(&order_of(other))).map(|(_, failure)| failure)
    }

    /// Those that are not done, and after which none of their kind was.
    fn undone(&self) -> impl Iterator<Item = &Change<'a>> {
        let last_done = |cancel: bool| {
            let done = self.0.values().rev().find(|change| change.is_done() && change.is_cancel() == cancel);
            done.map_or(0, |change| change.number)
        };
        let (cancelled, rescheduled) = (last_done(true), last_done(false));
        self.0
            .values()
            .filter(move |change| change.number > if change.is_cancel() { cancelled } else { rescheduled })
    }

    /// When it last became unknown whether Haier was given other times, if the next change gives it some: those that went
    /// astray may still arrive, and must not arrive after these.
    pub(super) fn doubt_before(&self, number: i64) -> Option<DateTime<Utc>> {
        self.0.get(&number).filter(|change| !change.is_cancel())?;
        let times = self.0.values().filter(|change| !change.is_cancel());
        times.filter_map(|change| change.astray_at).max()
    }
}

/// By time, then by words, so that any order of the facts gives the same.
fn order_of((at, failure): &(DateTime<Utc>, Failure)) -> (DateTime<Utc>, &'static str, &str) {
    (*at, failure.reason.as_str(), &failure.words)
}

/// Whether a change that failed so may have reached Haier.
const fn may_have_arrived(reason: Reason) -> bool {
    !is_ours(reason) && !matches!(reason, Reason::RateLimited | Reason::Forbidden | Reason::AuthFailed)
}

impl<'a> Change<'a> {
    const fn new(number: i64) -> Self {
        Self {
            number,
            wish: None,
            best: None,
            astray_at: None,
            open: None,
            attempts: 0,
            tries: 0,
            last_try_at: None,
            held_until: None,
            not_before: None,
        }
    }

    /// All answers of one attempt, of which the strongest counts.
    fn hear(&mut self, answers: Vec<(DateTime<Utc>, &'a ChangeAnswer)>) {
        let strength = |(at, answer): (DateTime<Utc>, &'a ChangeAnswer)| (strength(answer), at, answer);
        let Some(answer) = answers.into_iter().max_by_key(|answer| strength(*answer)) else { return };
        if self.best.is_none_or(|best| strength(answer) > strength(best)) {
            self.best = Some(answer);
        }
        self.last_try_at = self.last_try_at.max(Some(answer.0));
        (self.held_until, self.not_before) = (None, None);
        if let ChangeAnswer::Failed { reason, again_at, .. } = answer.1 {
            if may_have_arrived(*reason) {
                self.astray_at = self.astray_at.max(Some(answer.0));
            }
            let held = if is_ours(*reason) { &mut self.held_until } else { &mut self.not_before };
            *held = *again_at;
            self.tries += usize::from(!is_ours(*reason));
        }
    }

    /// Which times are wanted, of delivery and of installation.
    const fn times(&self) -> Option<(bool, bool)> {
        match self.wish {
            Some((_, Wish::Reschedule { delivery, installation })) => Some((delivery, installation)),
            _ => None,
        }
    }

    const fn is_cancel(&self) -> bool {
        matches!(self.wish, Some((_, Wish::Cancel)))
    }

    fn cancel_asked_at(&self) -> Option<DateTime<Utc>> {
        self.wish.filter(|(_, wish)| *wish == Wish::Cancel).map(|(at, _)| at)
    }

    fn is_open_cancel(&self, callbacks: &Callbacks<'_>) -> bool {
        let ended = matches!(
            self.best,
            Some((_, ChangeAnswer::Refused { .. } | ChangeAnswer::CancelledAlready { .. }))
        );
        self.cancel_asked_at().is_some()
            && !ended
            && callbacks.cancel_refused(self.cancel_asked_at()).is_none()
    }

    const fn is_done(&self) -> bool {
        matches!(self.best, Some((_, ChangeAnswer::Done)))
    }

    const fn is_answered(&self) -> bool {
        !matches!(self.best, None | Some((_, ChangeAnswer::Failed { .. })))
    }
}

const fn strength(answer: &ChangeAnswer) -> u8 {
    match answer {
        ChangeAnswer::Failed { .. } => 0,
        ChangeAnswer::Refused { .. } => 1,
        ChangeAnswer::Done => 2,
        ChangeAnswer::CancelledAlready { .. } => 3,
    }
}
