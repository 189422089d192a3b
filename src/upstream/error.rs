//! What a call to Haier can fail with.

use std::time::Duration;

use crate::domain::reasons::Reason;

/// Failure of a call as a whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Error {
    /// One word of the closed list.
    pub reason: Reason,
    /// What happened, with Haier's words, redacted.
    pub detail: String,
    /// How long Haier asked us to wait.
    pub retry_after: Option<Duration>,
    /// The HTTP status, if that is what refused.
    pub(super) status: Option<u16>,
}

/// Result of a call.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(super) fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into(), retry_after: None, status: None }
    }
}
