//! The budget of calls that all replicas share: the ledger that the upstream asks for, kept in the store.

use std::time::{Duration, Instant};

use crate::{
    domain::{
        clock::BoxFuture,
        slots::{Rules, Turn, Wish},
    },
    store::{self, Store, upstream_slots},
    upstream::{SlotLedger, Unreachable},
};

/// How long connections are tried before the database counts as away.
const STALE: Duration = Duration::from_millis(300);

/// The slots of one account, in the database.
pub struct StoredLedger {
    store: Store,
    account: String,
    rules: Rules,
}

impl StoredLedger {
    /// The ledger of this account's key by these rules.
    #[must_use]
    pub const fn new(store: Store, account: String, rules: Rules) -> Self {
        Self { store, account, rules }
    }

    async fn ask(&self, wish: Wish) -> store::Result<Turn> {
        let reserve = async |conn: &mut store::Conn| {
            upstream_slots::reserve(conn, &self.account, &self.rules, &wish).await
        };
        self.store.urgent(reserve).await
    }
}

impl SlotLedger for StoredLedger {
    fn reserve(&self, wish: Wish) -> BoxFuture<'_, Result<Turn, Unreachable>> {
        Box::pin(async move {
            let began = Instant::now();
            loop {
                match self.ask(wish).await {
                    // Connections that the server closed while they were idle say so only when they are used. At worst a
                    // slot is reserved twice, and one of them lost.
                    Err(store::Error::Unavailable(_)) if began.elapsed() < STALE => {}
                    answer => return answer.map_err(unreachable),
                }
                tokio::time::sleep(STALE / 10).await;
            }
        })
    }

    fn hold(&self, wait: Duration) -> BoxFuture<'_, Result<(), Unreachable>> {
        Box::pin(async move {
            let hold = async |conn: &mut store::Conn| {
                upstream_slots::hold(conn, &self.account, &self.rules, wait).await
            };
            self.store.urgent(hold).await.map_err(unreachable)
        })
    }
}

#[expect(clippy::needless_pass_by_value, reason = "what map_err hands over")]
fn unreachable(error: store::Error) -> Unreachable {
    Unreachable(error.to_string())
}
