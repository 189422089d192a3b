//! What a call to Haier can fail with.

use std::time::Duration;

use super::matrix::{Again, Executed, Health, Line};
use crate::domain::{order_calls::OrderRefusal, reasons::Reason};

/// Failure of a call as a whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Error {
    /// One word of the closed list.
    pub reason: Reason,
    /// What happened, with Haier's words, redacted.
    pub detail: String,
    /// How long to wait before another call: what Haier asked for, or what the budget, a breaker or a pause says.
    pub retry_after: Option<Duration>,
    /// Whether bytes of the request went out, so that Haier may have received it.
    pub reached: bool,
    /// What the send before failed with, where the breaker has opened since and lets no other follow.
    pub after: Option<Box<Self>>,
    /// The HTTP status, if that is what refused.
    pub(super) status: Option<u16>,
    /// Whether another send may help.
    pub(super) again: Again,
    /// What it says about Haier's health.
    pub(super) health: Health,
    /// Whether a person must look.
    pub(super) alert: bool,
    /// Whether the send that failed can have been carried out.
    pub(super) executed: Executed,
    /// Whether the call, which changes the world, can have been carried out.
    pub(super) in_doubt: bool,
    /// Haier's own answer, if it was one that refuses.
    pub(super) refusal: Option<Box<OrderRefusal>>,
}

/// Result of a call.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// One that no other send would mend.
    pub(super) fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self {
            reason,
            detail: detail.into(),
            retry_after: None,
            reached: false,
            after: None,
            status: None,
            again: Again::Never,
            health: Health::Unclear,
            alert: false,
            executed: Executed::Maybe,
            in_doubt: false,
            refusal: None,
        }
    }

    /// What a line of the matrix makes of it.
    pub(super) fn of(line: Line, detail: impl Into<String>) -> Self {
        let Line { reason, again, health, executed, alert } = line;
        Self { again, health, executed, alert, ..Self::new(reason, detail) }
    }

    /// Whether nobody knows if Haier did what it was asked for. Never of a read. Such a call was not repeated after the
    /// send that left the doubt; whoever repeats it must be able to tell "done before" from "refused".
    #[must_use]
    pub const fn is_in_doubt(&self) -> bool {
        self.in_doubt
    }

    /// Whether another call later may well succeed.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        !self.in_doubt
            && matches!(
                self.reason,
                Reason::RequestTimeout
                    | Reason::ConnectionFailed
                    | Reason::RateLimited
                    | Reason::ServerError
                    | Reason::MalformedAnswer
                    | Reason::BreakerOpen
                    | Reason::Paused
                    | Reason::BudgetExhausted
                    | Reason::StoreUnavailable
            )
    }

    /// Whether nothing was sent, or Haier gave no answer to it: the same call later may have one.
    pub(super) const fn is_unanswered(&self) -> bool {
        matches!(self.health, Health::Down)
            || matches!(
                self.reason,
                Reason::RateLimited
                    | Reason::BreakerOpen
                    | Reason::Paused
                    | Reason::BudgetExhausted
                    | Reason::StoreUnavailable
            )
    }

    /// What the failure of one send means to a call that changes the world; `begun`: bytes of it may have gone out.
    pub(super) fn of_change(self, begun: bool) -> Self {
        if begun && self.executed == Executed::Maybe {
            return Self { again: Again::Never, in_doubt: true, ..self };
        }
        self
    }

    /// The same for those who only hear of it: whoever failed has repeated it, and called a person, already.
    pub(super) fn for_good(self) -> Self {
        Self { again: Again::Never, alert: false, ..self }
    }
}
