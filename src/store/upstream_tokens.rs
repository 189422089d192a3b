//! Tokens that the replicas of an account share, in PostgreSQL: sealed by whoever knows the account's secret, which this
//! room does not; and the lease of the one that fetches the next.

use std::time::Duration;

use chrono::TimeDelta;
use diesel::{
    ExpressionMethods as _, OptionalExtension as _, QueryDsl as _,
    sql_types::{BigInt, Binary, Nullable, Text},
};
use diesel_async::RunQueryDsl as _;

use super::{Conn, Result, schema::upstream_tokens};

/// What an account's row says to one who wants to fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lease {
    /// He may, for so long as he asked. With what is stored until then.
    Granted(Option<Vec<u8>>),
    /// Somebody else is fetching.
    Taken,
}

/// The sealed token of an account.
///
/// # Errors
/// When the database does not answer, or is not PostgreSQL.
pub async fn find(conn: &mut Conn, account: &str) -> Result<Option<Vec<u8>>> {
    let row = upstream_tokens::table.find(account).select(upstream_tokens::sealed);
    let sealed: Option<Option<Vec<u8>>> = row.first(conn.shared()?).await.optional()?;
    Ok(sealed.flatten())
}

/// Takes the lease, or prolongs one's own. One that has ended may be taken by anybody, and so may one that reaches a minute
/// further ahead than a new one: it was granted before the database's clock was set back.
///
/// # Errors
/// When the database does not answer, or is not PostgreSQL.
pub async fn lease(conn: &mut Conn, account: &str, fetcher: &str, time: Duration) -> Result<Lease> {
    #[derive(diesel::QueryableByName)]
    struct Granted {
        #[diesel(sql_type = Nullable<Binary>)]
        sealed: Option<Vec<u8>>,
    }
    let millis = TimeDelta::from_std(time).unwrap_or(TimeDelta::MAX).num_milliseconds();
    let granted: Option<Granted> = diesel::sql_query(
        "INSERT INTO upstream_tokens AS t (account, fetcher, lease_until) \
         VALUES ($1, $2, clock_timestamp() + $3 * interval '1 millisecond') \
         ON CONFLICT (account) DO UPDATE SET fetcher = excluded.fetcher, lease_until = excluded.lease_until \
         WHERE t.fetcher IS NULL OR t.fetcher = excluded.fetcher OR t.lease_until < clock_timestamp() \
             OR t.lease_until > excluded.lease_until + interval '1 minute' \
         RETURNING sealed",
    )
    .bind::<Text, _>(account)
    .bind::<Text, _>(fetcher)
    .bind::<BigInt, _>(millis)
    .get_result(conn.shared()?)
    .await
    .optional()?;
    Ok(granted.map_or(Lease::Taken, |granted| Lease::Granted(granted.sealed)))
}

/// Gives the lease back, with a new token or without one. Whoever has lost it meanwhile stores nothing.
///
/// # Errors
/// When the database does not answer, or is not PostgreSQL.
pub async fn release(conn: &mut Conn, account: &str, fetcher: &str, sealed: Option<Vec<u8>>) -> Result<()> {
    let conn = conn.shared()?;
    let row = upstream_tokens::table.find(account).filter(upstream_tokens::fetcher.eq(fetcher));
    let none = (
        upstream_tokens::fetcher.eq(None::<String>),
        upstream_tokens::lease_until.eq(None::<super::instant::At>),
    );
    match sealed {
        Some(sealed) => {
            diesel::update(row).set((upstream_tokens::sealed.eq(Some(sealed)), none)).execute(conn).await?
        }
        None => diesel::update(row).set(none).execute(conn).await?,
    };
    Ok(())
}
