//! Access tokens of the open platform: issued, expiring for real, and revoked by a newer one where only one may live.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::dice::mix;

/// The tokens alive.
pub(super) struct Tokens {
    life: Duration,
    single: bool,
    issued: Mutex<Issued>,
}

struct Issued {
    tokens: HashMap<String, Token>,
    nonce: u64,
}

struct Token {
    expiry: Instant,
    calls: u64,
}

impl Tokens {
    pub(super) fn new(life: Duration, single: bool) -> Self {
        // Not from the seed: a restarted stand-in must not know the tokens of its former life.
        let nonce = rand::random();
        Self { life, single, issued: Mutex::new(Issued { tokens: HashMap::new(), nonce }) }
    }

    pub(super) fn life(&self) -> Duration {
        self.life
    }

    pub(super) fn issue(&self) -> String {
        let mut issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let single = self.single;
        issued.tokens.retain(|_, token| !single && token.expiry > now);
        issued.nonce = issued.nonce.wrapping_add(1);
        let token = format!("{:016x}{:016x}", mix(issued.nonce), mix(!issued.nonce));
        issued.tokens.insert(token.clone(), Token { expiry: now + self.life, calls: 0 });
        token
    }

    /// Counts a call under a token and returns how many it had served before; `None`: it does not live.
    pub(super) fn serve(&self, token: &str) -> Option<u64> {
        let mut issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        let token = issued.tokens.get_mut(token).filter(|token| token.expiry > Instant::now())?;
        token.calls += 1;
        Some(token.calls - 1)
    }

    pub(super) fn revoke(&self, token: &str) {
        self.issued.lock().unwrap_or_else(PoisonError::into_inner).tokens.remove(token);
    }
}
