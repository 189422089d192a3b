//! The budget of calls in PostgreSQL: a row an account, and one statement that reserves a slot by the database's clock.

use std::time::Duration;

use diesel::{
    ExpressionMethods as _, OptionalExtension as _, insert_into,
    pg::Pg,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    result::QueryResult,
    sql_types::{BigInt, Bool, Text},
};
use diesel_async::RunQueryDsl as _;

use super::{Conn, Result, schema::upstream_slots};
use crate::domain::slots::{Priority, Rules, Slot, Turn, Wish, duration};

/// Reserves the account's next slot, or says when to ask again.
///
/// # Errors
/// When the database does not answer, or is not PostgreSQL.
pub async fn reserve(conn: &mut Conn, account: &str, rules: &Rules, wish: &Wish) -> Result<Turn> {
    let conn = conn.shared()?;
    let reserve = Reserve::new(account, rules, wish);
    loop {
        let verdict: Option<Verdict> = reserve.get_result(conn).await.optional()?;
        if let Some(verdict) = verdict {
            return Ok(turn(verdict, rules, wish));
        }
        let row = insert_into(upstream_slots::table).values(upstream_slots::account.eq(account));
        row.on_conflict_do_nothing().execute(conn).await?;
    }
}

/// Keeps everybody from calling under this account for so long.
///
/// # Errors
/// When the database does not answer, or is not PostgreSQL.
pub async fn hold(conn: &mut Conn, account: &str, rules: &Rules, wait: Duration) -> Result<()> {
    let wait = micros(wait).min(rules.longest_hold);
    // A hold that is further ahead than any can be was made before the clock was set back.
    diesel::sql_query(
        "UPDATE upstream_slots SET held_until = t.now + greatest($2, CASE WHEN held_until - t.now > $3 THEN 0 \
             ELSE held_until - t.now END) \
         FROM (SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now) t WHERE account = $1",
    )
    .bind::<Text, _>(account)
    .bind::<BigInt, _>(wait)
    .bind::<BigInt, _>(rules.longest_hold)
    .execute(conn.shared()?)
    .await?;
    Ok(())
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// Now, the slot's instant, time left of a hold, time since bulk's last slot, whether it is for bulk, whether it is taken.
type Verdict = (i64, i64, i64, i64, bool, bool);

fn turn((now, due, held, since_bulk, for_bulk, taken): Verdict, rules: &Rules, wish: &Wish) -> Turn {
    if taken {
        let priority = if for_bulk { Priority::Bulk } else { Priority::Live };
        return Turn::Reserved(Slot { now, due, priority });
    }
    if 0 < held && held <= rules.longest_hold {
        return Turn::Held(duration(held));
    }
    let (wait, lead) = (due - now, micros(wish.lead).min(rules.longest_lead));
    Turn::AskAgain { after: rules.ask_again(wait - lead, since_bulk), due: duration(wait) }
}

/// What goes in front of the statement: its parameters, by name.
const PARAMETERS: &str = "WITH asked(account, live, bulk, lead, patience, spacing, horizon, share, ahead, step, longest_hold) \
                          AS MATERIALIZED (SELECT ";

/// The arithmetic is that of `domain::slots::Timeline::reserve`. The clock is read once the row is locked, so that
/// whoever waited for the lock goes by the time at which he got it. Everything is one statement, so that a process that is
/// stopped or killed half-way holds no lock.
const STATEMENT: &str = "), \
     held AS MATERIALIZED (SELECT s.next_slot, s.bulk_last, s.held_until FROM upstream_slots s \
         WHERE s.account = (SELECT account FROM asked) FOR UPDATE), \
     told AS MATERIALIZED (SELECT held.*, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now FROM held), \
     next AS MATERIALIZED (SELECT now, bulk_last, held_until - now AS held, \
         CASE WHEN next_slot - now > asked.step THEN now + 1000000 ELSE greatest(next_slot, now + asked.lead) END AS due \
         FROM told, asked), \
     shared AS MATERIALIZED (SELECT next.*, due - bulk_last AS since_bulk, \
         asked.bulk AND (due - bulk_last >= asked.share OR due < bulk_last) AS is_share FROM next, asked), \
     verdict AS MATERIALIZED (SELECT now, due, held, since_bulk, is_share OR NOT asked.live AS for_bulk, \
         NOT (0 < held AND held <= asked.longest_hold) \
             AND (asked.live OR is_share OR due - now - asked.lead <= asked.horizon) \
             AND due - now <= least(asked.ahead, asked.patience) AS taken \
         FROM shared, asked), \
     taken AS (UPDATE upstream_slots s SET next_slot = v.due + asked.spacing, \
             bulk_last = CASE WHEN v.for_bulk THEN v.due ELSE s.bulk_last END \
         FROM verdict v, asked WHERE s.account = asked.account AND v.taken) \
     SELECT now, due, held, since_bulk, for_bulk, taken FROM verdict";

/// The reserving statement. A type of its own, since the database then parses it once a connection, and not each time.
#[derive(Clone, Copy)]
struct Reserve<'a> {
    account: &'a str,
    live: bool,
    bulk: bool,
    numbers: [i64; 8],
}

impl<'a> Reserve<'a> {
    fn new(account: &'a str, rules: &Rules, wish: &Wish) -> Self {
        let Rules { spacing, horizon, share, ahead, step, longest_lead, longest_hold } = *rules;
        let lead = micros(wish.lead).min(longest_lead);
        let patience = wish.patience.map_or(i64::MAX, micros);
        let numbers = [lead, patience, spacing, horizon, share, ahead, step, longest_hold];
        Self { account, live: wish.live, bulk: wish.bulk, numbers }
    }
}

impl QueryFragment<Pg> for Reserve<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(PARAMETERS);
        out.push_bind_param::<Text, _>(self.account)?;
        for flag in [&self.live, &self.bulk] {
            out.push_sql(", ");
            out.push_bind_param::<Bool, _>(flag)?;
        }
        for number in &self.numbers {
            out.push_sql(", ");
            out.push_bind_param::<BigInt, _>(number)?;
        }
        out.push_sql(STATEMENT);
        Ok(())
    }
}

impl QueryId for Reserve<'_> {
    type QueryId = Reserve<'static>;
}

impl Query for Reserve<'_> {
    type SqlType = (BigInt, BigInt, BigInt, BigInt, Bool, Bool);
}
