//! Where the keys come from that seal secrets.

use std::path::PathBuf;

use secrecy::SecretString;

/// A variable's text, or a file that is read again when it changes.
#[derive(Debug, Clone)]
pub enum KeySource {
    /// The document itself.
    Text(SecretString),
    /// A file with it.
    File(PathBuf),
}
