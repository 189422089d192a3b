//! The only place that turns an error into a status.

use std::{collections::HashMap, time::Duration};

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::{
    domain::{printable::printable, reasons::Reason},
    error::{Causes, Error},
    redact::redact,
};

const DOMAIN: &str = "haier.integration";
/// When to try again after an outage of our own.
const OUTAGE_RETRY: Duration = Duration::from_secs(1);
/// When to try again where Haier does not say.
const UPSTREAM_RETRY: Duration = Duration::from_secs(5);

/// The status of an error: code, message, and the details that programs read.
#[expect(clippy::needless_pass_by_value, reason = "what map_err hands over; an error ends here")]
pub(super) fn of(error: Error) -> Status {
    let mut details = ErrorDetails::new();
    let mut metadata = HashMap::new();
    let (code, retry_after) = match &error {
        Error::Invalid(violations) => {
            for violation in violations {
                details.add_bad_request_violation(&violation.field, shown(&violation.description));
            }
            (Code::InvalidArgument, None)
        }
        Error::NotFound { .. } | Error::UnknownCode { .. } => (Code::NotFound, None),
        Error::RunInProgress { sync_log_id } => {
            metadata.insert("sync_log_id".to_owned(), sync_log_id.to_string());
            (Code::Aborted, None)
        }
        Error::Unauthenticated { .. } => (Code::Unauthenticated, None),
        Error::PermissionDenied { needed, .. } => {
            metadata.insert("needed_role".to_owned(), needed.as_str().to_owned());
            (Code::PermissionDenied, None)
        }
        Error::CursorExpired { cursor, .. } => {
            metadata.insert("cursor".to_owned(), cursor.clone());
            (Code::OutOfRange, None)
        }
        Error::SlowReader { cursor } => {
            metadata.insert("cursor".to_owned(), cursor.clone());
            (Code::ResourceExhausted, None)
        }
        Error::OrderConflict { fields, .. } => {
            metadata.insert("fields".to_owned(), fields.join(","));
            (Code::AlreadyExists, None)
        }
        Error::OrderState { .. } => (Code::FailedPrecondition, None),
        Error::AlreadyExists { .. } => (Code::AlreadyExists, None),
        Error::EtagMismatch { .. } => (Code::Aborted, None),
        Error::NotConfigured
        | Error::OrdersNotConfigured { .. }
        | Error::NothingToRetry { .. }
        | Error::NotHeld { .. }
        | Error::LastAdmin { .. }
        | Error::AccountActive { .. }
        | Error::AccountBusy { .. }
        | Error::AccountPlace { .. }
        | Error::OrderPlace { .. }
        | Error::NoKey
        | Error::MissingKey { .. } => (Code::FailedPrecondition, None),
        Error::Upstream { reason, retry_after, .. } => of_upstream(*reason, *retry_after),
        Error::DeadlineExceeded => (Code::DeadlineExceeded, None),
        Error::StoreUnavailable(_) | Error::ShuttingDown => (Code::Unavailable, Some(OUTAGE_RETRY)),
        Error::Internal(_) => (Code::Internal, None),
    };
    if let Error::StoreUnavailable(cause) | Error::Internal(cause) = &error {
        tracing::error!(reason = %error.reason(), cause = %Causes(cause.as_ref()), "call failed");
    }
    details.set_error_info(error.reason().as_str(), DOMAIN, metadata);
    if let Some(delay) = retry_after {
        details.set_retry_info(Some(delay));
    }
    Status::with_error_details(code, shown(&error.to_string()), details)
}

/// Words that leave the process: without secrets, and without characters that drive a terminal.
fn shown(text: &str) -> String {
    printable(&redact(text)).into_owned()
}

/// The status of a call that names nothing that is served.
pub(super) fn unknown_method(path: &str) -> Status {
    Status::unimplemented(format!("{path} is served by nobody here; list what is by reflection"))
}

/// What a failed call to Haier is to our caller. Credentials are ours, not the caller's: never UNAUTHENTICATED.
fn of_upstream(reason: Reason, retry_after: Option<Duration>) -> (Code, Option<Duration>) {
    match reason {
        Reason::RateLimited | Reason::BudgetExhausted => {
            (Code::ResourceExhausted, Some(retry_after.unwrap_or(OUTAGE_RETRY)))
        }
        Reason::StoreUnavailable => (Code::Unavailable, Some(retry_after.unwrap_or(OUTAGE_RETRY))),
        Reason::RequestTimeout | Reason::ConnectionFailed | Reason::ServerError | Reason::BreakerOpen => {
            (Code::Unavailable, Some(retry_after.unwrap_or(UPSTREAM_RETRY)))
        }
        // Known only where the operator said until when.
        Reason::Paused => (Code::Unavailable, retry_after),
        Reason::AuthFailed | Reason::Forbidden | Reason::ValidationError => (Code::FailedPrecondition, None),
        _ => (Code::Internal, None),
    }
}
