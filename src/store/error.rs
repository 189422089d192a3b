//! What the store can fail with.

use diesel::result::{DatabaseErrorKind, Error as Diesel};
use diesel_async::pooled_connection::deadpool::PoolError;

/// Failure of the store.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database is gone, cannot do it for now, or had no connection free in time.
    #[error("the database does not answer")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A row like that is there already.
    #[error("a row like that is there already")]
    Conflict,
    /// The id that was drawn is another row's: draw the next one.
    #[error("the id is taken")]
    IdTaken,
    /// The database refused a value.
    #[error("the database refused a value: {0}")]
    Constraint(String),
    /// PostgreSQL neither stores nor looks for a text that holds U+0000.
    #[error("a text holds the character U+0000")]
    Nul,
    /// Somebody else has taken the run over: nothing may be written any more.
    #[error("another worker has taken the run over")]
    LeaseLost,
    /// A stored value is none that this program knows.
    #[error("stored {what} {value:?} is unknown to this version")]
    UnknownValue {
        /// What it should be.
        what: &'static str,
        /// What is there.
        value: String,
    },
    /// The database cannot be opened; the words say why and what to do.
    #[error("{0}")]
    Open(String),
    /// Anything else.
    #[error("database error")]
    Database(#[source] Diesel),
}

impl Error {
    /// Whether the database has answered, if only that it refuses: then its connections are not silent.
    #[must_use]
    pub fn is_answer(&self) -> bool {
        use DatabaseErrorKind::{ClosedConnection, UnableToSendCommand};
        let cause = match self {
            Self::Unavailable(cause) => cause.downcast_ref(),
            Self::Database(cause) => Some(cause),
            Self::Open(_) => None,
            _ => return true,
        };
        matches!(cause, Some(Diesel::DatabaseError(kind, _)) if !matches!(kind, ClosedConnection | UnableToSendCommand))
    }
}

/// What an insertion that passes over a taken id came to.
pub(super) const fn id_was_free(inserted: usize) -> Result<()> {
    if inserted == 0 { Err(Error::IdTaken) } else { Ok(()) }
}

/// Result of the store.
pub type Result<T> = std::result::Result<T, Error>;

impl From<Diesel> for Error {
    fn from(error: Diesel) -> Self {
        match error {
            Diesel::DatabaseError(DatabaseErrorKind::UniqueViolation, _) => Self::Conflict,
            Diesel::DatabaseError(
                DatabaseErrorKind::CheckViolation
                | DatabaseErrorKind::NotNullViolation
                | DatabaseErrorKind::ForeignKeyViolation,
                info,
            ) => Self::Constraint(info.message().to_owned()),
            Diesel::DatabaseError(
                DatabaseErrorKind::ClosedConnection
                | DatabaseErrorKind::UnableToSendCommand
                | DatabaseErrorKind::SerializationFailure
                | DatabaseErrorKind::ReadOnlyTransaction,
                _,
            )
            | Diesel::BrokenTransactionManager => Self::Unavailable(Box::new(error)),
            Diesel::DatabaseError(_, ref info) if info.message().starts_with(NUL) => Self::Nul,
            Diesel::DatabaseError(_, ref info) if is_outage(info.message()) => {
                Self::Unavailable(Box::new(error))
            }
            other => Self::Database(other),
        }
    }
}

/// How PostgreSQL refuses such a text (22021).
const NUL: &str = "invalid byte sequence for encoding \"UTF8\": 0x00";

/// Faults of the surroundings, which pass: the class of SQLSTATE that they belong to, and the words by which they are told.
/// The driver hands on the words alone (but for the kinds above), which each session has in English where its role may choose.
const OUTAGES: [(&str, &str); 34] = [
    // The connection is lost.
    ("08", "connection closed"),
    ("08", "server closed the connection"),
    ("08", "connection to client lost"),
    // The database only reads: a standby, or a disk that is protected.
    ("25006", "read-only transaction"),
    ("25P03", "idle-in-transaction timeout"),
    ("SQLite", "attempt to write a readonly database"),
    // Two writers were in each other's way, and this one was taken back.
    ("40", "deadlock detected"),
    ("40", "could not serialize access"),
    ("40", "canceling statement due to conflict with recovery"),
    // Nothing is left: disk, memory, connections, a limit that the operator has set.
    ("53", "No space left on device"),
    ("53", "Disk quota exceeded"),
    ("53", "out of memory"),
    ("53", "out of shared memory"),
    ("53", "too many clients already"),
    ("53", "too many connections"),
    ("53", "remaining connection slots"),
    ("53", "temporary file size exceeds"),
    ("SQLite", "database or disk is full"),
    // Somebody else holds it.
    ("55", "could not obtain lock"),
    ("55", "canceling statement due to lock timeout"),
    ("SQLite", "database is locked"),
    ("SQLite", "database table is locked"),
    ("SQLite", "locking protocol"),
    // An operator, or a limit of time, has stepped in.
    ("57", "canceling statement due to"),
    ("57", "terminating connection"),
    ("57", "the database system is"),
    // The system beneath fails.
    ("58", "could not open file"),
    ("58", "could not read"),
    ("58", "could not write"),
    ("58", "could not extend file"),
    ("58", "could not fsync file"),
    ("58", "could not access"),
    ("SQLite", "disk I/O error"),
    ("SQLite", "unable to open database file"),
];

fn is_outage(message: &str) -> bool {
    OUTAGES.iter().any(|(_, words)| message.contains(words))
}

impl From<PoolError> for Error {
    fn from(error: PoolError) -> Self {
        Self::Unavailable(Box::new(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(kind: DatabaseErrorKind, words: &str) -> Error {
        Diesel::DatabaseError(kind, Box::new(words.to_owned())).into()
    }

    #[test]
    fn a_refusal_is_an_answer_and_a_broken_connection_is_none() {
        use DatabaseErrorKind::{CheckViolation, ClosedConnection, ReadOnlyTransaction, Unknown};
        for kind in [ReadOnlyTransaction, Unknown, CheckViolation] {
            assert!(told(kind, "No space left on device").is_answer(), "{kind:?}");
        }
        assert!(!told(ClosedConnection, "server closed the connection").is_answer());
        assert!(!Error::Unavailable("nothing came".into()).is_answer());
    }

    #[test]
    fn what_passes_is_an_outage_and_what_does_not_is_none() {
        use DatabaseErrorKind::{ReadOnlyTransaction, SerializationFailure, Unknown};
        for (kind, words) in [
            (ReadOnlyTransaction, "cannot execute INSERT in a read-only transaction"),
            (SerializationFailure, "could not serialize access due to concurrent update"),
            (Unknown, "deadlock detected"),
            (Unknown, "could not extend file \"base/5/16397\": No space left on device"),
            (Unknown, "out of shared memory"),
            (Unknown, "sorry, too many clients already"),
            (Unknown, "canceling statement due to lock timeout"),
            (Unknown, "canceling statement due to user request"),
            (Unknown, "terminating connection due to administrator command"),
            (Unknown, "the database system is in recovery mode"),
            (Unknown, "could not read block 3 in file \"base/5/16397\": Input/output error"),
            (Unknown, "database or disk is full"),
            (Unknown, "attempt to write a readonly database"),
        ] {
            assert!(matches!(told(kind, words), Error::Unavailable(_)), "{words}");
        }
        for words in ["column orders.sold does not exist", "value too long for type character varying(3)"] {
            assert!(matches!(told(Unknown, words), Error::Database(_)), "{words}");
        }
        let refused = told(DatabaseErrorKind::CheckViolation, "violates check constraint");
        assert!(matches!(refused, Error::Constraint(_)), "{refused:?}");
    }
}
