//! Codes for which Haier refuses a whole batch.

use diesel::{BoolExpressionMethods as _, ExpressionMethods as _, QueryDsl as _};
use diesel_async::RunQueryDsl as _;

use super::{Conn, Result, on, schema::poison_codes, sync_logs::unknown};
use crate::domain::{products::ProductCode, sync_logs::Stage};

/// A code, and the stage at which it spoils its batch.
pub type PoisonCode = (ProductCode, Stage);

/// All of them.
///
/// # Errors
/// When the database does not answer.
pub async fn list(conn: &mut Conn) -> Result<Vec<PoisonCode>> {
    let rows: Vec<(String, String)> = on!(conn, |c| poison_codes::table.load(c).await)?;
    let known = |(code, stage): (String, String)| {
        Ok((ProductCode::from_stored(code), Stage::parse(&stage).ok_or_else(|| unknown("stage", &stage))?))
    };
    rows.into_iter().map(known).collect()
}

/// Remembers some.
///
/// # Errors
/// When the database does not answer.
pub async fn insert(conn: &mut Conn, codes: &[PoisonCode]) -> Result<()> {
    // One statement each: they are few, and come once. A batch without a single good neighbour yields none.
    for (code, stage) in codes {
        let row = (poison_codes::product_code.eq(code.as_str()), poison_codes::stage.eq(stage.as_str()));
        on!(conn, |c| diesel::insert_into(poison_codes::table)
            .values(row)
            .on_conflict_do_nothing()
            .execute(c)
            .await)?;
    }
    Ok(())
}

/// Forgets some, because Haier answers for them again.
///
/// # Errors
/// When the database does not answer.
pub async fn delete(conn: &mut Conn, codes: &[PoisonCode]) -> Result<()> {
    for (code, stage) in codes {
        let it = poison_codes::product_code.eq(code.as_str()).and(poison_codes::stage.eq(stage.as_str()));
        on!(conn, |c| diesel::delete(poison_codes::table.filter(it)).execute(c).await)?;
    }
    Ok(())
}
