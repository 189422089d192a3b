//! The words of a log: reason and parameters are kept, the Chinese and the English message are both derived from them.

use std::fmt::Write as _;

use chrono::TimeDelta;

use super::{
    guard::{Extent, Share},
    reasons::Reason,
    sync_runs::MOST_BESIDE,
    waits,
};

/// Longest message in characters.
pub const MAX_MESSAGE_CHARS: usize = 2_000;
/// Longest detail in characters, so that a message has room for the rest.
const MAX_DETAIL_CHARS: usize = 1_000;
/// How many kinds of failure a message names.
const MAX_KINDS: usize = 6;

/// The language of words meant for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    /// Simplified Chinese.
    #[default]
    Chinese,
    /// English.
    English,
}

/// How a run ended, in parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndMessage {
    /// Why it ended.
    pub reason: Reason,
    /// Codes that succeeded.
    pub success: i64,
    /// Codes that failed.
    pub failed: i64,
    /// How many codes failed for which reason, most first.
    pub failures: Vec<(Reason, i64)>,
    /// What exactly went wrong, and what to check. May be empty.
    pub detail: String,
    /// Picture addresses left out because they are none.
    pub bad_pictures: i64,
    /// Products found gone from the listing.
    pub delisted: i64,
    /// How far what waits for a person reaches; `None`: nothing does.
    pub held: Option<Extent>,
    /// For how long the run was kept waiting.
    pub waited: TimeDelta,
}

impl EndMessage {
    /// The message: the reason's word and name first, so that a search for either finds it.
    #[must_use]
    pub fn render(&self, language: Language) -> String {
        let mut text = String::new();
        let (colon, comma) = match language {
            Language::Chinese => ("：", "，"),
            Language::English => (": ", ", "),
        };
        let name = |reason: Reason| match language {
            Language::Chinese => reason.chinese(),
            Language::English => reason.english(),
        };
        // Writing to a String cannot fail.
        let _ = write!(text, "{} {}{colon}", self.reason, name(self.reason));
        let _ = match language {
            Language::Chinese => write!(text, "成功 {}，失败 {}", self.success, self.failed),
            Language::English => write!(text, "{} succeeded, {} failed", self.success, self.failed),
        };
        if !self.failures.is_empty() {
            let kinds = self.failures.iter().take(MAX_KINDS);
            let kinds: Vec<_> =
                kinds.map(|(reason, count)| format!("{reason} {} {count}", name(*reason))).collect();
            let _ = match language {
                Language::Chinese => write!(text, "（{}）", kinds.join(comma)),
                Language::English => write!(text, " ({})", kinds.join(comma)),
            };
        }
        if self.delisted > 0 {
            let _ = match language {
                Language::Chinese => write!(text, "；{} 个商品已下架", self.delisted),
                Language::English => write!(text, "; {} delisted", self.delisted),
            };
        }
        if let Some(extent) = &self.held {
            text.push_str(&held(extent, language));
        }
        if self.bad_pictures > 0 {
            let _ = match language {
                Language::Chinese => write!(text, "；忽略了 {} 个无效图片地址", self.bad_pictures),
                Language::English => write!(text, "; {} bad picture addresses left out", self.bad_pictures),
            };
        }
        if self.waited >= TimeDelta::seconds(1) {
            let waited = waits::span(self.waited, language);
            let _ = match language {
                Language::Chinese => write!(text, "；其中等待 {waited}"),
                Language::English => write!(text, "; waited {waited}"),
            };
        }
        if !self.detail.is_empty() {
            let separator = if language == Language::Chinese { "；" } else { "; " };
            let _ = write!(text, "{separator}{}", cut(&self.detail, MAX_DETAIL_CHARS));
        }
        cut(&text, MAX_MESSAGE_CHARS).to_owned()
    }
}

/// What is said of a run that waits for others.
#[must_use]
pub fn waiting(language: Language) -> String {
    match language {
        Language::Chinese => format!("等待中：已有 {MOST_BESIDE} 个同步正在进行"),
        Language::English => format!("waiting: {MOST_BESIDE} other runs are at work"),
    }
}

/// What waits for a person, as a part of the message.
fn held(Extent { delisted, prices }: &Extent, language: Language) -> String {
    let told = |Share { part, of }: Share, chinese: &str, english: &str| {
        let percent = Share { part, of }.percent();
        (part > 0).then(|| match language {
            Language::Chinese => format!("{chinese} {part} 个（共 {of} 个，{percent:.1}%）"),
            Language::English => format!("{part} {english} ({percent:.1}% of {of})"),
        })
    };
    let parts =
        [told(*delisted, "下架", "delistings"), told(*prices, "价格大幅变动", "prices that moved far")];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    match language {
        Language::Chinese => format!("；暂未写入：{}", parts.join("，")),
        Language::English => format!("; set aside: {}", parts.join(", ")),
    }
}

/// The first `chars` characters of a text (characters, not bytes).
#[must_use]
pub fn cut(text: &str, chars: usize) -> &str {
    text.char_indices().nth(chars).map_or(text, |(end, _)| &text[..end])
}

#[cfg(test)]
mod tests {
    use super::{EndMessage, Extent, Language, Reason, Share, TimeDelta, cut};

    #[test]
    fn a_message_is_found_by_word_and_by_name() {
        let end = EndMessage {
            reason: Reason::Completed,
            success: 7,
            failed: 2,
            failures: vec![(Reason::RequestTimeout, 2)],
            detail: "no answer within 30 s".into(),
            bad_pictures: 1,
            delisted: 3,
            held: None,
            waited: TimeDelta::seconds(200),
        };
        assert_eq!(
            end.render(Language::Chinese),
            "COMPLETED 已完成：成功 7，失败 2（REQUEST_TIMEOUT 请求超时 2）；3 个商品已下架；忽略了 1 个无效图片地址；其中等待 3 分 20 秒；no answer within 30 s"
        );
        assert_eq!(
            end.render(Language::English),
            "COMPLETED completed: 7 succeeded, 2 failed (REQUEST_TIMEOUT request timed out 2); 3 delisted; \
             1 bad picture addresses left out; waited 3m 20s; no answer within 30 s"
        );
    }

    #[test]
    fn what_is_held_is_told_in_both_languages() {
        let share = |part, of| Share { part, of };
        let extent = Extent { delisted: share(6, 100), prices: share(11, 100) };
        let end = EndMessage {
            reason: Reason::Held,
            success: 94,
            failed: 0,
            failures: Vec::new(),
            detail: String::new(),
            bad_pictures: 0,
            delisted: 0,
            held: Some(extent),
            waited: TimeDelta::milliseconds(999),
        };
        assert_eq!(
            end.render(Language::Chinese),
            "HELD 待确认：成功 94，失败 0；暂未写入：下架 6 个（共 100 个，6.0%），价格大幅变动 11 个（共 100 个，11.0%）"
        );
        let only_prices = Extent { delisted: share(0, 100), ..extent };
        assert_eq!(
            EndMessage { held: Some(only_prices), ..end }.render(Language::English),
            "HELD held for approval: 94 succeeded, 0 failed; set aside: 11 prices that moved far (11.0% of 100)"
        );
    }

    #[test]
    fn texts_are_cut_by_characters() {
        assert_eq!(cut("海尔电热水器", 2), "海尔");
        assert_eq!(cut("ab", 2), "ab");
    }
}
