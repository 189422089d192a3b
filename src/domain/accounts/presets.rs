//! Haier's own environments: which hosts belong together.

use crate::domain::words::words;

words! {
    /// One of Haier's environments.
    pub enum Preset {
        /// For trying out.
        Test = "test";
        /// As production will be.
        Staging = "staging";
        /// Where money moves.
        Production = "production";
    }
}

impl Preset {
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
