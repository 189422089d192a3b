//! Says who a caller is by what he shows. It answers from memory: the tokens as they were last read.

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
            Self::Expired { name, .. } | Self::Revoked { name, .. } | Self::Unbound { name } => Some(name),
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
                (None, Some(PeerName { name, role: Some(role) })) => (name.clone(), *role, Proof::Outside),
                (None, Some(PeerName { name, role: None })) => {
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

fn check_life(token: &ApiToken, now: DateTime<Utc>) -> Result<(), Refusal> {
    let (name, at) = (token.name.clone(), |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true));
    match (token.revoked_at, token.expires_at) {
        (Some(revoked), _) => Err(Refusal::Revoked { name, at: at(revoked) }),
        (None, Some(end)) if end <= now => Err(Refusal::Expired { name, at: at(end) }),
        (None, _) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone as _;

    use super::*;
    use crate::auth::NewSecret;

    const ADMIN: &str = "0123456789abcdef0123456789abcdef";

    fn at(second: u32) -> DateTime<Utc> {
        Utc.with_ymd_and_hms(2026, 11, 22, 6, second / 60, second % 60).unwrap()
    }

    fn token(id: i64, name: &str) -> (StoredToken, String) {
        let NewSecret { text, hash } = NewSecret::draw(id);
        let token = ApiToken {
            id,
            name: name.to_owned(),
            role: Role::Reader,
            created_at: at(0),
            created_by: LOCAL.to_owned(),
            expires_at: None,
            revoked_at: None,
            last_used_at: None,
        };
        (StoredToken { token, hash }, format!("Bearer {}", text.expose_secret()))
    }

    fn with_admin() -> Gate {
        Gate::new(Outside { admin_token: Some(ADMIN.into()), ..Outside::default() })
    }

    fn shown(authorization: &str) -> Shown<'_> {
        Shown { authorization: Some(authorization), certificate: None, address: "10.0.0.1" }
    }

    #[test]
    fn while_there_is_no_token_everybody_is_an_admin() {
        let gate = Gate::new(Outside::default());
        let identity = gate.identify(&shown("Bearer whatever"), at(0)).unwrap();
        let caller = &identity.caller;
        assert_eq!(
            (caller.name.as_str(), caller.role, caller.address.as_str()),
            (LOCAL, Role::Admin, "10.0.0.1")
        );
        let (mut stored, _) = token(1, "ci");
        stored.token.revoked_at = Some(at(0));
        assert_eq!(gate.check(&identity, at(0)), Ok(()));
        gate.learn(vec![stored]);
        assert_eq!(gate.check(&identity, at(0)), Err(Refusal::NoToken));
        assert_eq!(gate.identify(&Shown::default(), at(0)), Err(Refusal::NoToken));
    }

    #[test]
    fn a_gate_that_was_closed_once_stays_so() {
        let gate = Gate::new(Outside::default());
        let local = gate.identify(&Shown::default(), at(0)).unwrap();
        let (stored, text) = token(1, "ci");
        gate.learn(vec![stored.clone()]);
        // The table is empty for a moment, as while a dump is restored.
        gate.learn(Vec::new());
        assert!(!gate.is_open());
        assert_eq!(gate.identify(&Shown::default(), at(1)), Err(Refusal::NoToken));
        assert_eq!(gate.identify(&shown(&text), at(1)), Err(Refusal::Unknown));
        assert_eq!(gate.check(&local, at(1)), Err(Refusal::NoToken));
        gate.learn(vec![stored]);
        assert_eq!(gate.identify(&shown(&text), at(2)).unwrap().caller.name, "ci");
        let exposed = Gate::new(Outside::default());
        exposed.close();
        exposed.learn(Vec::new());
        assert_eq!(exposed.identify(&Shown::default(), at(0)), Err(Refusal::NoToken));
    }

    #[test]
    fn a_token_is_known_whole_alive_and_by_its_scheme() {
        let gate = with_admin();
        assert_eq!(gate.identify(&Shown::default(), at(0)), Err(Refusal::NoToken));
        let (alive, text) = token(1, "ci");
        let (mut revoked, revoked_text) = token(2, "old");
        revoked.token.revoked_at = Some(at(1));
        let (mut ending, ending_text) = token(3, "brief");
        ending.token.expires_at = Some(at(10));
        gate.learn(vec![alive, revoked, ending]);
        let who = |header: &str, now| gate.identify(&shown(header), now).map(|identity| identity.caller.name);
        assert_eq!(who(&text, at(5)), Ok("ci".to_owned()));
        assert_eq!(who(&text.replace("Bearer", "bearer "), at(5)), Ok("ci".to_owned()));
        assert_eq!(who(&format!("Bearer {ADMIN}"), at(5)), Ok(ADMIN_TOKEN.to_owned()));
        assert_eq!(who(&ending_text, at(9)), Ok("brief".to_owned()));
        let identity = gate.identify(&shown(&ending_text), at(9)).unwrap();
        assert_eq!(gate.check(&identity, at(9)), Ok(()));
        assert!(matches!(gate.check(&identity, at(10)), Err(Refusal::Expired { .. })));
        assert!(matches!(who(&ending_text, at(10)), Err(Refusal::Expired { .. })));
        let told = who(&revoked_text, at(5)).unwrap_err();
        assert_eq!(told.name(), Some("old"));
        // Another's number with one's own secret opens nothing, and tells nothing.
        for bad in [text.replace("hi_1_", "hi_2_"), format!("{text}x"), format!("Bearer {}", &ADMIN[..31])] {
            assert_eq!(who(&bad, at(5)), Err(Refusal::Unknown), "{bad}");
        }
        for bad in ["", "Bearer", "Bearer  ", "Basic YTpi", &text["Bearer ".len()..]] {
            assert_eq!(who(bad, at(5)), Err(Refusal::Malformed), "{bad}");
        }
    }

    #[test]
    fn a_certificate_counts_where_no_token_is_shown() {
        let gate = with_admin();
        let name = "order-service".to_owned();
        let unbound = PeerName { name: name.clone(), role: None };
        let mut both = Shown { certificate: Some(&unbound), ..Shown::default() };
        assert_eq!(gate.identify(&both, at(0)), Err(Refusal::Unbound { name: name.clone() }));
        let bound = PeerName { name: name.clone(), role: Some(Role::Operator) };
        both.certificate = Some(&bound);
        let identity = gate.identify(&both, at(0)).unwrap();
        assert_eq!((&identity.caller.name, identity.caller.role), (&name, Role::Operator));
        assert_eq!(gate.check(&identity, at(0)), Ok(()));
        let header = format!("Bearer {ADMIN}");
        both.authorization = Some(&header);
        assert_eq!(gate.identify(&both, at(0)).unwrap().caller.name, ADMIN_TOKEN);
        both.authorization = Some("Bearer wrong");
        assert_eq!(gate.identify(&both, at(0)), Err(Refusal::Unknown));
        let certificates = Gate::new(Outside { certificate_roles: vec![Role::Reader], ..Outside::default() });
        assert!(!certificates.is_open() && !certificates.has_outside_admin() && gate.has_outside_admin());
    }

    #[test]
    fn a_last_use_is_written_once_a_minute_and_never_forgotten() {
        let gate = Gate::new(Outside::default());
        let (mut stored, text) = token(1, "ci");
        let learn = |stored: &StoredToken| gate.learn(vec![stored.clone()]);
        learn(&stored);
        assert_eq!(gate.uses_due(at(0)), []);
        gate.identify(&shown(&text), at(1)).unwrap();
        assert_eq!(gate.uses_due(at(2)), [(1, at(1))]);
        stored.token.last_used_at = Some(at(1));
        learn(&stored);
        assert_eq!(gate.uses_due(at(3)), []);
        gate.identify(&shown(&text), at(30)).unwrap();
        assert_eq!(gate.uses_due(at(60)), []);
        assert_eq!(gate.uses_due(at(61)), [(1, at(30))]);
    }
}
