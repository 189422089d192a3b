//! Repeatable chance: the same seed and salt always give the same throws, so that nothing needs to be held.

/// A stream of throws (splitmix64).
pub(super) struct Dice(u64);

impl Dice {
    /// Dice for one thing: `salt` tells the thing, `key` which one.
    pub(super) fn new(seed: u64, salt: u64, key: u64) -> Self {
        Self(mix(seed ^ mix(salt.wrapping_add(mix(key)))))
    }

    pub(super) fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0)
    }

    /// A number below `limit`, which is at least 1.
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.throw() % limit.max(1)
    }

    pub(super) fn one_in(&mut self, chances: u64) -> bool {
        self.below(chances) == 0
    }

    /// One of a list that is never empty.
    pub(super) fn pick<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len() as u64) as usize]
    }

    /// True with the given probability between 0 and 1.
    pub(super) fn chance(&mut self, probability: f64) -> bool {
        ((self.throw() >> 11) as f64) < probability * (1_u64 << 53) as f64
    }
}

/// Every bit of the answer depends on every bit of the input; one to one.
pub(super) fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

/// A number for a text, to key dice with.
pub(super) fn hash(text: &str) -> u64 {
    text.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| mix(hash ^ u64::from(byte)))
}
