//! Where failures of the store, of the upstream and at the gate get their meaning for a caller.

use crate::{auth, domain::violations::Violation, error::Error, keyring, store, upstream};

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Unavailable(_) | store::Error::Open(_) => Self::StoreUnavailable(Box::new(error)),
            // Only a caller's text can hold one: Haier's are made printable when they are read.
            store::Error::Nul => Self::Invalid(vec![Violation {
                field: String::new(),
                description: "a text must not contain the character U+0000".to_owned(),
            }]),
            other => Self::Internal(Box::new(other)),
        }
    }
}

impl From<upstream::Error> for Error {
    fn from(error: upstream::Error) -> Self {
        Self::Upstream { reason: error.reason, detail: error.detail, retry_after: error.retry_after }
    }
}

impl From<auth::Refusal> for Error {
    fn from(refusal: auth::Refusal) -> Self {
        Self::Unauthenticated { why: refusal.to_string() }
    }
}

impl From<keyring::Error> for Error {
    fn from(error: keyring::Error) -> Self {
        match error {
            keyring::Error::UnknownKey { .. } => Self::MissingKey { detail: error.to_string() },
            // A value that somebody changed or moved is for the log, and for whoever looks after the database.
            other => Self::Internal(Box::new(other)),
        }
    }
}
