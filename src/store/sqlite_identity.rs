//! The identity of an SQLite file, kept in a small file beside it (`haier.db.identity`): a random id, and a generation that
//! is raised in the database first and then here. A backup that is copied back has the id and an older generation, or there
//! is no file beside it: then what the database holds is not what was seen last.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use super::identity::{Comparison, Identity, Seen};

/// The file beside a database.
#[derive(Debug)]
pub(super) struct Beside {
    path: PathBuf,
    last: Mutex<Option<Identity>>,
}

impl Beside {
    /// Reads it. One that cannot be understood counts as none: it is written as a whole or not at all.
    pub(super) fn open(database: &Path) -> Self {
        let mut path = database.as_os_str().to_owned();
        path.push(".identity");
        let path = PathBuf::from(path);
        let text = fs::read_to_string(&path).unwrap_or_default();
        let last = text.trim().split_once(' ').and_then(|(identity, generation)| {
            Some(Identity { identity: identity.to_owned(), generation: Some(generation.parse().ok()?) })
        });
        Self { path, last: Mutex::new(last) }
    }

    /// Compares what was seen last with what the database says.
    pub(super) fn compare(&self, seen: &Seen) -> Comparison {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match (&seen.identity, &*last) {
            (None, _) => Comparison::First,
            // The process ended between the first two writes.
            (Some(Identity { generation: Some(0), .. }), None) => Comparison::First,
            // One raise behind means that the process ended between the two writes.
            (Some(stored), Some(last))
                if stored.identity == last.identity && last.generation <= stored.generation =>
            {
                Comparison::Same
            }
            (Some(_), _) => Comparison::Restored,
        }
    }

    /// Stores what the database has committed.
    pub(super) fn write(&self, now: &Identity) -> io::Result<()> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let half = self.path.with_extension("identity-new");
        let mut file = File::create(&half)?;
        writeln!(file, "{} {}", now.identity, now.generation.unwrap_or_default())?;
        file.sync_all()?;
        fs::rename(&half, &self.path)?;
        *last = Some(now.clone());
        Ok(())
    }
}
