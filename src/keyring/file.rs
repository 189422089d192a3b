//! The key file on the disk: written whole or not at all, for its owner alone, and never over another one by accident.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use secrecy::{ExposeSecret as _, SecretString};

use super::LoadError;

/// For its owner alone.
const MODE: u32 = 0o600;
/// What everybody on the machine may do. The group's rights are a way to let a service read what it does not own.
const OTHERS: u32 = 0o007;

/// What a key file holds.
///
/// # Errors
/// When it cannot be read.
pub fn read(path: &Path) -> Result<SecretString, LoadError> {
    fs::read_to_string(path).map(SecretString::from).map_err(|error| LoadError {
        source: path.display().to_string(),
        problems: vec![format!(
            "the key file cannot be read: {error}; `haier-integration keys generate {}` makes one",
            path.display()
        )],
    })
}

/// Whether everybody on this machine may read or write the file.
///
/// # Errors
/// When its mode cannot be read.
pub fn is_open_to_others(path: &Path) -> io::Result<bool> {
    Ok(fs::metadata(path)?.permissions().mode() & OTHERS != 0)
}

/// Makes the file; `false` if there is one of this name, which stays as it is. Of two that make it at once one does, and
/// nobody ever sees half of it.
///
/// # Errors
/// When it cannot be written.
pub fn create(path: &Path, text: &SecretString) -> io::Result<bool> {
    let beside = write_beside(path, text)?;
    let linked = fs::hard_link(&beside, path);
    fs::remove_file(&beside)?;
    match linked {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

/// Puts a changed file in place of the one that is there.
///
/// # Errors
/// When it cannot be written.
pub fn replace(path: &Path, text: &SecretString) -> io::Result<()> {
    // A link stays one: what it points to is replaced.
    let path = fs::canonicalize(path)?;
    let beside = write_beside(&path, text)?;
    let mode = fs::metadata(&path)?.permissions().mode() & 0o777 & !OTHERS;
    fs::set_permissions(&beside, fs::Permissions::from_mode(mode))?;
    fs::rename(&beside, &path)
}

fn write_beside(path: &Path, text: &SecretString) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    let beside = path.with_file_name(format!(".{}.{:08x}", name.display(), rand::random::<u32>()));
    let mut file: File = OpenOptions::new().write(true).create_new(true).mode(MODE).open(&beside)?;
    let written = file.write_all(text.expose_secret().as_bytes()).and_then(|()| file.sync_all());
    if written.is_err() {
        // Half a file is of no use to anybody; the first error is the one to tell.
        let _ = fs::remove_file(&beside);
    }
    written.map(|()| beside)
}
