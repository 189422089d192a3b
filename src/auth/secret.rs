//! What a token reads, `hi_ID_SECRET`: the number finds its row, and all of it is compared, in constant time and hashed.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::digest::{SHA256, digest};
use secrecy::SecretString;
use subtle::ConstantTimeEq as _;

const PREFIX: &str = "hi";

/// SHA-256 of a token's text. The secret in it is random enough that no slower function is needed.
pub(super) type Hash = [u8; 32];

/// A token that has just been made: the only time that its text is known here.
pub struct NewSecret {
    /// The text, for its holder.
    pub text: SecretString,
    /// What is kept.
    pub hash: [u8; 32],
}

impl NewSecret {
    /// Draws the secret of the token with this number: 256 random bits.
    #[must_use]
    pub fn draw(id: i64) -> Self {
        let secret: [u8; 32] = rand::random();
        let text = format!("{PREFIX}_{id}_{}", URL_SAFE_NO_PAD.encode(secret));
        Self { hash: hash(&text), text: text.into() }
    }
}

/// The number in a token's text, if it looks like one of ours.
pub(super) fn id_of(text: &str) -> Option<i64> {
    let mut parts = text.splitn(3, '_');
    let (prefix, id, _secret) = (parts.next()?, parts.next()?, parts.next()?);
    if prefix == PREFIX { id.parse().ok() } else { None }
}

pub(super) fn hash(text: &str) -> Hash {
    let mut hash = Hash::default();
    hash.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
    hash
}

/// Takes the same time wherever they differ.
pub(super) fn same(one: &Hash, other: &Hash) -> bool {
    one.ct_eq(other).into()
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn a_token_holds_its_number_and_is_known_by_its_hash() {
        let (one, other) = (NewSecret::draw(42), NewSecret::draw(42));
        let text = one.text.expose_secret();
        assert!(text.starts_with("hi_42_") && text.len() == "hi_42_".len() + 43, "{}", text.len());
        assert_eq!(id_of(text), Some(42));
        assert!(same(&hash(text), &one.hash) && !same(&one.hash, &other.hash));
        for bad in ["", "hi", "hi_42", "hi_x_secret", "ho_42_secret", "42_secret"] {
            assert_eq!(id_of(bad), None, "{bad}");
        }
    }
}
