//! What happened to an order: attempts, answers, callbacks, people's words. Facts are kept for ever and never changed; where
//! the order stands is derived from them, in whatever order they came.

use chrono::{DateTime, Utc};

use crate::domain::{reasons::Reason, words::words};

/// One fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// When we learnt it.
    pub at: DateTime<Utc>,
    /// What it is.
    pub kind: FactKind,
}

/// What can happen to an order. Attempts are numbered from 1, changes asked for (cancel, reschedule) too, rounds of
/// sending from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FactKind {
    /// Stored before the first byte is sent: from now on Haier may have the order.
    PushBegan {
        /// Number of the attempt.
        attempt: i64,
        /// The round it belongs to.
        round: i64,
        /// Under whose name.
        account: String,
    },
    /// What came of an attempt. One may have several answers: "lost" by a worker that took over, and the true one.
    PushEnded {
        /// Number of the attempt.
        attempt: i64,
        /// What came of it.
        answer: PushAnswer,
    },
    /// The order system called.
    Callback(Callback),
    /// An operator looked it up at Haier.
    Resolved(Resolution),
    /// Records may be missing (a restored backup): an attempt may have been made that is not known here.
    Doubted {
        /// Who says so.
        by: String,
    },
    /// Somebody wants it sent now.
    RetryRequested {
        /// The round that begins; the same as before if none does.
        round: i64,
        /// Who.
        by: String,
    },
    /// The deadline of a round passed, and the order was provably never booked.
    GaveUp {
        /// The round.
        round: i64,
    },
    /// Somebody wants it cancelled.
    CancelRequested {
        /// Number of the change.
        number: i64,
        /// Why, for Haier.
        reason: String,
        /// Who.
        by: String,
    },
    /// Somebody wants other times.
    RescheduleRequested {
        /// Number of the change.
        number: i64,
        /// New time of delivery; `None` leaves it.
        distribution_time: Option<DateTime<Utc>>,
        /// New time of installation; `None` leaves it.
        install_time: Option<DateTime<Utc>>,
        /// Who.
        by: String,
    },
    /// Stored before a change is sent.
    ChangeBegan {
        /// Number of the change.
        number: i64,
        /// Number of the attempt at it.
        attempt: i64,
    },
    /// What came of an attempt at a change.
    ChangeEnded {
        /// Number of the change.
        number: i64,
        /// Number of the attempt at it.
        attempt: i64,
        /// What came of it.
        answer: ChangeAnswer,
    },
}

/// What came of sending an order. In order of strength: of two answers to one attempt the later variant counts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum PushAnswer {
    /// Nobody knows whether Haier has it.
    InDoubt {
        /// Why.
        reason: Reason,
        /// In words.
        words: String,
    },
    /// Haier surely has nothing from this attempt, and another one may help.
    NotSent {
        /// Why.
        reason: Reason,
        /// In words.
        words: String,
        /// When another one may help, if that was said.
        again_at: Option<DateTime<Utc>>,
        /// Whether Haier received it. Only then may the order be given up.
        reached: bool,
    },
    /// Haier refused it.
    Refused {
        /// Haier's words.
        words: String,
    },
    /// Haier refused it because it has this `soId`. After an earlier attempt of ours that is the proof that it arrived.
    Repeated {
        /// Haier's words.
        words: String,
        /// Haier's number, if the answer carries one.
        retail_order_no: Option<String>,
    },
    /// Haier has it.
    Booked {
        /// Haier's number.
        retail_order_no: Option<String>,
    },
}

/// What came of asking for a change. In order of strength.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChangeAnswer {
    /// Not done, or nobody knows; asking again does no harm.
    Failed {
        /// Why.
        reason: Reason,
        /// In words.
        words: String,
        /// When another attempt may help, if that was said.
        again_at: Option<DateTime<Utc>>,
    },
    /// Haier refused it.
    Refused {
        /// Haier's words.
        words: String,
    },
    /// Haier took it. Of a cancellation a callback tells whether it comes off.
    Done,
    /// Haier refused a cancellation because the order is cancelled: an earlier one came off, of which nobody here has heard.
    CancelledAlready {
        /// Haier's words.
        words: String,
    },
}

words! {
    /// What a callback is about.
    pub enum CallbackMethod {
        /// `hmm.scm_heorder.confirm`: confirmed or refused.
        Confirm = "hmm.scm_heorder.confirm";
        /// `hmm.scm_heorder.cancel`: a cancellation accepted or refused.
        Cancel = "hmm.scm_heorder.cancel";
        /// `hmm.scm_heorder.oostock`: out of stock.
        OutOfStock = "hmm.scm_heorder.oostock";
    }
}

/// A callback, checked and matched to its order. Two with equal fields are one that came twice.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Callback {
    /// What it is about.
    pub method: CallbackMethod,
    /// The order system's time, `yyyyMMddHHmmss` in Shanghai, which sorts as text.
    pub time_stamp: String,
    /// Its `Data` as received, without what is personal.
    pub data: String,
    /// Whether `State` is 1.
    pub success: bool,
    /// Haier's order number.
    pub haier_order_no: Option<String>,
    /// `FailMsg`, without what is personal.
    pub words: String,
}

words! {
    /// What an operator found at Haier.
    pub enum ResolvedOutcome {
        /// Haier does not have the order.
        NotBooked = "not_booked";
        /// Haier has it.
        Booked = "booked";
    }
}

/// An operator's word about the attempts that had ended when he spoke.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Resolution {
    /// What was found.
    pub outcome: ResolvedOutcome,
    /// The last attempt it speaks of.
    pub attempts: i64,
    /// Haier's number, if it was found.
    pub retail_order_no: Option<String>,
    /// How it was found out.
    pub evidence: String,
    /// Who.
    pub by: String,
}

/// Whether Haier has nothing to do with a failure: it came from this side before anything was sent, and costs no try.
#[must_use]
pub const fn is_ours(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::Paused
            | Reason::BreakerOpen
            | Reason::BudgetExhausted
            | Reason::StoreUnavailable
            | Reason::ShuttingDown
            | Reason::NotConfigured
            | Reason::OtherPlace
    )
}
