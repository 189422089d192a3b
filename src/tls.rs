//! TLS by rustls: the certificates that the service shows and asks for, read, checked whole and kept up to date while it
//! runs; and the connections of our own commands. Knows files and handshakes, but neither gRPC nor settings.

mod check;
mod client;
mod contents;
mod names;
mod pem;
mod server;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use rustls::pki_types::CertificateDer;

pub use client::{ClientFiles, Connector};
pub use server::ServerTls;

use crate::domain::callers::Role;

/// The authorities in the file that a setting names.
///
/// # Errors
/// Everything that is wrong with it.
pub fn authorities(
    path: &Path,
    setting: &str,
    now: DateTime<Utc>,
) -> Result<Vec<CertificateDer<'static>>, Error> {
    contents::authorities(path, setting, now)
}

/// Files of the service's own TLS, and what client certificates are worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerFiles {
    /// The certificate and the ones between it and its authority, in PEM, the certificate itself first.
    pub cert: PathBuf,
    /// Its private key, in PEM.
    pub key: PathBuf,
    /// Whether and whose client certificates are taken.
    pub clients: Option<ClientCertificates>,
}

/// Which client certificates are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificates {
    /// The authorities that sign them, in PEM.
    pub ca: PathBuf,
    /// Whether a connection without one is refused.
    pub required: bool,
    /// Names of certificates, exact, and the role of each.
    pub roles: Vec<(String, Role)>,
}

/// Why certificates cannot be used: every problem at once, each with its file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.text())]
pub struct Error {
    /// At least one.
    pub problems: Vec<String>,
}

impl Error {
    fn text(&self) -> String {
        match self.problems.as_slice() {
            [only] => only.clone(),
            several => format!("the files for TLS cannot be used:\n  {}", several.join("\n  ")),
        }
    }
}
