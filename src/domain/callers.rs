//! Who calls, and how much he may do.

use std::fmt;

use chrono::{DateTime, Utc};

use super::words::words;

words! {
    /// What a caller may do. Each role may do what the ones before it may.
    pub enum Role {
        /// Looks at products, prices, stock and how calls to Haier stand.
        Reader = "reader";
        /// Runs syncs, pushes orders, pauses and resumes.
        Operator = "operator";
        /// Keeps accounts, keys and tokens, and sees every log.
        Admin = "admin";
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who calls. `Display` is how he stands in logs: his name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Name of his token or certificate; `local` while nobody needs one.
    pub name: String,
    /// What he may do.
    pub role: Role,
    /// Address he calls from; empty for the service itself.
    pub address: String,
}

impl Caller {
    /// The service itself, working for nobody in particular.
    #[must_use]
    pub const fn nobody() -> Self {
        Self { name: String::new(), role: Role::Reader, address: String::new() }
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// Who has shown a client certificate that was found right. Stands in the extensions of every request on its connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerName {
    /// The certificate's name: of several the one with the highest role, else the first; URIs stand before DNS names,
    /// these before e-mail addresses. The common name counts only where there is none of them.
    pub name: String,
    /// The role that its name is bound to. `None`: the certificate by itself allows nothing.
    pub role: Option<Role>,
    /// When the certificate expires. `None`: a time that no calendar has.
    pub not_after: Option<DateTime<Utc>>,
}
