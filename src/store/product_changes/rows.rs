//! How entries of the feed look as rows.

use diesel::{
    Queryable, Selectable,
    sql_types::{Array, BigInt, Nullable, Text},
};
use diesel_async::RunQueryDsl as _;
use serde_json::json;

use crate::{
    domain::{
        product_changes::{ChangeKind, FieldChange, Origin, ProductChange},
        products::ProductCode,
    },
    store::{
        Conn, Error, Result,
        instant::{At, Instant},
        schema::product_changes,
        sync_logs::unknown,
    },
};

/// An entry that has no number yet.
#[derive(Debug)]
pub(super) struct NewEntry {
    pub(super) kind: ChangeKind,
    code: Option<String>,
    changes: Vec<FieldChange>,
    products: i64,
}

impl NewEntry {
    pub(super) const fn new(kind: ChangeKind, code: String, changes: Vec<FieldChange>) -> Self {
        Self { kind, code: Some(code), changes, products: 0 }
    }

    pub(super) const fn loaded(products: i64) -> Self {
        Self { kind: ChangeKind::Loaded, code: None, changes: Vec::new(), products }
    }

    /// The entry as it would read, without a number.
    pub(super) fn into_change(self, origin: Origin) -> ProductChange {
        let Self { kind, code, changes, products } = self;
        ProductChange { seq: 0, kind, code: code.map(ProductCode::from_stored), changes, products, origin }
    }

    fn changes_text(&self) -> String {
        let triple = |change: &FieldChange| json!([change.field, change.old, change.new]);
        self.changes.iter().map(triple).collect::<serde_json::Value>().to_string()
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = product_changes)]
pub(super) struct ChangeRow {
    seq: i64,
    kind: String,
    product_code: Option<String>,
    changes: serde_json::Value,
    products: i64,
    sync_log_id: Option<i64>,
    changed_at: At,
}

impl TryFrom<ChangeRow> for ProductChange {
    type Error = Error;

    fn try_from(row: ChangeRow) -> Result<Self> {
        let changes: Vec<(String, Option<String>, Option<String>)> = serde_json::from_value(row.changes)
            .map_err(|error| unknown("changes of a product", &error.to_string()))?;
        let changes = changes.into_iter().map(|(field, old, new)| FieldChange { field, old, new });
        Ok(Self {
            seq: row.seq,
            kind: ChangeKind::parse(&row.kind).ok_or_else(|| unknown("kind of a change", &row.kind))?,
            code: row.product_code.map(ProductCode::from_stored),
            changes: changes.collect(),
            products: row.products,
            origin: Origin { sync_log_id: row.sync_log_id, at: row.changed_at.into() },
        })
    }
}

/// Inserts entries with the numbers after `before`.
pub(super) async fn insert(conn: &mut Conn, entries: &[NewEntry], before: i64, origin: Origin) -> Result<()> {
    let kinds = entries.iter().map(|entry| entry.kind.as_str());
    match conn {
        Conn::Pg(conn) => {
            diesel::sql_query(
                "INSERT INTO product_changes (seq, kind, product_code, changes, products, sync_log_id, changed_at) \
                 SELECT $1 + u.n, u.kind, u.code, u.changes::json, u.products, $2, $3 \
                 FROM unnest($4, $5, $6, $7) WITH ORDINALITY AS u(kind, code, changes, products, n)",
            )
            .bind::<BigInt, _>(before)
            .bind::<Nullable<BigInt>, _>(origin.sync_log_id)
            .bind::<Instant, _>(At(origin.at))
            .bind::<Array<Text>, _>(kinds.collect::<Vec<_>>())
            .bind::<Array<Nullable<Text>>, _>(
                entries.iter().map(|entry| entry.code.as_deref()).collect::<Vec<_>>(),
            )
            .bind::<Array<Text>, _>(entries.iter().map(NewEntry::changes_text).collect::<Vec<_>>())
            .bind::<Array<BigInt>, _>(entries.iter().map(|entry| entry.products).collect::<Vec<_>>())
            .execute(conn)
            .await?;
        }
        Conn::Lite(conn) => {
            let rows = entries.iter().zip(1_i64..).map(|(entry, n)| {
                json!([before + n, entry.kind.as_str(), entry.code, entry.changes_text(), entry.products])
            });
            let rows = rows.collect::<serde_json::Value>().to_string();
            diesel::sql_query(
                "INSERT INTO product_changes (seq, kind, product_code, changes, products, sync_log_id, changed_at) \
                 SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, ?2, ?3 FROM json_each(?1)",
            )
            .bind::<Text, _>(rows)
            .bind::<Nullable<BigInt>, _>(origin.sync_log_id)
            .bind::<Instant, _>(At(origin.at))
            .execute(conn)
            .await?;
        }
    }
    Ok(())
}
