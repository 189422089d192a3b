//! Streams whose peer must take what it is sent. The transport asks an answer's body for more only when the peer has room,
//! so that a body alone cannot notice a peer that never reads: the clock runs in the stream's task.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, Sleep};

tokio::task_local! {
    static CLOCK: Arc<SendClock>;
}

/// Until when the peer must have made room for more. `None`: nothing was sent to wait for.
#[derive(Default)]
struct SendClock(Mutex<Option<Instant>>);

impl SendClock {
    fn set(&self, until: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }

    fn until(&self) -> Option<Instant> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says, within a stream's task, that something was handed to the peer, who must make room for more within a time.
pub(super) fn begin_wait(limit: Duration) {
    // Outside of a stream's task there is nobody to wait for, as in a test of a layer.
    let _ = CLOCK.try_with(|clock| clock.set(Some(Instant::now() + limit)));
}

/// Says that the peer has made room.
pub(super) fn end_wait() {
    let _ = CLOCK.try_with(|clock| clock.set(None));
}

/// Runs the streams of connections, each with a clock of its own.
#[derive(Clone, Copy)]
pub(super) struct StreamExecutor;

impl<F> hyper::rt::Executor<F> for StreamExecutor
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let clock = Arc::new(SendClock::default());
        let stream = Timed { stream: Box::pin(stream), clock: Arc::clone(&clock), timer: None };
        tokio::spawn(CLOCK.scope(clock, stream));
    }
}

/// A stream that is dropped, and thereby reset, when its peer does not make room in time.
struct Timed<F> {
    stream: Pin<Box<F>>,
    clock: Arc<SendClock>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl<F: Future<Output = ()>> Future for Timed<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.stream.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let Some(until) = self.clock.until() else { return Poll::Pending };
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
        if timer.deadline() != until {
            timer.as_mut().reset(until);
        }
        if timer.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        tracing::debug!("a stream was reset: its peer does not read");
        metrics::counter!("haier_grpc_streams_cut_total").increment(1);
        Poll::Ready(())
    }
}
