//! What one transaction changes, gathered while it writes and recorded last of all.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};

use super::contents::{Content, Field};
use crate::domain::{
    clock::latest_believable,
    product_changes::{ChangeKind, FieldChange, Origin},
};

/// What becomes of products that were not stored before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Newcomers {
    /// Each is told at once: everything asked for about it is written in this very transaction.
    Tell,
    /// Each is told when its run is done with it.
    Hold,
    /// They fill an empty store: one entry at the run's end tells all of them.
    Silent,
}

/// What a transaction changes.
#[derive(Debug)]
pub struct Changes {
    pub(super) origin: Origin,
    pub(super) newcomers: Newcomers,
    /// Stored instants of answers that are later do not count.
    latest: DateTime<Utc>,
    /// Keys of products that were not stored before.
    pub(super) inserted: Vec<i64>,
    /// What changed of those that were, by key.
    pub(super) found: BTreeMap<i64, Found>,
}

/// What changed of a product.
#[derive(Debug)]
pub(in crate::store) struct Found {
    pub(in crate::store) code: String,
    pub(in crate::store) kind: ChangeKind,
    pub(in crate::store) changes: Vec<FieldChange>,
}

/// What a write did to rows of one kind.
#[derive(Debug, Default)]
pub(in crate::store) struct Difference {
    /// Keys of products that it inserted.
    pub(in crate::store) inserted: Vec<i64>,
    /// Rows as they were; those that were not there are missing.
    pub(in crate::store) before: Vec<Content>,
    /// The same rows as they are.
    pub(in crate::store) after: Vec<Content>,
}

impl Changes {
    /// Nothing yet.
    #[must_use]
    pub fn new(origin: Origin, newcomers: Newcomers) -> Self {
        let latest = latest_believable(origin.at);
        Self { origin, newcomers, latest, inserted: Vec::new(), found: BTreeMap::new() }
    }

    /// For a repair: no stored instant in the future counts, however near it is.
    #[must_use]
    pub fn repairing(mut self) -> Self {
        self.latest = self.origin.at;
        self
    }

    /// Whether there are products that were not stored before.
    #[must_use]
    pub const fn has_newcomers(&self) -> bool {
        !self.inserted.is_empty()
    }

    pub(in crate::store) const fn at(&self) -> DateTime<Utc> {
        self.origin.at
    }

    pub(in crate::store) const fn latest(&self) -> DateTime<Utc> {
        self.latest
    }

    pub(in crate::store) const fn run(&self) -> Option<i64> {
        self.origin.sync_log_id
    }

    /// Takes in what a write did. Only what reads otherwise than before counts.
    pub(in crate::store) fn take(&mut self, difference: Difference) {
        let Difference { inserted, before, after } = difference;
        self.inserted.extend(inserted);
        let mut before: HashMap<i64, Content> =
            before.into_iter().map(|content| (content.id, content)).collect();
        for after in after {
            let before = before.remove(&after.id);
            let returned = before.as_ref().is_some_and(|before| before.delisted) && !after.delisted;
            let changes = differing(before.map(|before| before.fields).unwrap_or_default(), after.fields);
            if returned || !changes.is_empty() {
                let kind = if returned { ChangeKind::Returned } else { ChangeKind::Changed };
                self.add(after.id, after.code, kind, changes);
            }
        }
    }

    /// Notes that the catalogue no longer holds a product.
    pub(in crate::store) fn delisted(&mut self, id: i64, code: String) {
        self.add(id, code, ChangeKind::Delisted, Vec::new());
    }

    fn add(&mut self, id: i64, code: String, kind: ChangeKind, changes: Vec<FieldChange>) {
        let found =
            self.found.entry(id).or_insert(Found { code, kind: ChangeKind::Changed, changes: Vec::new() });
        if kind != ChangeKind::Changed {
            found.kind = kind;
        }
        found.changes.extend(changes);
    }
}

/// Fields that differ; one that was not there had no value.
fn differing(before: Vec<Field>, after: Vec<Field>) -> Vec<FieldChange> {
    let mut before: HashMap<&str, Option<String>> = before.into_iter().collect();
    let changes = after.into_iter().map(|(field, new)| {
        let old = before.remove(field).flatten();
        FieldChange { field: field.to_owned(), old, new }
    });
    changes.filter(|change| change.old != change.new).collect()
}

/// All that has a value, as new.
pub(super) fn all_of(fields: Vec<Field>) -> Vec<FieldChange> {
    differing(Vec::new(), fields)
}
