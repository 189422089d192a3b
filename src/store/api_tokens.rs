//! The tokens by which callers show who they are, as hashes.

use chrono::{DateTime, Utc};
use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, QueryDsl as _, Queryable, Selectable,
    SelectableHelper as _,
};
use diesel_async::{RunQueryDsl as _, SimpleAsyncConnection as _};

use super::{
    Conn, Error, Result, error::id_was_free, instant::At, on, schema::api_tokens, sync_logs::unknown,
};
use crate::domain::{
    api_tokens::{ApiToken, StoredToken},
    callers::Role,
    pages::{Page, PageRequest},
};

#[derive(Queryable, Selectable)]
#[diesel(table_name = api_tokens)]
struct ApiTokenRow {
    id: i64,
    name: String,
    role: String,
    hash: Vec<u8>,
    created_at: At,
    created_by: String,
    expires_at: Option<At>,
    revoked_at: Option<At>,
    last_used_at: Option<At>,
}

impl TryFrom<ApiTokenRow> for StoredToken {
    type Error = Error;

    fn try_from(row: ApiTokenRow) -> Result<Self> {
        let token = ApiToken {
            id: row.id,
            role: Role::parse(&row.role).ok_or_else(|| unknown("role", &row.role))?,
            name: row.name,
            created_at: row.created_at.into(),
            created_by: row.created_by,
            expires_at: row.expires_at.map(Into::into),
            revoked_at: row.revoked_at.map(Into::into),
            last_used_at: row.last_used_at.map(Into::into),
        };
        let hash = row.hash.try_into().map_err(|_| unknown("hash of the token", &token.name))?;
        Ok(Self { token, hash })
    }
}

/// All of them. Whoever is about to change one holds the others off by [`lock`].
///
/// # Errors
/// When the database does not answer.
pub async fn all(conn: &mut Conn) -> Result<Vec<StoredToken>> {
    let rows: Vec<ApiTokenRow> =
        on!(conn, |c| api_tokens::table.select(ApiTokenRow::as_select()).load(c).await)?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// One page, by name.
///
/// # Errors
/// When the database does not answer.
pub async fn list(conn: &mut Conn, page: &PageRequest<String>) -> Result<Page<ApiToken, String>> {
    let rows: Vec<ApiTokenRow> = on!(conn, |c| {
        let mut query = api_tokens::table.select(ApiTokenRow::as_select()).into_boxed();
        if let Some(after) = &page.after {
            query = query.filter(api_tokens::name.gt(after));
        }
        query.order(api_tokens::name).limit(page.size + 1).load(c).await
    })?;
    let tokens = rows.into_iter().map(|row| Ok(StoredToken::try_from(row)?.token));
    Ok(Page::cut(tokens.collect::<Result<Vec<_>>>()?, page.size, |token| token.name.clone()))
}

/// Lets nobody else change a token until the transaction ends; on SQLite nobody can anyway.
///
/// # Errors
/// When the database does not answer.
pub async fn lock(conn: &mut Conn) -> Result<()> {
    if let Conn::Pg(conn) = conn {
        conn.batch_execute("LOCK TABLE api_tokens IN SHARE ROW EXCLUSIVE MODE").await?;
    }
    Ok(())
}

/// Stores a new one.
///
/// # Errors
/// `Conflict` when the name was ever given before; else when the database does not answer.
pub async fn insert(conn: &mut Conn, stored: &StoredToken) -> Result<()> {
    let StoredToken { token, hash } = stored;
    let row = (
        api_tokens::id.eq(token.id),
        api_tokens::name.eq(&token.name),
        api_tokens::role.eq(token.role.as_str()),
        api_tokens::hash.eq(hash.as_slice()),
        api_tokens::created_at.eq(At(token.created_at)),
        api_tokens::created_by.eq(&token.created_by),
        api_tokens::expires_at.eq(token.expires_at.map(At)),
    );
    let inserted = on!(conn, |c| diesel::insert_into(api_tokens::table)
        .values(row)
        .on_conflict(api_tokens::id)
        .do_nothing()
        .execute(c)
        .await)?;
    id_was_free(inserted)
}

/// Ends one.
///
/// # Errors
/// When the database does not answer.
pub async fn revoke(conn: &mut Conn, id: i64, at: DateTime<Utc>) -> Result<()> {
    let row = api_tokens::table.find(id);
    on!(conn, |c| diesel::update(row).set(api_tokens::revoked_at.eq(Some(At(at)))).execute(c).await)?;
    Ok(())
}

/// Notes that one was shown then, unless it is known to have been shown later.
///
/// # Errors
/// When the database does not answer.
pub async fn touch(conn: &mut Conn, id: i64, at: DateTime<Utc>) -> Result<()> {
    let earlier = api_tokens::last_used_at.is_null().or(api_tokens::last_used_at.lt(At(at)));
    let row = api_tokens::table.find(id).filter(earlier);
    on!(conn, |c| diesel::update(row).set(api_tokens::last_used_at.eq(Some(At(at)))).execute(c).await)?;
    Ok(())
}
