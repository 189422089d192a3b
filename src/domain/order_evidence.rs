//! What Haier's refusal of a new order proves. Nobody has seen the words in which Haier refuses a repeated `soId`, so no
//! single substring may decide that an order is booked: a strong proof names the order, a number or an agreed code.

use super::order_calls::OrderRefusal;

/// Which codes and phrases mean what. All of it is settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvidenceRules {
    /// Codes in the body that identify Haier's "duplicate order" refusal: strong evidence.
    pub duplicate_codes: Vec<String>,
    /// Phrases of that refusal: strong evidence together with the order's number, weak evidence alone.
    pub duplicate_phrases: Vec<String>,
    /// Codes of a failure of the system, after which the order may be booked or not.
    pub doubt_codes: Vec<String>,
    /// Phrases of haste or of a failure of the system, after which the order may be booked or not.
    pub doubt_phrases: Vec<String>,
    /// Whether weak evidence suffices: once an operator has seen Haier's real words.
    pub weak_suffices: bool,
}

impl Default for EvidenceRules {
    fn default() -> Self {
        let list = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Self {
            duplicate_codes: list(&["409"]),
            duplicate_phrases: list(&["重复", "已存在", "duplicate"]),
            doubt_codes: list(&["-1", "9999"]),
            doubt_phrases: list(&["重复提交", "稍后", "系统繁忙", "请勿", "系统异常", "处理中"]),
            weak_suffices: false,
        }
    }
}

/// The numbers by which Haier may name an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderNames {
    /// The sub-order number.
    pub so_id: String,
    /// The platform's own order number.
    pub online_no: String,
}

/// What a refusal of a new order proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence {
    /// Haier has this order.
    Repeated,
    /// Haier may mean that it has this order: a phrase alone says so.
    WeaklyRepeated,
    /// Nobody knows whether Haier has it.
    Doubt,
    /// Haier does not take it.
    Refused,
}

impl EvidenceRules {
    /// The lines of the table in `docs/development/booking-evidence.md`, from top to bottom.
    #[must_use]
    pub fn judge(&self, refusal: &OrderRefusal, order: &OrderNames) -> Evidence {
        let message = refusal.message.to_lowercase();
        let is_hasty = says(&message, &self.doubt_phrases);
        let is_duplicate = says(&message, &self.duplicate_phrases);
        let has_number = refusal.retail_order_no.is_some();
        let is_named = [&order.so_id, &order.online_no].into_iter().any(|number| names(&message, number));
        // A phrase of haste overrides a duplicate phrase, but neither a code nor a number.
        let is_strong = self.duplicate_codes.contains(&refusal.code)
            || is_duplicate && (has_number || is_named && !is_hasty);
        if is_strong {
            return Evidence::Repeated;
        }
        if is_duplicate && !is_hasty {
            return if self.weak_suffices { Evidence::Repeated } else { Evidence::WeaklyRepeated };
        }
        if is_hasty || has_number || self.is_of_the_system(refusal) {
            return Evidence::Doubt;
        }
        Evidence::Refused
    }

    /// Whether a refusal speaks of the moment or of the system, or says nothing at all: then what was asked may be done or not.
    #[must_use]
    pub fn leaves_doubt(&self, refusal: &OrderRefusal) -> bool {
        says(&refusal.message.to_lowercase(), &self.doubt_phrases) || self.is_of_the_system(refusal)
    }

    fn is_of_the_system(&self, refusal: &OrderRefusal) -> bool {
        self.doubt_codes.contains(&refusal.code) || refusal.message.trim().is_empty()
    }
}

/// Whether a message in lower case holds one of these phrases.
#[must_use]
pub fn says(message: &str, phrases: &[String]) -> bool {
    phrases.iter().any(|phrase| message.contains(&phrase.to_lowercase()))
}

/// Whether a message in lower case names this number, and not a longer one that contains it.
fn names(message: &str, number: &str) -> bool {
    let number = number.trim().to_lowercase();
    let continues = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_');
    !number.is_empty()
        && message.match_indices(&number).any(|(start, found)| {
            let before = message[..start].chars().next_back();
            let after = message[start + found.len()..].chars().next();
            !before.is_some_and(continues) && !after.is_some_and(continues)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(code: &str, message: &str, number: Option<&str>) -> Evidence {
        let refusal = OrderRefusal {
            code: code.to_owned(),
            message: message.to_owned(),
            retail_order_no: number.map(str::to_owned),
        };
        let order = OrderNames { so_id: "SO-1".to_owned(), online_no: "TB-7".to_owned() };
        EvidenceRules::default().judge(&refusal, &order)
    }

    #[test]
    fn a_phrase_is_a_proof_only_beside_a_number_of_the_order() {
        use Evidence::{Doubt, Refused, Repeated, WeaklyRepeated};
        for (code, message, number, expected) in [
            ("409", "订单已存在，请勿重复推送：soId SO-1", None, Repeated),
            ("409", "", None, Repeated),
            ("B1", "订单重复", Some("LS1"), Repeated),
            ("B1", "系统繁忙，订单重复", Some("LS1"), Repeated),
            ("B1", "订单SO-1已存在", None, Repeated),
            ("B1", "Duplicate order tb-7.", None, Repeated),
            ("9999", "订单SO-1已存在", None, Repeated),
            ("B17", "收货人已存在未完成的退货单，订单未创建", None, WeaklyRepeated),
            ("B1", "订单SO-10已存在", None, WeaklyRepeated),
            ("B1", "订单SO-1-2已存在", None, WeaklyRepeated),
            ("9999", "系统繁忙，请勿重复提交，请稍后再试", None, Doubt),
            ("B1", "订单SO-1处理中，请勿重复提交", None, Doubt),
            ("-1", "失败", None, Doubt),
            ("B1", "系统异常", None, Doubt),
            ("B1", " ", None, Doubt),
            ("200", "商品不存在", Some("LS1"), Doubt),
            ("B1", "商品不存在", None, Refused),
        ] {
            assert_eq!(judge(code, message, number), expected, "{code} {message} {number:?}");
        }
    }

    #[test]
    fn weak_evidence_suffices_when_an_operator_says_so() {
        let rules = EvidenceRules { weak_suffices: true, ..EvidenceRules::default() };
        let refusal = OrderRefusal { message: "订单重复".to_owned(), ..OrderRefusal::default() };
        let order = OrderNames { so_id: "SO-1".to_owned(), online_no: String::new() };
        assert_eq!(rules.judge(&refusal, &order), Evidence::Repeated);
        let hasty = OrderRefusal { message: "请勿重复提交".to_owned(), ..OrderRefusal::default() };
        assert_eq!(rules.judge(&hasty, &order), Evidence::Doubt);
    }
}
