//! The one function that says where an order stands. It looks at the facts as a set: any order of them gives the same.
//!
//! | rank | facts | state |
//! |---|---|---|
//! | 1 | a callback: cancelled; or a cancellation refused because it is | `CANCELLED` |
//! | 2 | a callback: out of stock | `OUT_OF_STOCK` |
//! | 3 | a callback: confirmed | `CONFIRMED` |
//! | 4 | a callback: refused | `REFUSED` |
//! | 5 | booked, or repeated after an earlier attempt, or an operator's word | `PUSHED` |
//! | 6 | an attempt whose outcome is unknown, and that no operator's word covers | `IN_DOUBT` |
//! | 7 | an attempt under way | `ACCEPTED` |
//! | 8 | cancellation wanted | `CANCELLED`, without a call |
//! | 9 | the last attempt of the round refused | `REFUSED` |
//! | 10 | given up in this round | `GIVEN_UP` |
//! | 11 | nothing of all this | `ACCEPTED` |
//!
//! A cancellation that is open turns 3 and 5 to 7 into `CANCELLING`; a refused one only ends that.

mod callbacks;
mod changes;
mod pushes;
#[cfg(test)]
mod tests;

use callbacks::Callbacks;
use changes::Changes;
use pushes::Pushes;

use super::{
    facts::{Fact, FactKind},
    standing::{Failure, OpenAttempt, OrderState, Standing, Step, Tried},
    told::ToldTimes,
};
use crate::domain::reasons::Reason;

/// Where an order with these facts stands.
#[must_use]
pub fn derive(facts: &[Fact]) -> Standing {
    let all = All {
        pushes: Pushes::of(facts),
        callbacks: Callbacks::of(facts),
        changes: Changes::of(facts),
        given_up: facts.iter().filter_map(given_up).max(),
        told: ToldTimes::of(facts),
    };
    all.standing()
}

const NUMBER_UNKNOWN: &str = "other times wait for Haier's retail order number, which the answer that was lost would have \
                              carried: look it up at Haier, and tell it by `orders resolve`";

const fn given_up(fact: &Fact) -> Option<i64> {
    match fact.kind {
        FactKind::GaveUp { round } => Some(round),
        _ => None,
    }
}

struct All<'a> {
    pushes: Pushes<'a>,
    callbacks: Callbacks<'a>,
    changes: Changes<'a>,
    /// The last round that was given up.
    given_up: Option<i64>,
    told: ToldTimes,
}

impl All<'_> {
    fn standing(&self) -> Standing {
        let (pushes, callbacks) = (&self.pushes, &self.callbacks);
        let known = self.is_there();
        let doubt = pushes.doubt.filter(|_| !known);
        let under_way = pushes.open.filter(|_| !known);
        let never_there = !known && doubt.is_none() && under_way.is_none() && !pushes.already_there;
        let cancelling = self.changes.cancelling(callbacks);
        let before = self.before_cancelling(doubt.is_some(), under_way.is_some());
        let state = match before {
            OrderState::Pushed | OrderState::Confirmed | OrderState::InDoubt if cancelling.is_some() => {
                OrderState::Cancelling
            }
            OrderState::Accepted if cancelling.is_some() && under_way.is_some() => OrderState::Cancelling,
            OrderState::Accepted | OrderState::Refused | OrderState::GivenUp
                if cancelling.is_some() && never_there =>
            {
                OrderState::Cancelled
            }
            other => other,
        };
        let step = self.step(state, before, cancelling);
        let change = match step {
            Step::Change(number) => self.changes.find(number),
            Step::Nothing | Step::Push => None,
        };
        let tried = match (step, change) {
            (Step::Push, _) => Tried {
                tries: pushes.tries,
                last_try_at: pushes.last_try_at,
                held_until: pushes.held_until,
                not_before: pushes.not_before,
            },
            (_, Some(change)) => Tried {
                tries: change.tries,
                last_try_at: change.last_try_at,
                held_until: change.held_until,
                not_before: change.not_before,
            },
            _ => Tried::default(),
        };
        Standing {
            state,
            retail_order_no: pushes.retail_order_no.map(str::to_owned),
            haier_order_no: callbacks.haier_order_no.map(str::to_owned),
            last_error: self.last_error(state, before, cancelling),
            doubt,
            contradiction: self.contradiction(state),
            step,
            tried,
            open: pushes.open.map(OpenAttempt::Push).or_else(|| self.changes.open()),
            wanted_at: pushes.wanted_at,
            attempts: pushes.last,
            change_attempts: change.map_or(0, |change| change.attempts),
            change_doubt_at: match step {
                Step::Change(number) => self.changes.doubt_before(number),
                Step::Nothing | Step::Push => None,
            },
            arrived: known,
            round: pushes.round,
            changes: self.changes.last(),
            cancelling,
            never_there,
            told: self.told,
        }
    }

    /// Whether Haier has it, or had it, as far as anybody here knows.
    fn is_there(&self) -> bool {
        self.pushes.booked || self.callbacks.are_of_the_order() || self.changes.came_off()
    }

    /// The table but for cancellations.
    fn before_cancelling(&self, in_doubt: bool, under_way: bool) -> OrderState {
        let (pushes, callbacks) = (&self.pushes, &self.callbacks);
        let ranks = [
            (callbacks.cancelled || self.changes.came_off(), OrderState::Cancelled),
            (callbacks.out_of_stock.is_some(), OrderState::OutOfStock),
            (callbacks.confirmed, OrderState::Confirmed),
            (callbacks.refused.is_some(), OrderState::Refused),
            (pushes.booked, OrderState::Pushed),
            (in_doubt, OrderState::InDoubt),
            (under_way, OrderState::Accepted),
            (pushes.refusal.is_some(), OrderState::Refused),
            (self.given_up == Some(pushes.round), OrderState::GivenUp),
        ];
        ranks.into_iter().find(|(holds, _)| *holds).map_or(OrderState::Accepted, |(_, state)| state)
    }

    /// An order is pushed, then its changes are sent in the order in which they were asked for.
    fn step(&self, state: OrderState, before: OrderState, cancelling: Option<i64>) -> Step {
        match state {
            OrderState::Cancelled | OrderState::OutOfStock | OrderState::Refused | OrderState::GivenUp => {
                Step::Nothing
            }
            OrderState::Accepted | OrderState::InDoubt => Step::Push,
            OrderState::Cancelling if matches!(before, OrderState::Accepted | OrderState::InDoubt) => {
                Step::Push
            }
            OrderState::Pushed | OrderState::Confirmed | OrderState::Cancelling => {
                let numbered = self.pushes.retail_order_no.is_some();
                self.changes.next(cancelling, numbered).map_or(Step::Nothing, Step::Change)
            }
        }
    }

    fn last_error(&self, state: OrderState, before: OrderState, cancelling: Option<i64>) -> Option<Failure> {
        let of_haier = |words: &str| Failure { reason: Reason::OrderRefused, words: words.to_owned() };
        match state {
            OrderState::Cancelled => None,
            OrderState::OutOfStock => self.callbacks.out_of_stock.map(of_haier),
            OrderState::Refused => {
                self.callbacks.refused.map(of_haier).or_else(|| self.pushes.refusal.clone())
            }
            OrderState::Accepted | OrderState::InDoubt | OrderState::GivenUp => self.pushes.failure.clone(),
            OrderState::Cancelling if before == OrderState::InDoubt => self.pushes.failure.clone(),
            OrderState::Pushed | OrderState::Confirmed | OrderState::Cancelling => {
                let refused = self.callbacks.cancel_refused(self.changes.cancel_asked_at());
                // What Haier refused comes before what only failed on the way.
                let refused = self.changes.refusal().or_else(|| refused.map(of_haier));
                let failure = refused.or_else(|| self.changes.failure(cancelling));
                failure.or_else(|| self.number_missing())
            }
        }
    }

    /// That other times wait for a number that nobody will tell by himself any more.
    fn number_missing(&self) -> Option<Failure> {
        let missing = self.pushes.retail_order_no.is_none() && self.pushes.open.is_none();
        let waits = missing && self.changes.next(None, true).is_some();
        waits.then(|| Failure { reason: Reason::NumberUnknown, words: NUMBER_UNKNOWN.to_owned() })
    }

    /// What cannot all be true, the gravest first.
    fn contradiction(&self, state: OrderState) -> Option<&'static str> {
        let (pushes, callbacks) = (&self.pushes, &self.callbacks);
        let there = self.is_there();
        let cases = [
            (
                pushes.word_denied || (callbacks.are_of_the_order() && pushes.word_is_last),
                "an operator said that Haier does not have it, and Haier does",
            ),
            (
                there && self.given_up == Some(pushes.round),
                "it was given up as never booked, and Haier has it",
            ),
            (pushes.several_numbers, "Haier gave it more than one retail order number"),
            (callbacks.several_numbers, "Haier's callbacks name more than one order number for it"),
            (
                callbacks.confirmed && callbacks.refused.is_some(),
                "Haier's callbacks both confirm and refuse it",
            ),
            (
                callbacks.confirmed && callbacks.out_of_stock.is_some(),
                "Haier's callbacks both confirm it and say that it is out of stock",
            ),
            (
                callbacks.cancelled && self.changes.cancel_asked_at().is_none(),
                "Haier cancelled it, and nobody here asked for that",
            ),
            (
                there && pushes.refusal.is_some() && state != OrderState::Refused,
                "Haier refused it, and has it all the same",
            ),
        ];
        cases.into_iter().find(|(holds, _)| *holds).map(|(_, words)| words)
    }
}
