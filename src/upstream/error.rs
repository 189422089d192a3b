//! What a call to Haier can fail with.

use std::time::Duration;

use super::matrix::{Again, Health, Line};
use crate::domain::reasons::Reason;

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
    /// The HTTP status, if that is what refused.
    pub(super) status: Option<u16>,
    /// Whether another send may help.
    pub(super) again: Again,
    /// What it says about Haier's health.
    pub(super) health: Health,
    /// Whether a person must look.
    pub(super) alert: bool,
}

/// Result of a call.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// One that no other send would mend.
    pub(super) fn new(reason: Reason, detail: impl Into<String>) -> Self {
        let (again, health) = (Again::Never, Health::Unclear);
        Self { reason, detail: detail.into(), retry_after: None, status: None, again, health, alert: false }
    }

    /// What a line of the matrix makes of it.
    pub(super) fn of(line: Line, detail: impl Into<String>) -> Self {
        let Line { reason, again, health, alert } = line;
        Self { again, health, alert, ..Self::new(reason, detail) }
    }

    /// The same for those who only hear of it: whoever failed has repeated it, and called a person, already.
    pub(super) fn for_good(self) -> Self {
        Self { again: Again::Never, alert: false, ..self }
    }
}
