//! Haier's own environments: which hosts belong together.

/// One of Haier's environments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    /// For trying out.
    Test,
    /// As production will be.
    Staging,
    /// Where money moves.
    Production,
}

impl Preset {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Test, Self::Staging, Self::Production];

    /// The word that is typed.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Test => "test",
            Self::Staging => "staging",
            Self::Production => "production",
        }
    }

    /// The preset of a word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|preset| preset.as_str() == word)
    }

    /// Address of the open platform.
    #[must_use]
    pub const fn base_url(self) -> &'static str {
        match self {
            Self::Test => "https://openplat-test.haier.net",
            Self::Staging => "https://openplat-bj-aliyun-stage.haier.net",
            Self::Production => "https://openplat-bj-aliyun.haier.net",
        }
    }

    /// Address of the order system.
    #[must_use]
    pub const fn ylh_base_url(self) -> &'static str {
        match self {
            Self::Test => "http://dev.ylhtest.com",
            Self::Staging => "http://pre.yilihuo.com",
            Self::Production => "http://www.yilihuo.com",
        }
    }

    /// What the names of the order system's services end in.
    #[must_use]
    pub const fn ylh_service_suffix(self) -> &'static str {
        match self {
            Self::Test => "-dev",
            Self::Staging => "-pre",
            Self::Production => "",
        }
    }
}
