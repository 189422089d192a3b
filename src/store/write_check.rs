//! Whether anything can be written: a row of its own is written for that.

use diesel::sql_types::Text;
use diesel_async::RunQueryDsl as _;

use super::{Result, Store, on};

/// Words of 16 signs that the row is filled with: on SQLite more than a page, so that a full disk shows. A server that is full
/// says so by itself, and what it writes is kept for its standbys.
const WORDS: [usize; 2] = [1, 500];

/// Writes the row anew.
pub(super) async fn write(store: &Store) -> Result<()> {
    // Other words each time: SQLite writes no page that stays as it was.
    let filling = format!("{:016x}", rand::random::<u64>()).repeat(WORDS[usize::from(store.is_exclusive())]);
    let mut tx = store.begin().await?;
    let write = "INSERT INTO write_checks (id, filling) VALUES (1, $1) \
                 ON CONFLICT (id) DO UPDATE SET filling = excluded.filling";
    on!(&mut *tx, |c| diesel::sql_query(write).bind::<Text, _>(filling).execute(c).await)?;
    tx.commit().await
}
