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
    /// The latest answer, whatever it says.
    latest: Option<(DateTime<Utc>, &'a ChangeAnswer)>,
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

    /// How the last change that was answered failed.
    pub(super) fn failure(&self) -> Option<Failure> {
        let latest = self.0.values().filter_map(|change| change.latest).max();
        match latest?.1 {
            ChangeAnswer::Done => None,
            ChangeAnswer::Refused { words } | ChangeAnswer::CancelledAlready { words } => {
                Some(Failure { reason: Reason::OrderRefused, words: words.clone() })
            }
            ChangeAnswer::Failed { reason, words, .. } => {
                Some(Failure { reason: *reason, words: words.clone() })
            }
        }
    }
}

impl<'a> Change<'a> {
    const fn new(number: i64) -> Self {
        Self {
            number,
            wish: None,
            best: None,
            latest: None,
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
        if self.latest.is_none_or(|latest| answer > latest) {
            self.latest = Some(answer);
        }
        self.last_try_at = self.last_try_at.max(Some(answer.0));
        (self.held_until, self.not_before) = (None, None);
        if let ChangeAnswer::Failed { reason, again_at, .. } = answer.1 {
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
