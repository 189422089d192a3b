//! Logs as a table.

use crate::{
    cli::{
        moment,
        table::{
            self,
            Column::{self, Number, Text},
        },
    },
    proto::SyncLog,
};

/// The admin's six columns, and the id by which a log is shown whole.
const COLUMNS: [Column; 7] = [
    Text("id"),
    Text("sync_type"),
    Text("status"),
    Number("total"),
    Number("success"),
    Number("failed"),
    Text("created_at"),
];

pub(super) fn of(logs: &[SyncLog]) -> String {
    let row = |log: &SyncLog| {
        [
            log.id.to_string(),
            log.sync_type_display.clone(),
            log.status_display.clone(),
            log.total_count.to_string(),
            log.success_count.to_string(),
            log.failed_count.to_string(),
            moment::local(log.created_at.as_ref()),
        ]
    };
    table::of(&COLUMNS, logs.iter().map(row))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chinese_words_keep_the_columns_straight() {
        let log = |status: &str, total_count| SyncLog {
            id: 1,
            sync_type_display: "商品同步".to_owned(),
            status_display: status.to_owned(),
            total_count,
            ..SyncLog::default()
        };
        let text = of(&[log("成功", 5), log("部分成功", 12345)]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        // 成功 is four columns narrower than 部分成功: two characters fewer, so four blanks more.
        assert!(lines[1].contains("商品同步   成功          5"), "{text}");
        assert!(lines[2].contains("商品同步   部分成功  12345"), "{text}");
    }
}
