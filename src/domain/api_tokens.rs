//! The tokens by which callers show who they are. What a token reads is known to its holder alone.

use std::fmt;

use chrono::{DateTime, Utc};

use super::callers::Role;

/// Name of every caller while nobody needs a token.
pub const LOCAL: &str = "local";
/// Name of whoever shows the admin token that comes from outside, by setting.
pub const ADMIN_TOKEN: &str = "admin-token";
/// Longest name of a token, in characters.
pub const MAX_NAME_CHARS: usize = 64;

/// Name of a token, and of whoever calls with it: letters, digits, `.`, `-` and `_`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenName(String);

impl TokenName {
    /// Checks a name.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let is_legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if text.is_empty() {
            return Err("is required: whoever calls with the token is known by it".to_owned());
        }
        if text.chars().count() > MAX_NAME_CHARS {
            return Err(format!("must have at most {MAX_NAME_CHARS} characters"));
        }
        if !text.chars().all(is_legal) {
            return Err("may hold letters from a to z, digits, `.`, `-` and `_` only".to_owned());
        }
        if [LOCAL, ADMIN_TOKEN].contains(&text) {
            return Err(format!("{text:?} is the service's own name for a caller; choose another"));
        }
        Ok(Self(text.to_owned()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TokenName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A token; never its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiToken {
    /// Time-ordered number, a part of the text.
    pub id: i64,
    /// Who calls with it. Never given twice.
    pub name: String,
    /// What he may do.
    pub role: Role,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Who made it.
    pub created_by: String,
    /// From when on it is refused. `None`: never.
    pub expires_at: Option<DateTime<Utc>>,
    /// When somebody revoked it.
    pub revoked_at: Option<DateTime<Utc>>,
    /// When it was last shown, to within a minute.
    pub last_used_at: Option<DateTime<Utc>>,
}

impl ApiToken {
    /// Whether it opens anything.
    #[must_use]
    pub fn is_alive(&self, now: DateTime<Utc>) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }
}

/// A token with the SHA-256 of its text, by which it is known again.
#[derive(Clone)]
pub struct StoredToken {
    /// The token.
    pub token: ApiToken,
    /// SHA-256 of its text.
    pub hash: [u8; 32],
}

#[cfg(test)]
mod tests {
    use super::TokenName;

    #[test]
    fn a_name_is_one_word_and_not_the_services_own() {
        for good in ["ci", "shop-front.2", " order_service ", &"a".repeat(64)] {
            assert_eq!(TokenName::parse(good).unwrap().as_str(), good.trim());
        }
        for bad in ["", "  ", "two words", "张三", "a\nb", "local", "admin-token", &"a".repeat(65)] {
            assert!(TokenName::parse(bad).is_err(), "{bad:?}");
        }
    }
}
