//! Says who a caller is by what he shows. It answers from memory: the tokens as they were last read.

#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use secrecy::{ExposeSecret as _, SecretString};

use super::secret::{self, Hash};
use crate::domain::{
    api_tokens::{ADMIN_TOKEN, ApiToken, LOCAL, StoredToken},
    callers::{Caller, PeerName, Role},
};

/// A token's last use is written at most so often.
const USE_PERIOD: TimeDelta = TimeDelta::minutes(1);

/// What settings say of callers.
#[derive(Debug, Default)]
pub struct Outside {
    /// A token of an admin.
    pub admin_token: Option<SecretString>,
    /// The roles that names of client certificates are bound to.
    pub certificate_roles: Vec<Role>,
}

/// What a caller shows: the one place where an identity may come from. A token goes before a certificate, so that a
/// machine with a certificate can also call for somebody else.
#[derive(Debug, Clone, Copy, Default)]
pub struct Shown<'a> {
    /// The header `authorization` as it came.
    pub authorization: Option<&'a str>,
    /// Whom a client certificate that was verified stands for.
    pub certificate: Option<&'a PeerName>,
    /// The address he calls from.
    pub address: &'a str,
}

/// Why somebody is nobody we know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nothing was shown.
    #[error(
        "a token is needed: send `Bearer TOKEN` in the header authorization; an admin makes one with CreateApiToken"
    )]
    NoToken,
    /// The header is there and holds no token.
    #[error("the header authorization must read `Bearer TOKEN`")]
    Malformed,
    /// Only a certificate was shown, and settings give its name no role.
    #[error("the certificate of {name} is bound to no role: bind it by tls.client_role, or send a token")]
    Unbound {
        /// Its name.
        name: String,
    },
    /// The certificate of the connection has expired since that was opened.
    #[error("the certificate of {name} expired at {at}: connect again with one that is valid")]
    CertificateExpired {
        /// Its name.
        name: String,
        /// When.
        at: String,
    },
    /// There is no such token.
    #[error("the token is unknown: check that it is whole, and made for this service")]
    Unknown,
    /// The token has ended by itself.
    #[error("the token {name} expired at {at}; an admin makes another one with CreateApiToken")]
    Expired {
        /// Its name.
        name: String,
        /// When.
        at: String,
    },
    /// Somebody has ended the token.
    #[error("the token {name} was revoked at {at}; an admin makes another one with CreateApiToken")]
    Revoked {
        /// Its name.
        name: String,
        /// When.
        at: String,
    },
}

impl Refusal {
    /// Whose token it was, where that is certain.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Expired { name, .. }
            | Self::Revoked { name, .. }
            | Self::CertificateExpired { name, .. }
            | Self::Unbound { name } => Some(name),
            Self::NoToken | Self::Malformed | Self::Unknown => None,
        }
    }
}

/// A caller who was let in, and by what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Who he is.
    pub caller: Caller,
    proof: Proof,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Proof {
    /// Nobody needed any.
    None,
    /// What settings say, which holds as long as this process.
    Outside,
    /// A certificate, until it expires.
    Certificate(Option<DateTime<Utc>>),
    /// The token of this number.
    Token(i64),
}

/// The tokens as last read, and when they were shown since.
pub struct Gate {
    /// The admin token from outside.
    admin: Option<Hash>,
    certificate_roles: Vec<Role>,
    /// Set once, for the life of the process: tokens that are gone from the database for a moment (a restore) must not make
    /// every caller an admin.
    closed: AtomicBool,
    known: RwLock<Arc<HashMap<i64, StoredToken>>>,
    used: Mutex<HashMap<i64, DateTime<Utc>>>,
}

impl Gate {
    /// A gate that knows what settings say, and no token yet.
    #[must_use]
    pub fn new(outside: Outside) -> Self {
        let Outside { admin_token, certificate_roles } = outside;
        let admin = admin_token.map(|token| secret::hash(token.expose_secret()));
        let closed = AtomicBool::new(admin.is_some() || !certificate_roles.is_empty());
        Self { admin, certificate_roles, closed, known: RwLock::default(), used: Mutex::default() }
    }

    /// Whether callers need to show nothing: since this process started there was no token, and settings know no caller.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.closed.load(Ordering::Acquire)
    }

    /// From now on every caller needs a token or a certificate. There is no way back.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// Whether settings let an admin in, whatever becomes of tokens.
    #[must_use]
    pub fn has_outside_admin(&self) -> bool {
        self.admin.is_some() || self.certificate_roles.contains(&Role::Admin)
    }

    /// Goes by these tokens from now on; they are all there are.
    pub fn learn(&self, tokens: Vec<StoredToken>) {
        if !tokens.is_empty() {
            self.close();
        }
        let tokens = Arc::new(tokens.into_iter().map(|stored| (stored.token.id, stored)).collect());
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = tokens;
    }

    fn known(&self) -> Arc<HashMap<i64, StoredToken>> {
        Arc::clone(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Who calls.
    ///
    /// # Errors
    /// Why it is nobody we know.
    pub fn identify(&self, shown: &Shown<'_>, now: DateTime<Utc>) -> Result<Identity, Refusal> {
        let (name, role, proof) = if self.is_open() {
            (LOCAL.to_owned(), Role::Admin, Proof::None)
        } else {
            match (shown.authorization, shown.certificate) {
                (Some(header), _) => self.of_token(bearer(header)?, now)?,
                (None, Some(PeerName { name, role: Some(role), not_after })) => {
                    check_certificate(name, *not_after, now)?;
                    (name.clone(), *role, Proof::Certificate(*not_after))
                }
                (None, Some(PeerName { name, role: None, .. })) => {
                    return Err(Refusal::Unbound { name: name.clone() });
                }
                (None, None) => return Err(Refusal::NoToken),
            }
        };
        Ok(Identity { caller: Caller { name, role, address: shown.address.to_owned() }, proof })
    }

    /// Sees that whoever was let in would be so still: a token may have ended since, or a first one been made.
    ///
    /// # Errors
    /// Why he is not.
    pub fn check(&self, identity: &Identity, now: DateTime<Utc>) -> Result<(), Refusal> {
        match identity.proof {
            Proof::None if self.is_open() => Ok(()),
            Proof::None => Err(Refusal::NoToken),
            Proof::Outside => Ok(()),
            Proof::Certificate(not_after) => check_certificate(&identity.caller.name, not_after, now),
            Proof::Token(id) => check_life(&self.known().get(&id).ok_or(Refusal::Unknown)?.token, now),
        }
    }

    fn of_token(&self, text: &str, now: DateTime<Utc>) -> Result<(String, Role, Proof), Refusal> {
        let hash = secret::hash(text);
        if self.admin.is_some_and(|admin| secret::same(&admin, &hash)) {
            return Ok((ADMIN_TOKEN.to_owned(), Role::Admin, Proof::Outside));
        }
        let known = self.known();
        let found = secret::id_of(text).and_then(|id| known.get(&id));
        // What became of a token is told to none but its holder.
        let Some(StoredToken { token, .. }) = found.filter(|stored| secret::same(&stored.hash, &hash)) else {
            return Err(Refusal::Unknown);
        };
        check_life(token, now)?;
        self.used.lock().unwrap_or_else(PoisonError::into_inner).insert(token.id, now);
        Ok((token.name.clone(), token.role, Proof::Token(token.id)))
    }

    /// Last uses that are to be written, each at most once a minute.
    #[must_use]
    pub fn uses_due(&self, now: DateTime<Utc>) -> Vec<(i64, DateTime<Utc>)> {
        let known = self.known();
        let written = |id: &i64| known.get(id).and_then(|stored| stored.token.last_used_at);
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let due = used.iter().filter(|(id, at)| {
            written(id).is_none_or(|written| written < **at && now - written >= USE_PERIOD)
        });
        due.map(|(id, at)| (*id, *at)).collect()
    }
}

fn bearer(header: &str) -> Result<&str, Refusal> {
    let (scheme, token) = header.trim().split_once(' ').ok_or(Refusal::Malformed)?;
    let token = token.trim();
    if scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() {
        Ok(token)
    } else {
        Err(Refusal::Malformed)
    }
}

fn check_certificate(
    name: &str,
    not_after: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Result<(), Refusal> {
    match not_after {
        Some(end) if end < now => {
            let at = end.to_rfc3339_opts(SecondsFormat::Secs, true);
            Err(Refusal::CertificateExpired { name: name.to_owned(), at })
        }
        _ => Ok(()),
    }
}

fn check_life(token: &ApiToken, now: DateTime<Utc>) -> Result<(), Refusal> {
    let (name, at) = (token.name.clone(), |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true));
    match (token.revoked_at, token.expires_at) {
        (Some(revoked), _) => Err(Refusal::Revoked { name, at: at(revoked) }),
        (None, Some(end)) if end <= now => Err(Refusal::Expired { name, at: at(end) }),
        (None, _) => Ok(()),
    }
}
