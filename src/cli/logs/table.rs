//! Logs as a table. Chinese characters are two columns wide, which the library knows.

use comfy_table::{CellAlignment, ContentArrangement, Row, Table, presets};

use crate::{
    cli::{console::printable, moment},
    proto::SyncLog,
};

const COLUMNS: [&str; 7] = ["id", "sync_type", "status", "total", "success", "failed", "created_at"];
const NUMBERS: [usize; 3] = [3, 4, 5];

/// The admin's six columns, and the id by which a log is shown whole.
pub(super) fn of(logs: &[SyncLog]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(COLUMNS);
    for log in logs {
        table.add_row(Row::from([
            log.id.to_string(),
            printable(&log.sync_type_display),
            printable(&log.status_display),
            log.total_count.to_string(),
            log.success_count.to_string(),
            log.failed_count.to_string(),
            moment::local(log.created_at.as_ref()),
        ]));
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if NUMBERS.contains(&index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
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
