//! The database's address. Its password leaves it only on purpose.

use std::{fmt, path::PathBuf, str::FromStr};

use secrecy::{ExposeSecret, SecretString};
use url::Url;

/// Which database, and where.
#[derive(Debug, Clone)]
pub enum DatabaseUrl {
    /// A SQLite file, relative to the working directory or absolute.
    Sqlite {
        /// The file.
        path: PathBuf,
    },
    /// A PostgreSQL database.
    Postgres {
        /// The whole address, password included.
        url: SecretString,
    },
}

/// Why an address is none. Says nothing of the address, which may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DatabaseUrlError {
    /// Another scheme, or none.
    #[error("must begin with sqlite://, postgres:// or postgresql://")]
    Scheme,
    /// No file is named, or one in memory.
    #[error("names no file; write sqlite://haier.db, or sqlite:///var/lib/haier.db for an absolute path")]
    NoFile,
    /// SQLite with options.
    #[error("takes no options after `?` for SQLite")]
    Options,
    /// The address cannot be read.
    #[error(
        "is no valid PostgreSQL address ({0}); write postgres://user:password@host:5432/database, with special characters percent-encoded"
    )]
    Postgres(url::ParseError),
}

impl DatabaseUrl {
    /// The password in the address, as it is there and as it is meant.
    #[must_use]
    pub fn password(&self) -> Vec<SecretString> {
        let Self::Postgres { url } = self else { return Vec::new() };
        let Ok(url) = Url::parse(url.expose_secret()) else { return Vec::new() };
        let option =
            url.query_pairs().find(|(key, _)| key == "password").map(|(_, value)| value.into_owned());
        let written = url.password().map(str::to_owned);
        // `a=` makes it a form of one field, which is how its signs are decoded; `+` is meant as it stands.
        let meant = written.as_deref().map(|text| format!("a={}", text.replace('+', "%2B")));
        let meant =
            meant.and_then(|form| Some(url::form_urlencoded::parse(form.as_bytes()).next()?.1.into_owned()));
        [option, written, meant].into_iter().flatten().map(SecretString::from).collect()
    }
}

impl FromStr for DatabaseUrl {
    type Err = DatabaseUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if let Some(path) = text.strip_prefix("sqlite://") {
            return match path {
                "" | ":memory:" => Err(DatabaseUrlError::NoFile),
                _ if path.ends_with('/') => Err(DatabaseUrlError::NoFile),
                _ if path.contains('?') => Err(DatabaseUrlError::Options),
                _ => Ok(Self::Sqlite { path: PathBuf::from(path) }),
            };
        }
        if !text.starts_with("postgres://") && !text.starts_with("postgresql://") {
            return Err(DatabaseUrlError::Scheme);
        }
        Url::parse(text).map_err(DatabaseUrlError::Postgres)?;
        Ok(Self::Postgres { url: SecretString::from(text) })
    }
}

/// Without password and options.
impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite { path } => write!(f, "sqlite://{}", path.display()),
            Self::Postgres { url } => {
                // Options may carry a password too (`?password=…`), so all of them are left out.
                let Ok(mut url) = Url::parse(url.expose_secret()) else {
                    return f.write_str("postgres://…");
                };
                let cut = url.set_password(None);
                url.set_query(None);
                url.set_fragment(None);
                if cut.is_err() && url.password().is_some() {
                    return f.write_str("postgres://…");
                }
                f.write_str(url.as_str())
            }
        }
    }
}
