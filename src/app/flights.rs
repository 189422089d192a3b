//! One flight for identical calls: whoever asks while one is in the air waits for its answer.

use std::{collections::HashMap, hash::Hash, sync::Mutex};

use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Shared},
};

use super::Ctx;
use crate::error::{Error, Result};

/// Flights by what they ask for.
pub(super) struct Flights<K, V> {
    in_the_air: Mutex<HashMap<K, Flight<V>>>,
}

/// `None`: it panicked.
type Flight<V> = Shared<BoxFuture<'static, Option<V>>>;

impl<K, V> Default for Flights<K, V> {
    fn default() -> Self {
        Self { in_the_air: Mutex::default() }
    }
}

impl<K: Clone + Eq + Hash, V: Clone + Send + Sync + 'static> Flights<K, V> {
    /// The answer to `key`: of the flight that is in the air, else of a new one by `start`.
    ///
    /// A flight is a task of its own: a caller who goes away takes nobody's answer along.
    ///
    /// # Errors
    /// When the caller's deadline passes first.
    pub(super) async fn join(
        &self,
        ctx: &Ctx,
        key: K,
        start: impl Future<Output = V> + Send + 'static,
    ) -> Result<V> {
        let flight = {
            let mut in_the_air = self.lock();
            let flight = in_the_air.entry(key.clone()).or_insert_with(|| {
                let landed = tokio::spawn(start);
                async move { landed.await.ok() }.boxed().shared()
            });
            flight.clone()
        };
        let answer = match ctx.deadline {
            None => flight.clone().await,
            Some(deadline) => {
                let answer = tokio::time::timeout_at(deadline.into(), flight.clone()).await;
                answer.map_err(|_| Error::DeadlineExceeded)?
            }
        };
        let mut in_the_air = self.lock();
        // Of those who waited the first one clears the way; a new flight of the same key is left alone.
        if in_the_air.get(&key).is_some_and(|current| current.ptr_eq(&flight)) {
            in_the_air.remove(&key);
        }
        answer.ok_or_else(|| Error::Internal("a live call panicked".into()))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<K, Flight<V>>> {
        self.in_the_air.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use super::{Ctx, Flights};

    #[tokio::test]
    async fn identical_calls_share_one_flight_and_later_ones_start_anew() {
        let flights = Arc::new(Flights::<&str, usize>::default());
        let started = Arc::new(AtomicUsize::new(0));
        let gate = Arc::new(tokio::sync::Notify::new());
        let fly = |key: &'static str| {
            let (started, gate, flights) = (started.clone(), gate.clone(), flights.clone());
            async move {
                let flight = async move {
                    let number = started.fetch_add(1, Ordering::SeqCst) + 1;
                    gate.notified().await;
                    number
                };
                let ctx = Ctx { caller: String::new(), deadline: None };
                flights.join(&ctx, key, flight).await.ok()
            }
        };
        let (first, second) = (tokio::spawn(fly("a")), tokio::spawn(fly("a")));
        // Current-thread runtime: both have joined and the flight waits at the gate.
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        gate.notify_one();
        assert_eq!((first.await.unwrap(), second.await.unwrap()), (Some(1), Some(1)));
        gate.notify_one();
        assert_eq!(fly("a").await, Some(2));
    }
}
