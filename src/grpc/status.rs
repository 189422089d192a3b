//! The only place that turns an error into a status.

use std::{borrow::Cow, collections::HashMap, time::Duration};

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::{
    domain::{printable::printable, reasons::Reason, violations::Violation},
    error::{Causes, Error},
    redact::redact,
};

const DOMAIN: &str = "haier.integration";
/// Violations that a status lists.
const MAX_VIOLATIONS: usize = 20;
/// Bytes in the trailers: of a status in all, of its message, and of one field, description or value.
const MAX_BYTES: usize = 6 << 10;
const MAX_MESSAGE_BYTES: usize = 2 << 10;
const MAX_TEXT_BYTES: usize = 512;
/// When to try again after an outage of our own.
const OUTAGE_RETRY: Duration = Duration::from_secs(1);
/// When to try again where Haier does not say.
const UPSTREAM_RETRY: Duration = Duration::from_secs(5);

/// The status of an error: code, message, and the details that programs read.
#[expect(clippy::needless_pass_by_value, reason = "what map_err hands over; an error ends here")]
pub(super) fn of(error: Error) -> Status {
    let mut metadata = HashMap::new();
    let (code, retry_after) = match &error {
        Error::Invalid(_) => (Code::InvalidArgument, None),
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
        Error::StoreUnavailable(_)
        | Error::NoProcessNumber
        | Error::NoFreeProcessNumber
        | Error::ShuttingDown(_) => (Code::Unavailable, Some(OUTAGE_RETRY)),
        Error::Internal(_) => (Code::Internal, None),
    };
    if let Error::StoreUnavailable(cause) | Error::Internal(cause) = &error {
        tracing::error!(reason = %error.reason(), cause = %Causes(cause.as_ref()), "call failed");
    }
    let whole = Whole { code, reason: error.reason(), metadata, retry_after };
    match &error {
        Error::Invalid(violations) => whole.of_violations(violations),
        error => whole.render(&error.to_string(), &[]),
    }
}

/// The status of a call that names nothing that is served.
pub(super) fn unknown_method(path: &str) -> Status {
    let message = format!("{path} is served by nobody here; list what is by reflection");
    of_request(&Status::unimplemented(message))
}

/// What the transport says of a request that never reached us: it is too large, no message, or not there in time.
pub(super) fn of_request(given: &Status) -> Status {
    let (code, reason) = match given.code() {
        Code::OutOfRange | Code::ResourceExhausted => (Code::ResourceExhausted, Reason::MessageTooLarge),
        Code::Unimplemented => (Code::Unimplemented, Reason::Unimplemented),
        code @ Code::DeadlineExceeded => (code, Reason::RequestTimeout),
        code @ Code::Cancelled => (code, Reason::Cancelled),
        // Its library blames itself for bytes that are no message.
        _ => (Code::InvalidArgument, Reason::ValidationError),
    };
    Whole::new(code, reason).render(given.message(), &[])
}

/// What the transport says of an answer that it cannot send.
pub(super) fn of_answer(given: &Status) -> Status {
    let reason = if given.code() == Code::Cancelled { Reason::Cancelled } else { Reason::Internal };
    Whole::new(given.code(), reason).render(given.message(), &[])
}

/// A status but for its words.
struct Whole {
    code: Code,
    reason: Reason,
    metadata: HashMap<String, String>,
    retry_after: Option<Duration>,
}

impl Whole {
    fn new(code: Code, reason: Reason) -> Self {
        Self { code, reason, metadata: HashMap::new(), retry_after: None }
    }

    /// The first violations, as many as fit, and how many there are besides.
    fn of_violations(&self, violations: &[Violation]) -> Status {
        let mut count = violations.len().min(MAX_VIOLATIONS);
        loop {
            let (first, rest) = violations.split_at(count);
            let words = first
                .iter()
                .map(|v| format!("{}: {}", clip(&v.field), clip(&shown(&v.description))))
                .chain((!rest.is_empty()).then(|| format!("and {} more", rest.len())));
            let message = format!("invalid request: {}", words.collect::<Vec<_>>().join("; "));
            let status = self.render(&message, first);
            let fits = encoded(&message) <= MAX_MESSAGE_BYTES && size(&status) <= MAX_BYTES;
            if count == 0 || fits {
                return status;
            }
            count -= 1;
        }
    }

    fn render(&self, message: &str, violations: &[Violation]) -> Status {
        let mut details = ErrorDetails::new();
        for violation in violations {
            details.add_bad_request_violation(clip(&violation.field), clip(&shown(&violation.description)));
        }
        let metadata = self.metadata.iter().map(|(key, value)| (key.clone(), clip(value).into_owned()));
        details.set_error_info(self.reason.as_str(), DOMAIN, metadata.collect::<HashMap<_, _>>());
        if let Some(delay) = self.retry_after {
            details.set_retry_info(Some(delay));
        }
        let message = shown(message);
        Status::with_error_details(self.code, clip_to(&message, MAX_MESSAGE_BYTES).into_owned(), details)
    }
}

/// Words that leave the process: without secrets, and without characters that drive a terminal.
fn shown(text: &str) -> String {
    printable(&redact(text)).into_owned()
}

/// Bytes of a status in the trailers. Clients take 8 KiB of headers and less; what they cannot read they report as
/// RESOURCE_EXHAUSTED, and try again.
fn size(status: &Status) -> usize {
    encoded(status.message()) + status.details().len().div_ceil(3) * 4
}

/// Bytes of a text in a header, where all but printable ASCII takes three a byte.
fn encoded(text: &str) -> usize {
    text.chars().map(encoded_char).sum()
}

fn encoded_char(c: char) -> usize {
    if matches!(c, ' '..='~') && c != '%' { 1 } else { 3 * c.len_utf8() }
}

fn clip(text: &str) -> Cow<'_, str> {
    clip_to(text, MAX_TEXT_BYTES)
}

/// The text, or as much of its beginning as has so many bytes in a header.
fn clip_to(text: &str, most: usize) -> Cow<'_, str> {
    if encoded(text) <= most {
        return Cow::Borrowed(text);
    }
    let mut bytes = encoded_char('…');
    let end = text.char_indices().find(|(_, c)| {
        bytes += encoded_char(*c);
        bytes > most
    });
    Cow::Owned(format!("{}…", &text[..end.map_or(text.len(), |(at, _)| at)]))
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

#[cfg(test)]
mod tests;
