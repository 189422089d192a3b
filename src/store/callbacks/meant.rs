//! The orders that a callback may mean by a number.

use diesel::{ExpressionMethods as _, QueryDsl as _};
use diesel_async::RunQueryDsl as _;

use super::super::{Conn, Result, on, orders::sender, schema::orders};
use crate::domain::orders::{Sender, SoId};

/// An order that has the number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeantOrder {
    /// Its id.
    pub id: i64,
    /// Its number.
    pub so_id: SoId,
    /// Under whose name it was sent. `None`: it never was, as far as is known here.
    pub sender: Option<Sender>,
}

type Row = (i64, String, Option<String>, Option<serde_json::Value>);

macro_rules! meant {
    ($conn:expr, $column:ident, $number:expr) => {{
        let rows: Vec<Row> = on!($conn, |c| orders::table
            .filter(orders::$column.eq($number))
            .order(orders::id)
            .limit(MOST)
            .select((orders::id, orders::so_id, orders::account, orders::sender))
            .load(c)
            .await)?;
        rows.into_iter().map(meant).collect()
    }};
}

/// More orders than any platform has under one number of its own.
const MOST: i64 = 1_000;

fn meant((id, so_id, account, json): Row) -> Result<MeantOrder> {
    let sender = account.zip(json).map(|(account, json)| sender(account, json)).transpose()?;
    Ok(MeantOrder { id, so_id: SoId::from_stored(so_id), sender })
}

/// The order with this `so_id`.
///
/// # Errors
/// When the database does not answer.
pub async fn list_by_so_id(conn: &mut Conn, so_id: &str) -> Result<Vec<MeantOrder>> {
    meant!(conn, so_id, so_id)
}

/// The orders with this `online_no`; several may share one.
///
/// # Errors
/// When the database does not answer.
pub async fn list_by_online_no(conn: &mut Conn, online_no: &str) -> Result<Vec<MeantOrder>> {
    meant!(conn, online_no, online_no)
}

/// The orders of which Haier's order number is known to be this.
///
/// # Errors
/// When the database does not answer.
pub async fn list_by_haier_order_no(conn: &mut Conn, haier_order_no: &str) -> Result<Vec<MeantOrder>> {
    meant!(conn, haier_order_no, haier_order_no)
}
