//! What a call is about: product codes, or an order. The breaker compares subjects, so that a product or an order for which
//! Haier always fails is not taken for an outage of the whole operation.

use xxhash_rust::xxh3::xxh3_64;

/// Hashes of the codes or order numbers of a call, sorted, each once. Empty: the call is about the operation as a whole
/// (a token, a balance).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Subject(Vec<u64>);

impl Subject {
    /// A call about nothing in particular.
    pub(super) const WHOLE: &'static Self = &Self(Vec::new());

    /// A call about these.
    pub(super) fn of<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut hashes: Vec<u64> = names.into_iter().map(|name| xxh3_64(name.as_bytes())).collect();
        hashes.sort_unstable();
        hashes.dedup();
        Self(hashes)
    }

    pub(super) const fn is_whole(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn overlaps(&self, other: &Self) -> bool {
        self.0.iter().any(|hash| other.holds(*hash))
    }

    /// Keeps what both are about.
    pub(super) fn narrow_to(&mut self, other: &Self) {
        self.0.retain(|hash| other.holds(*hash));
    }

    /// Takes out what the other one is about.
    pub(super) fn remove(&mut self, other: &Self) {
        self.0.retain(|hash| !other.holds(*hash));
    }

    fn holds(&self, hash: u64) -> bool {
        self.0.binary_search(&hash).is_ok()
    }
}
