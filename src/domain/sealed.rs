//! Values that are kept encrypted: where one belongs, and how it looks when it is sealed. What seals and opens is the key
//! ring.

use std::fmt;

/// What the text of every sealed value begins with.
pub const VERSION: &str = "v1";

/// Where a sealed value belongs. It opens there and nowhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// The table, as the database names it.
    pub table: &'a str,
    /// Id of the row.
    pub row: i64,
    /// What of the row, e.g. "client_secret". For ever: what is renamed does not open any more.
    pub field: &'a str,
}

/// A value as it is stored: `v1.KEY_ID.BASE64`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Sealed(String);

impl Sealed {
    /// What was read from the database. Whether it opens is seen when it is opened.
    #[must_use]
    pub const fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// The text to store.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Id of the key it is sealed with; `None` if the text is of no form known here.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.parts().map(|(key_id, _)| key_id)
    }

    /// Id of the key, and nonce and ciphertext in base64.
    #[must_use]
    pub fn parts(&self) -> Option<(&str, &str)> {
        self.0.strip_prefix(VERSION)?.strip_prefix('.')?.split_once('.')
    }
}

/// Which key, and nothing of the value.
impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({VERSION}.{}.…)", self.key_id().unwrap_or("?"))
    }
}
