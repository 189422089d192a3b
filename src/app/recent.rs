//! Products read a moment ago. Kept for a second at most, and not beyond a write of this replica: what another replica
//! wrote is seen a second later.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use moka::sync::Cache;

use crate::domain::products::{Product, ProductCode};

/// Longest age of what is answered.
const LIFE: Duration = Duration::from_secs(1);
/// Products kept; a few kilobytes each.
const MOST: u64 = 10_000;

/// What was read, and after which write.
pub(super) struct Recent {
    products: Cache<ProductCode, (u64, Arc<Product>)>,
    writes: AtomicU64,
}

impl Default for Recent {
    fn default() -> Self {
        let products = Cache::builder().max_capacity(MOST).time_to_live(LIFE).build();
        Self { products, writes: AtomicU64::new(0) }
    }
}

impl Recent {
    /// Where the writes stand: to be taken before reading what is then [kept](Self::keep).
    pub(super) fn writes(&self) -> u64 {
        self.writes.load(Ordering::SeqCst)
    }

    /// Says that something was written.
    pub(super) fn outdate(&self) {
        self.writes.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn find(&self, code: &ProductCode) -> Option<Arc<Product>> {
        let (written, product) = self.products.get(code)?;
        (written == self.writes()).then_some(product)
    }

    /// Keeps a product that was read after so many writes.
    pub(super) fn keep(&self, writes: u64, product: &Arc<Product>) {
        self.products.insert(product.code.clone(), (writes, Arc::clone(product)));
    }
}
