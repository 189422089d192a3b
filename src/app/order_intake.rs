//! New orders are stored together: those that come while a transaction is being committed wait for the next one and share
//! it. Every such transaction needs the feed's head until the disk has it, so that one after the other could not keep up
//! with a burst.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future;
use tokio::sync::oneshot;

use super::{App, orders::change};
use crate::{
    domain::{
        orders::{StoredOrder, sealing::PersonalPart},
        sealed::Sealed,
    },
    error::{Error, Result},
    store::{order_changes, order_pushes, orders},
};

/// Orders of one transaction at most.
const TOGETHER: usize = 64;

/// An order to be stored, what is personal in it sealed.
pub(super) struct NewOrder {
    pub(super) order: Arc<StoredOrder>,
    pub(super) personal: PersonalPart<Sealed>,
}

/// An order that waits, and whoever wants to hear whether it was new.
struct Waiting {
    new: NewOrder,
    told: oneshot::Sender<Result<bool>>,
}

/// Orders that wait, and whose turn it is to store them.
#[derive(Default)]
pub(super) struct Intake {
    waiting: Mutex<Vec<Waiting>>,
    turn: tokio::sync::Mutex<()>,
}

impl Intake {
    fn waiting(&self) -> MutexGuard<'_, Vec<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those that have waited longest.
    fn take(&self) -> Vec<Waiting> {
        let mut waiting = self.waiting();
        let together = waiting.len().min(TOGETHER);
        waiting.drain(..together).collect()
    }
}

impl App {
    /// Stores an order with what follows from it; whether it is new. Must run to its end: it may store those of others too.
    pub(super) async fn order_take_in(&self, new: NewOrder) -> Result<bool> {
        let (told, mut hear) = oneshot::channel();
        self.orders.intake.waiting().push(Waiting { new, told });
        loop {
            tokio::select! {
                biased;
                told = &mut hear => return told.unwrap_or_else(|gone| Err(Error::Internal(Box::new(gone)))),
                _turn = self.orders.intake.turn.lock() => self.orders_store(self.orders.intake.take()).await,
            }
        }
    }

    /// Stores these together and tells each.
    async fn orders_store(&self, mut waiting: Vec<Waiting>) {
        // Two replicas that store the same ones do not wait for each other crosswise.
        waiting.sort_by(|one, other| one.new.order.order.so_id.cmp(&other.new.order.order.so_id));
        match self.orders_store_all(waiting.iter().map(|waiting| &waiting.new)).await {
            Ok(new) => {
                for (Waiting { told, .. }, is_new) in waiting.into_iter().zip(new) {
                    // Whoever asked may be gone.
                    let _ = told.send(Ok(is_new));
                }
            }
            // None of them is at fault, and each by itself would only wait as long.
            Err(Error::StoreUnavailable(cause)) => {
                let words = cause.to_string();
                for Waiting { told, .. } in waiting {
                    let _ = told.send(Err(Error::StoreUnavailable(words.clone().into())));
                }
            }
            // One that cannot be stored takes no other one down.
            Err(error) => {
                tracing::debug!(%error, orders = waiting.len(), "orders are stored one by one");
                for Waiting { new, told } in waiting {
                    let outcome = self.orders_store_all(std::iter::once(&new)).await;
                    let _ = told.send(outcome.map(|new| new.contains(&true)));
                }
            }
        }
    }

    /// Stores these in one transaction; which of them are new.
    async fn orders_store_all<'a>(&self, all: impl Iterator<Item = &'a NewOrder>) -> Result<Vec<bool>> {
        let mut tx = self.store.begin().await?;
        let all: Vec<(&StoredOrder, _)> =
            all.map(|NewOrder { order, personal }| (order.as_ref(), personal)).collect();
        let is_new = orders::insert(&tx.pipeline(), all.iter().copied()).await?;
        let new = all.iter().zip(&is_new).filter_map(|((order, _), is_new)| is_new.then_some(*order));
        let new: Vec<&StoredOrder> = new.collect();
        let pipeline = tx.pipeline();
        future::try_join(orders::insert_items(&pipeline, &new), order_pushes::insert(&pipeline, &new))
            .await?;
        let changes: Vec<_> = new.iter().map(|order| change(order, None, order.created_at)).collect();
        order_changes::commit(tx, &changes).await?;
        Ok(is_new)
    }
}
