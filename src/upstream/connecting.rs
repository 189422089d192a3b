//! New connections to Haier. A call takes its slot first and connects then, and a handshake may take longer than the budget
//! lets a slot age: calls whose handshakes end together would go out together. So a connection that took long is handed out
//! by a slot of its own.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use tower::{Layer, Service};

use super::budget::{Budget, MAX_LATENESS};

/// Around whatever makes connections.
#[derive(Clone)]
pub(super) struct Paced {
    budget: Budget,
    /// A connection that took longer is late.
    prompt: Duration,
}

/// Makes connections, and hands out the late ones slot by slot.
#[derive(Clone)]
pub(super) struct PacedConnector<S> {
    inner: S,
    pace: Paced,
}

impl Paced {
    pub(super) const fn by(budget: Budget) -> Self {
        Self { budget, prompt: MAX_LATENESS }
    }
}

impl<S> Layer<S> for Paced {
    type Service = PacedConnector<S>;

    fn layer(&self, inner: S) -> PacedConnector<S> {
        PacedConnector { inner, pace: self.clone() }
    }
}

impl<S, R> Service<R> for PacedConnector<S>
where
    S: Service<R>,
    S::Future: Send + 'static,
    S::Response: Send,
    S::Error: Send,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, target: R) -> Self::Future {
        let (connection, began) = (self.inner.call(target), Instant::now());
        let Paced { budget, prompt } = self.pace.clone();
        Box::pin(async move {
            let connection = connection.await?;
            if began.elapsed() > prompt {
                budget.take_another().await;
            }
            Ok(connection)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
    };

    use tower::{ServiceExt as _, service_fn};

    use super::*;
    use crate::{
        domain::{
            clock::BoxFuture,
            slots::{Rules, Turn, Wish},
        },
        upstream::{MemoryLedger, SlotLedger, Unreachable},
    };

    /// Counts the slots that are taken.
    struct Counting(MemoryLedger, AtomicUsize);

    impl SlotLedger for Counting {
        fn reserve(&self, wish: Wish) -> BoxFuture<'_, Result<Turn, Unreachable>> {
            Box::pin(async move {
                let turn = self.0.reserve(wish).await;
                self.1.fetch_add(usize::from(matches!(turn, Ok(Turn::Reserved(_)))), Ordering::Relaxed);
                turn
            })
        }

        fn hold(&self, wait: Duration) -> BoxFuture<'_, Result<(), Unreachable>> {
            self.0.hold(wait)
        }
    }

    /// Gives no slot to anybody.
    struct Held;

    impl SlotLedger for Held {
        fn reserve(&self, _: Wish) -> BoxFuture<'_, Result<Turn, Unreachable>> {
            Box::pin(std::future::ready(Ok(Turn::Held(Duration::from_secs(30)))))
        }

        fn hold(&self, _: Duration) -> BoxFuture<'_, Result<(), Unreachable>> {
            Box::pin(std::future::ready(Ok(())))
        }
    }

    #[tokio::test]
    async fn a_throttled_account_is_no_connection_that_fails() {
        let pace = Paced { budget: Budget::new(Arc::new(Held), &Rules::new(100)), prompt: Duration::ZERO };
        let connector = pace.layer(service_fn(async |target: u32| Ok::<_, Infallible>(target)));
        // Long before the connection would be given up.
        let connected = tokio::time::timeout(Duration::from_secs(5), connector.oneshot(7)).await;
        assert_eq!(connected, Ok(Ok(7)));
    }

    /// The slots that five connections take, all of them late or all of them prompt.
    async fn slots_taken(prompt: Duration) -> usize {
        let rules = Rules::new(1_000);
        let ledger = Arc::new(Counting(MemoryLedger::new(rules), AtomicUsize::new(0)));
        let pace = Paced { budget: Budget::new(ledger.clone(), &rules), prompt };
        for number in 0..5 {
            let connector = pace.layer(service_fn(async |target: u32| Ok::<_, Infallible>(target)));
            assert_eq!(connector.oneshot(number).await, Ok(number));
        }
        ledger.1.load(Ordering::Relaxed)
    }

    #[tokio::test]
    async fn a_late_connection_waits_for_a_slot_of_its_own_and_a_prompt_one_does_not() {
        // Later slots may have been thrown away as stale, and others taken for them.
        assert!(slots_taken(Duration::ZERO).await >= 5);
        assert_eq!(slots_taken(Duration::from_secs(3_600)).await, 0);
    }
}
