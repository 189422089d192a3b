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
    expiry: HashMap<String, Instant>,
    nonce: u64,
}

impl Tokens {
    pub(super) fn new(life: Duration, single: bool) -> Self {
        // Not from the seed: a restarted stand-in must not know the tokens of its former life.
        let nonce = rand::random();
        Self { life, single, issued: Mutex::new(Issued { expiry: HashMap::new(), nonce }) }
    }

    pub(super) fn life(&self) -> Duration {
        self.life
    }

    pub(super) fn issue(&self) -> String {
        let mut issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let single = self.single;
        issued.expiry.retain(|_, expiry| !single && *expiry > now);
        issued.nonce = issued.nonce.wrapping_add(1);
        let token = format!("{:016x}{:016x}", mix(issued.nonce), mix(!issued.nonce));
        issued.expiry.insert(token.clone(), now + self.life);
        token
    }

    pub(super) fn is_live(&self, token: &str) -> bool {
        let issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        issued.expiry.get(token).is_some_and(|expiry| *expiry > Instant::now())
    }

    pub(super) fn revoke(&self, token: &str) {
        self.issued.lock().unwrap_or_else(PoisonError::into_inner).expiry.remove(token);
    }
}
