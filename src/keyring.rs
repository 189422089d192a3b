//! Keys that seal what must not be read in the database: secrets of accounts, names, phones and addresses of orders. Keys
//! come from outside (a variable or a file); this room knows how they look, seals with the primary one, opens with any,
//! and takes a changed file into use. It must not know what is sealed, nor log anything of it.

mod document;
pub mod file;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    digest::{Digest, SHA256, digest},
    hmac,
    rand::{SecureRandom as _, SystemRandom},
};
use secrecy::{ExposeSecret as _, SecretString};

pub use document::Document;

use crate::domain::sealed::{Place, Sealed, VERSION};

/// Length of an HMAC in bytes.
pub const HMAC_LEN: usize = 32;

/// Why something does not seal or open. Names keys and places, never a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The key that sealed it is not in the ring.
    #[error(
        "{table} {row}: its {field} is sealed with the key {key_id}, which is not among the keys given; put that key back \
         into the key file"
    )]
    UnknownKey {
        /// The key's id.
        key_id: String,
        /// Table of the value.
        table: String,
        /// Row of the value.
        row: i64,
        /// Field of the value.
        field: String,
    },
    /// It was changed, belongs to another place, or its key was replaced under the same id.
    #[error(
        "{table} {row}: its {field} does not open: it was changed, moved from another place, or its key has another value \
         than before"
    )]
    DoesNotOpen {
        /// Table of the value.
        table: String,
        /// Row of the value.
        row: i64,
        /// Field of the value.
        field: String,
    },
    /// This machine gives no random numbers, or the value is larger than any cipher takes.
    #[error("this machine's cryptography fails")]
    Cryptography,
}

/// What is wrong with keys from a variable or a file: all of it at once, and never with a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadError {
    /// Where the keys were to come from.
    pub source: String,
    /// What is wrong; at least one problem.
    pub problems: Vec<String>,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.source, self.problems.join("; "))
    }
}

impl std::error::Error for LoadError {}

/// The keys in use. Sealing and opening take microseconds and never block for longer than a change of the keys does.
pub struct KeyRing {
    keys: RwLock<Arc<Document>>,
    file: Option<Followed>,
}

/// A file whose changes are followed.
struct Followed {
    path: PathBuf,
    /// Digest of the text that was read last, whether it was of use or not. `None`: it could not be read.
    seen: Mutex<Option<Digest>>,
}

impl KeyRing {
    /// Keys from a variable's text.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn from_text(text: &SecretString) -> Result<Self, LoadError> {
        let document = Document::parse(text.expose_secret())
            .map_err(|problems| LoadError { source: "HAIER_INTEGRATION_KEYS".to_owned(), problems })?;
        Ok(Self { keys: RwLock::new(Arc::new(document)), file: None })
    }

    /// Keys from a file, whose changes [`Self::reload`] takes into use.
    ///
    /// # Errors
    /// When it cannot be read, or everything that is wrong in it.
    pub fn from_file(path: &Path) -> Result<Self, LoadError> {
        let text = file::read(path)?;
        let document = of_file(path, &text)?;
        let followed = Followed { path: path.to_owned(), seen: Mutex::new(Some(fingerprint(&text))) };
        Ok(Self { keys: RwLock::new(Arc::new(document)), file: Some(followed) })
    }

    /// The file the keys come from, if it is one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.file.as_ref().map(|followed| followed.path.as_path())
    }

    /// Reads the file again and takes its keys into use; whether they are others than before. Does nothing for keys of a
    /// variable. A file that is broken or gone is told once, and the keys stay as they were. Blocks on the disk.
    ///
    /// # Errors
    /// When it cannot be read, or everything that is wrong in it.
    pub fn reload(&self) -> Result<bool, LoadError> {
        let Some(followed) = &self.file else { return Ok(false) };
        let read = file::read(&followed.path);
        let fresh = read.as_ref().ok().map(fingerprint);
        let mut seen = followed.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.as_ref().map(Digest::as_ref) == fresh.as_ref().map(Digest::as_ref) {
            return Ok(false);
        }
        *seen = fresh;
        let text = read?;
        let document = Arc::new(of_file(&followed.path, &text)?);
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = document;
        Ok(true)
    }

    fn keys(&self) -> Arc<Document> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Id of the key that seals.
    #[must_use]
    pub fn primary(&self) -> String {
        self.keys().primary().to_owned()
    }

    /// Ids of all keys, sorted.
    #[must_use]
    pub fn ids(&self) -> Vec<String> {
        self.keys().ids().map(str::to_owned).collect()
    }

    /// Seals a value with the primary key, for this place alone. The same value is another text each time.
    ///
    /// # Errors
    /// When this machine gives no random numbers.
    pub fn seal(&self, place: Place<'_>, plaintext: &str) -> Result<Sealed, Error> {
        let keys = self.keys();
        let key_id = keys.primary();
        let key = keys.find(key_id).and_then(cipher).ok_or(Error::Cryptography)?;
        let mut nonce = [0; NONCE_LEN];
        // Random ones meet by chance only after billions of values under one key.
        SystemRandom::new().fill(&mut nonce).map_err(|_| Error::Cryptography)?;
        let mut sealed = Vec::with_capacity(NONCE_LEN + plaintext.len() + CHACHA20_POLY1305.tag_len());
        sealed.extend(nonce);
        sealed.extend(plaintext.as_bytes());
        let bound = Aad::from(binding(key_id, place));
        let tag = key
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), bound, &mut sealed[NONCE_LEN..])
            .map_err(|_| Error::Cryptography)?;
        sealed.extend(tag.as_ref());
        Ok(Sealed::from_stored(format!("{VERSION}.{key_id}.{}", URL_SAFE_NO_PAD.encode(sealed))))
    }

    /// Opens what was sealed for this place, with whichever key it names.
    ///
    /// # Errors
    /// When that key is not here, or the value was changed or belongs elsewhere.
    pub fn open(&self, place: Place<'_>, sealed: &Sealed) -> Result<SecretString, Error> {
        let keys = self.keys();
        let fails = || does_not_open(place);
        let (key_id, text) = sealed.parts().ok_or_else(fails)?;
        let key = keys.find(key_id).ok_or_else(|| unknown_key(key_id, place))?;
        let mut bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| fails())?;
        let (nonce, ciphertext) = bytes.split_at_mut_checked(NONCE_LEN).ok_or_else(fails)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| fails())?;
        let bound = Aad::from(binding(key_id, place));
        let key = cipher(key).ok_or(Error::Cryptography)?;
        let plaintext = key.open_in_place(nonce, bound, ciphertext).map_err(|_| fails())?;
        std::str::from_utf8(plaintext).map(SecretString::from).map_err(|_| fails())
    }

    /// HMAC-SHA256 by the key that is for this alone: the same for the same three parts, and of no use to one without the
    /// key. `context` says what it is for, `salt` keeps equal data of different owners apart.
    #[must_use]
    pub fn hmac(&self, context: &str, salt: &[u8], data: &[u8]) -> [u8; HMAC_LEN] {
        let keys = self.keys();
        let key = hmac::Key::new(hmac::HMAC_SHA256, keys.hmac().expose_secret());
        let tag = hmac::sign(&key, &joined(&[context.as_bytes(), salt, data]));
        let mut bytes = [0; HMAC_LEN];
        bytes.copy_from_slice(tag.as_ref());
        bytes
    }
}

fn of_file(path: &Path, text: &SecretString) -> Result<Document, LoadError> {
    Document::parse(text.expose_secret())
        .map_err(|problems| LoadError { source: path.display().to_string(), problems })
}

fn fingerprint(text: &SecretString) -> Digest {
    digest(&SHA256, text.expose_secret().as_bytes())
}

/// Made for each use: the library's own key wipes nothing when it is dropped, ours does.
fn cipher(key: &document::Key) -> Option<LessSafeKey> {
    UnboundKey::new(&CHACHA20_POLY1305, key.expose_secret()).ok().map(LessSafeKey::new)
}

/// What a sealed value is bound to. Lengths stand in front, so that no two places read alike.
fn binding(key_id: &str, place: Place<'_>) -> Vec<u8> {
    let row = place.row.to_be_bytes();
    joined(&[VERSION.as_bytes(), key_id.as_bytes(), place.table.as_bytes(), &row, place.field.as_bytes()])
}

fn joined(parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in parts {
        bytes.extend((part.len() as u64).to_be_bytes());
        bytes.extend(*part);
    }
    bytes
}

fn does_not_open(place: Place<'_>) -> Error {
    Error::DoesNotOpen { table: place.table.to_owned(), row: place.row, field: place.field.to_owned() }
}

fn unknown_key(key_id: &str, place: Place<'_>) -> Error {
    Error::UnknownKey {
        key_id: key_id.to_owned(),
        table: place.table.to_owned(),
        row: place.row,
        field: place.field.to_owned(),
    }
}
