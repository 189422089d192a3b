//! One flight for identical calls: whoever asks while one is in the air waits for its answer.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Shared},
};

use super::Ctx;
use crate::{
    error::{Error, Result},
    upstream::{Patience, Seat},
};

/// Flights by what they ask for.
pub(super) struct Flights<K, V> {
    in_the_air: Mutex<HashMap<K, Flight<V>>>,
}

/// A flight and the patience of those who wait for it.
struct Flight<V> {
    landed: Landed<V>,
    patience: Arc<Patience>,
}

/// `None`: it panicked.
type Landed<V> = Shared<BoxFuture<'static, Option<V>>>;

impl<K, V> Default for Flights<K, V> {
    fn default() -> Self {
        Self { in_the_air: Mutex::default() }
    }
}

impl<K: Clone + Eq + Hash, V: Clone + Send + Sync + 'static> Flights<K, V> {
    /// The answer to `key`: of the flight that is in the air, else of a new one by `start`.
    ///
    /// A flight is a task of its own: a caller who goes away takes nobody's answer along. It flies until the latest
    /// deadline of those who wait for it, and sends nothing more once the last of them has gone.
    ///
    /// # Errors
    /// When the caller's deadline passes first.
    pub(super) async fn join<F>(&self, ctx: &Ctx, key: K, start: impl FnOnce(Arc<Patience>) -> F) -> Result<V>
    where
        F: Future<Output = V> + Send + 'static,
    {
        let passenger = self.board(ctx, key, start);
        let landed = passenger.landed.clone();
        let answer = match ctx.deadline {
            None => landed.await,
            Some(deadline) => {
                let answer = tokio::time::timeout_at(deadline.into(), landed).await;
                answer.map_err(|_| Error::DeadlineExceeded)?
            }
        };
        answer.ok_or_else(|| Error::Internal("a live call panicked".into()))
    }

    fn board<F>(&self, ctx: &Ctx, key: K, start: impl FnOnce(Arc<Patience>) -> F) -> Passenger<'_, K, V>
    where
        F: Future<Output = V> + Send + 'static,
    {
        let mut in_the_air = self.lock();
        let aboard = in_the_air.get(&key).and_then(|flight| {
            let seat = flight.patience.join(ctx.deadline)?;
            Some((seat, flight.landed.clone()))
        });
        let (seat, landed) = aboard.unwrap_or_else(|| {
            let (patience, seat) = Patience::new(ctx.deadline);
            let task = tokio::spawn(start(Arc::clone(&patience)));
            let landed = async move { task.await.ok() }.boxed().shared();
            in_the_air.insert(key.clone(), Flight { landed: landed.clone(), patience });
            (seat, landed)
        });
        drop(in_the_air);
        Passenger { flights: self, key, landed, seat: Some(seat) }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, Flight<V>>> {
        self.in_the_air.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One who waits for a flight; goes away when dropped.
struct Passenger<'a, K: Eq + Hash, V: Clone> {
    flights: &'a Flights<K, V>,
    key: K,
    landed: Landed<V>,
    seat: Option<Seat>,
}

impl<K: Eq + Hash, V: Clone> Drop for Passenger<'_, K, V> {
    fn drop(&mut self) {
        let mut in_the_air = self.flights.in_the_air.lock().unwrap_or_else(PoisonError::into_inner);
        // Under the lock, so that nobody boards a flight that its last passenger is leaving.
        drop(self.seat.take());
        // A new flight of the same key is left alone.
        let is_over = |flight: &Flight<V>| {
            flight.landed.ptr_eq(&self.landed)
                && (flight.patience.is_closed() || self.landed.peek().is_some())
        };
        if in_the_air.get(&self.key).is_some_and(is_over) {
            in_the_air.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        time::{Duration, Instant},
    };

    use tokio::sync::Notify;

    use super::*;
    use crate::domain::callers::Caller;

    const FOREVER: Ctx = Ctx { caller: Caller::nobody(), deadline: None };

    #[tokio::test]
    async fn identical_calls_share_one_flight_and_later_ones_start_anew() {
        let flights = Arc::new(Flights::<&str, usize>::default());
        let started = Arc::new(AtomicUsize::new(0));
        let gate = Arc::new(Notify::new());
        let fly = |key: &'static str| {
            let (started, gate, flights) = (started.clone(), gate.clone(), flights.clone());
            async move {
                let flight = |_| async move {
                    let number = started.fetch_add(1, Ordering::SeqCst) + 1;
                    gate.notified().await;
                    number
                };
                flights.join(&FOREVER, key, flight).await.ok()
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
        assert!(flights.lock().is_empty());
    }

    #[tokio::test]
    async fn a_flight_that_everybody_left_is_joined_by_nobody() {
        let flights = Flights::<&str, usize>::default();
        let hasty = Ctx { deadline: Some(Instant::now() + Duration::from_millis(10)), ..FOREVER };
        let left = flights.join(&hasty, "a", |_| std::future::pending()).await;
        assert!(matches!(left, Err(Error::DeadlineExceeded)));
        assert!(flights.lock().is_empty());
        let answer = flights.join(&FOREVER, "a", |_| std::future::ready(7)).await;
        assert_eq!(answer.unwrap(), 7);
    }

    #[tokio::test]
    async fn one_who_leaves_takes_nobodys_flight_along() {
        let flights = Arc::new(Flights::<&str, usize>::default());
        let gate = Arc::new(Notify::new());
        let patient = tokio::spawn({
            let (flights, gate) = (flights.clone(), gate.clone());
            let flight = |_| async move {
                gate.notified().await;
                1
            };
            async move { flights.join(&FOREVER, "a", flight).await.ok() }
        });
        tokio::task::yield_now().await;
        let hasty = Ctx { deadline: Some(Instant::now() + Duration::from_millis(10)), ..FOREVER };
        assert!(flights.join(&hasty, "a", |_| std::future::ready(2)).await.is_err());
        gate.notify_one();
        assert_eq!(patient.await.unwrap(), Some(1));
    }
}
