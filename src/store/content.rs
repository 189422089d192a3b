//! Content decides: which of some records are new, which say something else than what is stored, and which only say it
//! again. An answer older than the stored one says nothing.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::{
    QueryableByName,
    sql_types::{BigInt, Nullable, Text},
};
use xxhash_rust::xxh3::Xxh3;

use super::instant::{At, Instant};
use crate::domain::products::ProductCode;

/// What an answer says of one product.
pub(super) trait Record {
    /// The natural key.
    fn code(&self) -> &ProductCode;
    /// When the request was sent.
    fn asked_at(&self) -> DateTime<Utc>;
    /// Hash of what the answer carried: the same whichever version of this program computes it.
    fn content_hash(&self) -> i64;
}

/// What is stored of a product: when the answer was asked for, and its hash.
#[derive(QueryableByName)]
pub(super) struct Stored {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Text)]
    product_code: String,
    #[diesel(sql_type = Nullable<Instant>)]
    asked_at: Option<At>,
    #[diesel(sql_type = Nullable<BigInt>)]
    hash: Option<i64>,
}

/// Rows by code.
pub(super) type StoredByCode = HashMap<String, Stored>;

pub(super) fn by_code(rows: Vec<Stored>) -> StoredByCode {
    rows.into_iter().map(|row| (row.product_code.clone(), row)).collect()
}

/// A record of a stored product.
pub(super) struct Known<'a, R> {
    pub(super) id: i64,
    pub(super) record: &'a R,
    pub(super) hash: i64,
}

/// What is to be written.
pub(super) struct Decision<'a, R> {
    /// Not stored.
    pub(super) new: Vec<&'a R>,
    /// Says something else than what is stored.
    pub(super) changed: Vec<Known<'a, R>>,
    /// Says what is stored, again.
    pub(super) same: Vec<Known<'a, R>>,
}

/// Sorts records by what is stored of them. `anyway`: what is newer counts as changed, whatever it says. Stored instants
/// after `latest` do not count.
pub(super) fn decide<'a, R: Record>(
    records: impl IntoIterator<Item = &'a R>,
    stored: &StoredByCode,
    anyway: bool,
    latest: DateTime<Utc>,
) -> Decision<'a, R> {
    let mut ahead = None;
    let mut decision = Decision { new: Vec::new(), changed: Vec::new(), same: Vec::new() };
    for record in records {
        let Some(row) = stored.get(record.code().as_str()) else {
            decision.new.push(record);
            continue;
        };
        if let Some(At(at)) = row.asked_at.filter(|at| at.0 >= record.asked_at()) {
            if at <= latest {
                continue;
            }
            ahead.get_or_insert((row.product_code.as_str(), at));
        }
        let known = Known { id: row.id, record, hash: record.content_hash() };
        if anyway || row.hash != Some(known.hash) {
            decision.changed.push(known);
        } else {
            decision.same.push(known);
        }
    }
    if let Some((product_code, at)) = ahead {
        warn_ahead(product_code, at);
    }
    decision
}

/// Logs that a stored instant is not believed: once for a batch of answers.
pub(super) fn warn_ahead(product_code: &str, at: DateTime<Utc>) {
    let stored_at = at.to_rfc3339();
    tracing::warn!(
        product_code,
        stored_at,
        "stored instants lie in the future and are ignored: a clock was ahead when they were written"
    );
}

/// One order for all writers, so that two of them never wait for each other's rows; of doubles the newest counts.
pub(super) fn in_order<R: Record>(records: &mut Vec<R>) {
    records.sort_by(|a, b| a.code().cmp(b.code()).then(b.asked_at().cmp(&a.asked_at())));
    records.dedup_by(|older, newer| older.code() == newer.code());
}

/// Feeds optional texts to xxh3 without ambiguity.
#[derive(Default)]
pub(super) struct ContentHash(Xxh3);

impl ContentHash {
    pub(super) fn text(&mut self, text: Option<&str>) {
        match text {
            None => self.0.update(&[0]),
            Some(text) => {
                self.0.update(&[1]);
                self.0.update(&(text.len() as u64).to_le_bytes());
                self.0.update(text.as_bytes());
            }
        }
    }

    pub(super) fn number(&mut self, number: Option<i64>) {
        match number {
            None => self.0.update(&[0]),
            Some(number) => {
                self.0.update(&[2]);
                self.0.update(&number.to_le_bytes());
            }
        }
    }

    pub(super) fn finish(&self) -> i64 {
        i64::from_le_bytes(self.0.digest().to_le_bytes())
    }
}
