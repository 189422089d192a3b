//! Storing what a live call learnt after its caller has the answer: nobody waits for our database who asked Haier, and
//! whoever reads here afterwards reads what was learnt before.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicU64, Ordering},
};

use tokio::sync::watch;
use tokio_util::task::TaskTracker;

/// Writes under way, by number.
pub(super) struct Learning {
    tasks: TaskTracker,
    next: AtomicU64,
    under_way: watch::Sender<BTreeSet<u64>>,
}

impl Default for Learning {
    fn default() -> Self {
        let under_way = watch::Sender::new(BTreeSet::new());
        Self { tasks: TaskTracker::new(), next: AtomicU64::new(0), under_way }
    }
}

impl Learning {
    /// Begins a write that nobody waits for.
    pub(super) fn begin(&self, write: impl Future<Output = ()> + Send + 'static) {
        let mut number = 0;
        self.under_way.send_modify(|under_way| {
            number = self.next.fetch_add(1, Ordering::SeqCst);
            under_way.insert(number);
        });
        let done = Done { number, under_way: self.under_way.clone() };
        self.tasks.spawn(async move {
            write.await;
            drop(done);
        });
    }

    /// Waits for the writes that were begun before.
    pub(super) async fn settled(&self) {
        let before = self.next.load(Ordering::SeqCst);
        let mut under_way = self.under_way.subscribe();
        // The sender lives as long as this does.
        let _ = under_way.wait_for(|numbers| numbers.first().is_none_or(|first| *first >= before)).await;
    }

    /// Waits for all of them, when no more can begin.
    pub(super) async fn finish(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Strikes a write off, also when it panics.
struct Done {
    number: u64,
    under_way: watch::Sender<BTreeSet<u64>>,
}

impl Drop for Done {
    fn drop(&mut self) {
        self.under_way.send_modify(|under_way| {
            under_way.remove(&self.number);
        });
    }
}
