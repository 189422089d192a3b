//! What keeps a run waiting.

use chrono::{DateTime, TimeDelta, Utc};

use super::{messages::Language, reasons::Reason};

/// A run asks Haier nothing for the moment, through no fault of its codes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    /// A pause, an open breaker, a throttle, the budget, our own database, or how Haier fails.
    pub reason: Reason,
    /// In words.
    pub detail: String,
    /// Since when.
    pub since: DateTime<Utc>,
    /// When the run asks again; `None`: nobody knows.
    pub until: Option<DateTime<Utc>>,
}

impl Wait {
    /// What is said of a run that waits so; since when and until when stand beside it.
    #[must_use]
    pub fn render(&self, language: Language) -> String {
        let Self { reason, detail, .. } = self;
        match language {
            Language::Chinese => format!("等待中：{reason} {}；{detail}", reason.chinese()),
            Language::English => format!("waiting: {reason} {}; {detail}", reason.english()),
        }
    }
}

/// A span of time in words, in whole seconds.
#[must_use]
pub fn span(span: TimeDelta, language: Language) -> String {
    let seconds = span.num_seconds().max(0);
    let parts = [(seconds / 3_600, "小时", "h"), (seconds / 60 % 60, "分", "m"), (seconds % 60, "秒", "s")];
    let shown =
        parts.iter().filter(|(number, ..)| *number > 0).map(|(number, chinese, english)| match language {
            Language::Chinese => format!("{number} {chinese}"),
            Language::English => format!("{number}{english}"),
        });
    let shown: Vec<_> = shown.collect();
    match (shown.is_empty(), language) {
        (true, Language::Chinese) => "0 秒".to_owned(),
        (true, Language::English) => "0s".to_owned(),
        (false, _) => shown.join(" "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_told_in_both_languages() {
        for (seconds, chinese, english) in [
            (0, "0 秒", "0s"),
            (59, "59 秒", "59s"),
            (60, "1 分", "1m"),
            (3_661, "1 小时 1 分 1 秒", "1h 1m 1s"),
            (90_000, "25 小时", "25h"),
        ] {
            let told = |language| span(TimeDelta::seconds(seconds), language);
            assert_eq!(
                (told(Language::Chinese).as_str(), told(Language::English).as_str()),
                (chinese, english)
            );
        }
    }
}
