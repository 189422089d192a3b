//! Callbacks of the order system: stored before they are answered, and matched to their orders afterwards. A row is *new*
//! until its order was looked for, then applied or *parked*; one that is not applied is *open*.

mod meant;

use chrono::{DateTime, Utc};
use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, JoinOnDsl as _, NullableExpressionMethods as _,
    OptionalExtension as _, QueryDsl as _, Queryable, Selectable, SelectableHelper as _, dsl::exists,
};
use diesel_async::RunQueryDsl as _;
use serde::{Deserialize, Serialize};

pub use meant::{MeantOrder, list_by_haier_order_no, list_by_online_no, list_by_so_id};

use super::{
    Conn, Error, Result,
    instant::At,
    on,
    schema::{callbacks, orders},
    sync_logs::unknown,
};
use crate::domain::{
    accounts::AccountIdentity,
    callbacks::{Applied, CallbackFilter, CallbackState, ReceivedCallback, Signer, StoredCallback},
    ids::first_id_at,
    orders::{SoId, facts::CallbackMethod},
    pages::{Page, PageRequest},
    sealed::Sealed,
};

#[derive(Queryable, Selectable)]
#[diesel(table_name = callbacks)]
struct CallbackRow {
    id: i64,
    received_at: At,
    app_key: String,
    signers: serde_json::Value,
    method: String,
    time_stamp: String,
    platform_order_no: String,
    ext_order_no: Option<String>,
    success: bool,
    words: String,
    data: String,
    sealed: Option<String>,
    digest: Vec<u8>,
}

/// A signer as it is stored.
#[derive(Serialize, Deserialize)]
struct StoredSigner {
    account: String,
    seller_code: String,
    #[serde(default)]
    place: Option<String>,
    #[serde(default)]
    account_id: Option<i64>,
}

impl TryFrom<CallbackRow> for ReceivedCallback {
    type Error = Error;

    fn try_from(row: CallbackRow) -> Result<Self> {
        let signers: Vec<StoredSigner> = serde_json::from_value(row.signers)
            .map_err(|error| unknown("signers of a callback", &error.to_string()))?;
        let signer = |StoredSigner { account, seller_code, place, account_id }| Signer {
            account,
            seller_code,
            identity: place.map(|place| AccountIdentity { place, account_id }),
        };
        Ok(Self {
            id: row.id,
            received_at: row.received_at.into(),
            app_key: row.app_key,
            signers: signers.into_iter().map(signer).collect(),
            method: CallbackMethod::parse(&row.method)
                .ok_or_else(|| unknown("method of a callback", &row.method))?,
            time_stamp: row.time_stamp,
            platform_order_no: row.platform_order_no,
            haier_order_no: row.ext_order_no,
            success: row.success,
            words: row.words,
            data: row.data,
            sealed: row.sealed.map(Sealed::from_stored),
            digest: row.digest,
        })
    }
}

/// Stores one; whether it is new. One that came before is there already.
///
/// # Errors
/// When the database does not answer.
pub async fn insert(conn: &mut Conn, callback: &ReceivedCallback) -> Result<bool> {
    let signer = |signer: &Signer| StoredSigner {
        account: signer.account.clone(),
        seller_code: signer.seller_code.clone(),
        place: signer.identity.as_ref().map(|identity| identity.place.clone()),
        account_id: signer.identity.as_ref().and_then(|identity| identity.account_id),
    };
    let signers: Vec<StoredSigner> = callback.signers.iter().map(signer).collect();
    let row = (
        callbacks::id.eq(callback.id),
        callbacks::received_at.eq(At(callback.received_at)),
        callbacks::app_key.eq(&callback.app_key),
        callbacks::signers.eq(serde_json::json!(signers)),
        callbacks::method.eq(callback.method.as_str()),
        callbacks::time_stamp.eq(&callback.time_stamp),
        callbacks::platform_order_no.eq(&callback.platform_order_no),
        callbacks::ext_order_no.eq(&callback.haier_order_no),
        callbacks::success.eq(callback.success),
        callbacks::words.eq(&callback.words),
        callbacks::data.eq(&callback.data),
        callbacks::sealed.eq(callback.sealed.as_ref().map(Sealed::as_str)),
        callbacks::digest.eq(&callback.digest),
    );
    let stored = on!(conn, |c| diesel::insert_into(callbacks::table)
        .values(row)
        .on_conflict(callbacks::digest)
        .do_nothing()
        .execute(c)
        .await)?;
    Ok(stored == 1)
}

/// Ids of new ones after one id, in the order in which they came.
///
/// # Errors
/// When the database does not answer.
pub async fn list_new(conn: &mut Conn, after: i64, limit: i64) -> Result<Vec<i64>> {
    let new = callbacks::table
        .filter(callbacks::applied_at.is_null())
        .filter(callbacks::parked_at.is_null())
        .filter(callbacks::id.gt(after))
        .order(callbacks::id)
        .limit(limit)
        .select(callbacks::id);
    Ok(on!(conn, |c| new.load(c).await)?)
}

/// Ids of open ones after one id that name an order which is stored, in the order in which they came.
///
/// # Errors
/// When the database does not answer.
pub async fn list_open_with_orders(conn: &mut Conn, after: i64, limit: i64) -> Result<Vec<i64>> {
    let by_so_id = orders::table.filter(orders::so_id.eq(callbacks::platform_order_no));
    let by_online_no = orders::table.filter(orders::online_no.eq(callbacks::platform_order_no));
    let by_haiers = orders::table.filter(orders::haier_order_no.eq(callbacks::ext_order_no));
    let open = callbacks::table
        .filter(callbacks::applied_at.is_null())
        .filter(exists(by_so_id).or(exists(by_online_no)).or(exists(by_haiers)))
        .filter(callbacks::id.gt(after))
        .order(callbacks::id)
        .limit(limit)
        .select(callbacks::id);
    Ok(on!(conn, |c| open.load(c).await)?)
}

/// Ids of open ones that name an order by one of these numbers, ours or Haier's, in the order in which they came.
///
/// # Errors
/// When the database does not answer.
pub async fn list_open_naming(conn: &mut Conn, ours: &[String], haiers: &[String]) -> Result<Vec<i64>> {
    let naming = callbacks::platform_order_no.eq_any(ours).or(callbacks::ext_order_no.eq_any(haiers));
    let open = callbacks::table
        .filter(callbacks::applied_at.is_null())
        .filter(naming)
        .order(callbacks::id)
        .select(callbacks::id);
    Ok(on!(conn, |c| open.load(c).await)?)
}

/// One page of those that match, newest first.
///
/// # Errors
/// When the database does not answer.
pub async fn list(
    conn: &mut Conn,
    filter: &CallbackFilter,
    page: &PageRequest<i64>,
) -> Result<Page<StoredCallback, i64>> {
    type Row = (CallbackRow, Option<At>, Option<At>, Option<String>);
    let rows: Vec<Row> = on!(conn, |c| {
        let mut query = callbacks::table
            .left_join(orders::table.on(callbacks::order_id.eq(orders::id.nullable())))
            .select((
                CallbackRow::as_select(),
                callbacks::parked_at,
                callbacks::applied_at,
                orders::so_id.nullable(),
            ))
            .into_boxed();
        query = match filter.state {
            None => query,
            Some(CallbackState::Applied) => query.filter(callbacks::applied_at.is_not_null()),
            Some(CallbackState::Parked) => {
                query.filter(callbacks::applied_at.is_null()).filter(callbacks::parked_at.is_not_null())
            }
            Some(CallbackState::New) => {
                query.filter(callbacks::applied_at.is_null()).filter(callbacks::parked_at.is_null())
            }
        };
        // The bounds on the id, which is ordered like received_at, are what finds the index range.
        if let Some(after) = filter.after {
            query = query
                .filter(callbacks::id.ge(first_id_at(after)))
                .filter(callbacks::received_at.ge(At(after)));
        }
        if let Some(before) = filter.before {
            let next_millisecond = before + chrono::TimeDelta::milliseconds(1);
            query = query
                .filter(callbacks::id.lt(first_id_at(next_millisecond)))
                .filter(callbacks::received_at.lt(At(before)));
        }
        if let Some(after) = page.after {
            query = query.filter(callbacks::id.lt(after));
        }
        query.order(callbacks::id.desc()).limit(page.size + 1).load(c).await
    })?;
    let stored = |(row, parked_at, applied_at, so_id): Row| {
        let applied = applied_at.zip(so_id);
        Ok(StoredCallback {
            received: row.try_into()?,
            parked_at: parked_at.map(Into::into),
            applied: applied.map(|(at, so_id)| Applied { so_id: SoId::from_stored(so_id), at: at.into() }),
        })
    };
    let items = rows.into_iter().map(stored).collect::<Result<Vec<_>>>()?;
    Ok(Page::cut(items, page.size, |callback| callback.received.id))
}

/// How many are parked.
///
/// # Errors
/// When the database does not answer.
pub async fn count_parked(conn: &mut Conn) -> Result<i64> {
    let parked =
        callbacks::table.filter(callbacks::applied_at.is_null()).filter(callbacks::parked_at.is_not_null());
    Ok(on!(conn, |c| parked.count().get_result(c).await)?)
}

/// One that is open, and nobody else applies it until the transaction ends. `None`: it is applied. Who has it in hand is
/// waited for: he may not have seen the order that has just come.
///
/// # Errors
/// When the database does not answer.
pub async fn lock_open(conn: &mut Conn, id: i64) -> Result<Option<ReceivedCallback>> {
    let open = || callbacks::table.find(id).filter(callbacks::applied_at.is_null());
    let row: Option<CallbackRow> = match conn {
        Conn::Pg(conn) => {
            let row = open().select(CallbackRow::as_select());
            row.for_update().first(conn).await.optional()?
        }
        // Transactions that may write run one after the other.
        Conn::Lite(conn) => open().select(CallbackRow::as_select()).first(conn).await.optional()?,
    };
    row.map(TryInto::try_into).transpose()
}

/// It was applied to this order, and is kept for ever as it is given here.
///
/// # Errors
/// When the database does not answer.
pub async fn mark_applied(
    conn: &mut Conn,
    callback: &ReceivedCallback,
    order_id: i64,
    now: DateTime<Utc>,
) -> Result<()> {
    let applied = (
        callbacks::order_id.eq(order_id),
        callbacks::applied_at.eq(At(now)),
        callbacks::words.eq(&callback.words),
        callbacks::data.eq(&callback.data),
        callbacks::sealed.eq(callback.sealed.as_ref().map(Sealed::as_str)),
    );
    on!(conn, |c| diesel::update(callbacks::table.find(callback.id)).set(applied).execute(c).await)?;
    Ok(())
}

/// Its order was looked for in vain. The first time stays.
///
/// # Errors
/// When the database does not answer.
pub async fn mark_parked(conn: &mut Conn, id: i64, now: DateTime<Utc>) -> Result<()> {
    let row = callbacks::table.find(id).filter(callbacks::parked_at.is_null());
    on!(conn, |c| diesel::update(row).set(callbacks::parked_at.eq(At(now))).execute(c).await)?;
    Ok(())
}

/// Those that came before then, are parked still and were not complained of, at most so many; from now on they were.
///
/// # Errors
/// When the database does not answer.
pub async fn complain(
    conn: &mut Conn,
    before: DateTime<Utc>,
    limit: i64,
    now: DateTime<Utc>,
) -> Result<Vec<ReceivedCallback>> {
    let overdue = || {
        callbacks::table
            .filter(callbacks::applied_at.is_null())
            .filter(callbacks::warned_at.is_null())
            .filter(callbacks::received_at.lt(At(before)))
            .order(callbacks::id)
            .limit(limit)
    };
    let rows: Vec<CallbackRow> = match conn {
        Conn::Pg(conn) => {
            overdue().select(CallbackRow::as_select()).for_update().skip_locked().load(conn).await?
        }
        Conn::Lite(conn) => overdue().select(CallbackRow::as_select()).load(conn).await?,
    };
    if !rows.is_empty() {
        let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
        let rows = callbacks::table.filter(callbacks::id.eq_any(ids));
        on!(conn, |c| diesel::update(rows).set(callbacks::warned_at.eq(At(now))).execute(c).await)?;
    }
    rows.into_iter().map(TryInto::try_into).collect()
}
