//! What an account is made of, once: the name of each field in the API, its variable, whether it is a secret and whether it
//! must be given.

macro_rules! fields {
    ($($(#[doc = $doc:literal])+ $variant:ident = $path:literal, $variable:literal, $kind:ident, $need:ident;)+) => {
        /// A field of an account.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Field { $($(#[doc = $doc])+ $variant,)+ }

        impl Field {
            /// Every field, in the order in which people read them.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// Its name in the API; a dot leads into `ylh`. Also what a sealed secret is bound to, so it never changes.
            #[must_use]
            pub const fn path(self) -> &'static str {
                match self { $(Self::$variant => $path,)+ }
            }

            /// Its variable.
            #[must_use]
            pub const fn variable(self) -> &'static str {
                match self { $(Self::$variant => $variable,)+ }
            }

            /// Whether it is accepted and never returned.
            #[must_use]
            pub const fn is_secret(self) -> bool {
                match self { $(Self::$variant => matches!(Kind::$kind, Kind::Secret),)+ }
            }

            /// Whether an account (or its part at the order system) is nothing without it.
            #[must_use]
            pub const fn is_required(self) -> bool {
                match self { $(Self::$variant => matches!(Need::$need, Need::Required),)+ }
            }
        }
    };
}

enum Kind {
    Setting,
    Secret,
}

enum Need {
    Required,
    Optional,
}

fields! {
    /// Client id of the open platform.
    ClientId = "client_id", "HAIER_CLIENT_ID", Setting, Required;
    /// Client secret of the open platform.
    ClientSecret = "client_secret", "HAIER_CLIENT_SECRET", Secret, Required;
    /// Address of the open platform.
    BaseUrl = "base_url", "HAIER_BASE_URL", Setting, Required;
    /// Address of its token endpoint.
    TokenUrl = "token_url", "HAIER_TOKEN_URL", Setting, Optional;
    /// Sold-to code (售达方).
    CustomerCode = "customer_code", "HAIER_CUSTOMER_CODE", Setting, Required;
    /// Ship-to code (送达方).
    SendToCode = "send_to_code", "HAIER_SEND_TO_CODE", Setting, Optional;
    /// Code of the supplier.
    SupplierCode = "supplier_code", "HAIER_SUPPLIER_CODE", Setting, Optional;
    /// Password of product and price calls.
    Password = "password", "HAIER_PASSWORD", Secret, Required;
    /// Password of the seller.
    SellerPassword = "seller_password", "HAIER_SELLER_PASSWORD", Secret, Required;
    /// Password of the customer.
    CustomerPassword = "customer_password", "HAIER_CUSTOMER_PASSWORD", Secret, Optional;
    /// How the token is sent.
    AuthorizationScheme = "authorization_scheme", "HAIER_AUTHORIZATION_SCHEME", Setting, Optional;
    /// Address of the order system.
    YlhBaseUrl = "ylh.base_url", "YLH_BASE_URL", Setting, Required;
    /// What the names of its services end in.
    YlhServiceSuffix = "ylh.service_suffix", "YLH_SERVICE_SUFFIX", Setting, Optional;
    /// Address of its token endpoint.
    YlhAuthUrl = "ylh.auth_url", "YLH_AUTH_URL", Setting, Optional;
    /// User of the password grant.
    YlhUsername = "ylh.username", "YLH_USERNAME", Setting, Required;
    /// The user's password.
    YlhPassword = "ylh.password", "YLH_PASSWORD", Secret, Required;
    /// Client id of the order system.
    YlhClientId = "ylh.client_id", "YLH_CLIENT_ID", Setting, Required;
    /// Client secret of the order system.
    YlhClientSecret = "ylh.client_secret", "YLH_CLIENT_SECRET", Secret, Required;
    /// The ordering system's agreed name.
    YlhSourceSystem = "ylh.source_system", "YLH_SOURCE_SYSTEM", Setting, Required;
    /// The shop's name.
    YlhShopName = "ylh.shop_name", "YLH_SHOP_NAME", Setting, Required;
    /// The `AppKey` of callbacks.
    YlhCallbackAppKey = "ylh.callback_app_key", "YLH_CALLBACK_APP_KEY", Setting, Required;
    /// What callbacks are signed with.
    YlhCallbackSecret = "ylh.callback_secret", "YLH_CALLBACK_SECRET", Secret, Required;
}

impl Field {
    /// The field of this name in the API.
    #[must_use]
    pub fn of_path(path: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|field| field.path() == path)
    }

    /// The field of this variable.
    #[must_use]
    pub fn of_variable(variable: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|field| field.variable() == variable)
    }

    /// Whether it belongs to the order system.
    #[must_use]
    pub fn is_of_ylh(self) -> bool {
        self.path().starts_with("ylh.")
    }

    /// Whether it is the address of something that is called.
    #[must_use]
    pub const fn is_address(self) -> bool {
        matches!(self, Self::BaseUrl | Self::TokenUrl | Self::YlhBaseUrl | Self::YlhAuthUrl)
    }
}
