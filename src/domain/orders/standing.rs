//! Where an order stands: what `derive` makes of its facts.

use chrono::{DateTime, Utc};

use super::told::ToldTimes;
use crate::domain::{reasons::Reason, words::words};

words! {
    /// The state of an order.
    pub enum OrderState {
        /// Stored; Haier has it not, or is being asked right now.
        Accepted = "accepted";
        /// Nobody knows whether Haier has it.
        InDoubt = "in_doubt";
        /// Haier has it and has not said yet whether it delivers.
        Pushed = "pushed";
        /// Haier refused it.
        Refused = "refused";
        /// Haier delivers.
        Confirmed = "confirmed";
        /// Haier has it and cannot deliver.
        OutOfStock = "out_of_stock";
        /// Somebody wants it cancelled, and Haier has not said yet whether it is.
        Cancelling = "cancelling";
        /// Cancelled, at Haier or before Haier had it.
        Cancelled = "cancelled";
        /// Provably never booked, and not sent any more.
        GivenUp = "given_up";
    }
}

impl OrderState {
    /// Whether a push is over for whoever waits for its outcome.
    #[must_use]
    pub const fn is_outcome(self) -> bool {
        !matches!(self, Self::Accepted | Self::InDoubt)
    }
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// One word of the closed list.
    pub reason: Reason,
    /// In words.
    pub words: String,
}

/// An attempt whose outcome nobody knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Doubt {
    /// The last such attempt.
    pub attempt: i64,
    /// When it became unknown.
    pub at: DateTime<Utc>,
}

/// What is to be done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing, unless somebody or Haier says something.
    Nothing,
    /// Send the order.
    Push,
    /// Send the change of this number.
    Change(i64),
}

/// An attempt that has begun and not ended: under way, or its worker is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenAttempt {
    /// At sending the order: its number.
    Push(i64),
    /// At a change of it.
    Change {
        /// Number of the change.
        number: i64,
        /// Number of the attempt at it.
        attempt: i64,
    },
}

/// How a step was tried so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tried {
    /// Failed tries that count for the schedule.
    pub tries: usize,
    /// When the last one ended.
    pub last_try_at: Option<DateTime<Utc>>,
    /// The last one ended on this side, before anything was sent, and may be repeated then, whatever the schedule says.
    pub held_until: Option<DateTime<Utc>>,
    /// Haier wants no other one before.
    pub not_before: Option<DateTime<Utc>>,
}

/// Everything that follows from the facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The state.
    pub state: OrderState,
    /// Haier's number of the retail order.
    pub retail_order_no: Option<String>,
    /// Haier's order number, from callbacks.
    pub haier_order_no: Option<String>,
    /// What went wrong last, and matters still.
    pub last_error: Option<Failure>,
    /// Whether an attempt's outcome is unknown.
    pub doubt: Option<Doubt>,
    /// Facts that cannot all be true, in words.
    pub contradiction: Option<&'static str>,
    /// What is to be done next.
    pub step: Step,
    /// How the step was tried so far.
    pub tried: Tried,
    /// What is under way, whatever else is known meanwhile.
    pub open: Option<OpenAttempt>,
    /// When somebody last wanted it sent at once.
    pub wanted_at: Option<DateTime<Utc>>,
    /// Number of the last attempt to send; 0: none.
    pub attempts: i64,
    /// Number of attempts at the step, if it is a change.
    pub change_attempts: i64,
    /// When it last became unknown whether Haier was given other times, if the step gives it some.
    pub change_doubt_at: Option<DateTime<Utc>>,
    /// Whether Haier has it, or had it, as far as anybody here knows.
    pub arrived: bool,
    /// Round of sending.
    pub round: i64,
    /// Number of the last change asked for; 0: none.
    pub changes: i64,
    /// A cancellation that is neither refused nor carried out.
    pub cancelling: Option<i64>,
    /// Whether Haier surely has nothing of it, and nothing is under way.
    pub never_there: bool,
    /// The times that Haier was told of after the order.
    pub told: ToldTimes,
}

impl Standing {
    /// Whether Haier has it, under a number that nobody here knows and no answer under way may tell.
    #[must_use]
    pub const fn is_without_number(&self) -> bool {
        let is_there = matches!(
            self.state,
            OrderState::Pushed | OrderState::Confirmed | OrderState::OutOfStock | OrderState::Cancelling
        );
        is_there && self.retail_order_no.is_none() && self.doubt.is_none() && self.open.is_none()
    }
}
