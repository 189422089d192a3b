//! The token that the replicas of an account share: the shelf that the upstream asks for, kept in the store.

use std::time::Duration;

use crate::{
    domain::clock::BoxFuture,
    store::{Conn, Store, upstream_tokens},
    upstream::{Lease, TokenShelf, Unreachable},
};

/// The shelf of one account, in the database.
pub struct StoredTokens {
    store: Store,
    account: String,
    /// This client, as the holder of a lease.
    fetcher: String,
}

impl StoredTokens {
    /// The shelf of this account's key, as one client of this process uses it.
    #[must_use]
    pub fn new(store: Store, account: String, process: u16) -> Self {
        let fetcher = format!("{}-{process}-{:08x}", std::process::id(), rand::random::<u32>());
        Self { store, account, fetcher }
    }
}

impl TokenShelf for StoredTokens {
    fn find(&self) -> BoxFuture<'_, Result<Option<Vec<u8>>, Unreachable>> {
        Box::pin(async move {
            let find = async |conn: &mut Conn| upstream_tokens::find(conn, &self.account).await;
            self.store.urgent(find).await.map_err(|error| Unreachable(error.to_string()))
        })
    }

    fn lease(&self, time: Duration) -> BoxFuture<'_, Result<Lease, Unreachable>> {
        Box::pin(async move {
            let lease = async |conn: &mut Conn| {
                upstream_tokens::lease(conn, &self.account, &self.fetcher, time).await
            };
            match self.store.urgent(lease).await {
                Ok(upstream_tokens::Lease::Granted(sealed)) => Ok(Lease::Granted(sealed)),
                Ok(upstream_tokens::Lease::Taken) => Ok(Lease::Taken),
                Err(error) => Err(Unreachable(error.to_string())),
            }
        })
    }

    fn release(&self, sealed: Option<Vec<u8>>) -> BoxFuture<'_, Result<(), Unreachable>> {
        Box::pin(async move {
            let release = async |conn: &mut Conn| {
                upstream_tokens::release(conn, &self.account, &self.fetcher, sealed).await
            };
            self.store.urgent(release).await.map_err(|error| Unreachable(error.to_string()))
        })
    }
}
