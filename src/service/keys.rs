//! Where the keys come from at the start: the settings, or with the sandbox a file that is made beside the database.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context as _;
use chrono::{DateTime, Utc};

use crate::{
    config::{DatabaseUrl, KeySource, Settings},
    keyring::{Document, KeyRing, file},
};

/// The keys, if there are any.
pub(super) fn open(settings: &Settings, now: DateTime<Utc>) -> anyhow::Result<Option<Arc<KeyRing>>> {
    let ring = match &settings.keys {
        Some(KeySource::Text(text)) => KeyRing::from_text(text)?,
        Some(KeySource::File(path)) => KeyRing::from_file(path)?,
        None if settings.sandbox.is_some() => beside_database(&settings.database_url, now)?,
        None => {
            tracing::debug!("no keys were given: what needs one is refused (NO_KEY)");
            return Ok(None);
        }
    };
    if let Some(path) = ring.path()
        && file::is_open_to_others(path)?
    {
        tracing::warn!(
            file = %path.display(),
            "everybody on this machine may read the key file; run `chmod o-rwx` on it, and rotate the keys if somebody has"
        );
    }
    Ok(Some(Arc::new(ring)))
}

fn beside_database(database: &DatabaseUrl, now: DateTime<Utc>) -> anyhow::Result<KeyRing> {
    let path = sandbox_key_file(database);
    if !path.exists() {
        let made = file::create(&path, &Document::generate(now)?.to_text());
        if made.with_context(|| format!("the key file {} cannot be made", path.display()))? {
            tracing::info!(file = %path.display(), "keys were made for the sandbox; without this file what they seal is lost");
        }
    }
    Ok(KeyRing::from_file(&path)?)
}

/// Beside an SQLite database, else in the working directory.
fn sandbox_key_file(database: &DatabaseUrl) -> PathBuf {
    match database {
        DatabaseUrl::Sqlite { path } => {
            let mut name = path.clone().into_os_string();
            name.push(".keys");
            PathBuf::from(name)
        }
        DatabaseUrl::Postgres { .. } => Path::new("haier.keys").to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_the_sandbox_are_made_once_beside_the_database() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("haier.db");
        let database = DatabaseUrl::Sqlite { path };
        let first = beside_database(&database, DateTime::UNIX_EPOCH).unwrap();
        assert_eq!(first.path().unwrap(), folder.path().join("haier.db.keys"));
        let again = beside_database(&database, DateTime::UNIX_EPOCH).unwrap();
        assert_eq!(first.ids(), again.ids());
    }

    #[test]
    fn without_keys_nothing_is_made() {
        assert!(open(&Settings::default(), DateTime::UNIX_EPOCH).unwrap().is_none());
    }
}
