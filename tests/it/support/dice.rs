//! Repeatable chance: the same seed always gives the same throws.

/// A stream of throws (splitmix64).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let value = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        value ^ (value >> 31)
    }

    /// A number from `from` to, and without, `below`.
    pub(crate) fn between(&mut self, from: u64, below: u64) -> u64 {
        from + self.throw() % (below - from)
    }

    pub(crate) fn one_in(&mut self, chances: u64) -> bool {
        self.between(0, chances) == 0
    }

    pub(crate) fn pick<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.between(0, list.len() as u64) as usize]
    }
}
