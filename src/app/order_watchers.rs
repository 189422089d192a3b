//! Who follows single orders on this replica. Whoever follows one is woken when it changes: at once by what is committed
//! here, within a second by what other replicas commit. One query asks for all orders that are followed.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::watch;

use super::App;
use crate::{
    domain::orders::SoId,
    error::{Causes, Result},
    store::orders,
};

/// How often what other replicas commit is looked for.
const LOOK_PERIOD: TimeDelta = TimeDelta::seconds(1);
/// Orders that one query asks for.
const BATCH: usize = 500;

/// Orders that are followed here.
#[derive(Default)]
pub(super) struct Watchers(Mutex<HashMap<SoId, Watched>>);

struct Watched {
    /// Raised whenever the order may have changed.
    version: watch::Sender<u64>,
    /// When it last changed, as far as the database was asked.
    updated_at: Option<DateTime<Utc>>,
}

/// One who follows an order, until this is dropped.
pub(super) struct Follower {
    watchers: Arc<Watchers>,
    so_id: SoId,
    version: watch::Receiver<u64>,
}

impl Watchers {
    pub(super) fn follow(self: &Arc<Self>, so_id: &SoId) -> Follower {
        let mut watched = self.lock();
        let entry = watched
            .entry(so_id.clone())
            .or_insert_with(|| Watched { version: watch::Sender::new(0), updated_at: None });
        let version = entry.version.subscribe();
        drop(watched);
        Follower { watchers: Arc::clone(self), so_id: so_id.clone(), version }
    }

    /// Wakes whoever follows this order.
    pub(super) fn notify(&self, so_id: &SoId) {
        if let Some(watched) = self.lock().get(so_id) {
            watched.version.send_modify(|version| *version += 1);
        }
    }

    /// Wakes everybody: orders may wait for another cause now.
    pub(super) fn notify_all(&self) {
        self.lock().values().for_each(|watched| watched.version.send_modify(|version| *version += 1));
    }

    fn so_ids(&self) -> Vec<SoId> {
        self.lock().keys().cloned().collect()
    }

    /// Wakes those whose orders have changed since the database was last asked.
    fn compare(&self, found: Vec<(SoId, DateTime<Utc>)>) {
        let mut watched = self.lock();
        for (so_id, updated_at) in found {
            let Some(entry) = watched.get_mut(&so_id) else { continue };
            let before = entry.updated_at.replace(updated_at);
            if before != Some(updated_at) {
                entry.version.send_modify(|version| *version += 1);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SoId, Watched>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Follower {
    /// Returns when the order may have changed since this last returned.
    pub(super) async fn changed(&mut self) {
        // The sender is kept for as long as somebody follows the order.
        let _ = self.version.changed().await;
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let mut watched = self.watchers.lock();
        // This one is counted still.
        if watched.get(&self.so_id).is_some_and(|watched| watched.version.receiver_count() <= 1) {
            watched.remove(&self.so_id);
        }
    }
}

impl App {
    /// Looks for what other replicas have changed, for those who follow single orders here, until the process goes down.
    pub async fn order_watchers_run(&self) {
        while !self.stopping.is_cancelled() {
            // Who follows an order hears of a database that is gone by its own reads.
            if let Err(error) = self.order_watchers_look().await {
                tracing::debug!(error = %Causes(&error), "orders that are followed could not be looked up");
            }
            tokio::select! {
                () = self.stopping.cancelled() => {}
                () = self.clock.sleep_until(self.clock.now() + LOOK_PERIOD) => {}
            }
        }
        self.orders.watchers.notify_all();
    }

    async fn order_watchers_look(&self) -> Result<()> {
        for batch in self.orders.watchers.so_ids().chunks(BATCH) {
            let mut conn = self.store.read().await?;
            let found = orders::list_updated_at(&mut conn, batch).await?;
            drop(conn);
            self.orders.watchers.compare(found);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_those_are_woken_whose_order_has_changed_and_nobody_is_kept_who_left() {
        let (watchers, so_id) = (Arc::new(Watchers::default()), |text: &str| SoId::parse(text).unwrap());
        let (one, other) = (watchers.follow(&so_id("SO-1")), watchers.follow(&so_id("SO-2")));
        let again = watchers.follow(&so_id("SO-1"));
        let woken = |follower: &Follower| follower.version.has_changed().unwrap();
        watchers.notify(&so_id("SO-1"));
        assert!(woken(&one) && woken(&again) && !woken(&other));
        let at = |second| DateTime::from_timestamp(second, 0).unwrap();
        let mut late = watchers.follow(&so_id("SO-2"));
        watchers.compare(vec![(so_id("SO-2"), at(1))]);
        assert!(woken(&late));
        late.version.mark_unchanged();
        watchers.compare(vec![(so_id("SO-2"), at(1))]);
        assert!(!woken(&late), "nothing is new");
        watchers.compare(vec![(so_id("SO-2"), at(2))]);
        assert!(woken(&late));
        drop((one, other, late));
        assert_eq!(watchers.so_ids(), [so_id("SO-1")]);
        drop(again);
        assert!(watchers.so_ids().is_empty());
    }
}
