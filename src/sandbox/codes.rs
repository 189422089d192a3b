//! Product codes: a reversible shuffle of the index, so that a million codes need no table to be looked up in.

use super::dice::mix;

/// How many products a catalogue can have at most: 36 bits of index.
pub(super) const MAX_PRODUCTS: u64 = 1 << 36;

const HALF: u32 = 18;
const MASK: u64 = (1 << HALF) - 1;
const DIGITS: &[u8; 36] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// A product code: two letters of the product group, seven letters or digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Code([u8; 9]);

impl Code {
    pub(super) fn new(seed: u64, index: u64, prefix: [u8; 2]) -> Self {
        let mut number = shuffle(seed, index);
        let mut text = [b'0'; 9];
        text[..2].copy_from_slice(&prefix);
        for digit in text[2..].iter_mut().rev() {
            *digit = DIGITS[(number % 36) as usize];
            number /= 36;
        }
        Self(text)
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn as_str(&self) -> &str {
        // Only ASCII is ever put in.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// The index behind a text that has the form of a code; whether it is in the catalogue is not asked here.
pub(super) fn index_of(seed: u64, text: &str) -> Option<u64> {
    let bytes = text.as_bytes();
    if bytes.len() != 9 {
        return None;
    }
    let mut number = 0;
    for byte in &bytes[2..] {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'A'..=b'Z' => byte - b'A' + 10,
            _ => return None,
        };
        number = number * 36 + u64::from(digit);
    }
    (number < MAX_PRODUCTS).then(|| unshuffle(seed, number))
}

// A Feistel network is one to one whatever its round function is, and is undone by running it backwards.
fn shuffle(seed: u64, index: u64) -> u64 {
    let (mut left, mut right) = (index >> HALF & MASK, index & MASK);
    for round in 0..4 {
        (left, right) = (right, left ^ scramble(seed, round, right));
    }
    left << HALF | right
}

fn unshuffle(seed: u64, number: u64) -> u64 {
    let (mut left, mut right) = (number >> HALF, number & MASK);
    for round in (0..4).rev() {
        (left, right) = (right ^ scramble(seed, round, left), left);
    }
    left << HALF | right
}

fn scramble(seed: u64, round: u64, half: u64) -> u64 {
    mix(seed ^ (round << 56) ^ (half << 8) ^ 0xC0DE) & MASK
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_leads_back_to_its_index() {
        for index in (0..5_000).chain(MAX_PRODUCTS - 5..MAX_PRODUCTS) {
            let code = Code::new(42, index, *b"GA");
            assert_eq!(index_of(42, code.as_str()), Some(index));
        }
    }
}
