//! The record of what operators changed. It holds no secret: whoever makes an event says that one was set, not which.

use chrono::{DateTime, Utc};

use super::callers::Caller;

/// Stands for a secret or personal value that is there.
pub const MASKED: &str = "(set)";

/// One change by an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEvent {
    /// Time-ordered number.
    pub id: i64,
    /// When.
    pub at: DateTime<Utc>,
    /// Who, with what role, and from where.
    pub caller: Caller,
    /// What was done: the kind of thing and a verb, e.g. "upstream.pause".
    pub action: String,
    /// What it was done to: the name of an account or a token, a sub-order number …
    pub subject: String,
    /// The fields that changed.
    pub changes: Vec<Change>,
}

/// A field before and after. `None`: it was not set, or is not any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Name of the field.
    pub field: String,
    /// Its value before.
    pub before: Option<String>,
    /// Its value after.
    pub after: Option<String>,
}

impl Change {
    /// A field that had no value before.
    #[must_use]
    pub fn to(field: &str, after: impl Into<String>) -> Self {
        Self { field: field.to_owned(), before: None, after: Some(after.into()) }
    }

    /// A field that has no value any more.
    #[must_use]
    pub fn from(field: &str, before: impl Into<String>) -> Self {
        Self { field: field.to_owned(), before: Some(before.into()), after: None }
    }

    /// A field with both values; nothing when they are the same.
    #[must_use]
    pub fn between(field: &str, before: Option<String>, after: Option<String>) -> Option<Self> {
        (before != after).then(|| Self { field: field.to_owned(), before, after })
    }
}

/// Which events are asked for. `None`: not filtered by that.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct AuditFilter {
    /// By whom, exactly.
    pub caller: Option<String>,
    /// What was done, exactly.
    pub action: Option<String>,
    /// To what, exactly.
    pub subject: Option<String>,
    /// From this instant on.
    pub after: Option<DateTime<Utc>>,
    /// Before this instant.
    pub before: Option<DateTime<Utc>>,
}
