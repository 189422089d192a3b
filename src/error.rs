//! What a use case can fail with. Knows no transport and no library; `grpc::status` turns it into a status.

use std::time::Duration;

use crate::domain::{reasons::Reason, violations::Violation};

/// A cause kept for the log, never shown to a caller.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Failure of a use case.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request is wrong; all faults at once.
    #[error("invalid request: {}", list(.0))]
    Invalid(Vec<Violation>),
    /// The thing asked for does not exist.
    #[error("{what} {key} does not exist")]
    NotFound {
        /// What kind of thing.
        what: &'static str,
        /// Its key.
        key: String,
    },
    /// Neither Haier nor we know the code.
    #[error("neither Haier nor the stored catalogue knows the product code {code}")]
    UnknownCode {
        /// The code.
        code: String,
    },
    /// There is nothing to repeat.
    #[error("sync log {sync_log_id} has nothing to retry: {why}")]
    NothingToRetry {
        /// Id of the run's log.
        sync_log_id: i64,
        /// What is in the way.
        why: &'static str,
    },
    /// Entries of a feed are gone that a reader wants.
    #[error("entries after this cursor are not kept any more, or never were: {remedy}: {cursor}")]
    CursorExpired {
        /// The feed's end as it stands.
        cursor: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A reader of a feed took too long over what it was sent.
    #[error("the reader took too long over what it was sent; follow again from the cursor {cursor}")]
    SlowReader {
        /// Everything up to here was sent.
        cursor: String,
    },
    /// A run over everything is under way already.
    #[error(
        "a run over the whole catalogue is under way already (sync log {sync_log_id}); watch it, or wait for its end"
    )]
    RunInProgress {
        /// Id of that run's log.
        sync_log_id: i64,
    },
    /// There is no upstream account.
    #[error(
        "no upstream account is configured: set HAIER_CLIENT_ID, HAIER_CLIENT_SECRET, HAIER_BASE_URL, \
         HAIER_CUSTOMER_CODE, HAIER_PASSWORD and HAIER_SELLER_PASSWORD, or start with --sandbox"
    )]
    NotConfigured,
    /// There is no key, and what was asked for needs one.
    #[error(
        "there is no key to seal secrets with: make one by `haier-integration keys generate FILE`, name the file by --key-file \
         or HAIER_INTEGRATION_KEY_FILE, and start the service again"
    )]
    NoKey,
    /// A key that sealed something is not among those given.
    #[error("{detail}")]
    MissingKey {
        /// Which key, of what, and what to do.
        detail: String,
    },
    /// Haier refused, failed or did not answer.
    #[error("{detail}")]
    Upstream {
        /// One of the reasons of upstream calls.
        reason: Reason,
        /// What happened, in words fit for the caller.
        detail: String,
        /// How long to wait before another try, where Haier or the budget says.
        retry_after: Option<Duration>,
    },
    /// The caller's deadline passed.
    #[error("the deadline passed before the answer was there")]
    DeadlineExceeded,
    /// The database does not answer.
    #[error("the database does not answer; try again")]
    StoreUnavailable(#[source] Cause),
    /// This process is going down.
    #[error(
        "the service is shutting down; a run goes on elsewhere or at the next start: join it by WatchSync"
    )]
    ShuttingDown,
    /// A defect of ours.
    #[error("internal error; the service's log has the cause")]
    Internal(#[source] Cause),
}

fn list(violations: &[Violation]) -> String {
    let each: Vec<_> = violations.iter().map(|v| format!("{}: {}", v.field, v.description)).collect();
    each.join("; ")
}

impl Error {
    /// The word for this failure in the closed list.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Invalid(_) => Reason::ValidationError,
            Self::NotFound { .. } => Reason::NotFound,
            Self::UnknownCode { .. } => Reason::UnknownCode,
            Self::NothingToRetry { .. } => Reason::NothingToRetry,
            Self::CursorExpired { .. } => Reason::CursorExpired,
            Self::SlowReader { .. } => Reason::SlowReader,
            Self::RunInProgress { .. } => Reason::RunInProgress,
            Self::NotConfigured => Reason::NotConfigured,
            Self::NoKey | Self::MissingKey { .. } => Reason::NoKey,
            Self::Upstream { reason, .. } => *reason,
            Self::DeadlineExceeded => Reason::RequestTimeout,
            Self::StoreUnavailable(_) => Reason::StoreUnavailable,
            Self::ShuttingDown => Reason::ShuttingDown,
            Self::Internal(_) => Reason::Internal,
        }
    }
}

/// Result of a use case.
pub type Result<T> = std::result::Result<T, Error>;
