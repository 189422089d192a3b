//! What happened to each order. Rows are added, in the transaction of what follows from them, and never touched again.

mod data;

use diesel::{ExpressionMethods as _, QueryDsl as _};
use diesel_async::RunQueryDsl as _;

use super::{
    Pipeline, Result,
    conn::{ahead, each},
    instant::At,
    schema::order_facts,
};
use crate::domain::{orders::facts::Fact, pages::PageRequest};

/// All facts of an order, in the order in which they were learnt.
///
/// # Errors
/// When the database does not answer.
pub async fn list(pipeline: &Pipeline<'_>, order_id: i64) -> Result<Vec<Fact>> {
    let rows: Vec<(At, String, serde_json::Value)> = ahead!(pipeline, |c| order_facts::table
        .filter(order_facts::order_id.eq(order_id))
        .order(order_facts::seq)
        .select((order_facts::at, order_facts::kind, order_facts::data))
        .load(c)
        .await)?;
    rows.into_iter()
        .map(|(at, kind, json)| Ok(Fact { at: at.into(), kind: data::decode(&kind, json)? }))
        .collect()
}

/// One page of an order's facts with their numbers, in the order in which they were learnt, and one more if there is one.
///
/// # Errors
/// When the database does not answer.
pub async fn list_page(
    pipeline: &Pipeline<'_>,
    order_id: i64,
    page: &PageRequest<i64>,
) -> Result<Vec<(i64, Fact)>> {
    let rows: Vec<(i64, At, String, serde_json::Value)> = ahead!(pipeline, |c| order_facts::table
        .filter(order_facts::order_id.eq(order_id))
        .filter(order_facts::seq.gt(page.after.unwrap_or(0)))
        .order(order_facts::seq)
        .limit(page.size + 1)
        .select((order_facts::seq, order_facts::at, order_facts::kind, order_facts::data))
        .load(c)
        .await)?;
    rows.into_iter()
        .map(|(seq, at, kind, json)| Ok((seq, Fact { at: at.into(), kind: data::decode(&kind, json)? })))
        .collect()
}

/// Adds facts behind those that are stored already. Only with the order's row locked.
///
/// # Errors
/// When the database does not answer.
pub async fn append(pipeline: &Pipeline<'_>, order_id: i64, stored: usize, facts: &[Fact]) -> Result<()> {
    let first = i64::try_from(stored).unwrap_or(i64::MAX - 1) + 1;
    let row = |(fact, seq): (&Fact, i64)| {
        let (kind, json) = data::encode(&fact.kind);
        (
            order_facts::order_id.eq(order_id),
            order_facts::seq.eq(seq),
            order_facts::at.eq(At(fact.at)),
            order_facts::kind.eq(kind),
            order_facts::data.eq(json),
        )
    };
    each!(pipeline, facts.iter().zip(first..).map(row), |row| diesel::insert_into(order_facts::table)
        .values(row));
    Ok(())
}
