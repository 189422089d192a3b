//! Which accounts orders are bound to. The identity stands in the order's `sender`, beside what was sent under it.

use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, OptionalExtension as _, QueryDsl as _,
    QueryableByName,
    dsl::{exists, sql},
    sql_types::{BigInt, Bool, Nullable, Text},
};
use diesel_async::RunQueryDsl as _;

use super::{
    Conn, Result, on,
    schema::{order_pushes, orders},
};
use crate::domain::{
    accounts::AccountIdentity,
    orders::{DisplacedOrders, SoId},
};

/// Most orders of one account that are named.
const NAMED: i64 = 20;

/// Which orders of an account's name are bound anew.
#[derive(Debug, Clone, Copy)]
pub enum Rebound<'a> {
    /// Those that were sent before identities were recorded.
    Unrecorded,
    /// Those of this place.
    OfPlace(&'a str),
    /// Those that are bound to another identity.
    Others,
}

/// Binds orders of an account's name to an identity; how many there were.
///
/// # Errors
/// When the database does not answer.
pub async fn rebind(
    conn: &mut Conn,
    account: &str,
    identity: &AccountIdentity,
    which: Rebound<'_>,
) -> Result<usize> {
    let condition = match which {
        Rebound::Unrecorded => "sender->>'place' IS NULL AND $4 = ''",
        Rebound::OfPlace(_) => "sender->>'place' = $4",
        Rebound::Others => {
            "(sender->>'place' <> $1 OR coalesce(CAST(sender->>'account_id' AS text), '') \
              <> coalesce(CAST($2 AS text), '')) AND $4 = ''"
        }
    };
    let from = if let Rebound::OfPlace(place) = which { place } else { "" };
    macro_rules! rebind {
        ($conn:expr, $sender:literal) => {
            diesel::sql_query(format!(
                concat!("UPDATE orders SET sender = ", $sender, " WHERE account = $3 AND {}"),
                condition
            ))
            .bind::<Text, _>(&identity.place)
            .bind::<Nullable<BigInt>, _>(identity.account_id)
            .bind::<Text, _>(account)
            .bind::<Text, _>(from)
            .execute($conn)
            .await?
        };
    }
    Ok(match conn {
        Conn::Pg(conn) => rebind!(
            conn,
            "(sender::jsonb || jsonb_build_object('place', $1::text, 'account_id', $2::bigint))::json"
        ),
        Conn::Lite(conn) => rebind!(conn, "json_set(sender, '$.place', $1, '$.account_id', $2)"),
    })
}

/// Orders of an account at this place whose outcome is open or that have an unsent change: how many, and the first.
///
/// # Errors
/// When the database does not answer.
pub async fn find_unsettled(conn: &mut Conn, account: &str, place: &str) -> Result<Option<(i64, SoId)>> {
    let unsettled = || {
        let due = order_pushes::table.filter(order_pushes::order_id.eq(orders::id));
        orders::table
            .filter(orders::account.eq(account))
            .filter(sql::<Nullable<Text>>("orders.sender->>'place'").eq(place))
            .filter(orders::state.eq_any(["accepted", "in_doubt", "cancelling"]).or(exists(due)))
    };
    let first: Option<String> =
        on!(&mut *conn, |c| unsettled().order(orders::id).select(orders::so_id).first(c).await.optional())?;
    let Some(first) = first else { return Ok(None) };
    let count: i64 = on!(conn, |c| unsettled().count().get_result(c).await)?;
    Ok(Some((count, SoId::from_stored(first))))
}

/// Whether any order was sent under an account of this name.
///
/// # Errors
/// When the database does not answer.
pub async fn find_of_name(conn: &mut Conn, account: &str) -> Result<Option<SoId>> {
    let named = orders::table.filter(orders::account.eq(account)).select(orders::so_id);
    let so_id: Option<String> = on!(conn, |c| named.first(c).await.optional())?;
    Ok(so_id.map(SoId::from_stored))
}

#[derive(QueryableByName)]
struct Group {
    #[diesel(sql_type = Text)]
    account: String,
    #[diesel(sql_type = Nullable<Text>)]
    place: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    account_id: Option<i64>,
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// Orders with which something is to be done and whose account is none of these, by the account's name.
///
/// # Errors
/// When the database does not answer.
pub async fn list_displaced(
    conn: &mut Conn,
    accounts: &[(String, AccountIdentity)],
) -> Result<Vec<DisplacedOrders>> {
    let groups: Vec<Group> = on!(&mut *conn, |c| diesel::sql_query(
        "SELECT orders.account AS account, orders.sender->>'place' AS place, \
                CAST(orders.sender->>'account_id' AS bigint) AS account_id, count(*) AS count \
         FROM order_pushes JOIN orders ON orders.id = order_pushes.order_id \
         WHERE orders.account IS NOT NULL GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
    )
    .load(c)
    .await)?;
    let mut displaced = Vec::new();
    for group in groups {
        let now = accounts.iter().find(|(name, _)| *name == group.account).map(|(_, identity)| identity);
        let is_there = match (now, &group.place) {
            (Some(now), Some(place)) => now.place == *place && now.account_id == group.account_id,
            (Some(_), None) => true,
            (None, _) => false,
        };
        if !is_there {
            let so_ids = list_of_group(conn, &group).await?;
            displaced.push(DisplacedOrders {
                account_is_there: now.is_some(),
                account: group.account,
                count: group.count,
                so_ids,
            });
        }
    }
    Ok(displaced)
}

async fn list_of_group(conn: &mut Conn, group: &Group) -> Result<Vec<SoId>> {
    let due = order_pushes::table.filter(order_pushes::order_id.eq(orders::id));
    let account_id = match group.account_id {
        Some(id) => format!("CAST(orders.sender->>'account_id' AS bigint) = {id}"),
        None => "orders.sender->>'account_id' IS NULL".to_owned(),
    };
    let named = orders::table
        .filter(orders::account.eq(&group.account))
        .filter(
            sql::<Text>("coalesce(orders.sender->>'place', '')")
                .eq(group.place.as_deref().unwrap_or_default()),
        )
        .filter(sql::<Bool>(&account_id))
        .filter(exists(due))
        .order(orders::id)
        .limit(NAMED)
        .select(orders::so_id);
    let so_ids: Vec<String> = on!(conn, |c| named.load(c).await)?;
    Ok(so_ids.into_iter().map(SoId::from_stored).collect())
}
