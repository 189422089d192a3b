//! How keys are written down: TOML with an id and a base64 of 32 bytes each, which of them seals, and the one for HMACs.

use std::{collections::BTreeMap, fmt::Write as _};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::{DateTime, Utc};
use figment::{
    Profile, Provider as _,
    providers::{Format as _, Toml},
    value::{Dict, Value},
};
use ring::rand::{SecureRandom as _, SystemRandom};
use secrecy::{ExposeSecret as _, SecretBox, SecretString};

/// 256 bits, wiped when dropped.
pub(super) type Key = SecretBox<[u8; KEY_LEN]>;

const KEY_LEN: usize = 32;
const MAX_ID_LEN: usize = 32;

const HEADER: &str = "\
# Keys of haier-integration. Whoever has this file and the database can read every secret in it; whoever loses it has lost
# them. Keep a copy apart from the backups of the database.
";

/// Keys by id. Shows itself to nobody.
pub struct Document {
    keys: BTreeMap<String, Key>,
    primary: String,
    hmac: Key,
}

impl Document {
    /// One new key that seals, and one for HMACs.
    ///
    /// # Errors
    /// When this machine gives no random numbers.
    pub fn generate(now: DateTime<Utc>) -> Result<Self, super::Error> {
        let id = new_id(now)?;
        let keys = BTreeMap::from([(id.clone(), random()?)]);
        Ok(Self { keys, primary: id, hmac: random()? })
    }

    /// Adds a new key, which opens; returns its id.
    ///
    /// # Errors
    /// When this machine gives no random numbers.
    pub fn add(&mut self, now: DateTime<Utc>) -> Result<String, super::Error> {
        let id = new_id(now)?;
        self.keys.insert(id.clone(), random()?);
        Ok(id)
    }

    /// Makes a key the one that seals; `false` if there is none of this id.
    pub fn promote(&mut self, id: &str) -> bool {
        let known = self.keys.contains_key(id);
        if known {
            id.clone_into(&mut self.primary);
        }
        known
    }

    /// Reads a document.
    ///
    /// # Errors
    /// Everything that is wrong with it, without a key.
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        let mut data = Toml::string(text).data().map_err(|error| {
            // The rest of the message quotes the line, which may be the one with the key.
            let place = error.to_string().lines().next().unwrap_or_default().to_owned();
            vec![format!("is no TOML ({place}); `haier-integration keys generate` shows how it looks")]
        })?;
        let dict = data.remove(&Profile::Default).unwrap_or_default();
        let mut problems = Vec::new();
        for unknown in dict.keys().filter(|key| !["primary", "hmac", "keys"].contains(&key.as_str())) {
            problems
                .push(format!("`{unknown}` is unknown: `primary`, `hmac` and the table [keys] are known"));
        }
        let keys = read_keys(dict.get("keys"), &mut problems);
        let hmac = read_key("hmac", dict.get("hmac"), &mut problems);
        let primary =
            dict.get("primary").and_then(Value::as_str).map(str::trim).unwrap_or_default().to_owned();
        if primary.is_empty() {
            problems.push("`primary` is missing: the id of the key that seals".to_owned());
        } else if !keys.contains_key(&primary) && is_id(&primary) {
            problems.push(format!("`primary` names {primary}, which is not among [keys]"));
        } else if !is_id(&primary) {
            problems.push(format!("`primary` is no id: {ID_SHAPE}"));
        }
        let all: Vec<_> = keys.iter().map(|(id, key)| (id.as_str(), key)).collect();
        for (index, (id, key)) in all.iter().enumerate() {
            let same = |other: &Key| other.expose_secret() == key.expose_secret();
            if let Some((other, _)) = all[..index].iter().find(|(_, other)| same(other)) {
                problems.push(format!("keys.{id} is the same key as keys.{other}"));
            }
            if hmac.as_ref().is_some_and(same) {
                problems.push(format!("`hmac` is the same key as keys.{id}: it must be one of its own"));
            }
        }
        match hmac {
            Some(hmac) if problems.is_empty() => Ok(Self { keys, primary, hmac }),
            _ => Err(problems),
        }
    }

    /// The document as text, with the keys in it.
    #[must_use]
    pub fn to_text(&self) -> SecretString {
        let mut text = String::from(HEADER);
        // Writing to a String does not fail.
        let _ = write!(
            text,
            "\n# The key that seals. All of them open.\nprimary = \"{}\"\n\n# For comparing without reading. Never change it.\n\
             hmac = \"{}\"\n\n[keys]\n",
            self.primary,
            STANDARD.encode(self.hmac.expose_secret())
        );
        for (id, key) in &self.keys {
            let _ = writeln!(text, "{id} = \"{}\"", STANDARD.encode(key.expose_secret()));
        }
        SecretString::from(text)
    }

    /// Id of the key that seals.
    #[must_use]
    pub fn primary(&self) -> &str {
        &self.primary
    }

    /// Ids of all keys, sorted.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.keys.keys().map(String::as_str)
    }

    pub(super) fn find(&self, id: &str) -> Option<&Key> {
        self.keys.get(id)
    }

    pub(super) const fn hmac(&self) -> &Key {
        &self.hmac
    }
}

const ID_SHAPE: &str = "1 to 32 small letters, digits and hyphens";

/// Of letters that mean nothing in a sealed text, in SQL patterns and in TOML.
fn is_id(text: &str) -> bool {
    (1..=MAX_ID_LEN).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

fn read_keys(value: Option<&Value>, problems: &mut Vec<String>) -> BTreeMap<String, Key> {
    let none = Dict::new();
    let table = match value {
        Some(Value::Dict(_, table)) => table,
        _ => &none,
    };
    if table.is_empty() {
        problems.push("the table [keys] is missing or empty: at least one key must stand in it".to_owned());
    }
    let mut keys = BTreeMap::new();
    for (id, value) in table {
        if !is_id(id) {
            problems.push(format!("keys.{} is no id: {ID_SHAPE}", id.escape_debug()));
        }
        if let Some(key) = read_key(&format!("keys.{id}"), Some(value), problems) {
            keys.insert(id.clone(), key);
        }
    }
    keys
}

fn read_key(name: &str, value: Option<&Value>, problems: &mut Vec<String>) -> Option<Key> {
    let Some(text) = value.and_then(Value::as_str) else {
        problems.push(format!("`{name}` is missing, or no text: 32 bytes in base64 are expected"));
        return None;
    };
    let bytes = STANDARD.decode(text.trim()).unwrap_or_default();
    let Ok(key) = <[u8; KEY_LEN]>::try_from(bytes.as_slice()) else {
        problems.push(format!("`{name}` is not 32 bytes in base64 (44 characters)"));
        return None;
    };
    if key == [0; KEY_LEN] {
        problems.push(format!("`{name}` is all zeros"));
        return None;
    }
    Some(SecretBox::new(Box::new(key)))
}

fn random() -> Result<Key, super::Error> {
    let mut key = Box::new([0; KEY_LEN]);
    SystemRandom::new().fill(key.as_mut_slice()).map_err(|_| super::Error::Cryptography)?;
    Ok(SecretBox::new(key))
}

/// The day, for people, and something random, so that two made on one day differ.
fn new_id(now: DateTime<Utc>) -> Result<String, super::Error> {
    let mut random = [0_u8; 3];
    SystemRandom::new().fill(&mut random).map_err(|_| super::Error::Cryptography)?;
    let [a, b, c] = random;
    Ok(format!("{}-{a:02x}{b:02x}{c:02x}", now.format("%Y%m%d")))
}
