//! Upstream accounts. Their secrets come and go sealed: this room has no key.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use diesel::{
    EscapeExpressionMethods as _, ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, Queryable,
    Selectable, SelectableHelper as _, TextExpressionMethods as _,
};
use diesel_async::{RunQueryDsl as _, SimpleAsyncConnection as _};

use super::{
    Conn, Result,
    error::id_was_free,
    instant::At,
    on,
    products::contains,
    schema::{haier_config_secrets as secrets, haier_configs, lower},
    sync_logs::unknown,
};
use crate::domain::{
    accounts::{AccountDraft, Field},
    haier_configs::{HaierConfig, HaierConfigFilter, SecretAge},
    pages::{Page, PageRequest},
    sealed::Sealed,
};

#[derive(Queryable, Selectable)]
#[diesel(table_name = haier_configs)]
struct HaierConfigRow {
    id: i64,
    name: String,
    settings: serde_json::Value,
    active: bool,
    version: i64,
    created_at: At,
    updated_at: At,
}

impl HaierConfigRow {
    fn with_secrets(self, ages: &[(i64, String, At)]) -> Result<HaierConfig> {
        let settings: BTreeMap<String, String> = serde_json::from_value(self.settings)
            .map_err(|error| unknown("settings of an account", &error.to_string()))?;
        let mut draft = AccountDraft::default();
        // A field that only a newer version knows is none that this one could use.
        for (path, text) in &settings {
            if let Some(field) = Field::of_path(path).filter(|field| !field.is_secret()) {
                draft.set(field, text);
            }
        }
        let own = ages.iter().filter(|(id, ..)| *id == self.id);
        let age = |(_, path, at): &(i64, String, At)| {
            Some(SecretAge { field: Field::of_path(path)?, set_at: (*at).into() })
        };
        let mut secrets: Vec<_> = own.filter_map(age).collect();
        secrets.sort_by_key(|secret| secret.field);
        for secret in &secrets {
            draft.keep(secret.field);
        }
        Ok(HaierConfig {
            id: self.id,
            name: self.name,
            draft,
            secrets,
            active: self.active,
            version: self.version,
            created_at: self.created_at.into(),
            updated_at: self.updated_at.into(),
        })
    }
}

fn settings_of(draft: &AccountDraft) -> serde_json::Value {
    let given = Field::ALL.iter().filter_map(|field| Some((field.path(), draft.setting(*field)?)));
    given.map(|(path, text)| (path.to_owned(), serde_json::Value::from(text))).collect()
}

/// Keeps other changes of accounts out until the transaction ends: what was read stays true. On SQLite there is one writer.
///
/// # Errors
/// When the database does not answer.
pub async fn lock(conn: &mut Conn) -> Result<()> {
    if let Conn::Pg(conn) = conn {
        conn.batch_execute("LOCK TABLE haier_configs IN SHARE ROW EXCLUSIVE MODE").await?;
    }
    Ok(())
}

/// Stores a new account, without secrets.
///
/// # Errors
/// A conflict if there is one of this name; when the database does not answer.
pub async fn insert(
    conn: &mut Conn,
    id: i64,
    name: &str,
    draft: &AccountDraft,
    now: DateTime<Utc>,
) -> Result<()> {
    let row = (
        haier_configs::id.eq(id),
        haier_configs::name.eq(name),
        haier_configs::settings.eq(settings_of(draft)),
        haier_configs::active.eq(false),
        haier_configs::version.eq(1),
        haier_configs::created_at.eq(At(now)),
        haier_configs::updated_at.eq(At(now)),
    );
    let inserted = on!(conn, |c| diesel::insert_into(haier_configs::table)
        .values(row)
        .on_conflict(haier_configs::id)
        .do_nothing()
        .execute(c)
        .await)?;
    id_was_free(inserted)
}

/// Replaces the settings.
///
/// # Errors
/// When the database does not answer.
pub async fn update(conn: &mut Conn, id: i64, draft: &AccountDraft, now: DateTime<Utc>) -> Result<()> {
    let changed = (
        haier_configs::settings.eq(settings_of(draft)),
        haier_configs::version.eq(haier_configs::version + 1),
        haier_configs::updated_at.eq(At(now)),
    );
    let row = haier_configs::table.find(id);
    on!(conn, |c| diesel::update(row).set(changed).execute(c).await)?;
    Ok(())
}

/// Stores a secret in place of the one before.
///
/// # Errors
/// When the database does not answer.
pub async fn put_secret(
    conn: &mut Conn,
    id: i64,
    field: Field,
    sealed: &Sealed,
    now: DateTime<Utc>,
) -> Result<()> {
    let held = || (secrets::sealed.eq(sealed.as_str()), secrets::set_at.eq(At(now)));
    on!(conn, |c| diesel::insert_into(secrets::table)
        .values((secrets::config_id.eq(id), secrets::field.eq(field.path()), held()))
        .on_conflict((secrets::config_id, secrets::field))
        .do_update()
        .set(held())
        .execute(c)
        .await)?;
    Ok(())
}

/// Forgets a secret.
///
/// # Errors
/// When the database does not answer.
pub async fn delete_secret(conn: &mut Conn, id: i64, field: Field) -> Result<()> {
    let row = secrets::table.find((id, field.path()));
    on!(conn, |c| diesel::delete(row).execute(c).await)?;
    Ok(())
}

/// The secrets of an account, sealed.
///
/// # Errors
/// When the database does not answer.
pub async fn secrets(conn: &mut Conn, id: i64) -> Result<Vec<(Field, Sealed)>> {
    let rows: Vec<(String, String)> = on!(conn, |c| secrets::table
        .filter(secrets::config_id.eq(id))
        .select((secrets::field, secrets::sealed))
        .load(c)
        .await)?;
    let secret =
        |(path, sealed): (String, String)| Some((Field::of_path(&path)?, Sealed::from_stored(sealed)));
    Ok(rows.into_iter().filter_map(secret).collect())
}

/// Makes this account the only active one, or none.
///
/// # Errors
/// When the database does not answer.
pub async fn set_active(conn: &mut Conn, id: Option<i64>, now: DateTime<Utc>) -> Result<()> {
    let switched = |active: bool| {
        (
            haier_configs::active.eq(active),
            haier_configs::version.eq(haier_configs::version + 1),
            haier_configs::updated_at.eq(At(now)),
        )
    };
    // First off, then on: never two at a time.
    let others = haier_configs::table
        .filter(haier_configs::active.eq(true))
        .filter(haier_configs::id.ne(id.unwrap_or_default()));
    on!(conn, |c| diesel::update(others).set(switched(false)).execute(c).await)?;
    if let Some(id) = id {
        let this =
            haier_configs::table.filter(haier_configs::id.eq(id)).filter(haier_configs::active.eq(false));
        on!(conn, |c| diesel::update(this).set(switched(true)).execute(c).await)?;
    }
    Ok(())
}

/// Removes an account and its secrets.
///
/// # Errors
/// When the database does not answer.
pub async fn delete(conn: &mut Conn, id: i64) -> Result<()> {
    let own = secrets::table.filter(secrets::config_id.eq(id));
    on!(conn, |c| diesel::delete(own).execute(c).await)?;
    let row = haier_configs::table.find(id);
    on!(conn, |c| diesel::delete(row).execute(c).await)?;
    Ok(())
}

/// Id and version of the active account.
///
/// # Errors
/// When the database does not answer.
pub async fn active(conn: &mut Conn) -> Result<Option<(i64, i64)>> {
    let row = haier_configs::table
        .filter(haier_configs::active.eq(true))
        .select((haier_configs::id, haier_configs::version));
    Ok(on!(conn, |c| row.first(c).await.optional())?)
}

/// Id and version of the account of this name.
///
/// # Errors
/// When the database does not answer.
pub async fn find_version(conn: &mut Conn, name: &str) -> Result<Option<(i64, i64)>> {
    let row = haier_configs::table
        .filter(haier_configs::name.eq(name))
        .select((haier_configs::id, haier_configs::version));
    Ok(on!(conn, |c| row.first(c).await.optional())?)
}

/// Id and version of every account, by id: whether any has come, gone or changed.
///
/// # Errors
/// When the database does not answer.
pub async fn versions(conn: &mut Conn) -> Result<Vec<(i64, i64)>> {
    let all =
        haier_configs::table.order(haier_configs::id).select((haier_configs::id, haier_configs::version));
    Ok(on!(conn, |c| all.load(c).await)?)
}

/// The account of this name.
///
/// # Errors
/// When the database does not answer.
pub async fn find(conn: &mut Conn, name: &str) -> Result<Option<HaierConfig>> {
    let row: Option<HaierConfigRow> = on!(&mut *conn, |c| haier_configs::table
        .filter(haier_configs::name.eq(name))
        .select(HaierConfigRow::as_select())
        .first(c)
        .await
        .optional())?;
    with_secrets(conn, row.into_iter().collect()).await.map(|mut found| found.pop())
}

/// The account of this id.
///
/// # Errors
/// When the database does not answer.
pub async fn find_by_id(conn: &mut Conn, id: i64) -> Result<Option<HaierConfig>> {
    let row: Option<HaierConfigRow> = on!(&mut *conn, |c| haier_configs::table
        .find(id)
        .select(HaierConfigRow::as_select())
        .first(c)
        .await
        .optional())?;
    with_secrets(conn, row.into_iter().collect()).await.map(|mut found| found.pop())
}

/// All accounts, by id.
///
/// # Errors
/// When the database does not answer.
pub async fn all(conn: &mut Conn) -> Result<Vec<HaierConfig>> {
    let rows: Vec<HaierConfigRow> = on!(&mut *conn, |c| haier_configs::table
        .order(haier_configs::id)
        .select(HaierConfigRow::as_select())
        .load(c)
        .await)?;
    with_secrets(conn, rows).await
}

/// One page of those that match, newest first.
///
/// # Errors
/// When the database does not answer.
pub async fn list(
    conn: &mut Conn,
    filter: &HaierConfigFilter,
    page: &PageRequest<i64>,
) -> Result<Page<HaierConfig, i64>> {
    let rows: Vec<HaierConfigRow> = on!(&mut *conn, |c| {
        let mut query = haier_configs::table.select(HaierConfigRow::as_select()).into_boxed();
        if let Some(active) = filter.active {
            query = query.filter(haier_configs::active.eq(active));
        }
        if let Some(after) = filter.created_after {
            query = query.filter(haier_configs::created_at.ge(At(after)));
        }
        if let Some(before) = filter.created_before {
            query = query.filter(haier_configs::created_at.lt(At(before)));
        }
        if let Some(text) = &filter.query {
            query = query.filter(lower(haier_configs::name).like(contains(text)).escape('\\'));
        }
        if let Some(after) = page.after {
            query = query.filter(haier_configs::id.lt(after));
        }
        query.order(haier_configs::id.desc()).limit(page.size + 1).load(c).await
    })?;
    Ok(Page::cut(with_secrets(conn, rows).await?, page.size, |config| config.id))
}

async fn with_secrets(conn: &mut Conn, rows: Vec<HaierConfigRow>) -> Result<Vec<HaierConfig>> {
    let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
    let ages: Vec<(i64, String, At)> = on!(conn, |c| secrets::table
        .filter(secrets::config_id.eq_any(ids))
        .select((secrets::config_id, secrets::field, secrets::set_at))
        .load(c)
        .await)?;
    rows.into_iter().map(|row| row.with_secrets(&ages)).collect()
}
