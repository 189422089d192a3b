//! Closed lists of values that are stored, sent or typed as words, written down once each.

/// An enum with a word for each value: `ALL` in the order given, `as_str` and `parse`. Where each value also has a name in
/// Chinese and one in English, `chinese` and `english` as well.
macro_rules! words {
    (
        $(#[doc = $doc:literal])+
        pub enum $name:ident {
            $($(#[doc = $of:literal])+ $variant:ident = $word:literal;)+
        }
    ) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[doc = $of])+ $variant,)+
        }

        impl $name {
            /// Every value.
            pub const ALL: [Self; [$($word),+].len()] = [$(Self::$variant),+];

            /// The word.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// The value of a word.
            #[must_use]
            pub fn parse(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }
    };
    (
        $(#[doc = $doc:literal])+
        pub enum $name:ident {
            $($(#[doc = $of:literal])+ $variant:ident = $word:literal, $chinese:literal, $english:literal;)+
        }
    ) => {
        $crate::domain::words::words! {
            $(#[doc = $doc])+
            pub enum $name {
                $($(#[doc = $of])+ $variant = $word;)+
            }
        }

        impl $name {
            /// Its name in Chinese.
            #[must_use]
            pub const fn chinese(self) -> &'static str {
                match self { $(Self::$variant => $chinese,)+ }
            }

            /// Its name in English.
            #[must_use]
            pub const fn english(self) -> &'static str {
                match self { $(Self::$variant => $english,)+ }
            }
        }
    };
}

pub(crate) use words;

#[cfg(test)]
mod tests {
    use crate::domain::{callers::Role, sync_logs::SyncType};

    #[test]
    fn each_value_has_its_word_and_each_word_its_value() {
        assert_eq!(Role::ALL.map(Role::as_str), ["reader", "operator", "admin"]);
        assert_eq!(["admin", "Admin", ""].map(Role::parse), [Some(Role::Admin), None, None]);
        assert_eq!((SyncType::Stock.chinese(), SyncType::Stock.english()), ("库存同步", "stock sync"));
        assert_eq!(SyncType::parse(SyncType::Stock.as_str()), Some(SyncType::Stock));
    }
}
