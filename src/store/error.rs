//! What the store can fail with.

use diesel::result::{DatabaseErrorKind, Error as Diesel};
use diesel_async::pooled_connection::deadpool::PoolError;

/// Failure of the store.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database is gone, or no connection was free in time.
    #[error("the database does not answer")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A row like that is there already.
    #[error("a row like that is there already")]
    Conflict,
    /// The database refused a value.
    #[error("the database refused a value: {0}")]
    Constraint(String),
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
                DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::UnableToSendCommand,
                _,
            )
            | Diesel::BrokenTransactionManager => Self::Unavailable(Box::new(error)),
            Diesel::DatabaseError(_, ref info) if is_outage(info.message()) => {
                Self::Unavailable(Box::new(error))
            }
            other => Self::Database(other),
        }
    }
}

/// Faults of the surroundings that diesel files under "unknown": a full disk, a busy file, a server going down.
fn is_outage(message: &str) -> bool {
    const OUTAGES: [&str; 9] = [
        "database or disk is full",
        "No space left on device",
        "disk I/O error",
        "database is locked",
        "unable to open database file",
        "terminating connection",
        "the database system is",
        "connection closed",
        "canceling statement due to statement timeout",
    ];
    OUTAGES.iter().any(|outage| message.contains(outage))
}

impl From<PoolError> for Error {
    fn from(error: PoolError) -> Self {
        Self::Unavailable(Box::new(error))
    }
}
