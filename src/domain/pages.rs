//! Pages of a listing: how many, from where.

/// How many entries a page holds at most, whatever is asked for.
pub const MAX_PAGE_SIZE: i64 = 1_000;

/// One page: entries after `after`, at most `size` of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest<K> {
    /// 1 to 1,000.
    pub size: i64,
    /// The last key of the page before. `None`: the first page.
    pub after: Option<K>,
}

/// One page's entries, and the key to go on from when there are more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T, K> {
    /// The entries, in order.
    pub items: Vec<T>,
    /// Key of the last entry, if more follow.
    pub next: Option<K>,
}

impl<T, K> Page<T, K> {
    /// Makes a page of `size` entries out of `size + 1` that were read to see whether more follow.
    pub fn cut(mut items: Vec<T>, size: i64, key: impl Fn(&T) -> K) -> Self {
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let more = items.len() > size;
        items.truncate(size);
        let next = if more { items.last().map(key) } else { None };
        Self { items, next }
    }

    /// Ends the page where its entries have `most` bytes by this measure; it has at least one.
    #[must_use]
    pub fn within(mut self, most: usize, bytes: impl Fn(&T) -> usize, key: impl Fn(&T) -> K) -> Self {
        let mut sum = 0;
        let mut fits = |item: &T| {
            sum += bytes(item);
            sum <= most
        };
        let count = self.items.iter().take_while(|item| fits(item)).count().max(1);
        if count < self.items.len() {
            self.items.truncate(count);
            self.next = self.items.last().map(key);
        }
        self
    }
}
