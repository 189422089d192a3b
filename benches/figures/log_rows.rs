//! Millions of believable logs, written by SQL into monthly partitions such as the service makes.

use anyhow::Context as _;
use chrono::{DateTime, Datelike as _, Months, NaiveDate, NaiveTime, Utc};
use haier_integration::domain::ids::first_id_at;
use tokio_postgres::Client;

use super::say;

/// Months that the rows are spread over, as far as ids reach back.
const MONTHS: u32 = 24;
/// Where ids begin.
const FIRST: Option<NaiveDate> = NaiveDate::from_ymd_opt(2024, 1, 1);

/// What was written.
pub(crate) struct Logs {
    pub(crate) partitions: usize,
    /// Of the oldest log.
    pub(crate) from: DateTime<Utc>,
    /// After the newest.
    pub(crate) to: DateTime<Utc>,
}

/// Spreads the rows evenly over the months up to now, and lets PostgreSQL vacuum and analyze them.
pub(crate) async fn insert(client: &Client, rows: u64) -> anyhow::Result<Logs> {
    #[expect(clippy::disallowed_methods, reason = "the service's own clock is the real one here")]
    let now = Utc::now();
    let this_month = now.date_naive().with_day(1).context("no first of the month")?;
    let months: Vec<NaiveDate> = (0..MONTHS)
        .rev()
        .filter_map(|back| this_month.checked_sub_months(Months::new(back)))
        .filter(|month| FIRST.is_none_or(|first| *month >= first))
        .collect();
    let from = midnight(*months.first().context("no month to write to")?);
    for month in &months {
        let end = month.checked_add_months(Months::new(1)).context("no next month")?;
        let (begin, end, last) = (midnight(*month), midnight(end), midnight(end).min(now));
        let (year, number) = (month.year(), month.month());
        // As the service names and bounds them.
        let partition = format!(
            "CREATE TABLE IF NOT EXISTS sync_logs_{year:04}_{number:02} PARTITION OF sync_logs \
             FOR VALUES FROM ({}) TO ({})",
            first_id_at(begin),
            first_id_at(end)
        );
        client.batch_execute(&partition).await?;
        let here = i64::try_from(rows / months.len() as u64)?;
        let span = (last - begin).num_milliseconds();
        client.execute(INSERT, &[&begin.timestamp_millis(), &span, &here]).await?;
        say(&format!("{here} logs of {year:04}-{number:02} written"));
    }
    client.batch_execute("VACUUM (ANALYZE) sync_logs").await?;
    Ok(Logs { partitions: months.len(), from, to: now })
}

/// `$1`: milliseconds of the month's begin; `$2`: milliseconds to spread over; `$3`: rows. Prices are most of them,
/// repairs by hand few; nine in ten succeed.
const INSERT: &str = r#"
INSERT INTO sync_logs (id, sync_type, status, end_reason, message, message_parts, total_count, success_count,
    failed_count, planned_count, "trigger", requested_by, account, created_at, started_at, completed_at)
SELECT ((at - 1704067200000) << 22) | (7 << 12) | (n % 4096), sync_type, status, 'COMPLETED',
    CASE WHEN failed = 0 THEN '完成: ' || total || ' 个成功' ELSE '完成: ' || failed || ' 个失败' END,
    json_build_object('failures',
        CASE WHEN failed = 0 THEN '[]'::json ELSE json_build_array(json_build_array('UNKNOWN_CODE', failed)) END,
        'detail', '', 'bad_pictures', 0),
    total, total - failed, failed, total, 'CALLER', 'shop', 'environment', created_at,
    created_at + interval '1 millisecond' * 20, created_at + interval '1 millisecond' * (20 + total * 3)
FROM (
    SELECT n, at, to_timestamp(at / 1000.0) AS created_at, total,
        CASE WHEN d2 < 90 THEN 'success' WHEN d2 < 96 THEN 'partial' ELSE 'failed' END AS status,
        CASE WHEN d2 < 90 THEN 0 WHEN d2 < 96 THEN 1 + total / 10 ELSE total END AS failed,
        CASE WHEN d1 < 100 THEN 'products' WHEN d1 < 500 THEN 'prices' WHEN d1 < 700 THEN 'stock'
            WHEN d1 < 900 THEN 'order' WHEN d1 < 999 THEN 'logistics' ELSE 'manual' END AS sync_type
    FROM (
        SELECT n, $1::bigint + n * $2::bigint / $3::bigint AS at, floor(random() * 1000) AS d1,
            floor(random() * 100) AS d2, 2 + floor(random() * 999)::bigint AS total
        FROM generate_series(0, $3::bigint - 1) AS n
    ) AS dice
) AS log"#;

fn midnight(date: NaiveDate) -> DateTime<Utc> {
    date.and_time(NaiveTime::MIN).and_utc()
}
