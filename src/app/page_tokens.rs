//! Page tokens: version, keyset, and a hash that binds both to the query. No secret, no authority.

use std::hash::{Hash, Hasher as _};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use xxhash_rust::xxh3::Xxh3;

use crate::domain::violations::Violations;

const VERSION: u8 = 1;
const HASH_LEN: usize = 8;

/// A key that a listing goes on from.
pub trait Keyset: Sized {
    /// The key as bytes.
    fn to_bytes(&self) -> Vec<u8>;
    /// The key of some bytes, if they are one.
    fn from_bytes(bytes: &[u8]) -> Option<Self>;
}

impl Keyset for i64 {
    fn to_bytes(&self) -> Vec<u8> {
        self.to_be_bytes().to_vec()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self::from_be_bytes)
    }
}

impl Keyset for String {
    fn to_bytes(&self) -> Vec<u8> {
        self.as_bytes().to_vec()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Self::from_utf8(bytes.to_vec()).ok()
    }
}

/// The token of the page after `key` of this query. `None` gives the empty token: there is no such page.
pub fn encode<K: Keyset>(query: &impl Hash, key: Option<&K>) -> String {
    let Some(key) = key else { return String::new() };
    let key = key.to_bytes();
    let mut bytes = vec![VERSION];
    bytes.extend(hash(query, &key));
    bytes.extend(key);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The key of a token made for this very query. An empty token means the first page.
pub fn decode<K: Keyset>(query: &impl Hash, token: &str, violations: &mut Violations) -> Option<K> {
    if token.is_empty() {
        return None;
    }
    let key = open(query, token);
    if key.is_none() {
        violations.add(
            "page_token",
            "is no token of this listing with these filters; pass next_page_token unchanged, with the same filters, or \
             leave it empty to begin",
        );
    }
    key
}

fn open<K: Keyset>(query: &impl Hash, token: &str) -> Option<K> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    let (version, rest) = bytes.split_first()?;
    let (bound, key) = rest.split_at_checked(HASH_LEN)?;
    (*version == VERSION && bound == hash(query, key)).then(|| K::from_bytes(key))?
}

fn hash(query: &impl Hash, key: &[u8]) -> [u8; HASH_LEN] {
    let mut hasher = Xxh3::new();
    query.hash(&mut hasher);
    key.hash(&mut hasher);
    hasher.finish().to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::{Violations, decode, encode};

    #[test]
    fn a_token_opens_for_its_own_query_only() {
        let token = encode(&("logs", 1), Some(&42_i64));
        let open = |query: (&str, i32), token: &str| {
            let mut violations = Violations::default();
            let key: Option<i64> = decode(&query, token, &mut violations);
            violations.into_result(key).ok().flatten()
        };
        assert_eq!(open(("logs", 1), &token), Some(42));
        assert_eq!(open(("logs", 2), &token), None);
        for altered in [token.replace('A', "B"), format!("{token}A"), "%%%".to_owned(), "AA".to_owned()] {
            assert_eq!(open(("logs", 1), &altered), None, "{altered}");
        }
    }
}
