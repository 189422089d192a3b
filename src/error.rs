//! What a use case can fail with. Knows no transport and no library; `grpc::status` turns it into a status.

use std::{fmt, time::Duration};

use crate::domain::{callers::Role, reasons::Reason, violations::Violation};

/// A cause kept for the log, never shown to a caller.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// An error with all of its causes, for the log.
pub struct Causes<'e, E: ?Sized>(pub &'e E);

impl<E: std::error::Error + ?Sized> fmt::Display for Causes<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = self.0.to_string();
        f.write_str(&said)?;
        let mut next = self.0.source();
        while let Some(cause) = next {
            let words = cause.to_string();
            // Many libraries repeat their cause in their own words.
            if !said.contains(&words) {
                write!(f, ": {words}")?;
                said = words;
            }
            next = cause.source();
        }
        Ok(())
    }
}

/// What a process that goes down has cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interrupted {
    /// A run that is stored, or a stream that follows it.
    Run,
    /// A dry run or a comparison, of which nothing is stored.
    DryRun,
    /// A stream that follows a feed or an order.
    Stream,
    /// The applying of callbacks.
    Callbacks,
    /// The resealing of secrets.
    Rotation,
}

impl Interrupted {
    const fn remedy(self) -> &'static str {
        match self {
            Self::Run => "a run goes on elsewhere or at the next start: join it by WatchSync",
            Self::DryRun => "call again; nothing was written",
            Self::Stream => "follow again, from the last cursor where there is one",
            Self::Callbacks => "what is left is applied by another replica, or at the next start",
            Self::Rotation => "what was sealed anew stays so: call RotateKeys again for the rest",
        }
    }
}

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
    /// The run waits for nobody's word.
    #[error("sync run {sync_log_id} is not held any more: {why}")]
    NotHeld {
        /// Id of the run's log.
        sync_log_id: i64,
        /// What became of it, and what to do.
        why: String,
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
    /// The caller is nobody we know.
    #[error("{why}")]
    Unauthenticated {
        /// Why, and what to do about it.
        why: String,
    },
    /// The caller's role is too small.
    #[error("{method} needs the role {needed}; {caller} is {role}")]
    PermissionDenied {
        /// What he called.
        method: &'static str,
        /// The least role that may.
        needed: Role,
        /// Who called.
        caller: String,
        /// What he is.
        role: Role,
    },
    /// Another order of this number is stored.
    #[error(
        "order {so_id} is stored with other content: {} differ(s); send exactly what was sent, or use another so_id",
        .fields.join(", ")
    )]
    OrderConflict {
        /// The sub-order number.
        so_id: String,
        /// What differs.
        fields: Vec<String>,
    },
    /// Where the order stands it cannot be done.
    #[error("order {so_id} is {state}: {why}")]
    OrderState {
        /// The sub-order number.
        so_id: String,
        /// Its state.
        state: &'static str,
        /// What is in the way, and what to do.
        why: &'static str,
    },
    /// There is one of this name already.
    #[error("{what} {key} exists already{remedy}")]
    AlreadyExists {
        /// What kind of thing.
        what: &'static str,
        /// Its key.
        key: String,
        /// What to do instead, behind a separator; may be empty.
        remedy: &'static str,
    },
    /// Without this token nobody could make another.
    #[error(
        "the token {name} is the last one of an admin: make another admin's first (CreateApiToken), or start the \
         service with HAIER_INTEGRATION_ADMIN_TOKEN"
    )]
    LastAdmin {
        /// Its name.
        name: String,
    },
    /// It was changed since the caller read it.
    #[error(
        "{what} {key} was changed since it was read: read it again, and make the change on what it is now"
    )]
    EtagMismatch {
        /// What kind of thing.
        what: &'static str,
        /// Its key.
        key: String,
    },
    /// Something runs under the account.
    #[error(
        "the account {name} is needed by what began with it ({what}): wait for its end, or cancel it, before it is deleted"
    )]
    AccountBusy {
        /// Its name.
        name: String,
        /// What runs.
        what: String,
    },
    /// The account is the one in use.
    #[error(
        "the account {name} is the active one: activate another one, or deactivate it, before it is deleted"
    )]
    AccountActive {
        /// Its name.
        name: String,
    },
    /// The account would lead elsewhere, and orders were sent where it leads now.
    #[error(
        "the account {name} would lead to another place or customer ({}) while {count} order(s), the first of them {so_id}, \
         are accepted, in doubt, being cancelled or have a change that is not sent: wait until Haier has answered for them \
         (`orders list`), or say that it is the same place and customer (`same_place`, `config update --same-place`)",
        .fields.join(", ")
    )]
    AccountPlace {
        /// Its name.
        name: String,
        /// The fields that would change where it leads.
        fields: Vec<&'static str>,
        /// How many orders are in the way.
        count: i64,
        /// The first of them.
        so_id: String,
    },
    /// The account of an order leads elsewhere now.
    #[error(
        "order {so_id} was sent under the account {account}, which leads to another place or customer now: give the account \
         its former addresses and codes again, or say that both are the same (`config update {account} --same-place`)"
    )]
    OrderPlace {
        /// The sub-order number.
        so_id: String,
        /// Name of the account.
        account: String,
    },
    /// There is no upstream account.
    #[error(
        "no upstream account is configured: set HAIER_CLIENT_ID, HAIER_CLIENT_SECRET, HAIER_BASE_URL, \
         HAIER_CUSTOMER_CODE, HAIER_PASSWORD and HAIER_SELLER_PASSWORD, store one by `haier-integration config create` and \
         activate it, or start with --sandbox"
    )]
    NotConfigured,
    /// The account has no part at the order system.
    #[error(
        "the account {account} has no part at the order system: set YLH_BASE_URL, YLH_USERNAME, YLH_PASSWORD, \
         YLH_CLIENT_ID, YLH_CLIENT_SECRET, YLH_SOURCE_SYSTEM, YLH_SHOP_NAME, YLH_CALLBACK_APP_KEY and \
         YLH_CALLBACK_SECRET, or give it `ylh`"
    )]
    OrdersNotConfigured {
        /// Name of the account.
        account: String,
    },
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
    /// This process has no number to make ids with.
    #[error(
        "this replica stood still for so long that its process number is no longer its own; it leases another: try again"
    )]
    NoProcessNumber,
    /// All process numbers are leased.
    #[error(
        "all {} process numbers are leased by other replicas (table replicas): stop some; those of replicas that were \
         killed are free after five minutes",
        crate::domain::ids::PROCESS_NUMBERS
    )]
    NoFreeProcessNumber,
    /// This process is going down.
    #[error("the service is shutting down: {}", .0.remedy())]
    ShuttingDown(Interrupted),
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
            Self::NotHeld { .. } => Reason::NotHeld,
            Self::CursorExpired { .. } => Reason::CursorExpired,
            Self::SlowReader { .. } => Reason::SlowReader,
            Self::RunInProgress { .. } => Reason::RunInProgress,
            Self::Unauthenticated { .. } => Reason::Unauthenticated,
            Self::PermissionDenied { .. } => Reason::PermissionDenied,
            Self::LastAdmin { .. } => Reason::LastAdmin,
            Self::OrderConflict { .. } => Reason::OrderConflict,
            Self::OrderState { .. } => Reason::OrderState,
            Self::AlreadyExists { .. } => Reason::AlreadyExists,
            Self::EtagMismatch { .. } => Reason::EtagMismatch,
            Self::AccountActive { .. } | Self::AccountBusy { .. } => Reason::AccountActive,
            Self::AccountPlace { .. } | Self::OrderPlace { .. } => Reason::OtherPlace,
            Self::NotConfigured | Self::OrdersNotConfigured { .. } => Reason::NotConfigured,
            Self::NoKey | Self::MissingKey { .. } => Reason::NoKey,
            Self::Upstream { reason, .. } => *reason,
            Self::DeadlineExceeded => Reason::RequestTimeout,
            Self::StoreUnavailable(_) | Self::NoProcessNumber | Self::NoFreeProcessNumber => {
                Reason::StoreUnavailable
            }
            Self::ShuttingDown(_) => Reason::ShuttingDown,
            Self::Internal(_) => Reason::Internal,
        }
    }
}

/// Result of a use case.
pub type Result<T> = std::result::Result<T, Error>;

#[cfg(test)]
mod tests {
    use super::{Causes, Error};

    #[test]
    fn the_log_is_given_every_cause_once() {
        let disk = std::io::Error::other("no space left");
        let cause = std::io::Error::other(disk);
        assert_eq!(
            Causes(&Error::Internal(Box::new(cause))).to_string(),
            "internal error; the service's log has the cause: no space left"
        );
    }
}
