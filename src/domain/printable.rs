//! Text of others, made fit for terminals, logs and messages. Control characters can drive a terminal, and those that change
//! the direction of text can make a line read as something that it is not.

use std::borrow::Cow;

/// Whether a character has no glyph and changes how others are shown, or does not even that: controls (C0, DEL, C1), separators
/// of lines and paragraphs, marks of direction, soft hyphens, and spaces and operators without width.
#[must_use]
pub fn is_unprintable(char: char) -> bool {
    char.is_control()
        || matches!(
            char,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{2069}' | '\u{feff}'
        )
}

/// Whether a character cannot be seen in a code or a number, so that two of them look alike: joiners too, which texts need.
#[must_use]
pub fn is_invisible(char: char) -> bool {
    is_unprintable(char) || matches!(char, '\u{200c}' | '\u{200d}')
}

/// Text without such characters. Those that separate words or lines become a space.
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unprintable) {
        return Cow::Borrowed(text);
    }
    let shown = |char: char| match char {
        '\t'..='\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => Some(' '),
        char => (!is_unprintable(char)).then_some(char),
    };
    Cow::Owned(text.chars().filter_map(shown).collect())
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::printable;

    #[test]
    fn what_drives_terminals_or_turns_text_around_is_taken_out() {
        for (text, shown) in [
            ("a\u{0}b\u{7f}c\u{9b}31md\u{1b}[0m", "abc31md[0m"),
            ("a\u{202e}b\u{202a}c\u{2066}d\u{2069}e\u{200e}f\u{200f}g\u{61c}h", "abcdefgh"),
            ("a\u{ad}b\u{200b}c\u{2060}d\u{feff}e\u{180e}f", "abcdef"),
            ("a\nb\tc\r\u{b}d\u{85}e\u{2028}f\u{2029}g", "a b c  d e f g"),
        ] {
            assert_eq!(printable(text), shown, "{text:?}");
        }
        for text in ["海尔 EC6001-HT3（电热水器）", "Électroménager 👩‍🔧", ""] {
            assert!(matches!(printable(text), Cow::Borrowed(same) if same == text), "{text}");
        }
    }
}
