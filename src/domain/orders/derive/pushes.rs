//! What the attempts to send an order say together, and an operator's word about them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::super::{
    facts::{Fact, FactKind, PushAnswer, Resolution, ResolvedOutcome, is_ours},
    standing::{Doubt, Failure},
};
use crate::domain::reasons::Reason;

pub(super) struct Pushes<'a> {
    pub(super) booked: bool,
    pub(super) retail_order_no: Option<&'a str>,
    pub(super) several_numbers: bool,
    /// An operator said that Haier does not have it, and an answer to an attempt that he spoke of says otherwise.
    pub(super) word_denied: bool,
    /// He said so, and no attempt was made since.
    pub(super) word_is_last: bool,
    /// Haier has the `soId`, and not from us.
    pub(super) already_there: bool,
    pub(super) doubt: Option<Doubt>,
    /// The last attempt that has begun and not ended.
    pub(super) open: Option<i64>,
    /// The refusal with which the round's last attempt ended.
    pub(super) refusal: Option<Failure>,
    /// With what the last attempt that did not succeed ended.
    pub(super) failure: Option<Failure>,
    pub(super) tries: usize,
    pub(super) last_try_at: Option<DateTime<Utc>>,
    pub(super) held_until: Option<DateTime<Utc>>,
    pub(super) not_before: Option<DateTime<Utc>>,
    pub(super) wanted_at: Option<DateTime<Utc>>,
    pub(super) last: i64,
    pub(super) round: i64,
}

/// Number of the attempt that nobody here made, as far as the records go.
const OF_LOST_RECORDS: i64 = 0;

#[derive(Default)]
struct Attempt<'a> {
    /// `None`: the first.
    round: Option<i64>,
    /// Of several answers the strongest, then the latest.
    answer: Option<(DateTime<Utc>, &'a PushAnswer)>,
    /// When records were said to be missing.
    doubted_at: Option<DateTime<Utc>>,
}

impl<'a> Attempt<'a> {
    fn hear(&mut self, at: DateTime<Utc>, answer: &'a PushAnswer) {
        let strength = |(at, answer): (DateTime<Utc>, &'a PushAnswer)| (strength(answer), at, answer);
        if self.answer.is_none_or(|known| strength((at, answer)) > strength(known)) {
            self.answer = Some((at, answer));
        }
    }

    /// Whether Haier may have the order from it. One that was refused in other words counts: had Haier had the order
    /// before, it would have said so.
    const fn may_have_arrived(&self) -> bool {
        !matches!(self.answer, Some((_, PushAnswer::NotSent { .. } | PushAnswer::Repeated { .. })))
    }

    /// When it became unknown what came of it.
    fn unknown_since(&self) -> Option<DateTime<Utc>> {
        match self.answer {
            Some((at, PushAnswer::InDoubt { .. })) => Some(at),
            Some(_) => None,
            None => self.doubted_at,
        }
    }

    const fn is_open(&self) -> bool {
        self.answer.is_none() && self.doubted_at.is_none()
    }
}

const fn strength(answer: &PushAnswer) -> u8 {
    match answer {
        PushAnswer::InDoubt { .. } => 0,
        PushAnswer::NotSent { .. } => 1,
        PushAnswer::Refused { .. } => 2,
        PushAnswer::Repeated { .. } => 3,
        PushAnswer::Booked { .. } => 4,
    }
}

fn attempts(facts: &[Fact]) -> BTreeMap<i64, Attempt<'_>> {
    let mut attempts: BTreeMap<i64, Attempt<'_>> = BTreeMap::new();
    for fact in facts {
        match &fact.kind {
            FactKind::PushBegan { attempt, round, .. } => {
                let attempt = attempts.entry(*attempt).or_default();
                attempt.round = attempt.round.max(Some(*round));
            }
            FactKind::PushEnded { attempt, answer } => {
                attempts.entry(*attempt).or_default().hear(fact.at, answer);
            }
            FactKind::Doubted { .. } => {
                let lost = attempts.entry(OF_LOST_RECORDS).or_default();
                lost.doubted_at = lost.doubted_at.max(Some(fact.at));
            }
            _ => {}
        }
    }
    let rounds = Rounds::of(facts);
    for attempt in attempts.values_mut().filter(|attempt| attempt.round.is_none()) {
        // What could not even begin is of the round in which that was found.
        attempt.round = attempt.answer.and_then(|(at, _)| rounds.at(at));
    }
    attempts
}

/// From when on each round was the latest, by time.
struct Rounds(Vec<(DateTime<Utc>, i64)>);

impl Rounds {
    fn of(facts: &[Fact]) -> Self {
        let mut rounds: Vec<_> = facts.iter().filter_map(requested).collect();
        rounds.sort_unstable();
        let mut greatest = i64::MIN;
        for (_, round) in &mut rounds {
            greatest = greatest.max(*round);
            *round = greatest;
        }
        Self(rounds)
    }

    fn at(&self, instant: DateTime<Utc>) -> Option<i64> {
        let before = self.0.partition_point(|(at, _)| *at <= instant);
        before.checked_sub(1).map(|last| self.0[last].1)
    }
}

impl<'a> Pushes<'a> {
    pub(super) fn of(facts: &'a [Fact]) -> Self {
        let attempts = attempts(facts);
        let word = facts.iter().filter_map(word).max();
        let round =
            facts.iter().filter_map(|fact| requested(fact).map(|(_, round)| round)).max().unwrap_or(0);
        let covered = |number: i64, attempt: &Attempt<'_>| {
            word.is_some_and(|(at, word)| {
                word.outcome == ResolvedOutcome::NotBooked
                    && number <= word.attempts
                    && attempt.doubted_at.is_none_or(|doubted_at| doubted_at <= at)
            })
        };
        let said_booked = word.filter(|(_, word)| word.outcome == ResolvedOutcome::Booked);
        let mut pushes = Self {
            booked: said_booked.is_some(),
            retail_order_no: None,
            several_numbers: false,
            word_denied: false,
            word_is_last: false,
            already_there: false,
            doubt: None,
            open: None,
            refusal: None,
            failure: None,
            tries: 0,
            last_try_at: None,
            held_until: None,
            not_before: None,
            wanted_at: facts.iter().filter_map(|fact| requested(fact).map(|(at, _)| at)).max(),
            last: attempts.last_key_value().map_or(0, |(number, _)| *number),
            round,
        };
        let denied = word.filter(|(_, word)| word.outcome == ResolvedOutcome::NotBooked);
        let denied = denied.map(|(_, word)| word.attempts);
        pushes.word_is_last = denied.is_some_and(|spoken_of| pushes.last <= spoken_of);
        let mut numbers: Vec<&str> = Vec::new();
        // Whether an earlier attempt may have arrived: any one, and any one that was made after the operator's word.
        let (mut proof, mut since) = (false, false);
        for (&number, attempt) in &attempts {
            if !covered(number, attempt) {
                if let Some(at) = attempt.unknown_since() {
                    pushes.doubt = Some(Doubt { attempt: number, at });
                }
                if attempt.is_open() {
                    pushes.open = Some(number);
                }
            }
            if let Some((at, answer)) = attempt.answer {
                if let Some(spoken_of) = denied {
                    pushes.word_denied |= match answer {
                        PushAnswer::Booked { .. } => number <= spoken_of,
                        PushAnswer::Repeated { .. } => proof && (number <= spoken_of || !since),
                        _ => false,
                    };
                }
                let of_this_round = attempt.round.unwrap_or(0) == round;
                pushes.hear(at, answer, of_this_round, proof, &mut numbers);
            }
            proof |= attempt.may_have_arrived();
            since |= attempt.may_have_arrived() && denied.is_some_and(|spoken_of| number > spoken_of);
        }
        // The last attempt's is newest; an operator's only where no answer carries one.
        let told = said_booked.and_then(|(_, word)| word.retail_order_no.as_deref());
        pushes.retail_order_no = numbers.last().copied().or(told);
        numbers.sort_unstable();
        numbers.dedup();
        pushes.several_numbers = numbers.len() > 1;
        pushes
    }

    /// One attempt's answer, in the order of the attempts.
    fn hear(
        &mut self,
        at: DateTime<Utc>,
        answer: &'a PushAnswer,
        of_this_round: bool,
        proof: bool,
        numbers: &mut Vec<&'a str>,
    ) {
        if of_this_round {
            self.last_try_at = self.last_try_at.max(Some(at));
            (self.held_until, self.not_before, self.refusal) = (None, None, None);
        }
        let failure = |reason: Reason, words: &str| Some(Failure { reason, words: words.to_owned() });
        match answer {
            PushAnswer::Booked { retail_order_no } => {
                self.booked = true;
                numbers.extend(retail_order_no.as_deref());
            }
            PushAnswer::Repeated { retail_order_no, .. } if proof => {
                self.booked = true;
                numbers.extend(retail_order_no.as_deref());
            }
            PushAnswer::Repeated { words, .. } => {
                self.already_there = true;
                self.failure = failure(Reason::OrderRepeated, words);
                if of_this_round {
                    self.refusal = self.failure.clone();
                }
            }
            PushAnswer::Refused { words } => {
                self.failure = failure(Reason::OrderRefused, words);
                if of_this_round {
                    self.refusal = self.failure.clone();
                    // It counts where an earlier attempt is in doubt, so that the order is sent again.
                    self.tries += 1;
                }
            }
            PushAnswer::NotSent { reason, words, again_at, .. } => {
                self.failure = failure(*reason, words);
                if of_this_round {
                    // A worker that lost its lease before the first byte costs no try either.
                    let is_ours = is_ours(*reason) || *reason == Reason::WorkerLost;
                    let held = if is_ours { &mut self.held_until } else { &mut self.not_before };
                    *held = *again_at;
                    self.tries += usize::from(!is_ours);
                }
            }
            PushAnswer::InDoubt { reason, words } => {
                self.failure = failure(*reason, words);
                self.tries += usize::from(of_this_round);
            }
        }
    }
}

fn word(fact: &Fact) -> Option<(DateTime<Utc>, &Resolution)> {
    match &fact.kind {
        FactKind::Resolved(resolution) => Some((fact.at, resolution)),
        _ => None,
    }
}

const fn requested(fact: &Fact) -> Option<(DateTime<Utc>, i64)> {
    match fact.kind {
        FactKind::RetryRequested { round, .. } => Some((fact.at, round)),
        _ => None,
    }
}
