//! The shelf of one process: an account that is edited while runs go on has two clients for a time, and where Haier lets
//! only the newest token live, they must not revoke each other's.

use std::{
    future::ready,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::{
    budget::Unreachable,
    token_share::{Lease, TokenShelf},
};
use crate::domain::clock::BoxFuture;

/// A token and the one who fetches the next, in memory.
#[derive(Default)]
pub struct MemoryShelf {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    sealed: Option<Vec<u8>>,
    lease_until: Option<Instant>,
}

impl MemoryShelf {
    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl TokenShelf for MemoryShelf {
    fn find(&self) -> BoxFuture<'_, Result<Option<Vec<u8>>, Unreachable>> {
        Box::pin(ready(Ok(self.with(|state| state.sealed.clone()))))
    }

    fn lease(&self, time: Duration) -> BoxFuture<'_, Result<Lease, Unreachable>> {
        let now = Instant::now();
        Box::pin(ready(Ok(self.with(|state| {
            if state.lease_until.is_some_and(|until| now < until) {
                return Lease::Taken;
            }
            state.lease_until = Some(now + time);
            Lease::Granted(state.sealed.clone())
        }))))
    }

    fn release(&self, sealed: Option<Vec<u8>>) -> BoxFuture<'_, Result<(), Unreachable>> {
        self.with(|state| {
            state.lease_until = None;
            if sealed.is_some() {
                state.sealed = sealed;
            }
        });
        Box::pin(ready(Ok(())))
    }
}
