//! The shelf of one process: an account that is edited while runs go on has two clients for a time, and where Haier lets
//! only the newest token live, they must not revoke each other's.

use std::{
    future::ready,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use super::{
    budget::Unreachable,
    token_share::{Lease, TokenShelf},
};
use crate::domain::clock::BoxFuture;

/// A token and the lease of the client that fetches the next, in memory.
#[derive(Default)]
pub struct MemoryShelf {
    clients: AtomicU64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    sealed: Option<Vec<u8>>,
    lease: Option<Held>,
}

struct Held {
    fetcher: u64,
    until: Instant,
}

/// The shelf as one client uses it: a lease is the client's, which may take it again.
struct ClientShelf {
    shelf: Arc<MemoryShelf>,
    fetcher: u64,
}

impl MemoryShelf {
    /// The shelf for one more client.
    #[must_use]
    pub fn for_client(self: &Arc<Self>) -> Arc<dyn TokenShelf> {
        let fetcher = self.clients.fetch_add(1, Ordering::Relaxed);
        Arc::new(ClientShelf { shelf: Arc::clone(self), fetcher })
    }
}

impl ClientShelf {
    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.shelf.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl TokenShelf for ClientShelf {
    fn find(&self) -> BoxFuture<'_, Result<Option<Vec<u8>>, Unreachable>> {
        Box::pin(ready(Ok(self.with(|state| state.sealed.clone()))))
    }

    fn lease(&self, time: Duration) -> BoxFuture<'_, Result<Lease, Unreachable>> {
        let (fetcher, now) = (self.fetcher, Instant::now());
        Box::pin(ready(Ok(self.with(|state| {
            if state.lease.as_ref().is_some_and(|held| held.fetcher != fetcher && now < held.until) {
                return Lease::Taken;
            }
            state.lease = Some(Held { fetcher, until: now + time });
            Lease::Granted(state.sealed.clone())
        }))))
    }

    fn release(&self, sealed: Option<Vec<u8>>) -> BoxFuture<'_, Result<(), Unreachable>> {
        self.with(|state| {
            if state.lease.take_if(|held| held.fetcher == self.fetcher).is_some() && sealed.is_some() {
                state.sealed = sealed;
            }
        });
        Box::pin(ready(Ok(())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(3_600);

    #[tokio::test]
    async fn a_client_takes_its_own_lease_again_and_nobody_elses() {
        let shelf = Arc::new(MemoryShelf::default());
        let (one, other) = (shelf.for_client(), shelf.for_client());
        assert_eq!(one.lease(LONG).await.unwrap(), Lease::Granted(None));
        assert_eq!(one.lease(LONG).await.unwrap(), Lease::Granted(None), "its first try failed");
        assert_eq!(other.lease(LONG).await.unwrap(), Lease::Taken);
        other.release(Some(vec![1])).await.unwrap();
        assert_eq!(other.find().await.unwrap(), None, "without the lease nothing is stored");
        one.release(Some(vec![2])).await.unwrap();
        assert_eq!(other.lease(LONG).await.unwrap(), Lease::Granted(Some(vec![2])));
    }
}
