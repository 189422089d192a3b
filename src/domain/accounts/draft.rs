//! An account as somebody gave it, and the rules that make it one: the same for the environment's and for stored ones.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret as _, SecretString};

use super::{
    Account, AuthorizationScheme, Field, Origin, Preset, YlhAccount,
    addresses::{PlainHttp, check_address},
};
use crate::domain::violations::Violations;

/// Most characters of a setting.
const MAX_SETTING_CHARS: usize = 200;
/// Most characters of a secret.
const MAX_SECRET_CHARS: usize = 1_000;

/// What an operator allows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AccountRules {
    /// The open platform may be called without TLS on other hosts than this one.
    pub allow_plain_http: bool,
    /// Hosts that come by RPC may be this machine or in a network of the house's own.
    pub allow_private_hosts: bool,
}

/// How whoever gave an account knows its fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// As variables.
    Variables,
    /// As fields of `haier_config`.
    Fields,
}

impl Naming {
    /// A field's name.
    #[must_use]
    pub fn of(self, field: Field) -> String {
        match self {
            Self::Variables => field.variable().to_owned(),
            Self::Fields => format!("haier_config.{}", field.path()),
        }
    }

    fn why_required(self, field: Field) -> &'static str {
        match (self, field.is_of_ylh()) {
            (Self::Variables, false) => "is required once any variable of the account is set",
            (Self::Variables, true) => "is required once any variable of the order system is set",
            (Self::Fields, false) => "is required",
            (Self::Fields, true) => "is required: `ylh` is given whole or not at all",
        }
    }
}

/// Fields as they were given. `Debug` shows none of their values.
#[derive(Debug, Clone, Default)]
pub struct AccountDraft {
    values: BTreeMap<Field, Value>,
    /// `ylh` was given, even if nothing stands in it.
    has_ylh: bool,
}

#[derive(Debug, Clone)]
enum Value {
    Given(SecretString),
    /// A secret that is stored and stays.
    Kept,
}

impl AccountDraft {
    /// Gives a field; an empty text takes it away. Blanks around a setting go; of a secret only the line break that files
    /// and `echo` leave at its end, since blanks may belong to a password.
    pub fn set(&mut self, field: Field, text: &str) {
        let text = if field.is_secret() { text.trim_end_matches(['\r', '\n']) } else { text.trim() };
        if text.is_empty() {
            self.values.remove(&field);
        } else {
            self.values.insert(field, Value::Given(text.into()));
        }
    }

    /// Says of a secret that it is stored already and stays as it is.
    pub fn keep(&mut self, field: Field) {
        self.values.insert(field, Value::Kept);
    }

    /// Says that there is a part at the order system.
    pub const fn add_ylh(&mut self) {
        self.has_ylh = true;
    }

    /// Takes the part at the order system away.
    pub fn remove_ylh(&mut self) {
        self.has_ylh = false;
        self.values.retain(|field, _| !field.is_of_ylh());
    }

    /// Whether there is a part at the order system.
    #[must_use]
    pub fn has_ylh(&self) -> bool {
        self.has_ylh || self.values.keys().any(|field| field.is_of_ylh())
    }

    /// Whether nothing was given at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty() && !self.has_ylh
    }

    /// Whether a field is given or kept.
    #[must_use]
    pub fn has(&self, field: Field) -> bool {
        self.values.contains_key(&field)
    }

    /// A setting; never a secret.
    #[must_use]
    pub fn setting(&self, field: Field) -> Option<&str> {
        if field.is_secret() { None } else { self.text(field) }
    }

    /// A secret that was given.
    #[must_use]
    pub fn secret(&self, field: Field) -> Option<&SecretString> {
        match self.values.get(&field).filter(|_| field.is_secret()) {
            Some(Value::Given(secret)) => Some(secret),
            _ => None,
        }
    }

    /// Fills the hosts of one of Haier's environments in; `ylh` only if there is one. Hosts that were given otherwise
    /// contradict it.
    pub fn fill(&mut self, preset: Preset, naming: Naming, violations: &mut Violations) {
        let mut hosts = vec![(Field::BaseUrl, preset.base_url())];
        if self.has_ylh() {
            hosts.push((Field::YlhBaseUrl, preset.ylh_base_url()));
            hosts.push((Field::YlhServiceSuffix, preset.ylh_service_suffix()));
        }
        for (field, host) in hosts {
            match self.setting(field).map(|given| given.trim_end_matches('/')) {
                Some(given) if given != host => violations.add(
                    naming.of(field),
                    format!("is `{given}`, but preset {} means `{host}`: give one of them", preset.as_str()),
                ),
                _ => self.set(field, host),
            }
        }
    }

    /// Notes everything that is wrong.
    pub fn check(&self, naming: Naming, rules: AccountRules, violations: &mut Violations) {
        let has_ylh = self.has_ylh();
        for field in Field::ALL.iter().copied().filter(|field| has_ylh || !field.is_of_ylh()) {
            match self.values.get(&field) {
                None if field.is_required() => violations.add(naming.of(field), naming.why_required(field)),
                None | Some(Value::Kept) => {}
                Some(Value::Given(text)) => {
                    if let Err(fault) = check_value(field, text.expose_secret(), rules) {
                        violations.add(naming.of(field), fault);
                    }
                }
            }
        }
        let (_, own_suffix) = YlhAccount::split_base_url(self.address(Field::YlhBaseUrl));
        if let (Some(own), Some(suffix)) = (own_suffix, self.setting(Field::YlhServiceSuffix))
            && own != suffix
            && YlhAccount::is_service_suffix(suffix)
        {
            let address = naming.of(Field::YlhBaseUrl);
            let message = format!("is `{suffix}`, but {address} ends in `{own}`: give one of them");
            violations.add(naming.of(Field::YlhServiceSuffix), message);
        }
    }

    /// What is allowed and still better otherwise, for people.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let plain = |field: &&Field| {
            let leaves_this_host = |address| check_address(address, PlainHttp::ThisHost).is_err();
            field.is_address() && self.setting(**field).is_some_and(leaves_this_host)
        };
        let warning = |field: &Field| {
            format!(
                "{} is plain http: what is sent can be read on the way; give an https address if Haier serves one",
                field.path()
            )
        };
        Field::ALL.iter().filter(plain).map(warning).collect()
    }

    /// The account, with its defaults. Of a draft that [`Self::check`] found something wrong with it is of no use.
    #[must_use]
    pub fn account(&self, name: &str) -> Account {
        let text = |field| self.setting(field).unwrap_or_default().to_owned();
        let secret = |field| self.secret(field).cloned().unwrap_or_else(|| SecretString::from(""));
        let (base_url, customer_code) = (self.address(Field::BaseUrl).to_owned(), text(Field::CustomerCode));
        let token_url = self.setting(Field::TokenUrl).map(|_| self.address(Field::TokenUrl).to_owned());
        let password = secret(Field::Password);
        Account {
            name: name.to_owned(),
            origin: Origin::Unstored,
            client_id: text(Field::ClientId),
            client_secret: secret(Field::ClientSecret),
            token_url_is_default: token_url.is_none(),
            token_url: token_url.unwrap_or_else(|| format!("{base_url}/oauth2/auth")),
            base_url,
            send_to_code: self.setting(Field::SendToCode).unwrap_or(&customer_code).to_owned(),
            customer_code,
            supplier_code: self.setting(Field::SupplierCode).unwrap_or("1001").to_owned(),
            seller_password: secret(Field::SellerPassword),
            customer_password: self
                .secret(Field::CustomerPassword)
                .cloned()
                .unwrap_or_else(|| password.clone()),
            password,
            authorization_scheme: match self.setting(Field::AuthorizationScheme) {
                Some("bearer") => AuthorizationScheme::Bearer,
                _ => AuthorizationScheme::Bare,
            },
            ylh: self.has_ylh().then(|| self.ylh(text, secret)),
        }
    }

    fn ylh(&self, text: impl Fn(Field) -> String, secret: impl Fn(Field) -> SecretString) -> YlhAccount {
        let (base_url, own_suffix) = YlhAccount::split_base_url(self.address(Field::YlhBaseUrl));
        let suffix = self.setting(Field::YlhServiceSuffix).or(own_suffix).unwrap_or_default();
        let auth_url = self.setting(Field::YlhAuthUrl).map(|_| self.address(Field::YlhAuthUrl).to_owned());
        YlhAccount {
            auth_url: auth_url.unwrap_or_else(|| YlhAccount::default_auth_url(base_url, suffix)),
            base_url: base_url.to_owned(),
            service_suffix: suffix.to_owned(),
            username: text(Field::YlhUsername),
            password: secret(Field::YlhPassword),
            client_id: text(Field::YlhClientId),
            client_secret: secret(Field::YlhClientSecret),
            source_system: text(Field::YlhSourceSystem),
            shop_name: text(Field::YlhShopName),
            callback_app_key: text(Field::YlhCallbackAppKey),
            callback_secret: secret(Field::YlhCallbackSecret),
        }
    }

    fn text(&self, field: Field) -> Option<&str> {
        match self.values.get(&field) {
            Some(Value::Given(text)) => Some(text.expose_secret()),
            _ => None,
        }
    }

    fn address(&self, field: Field) -> &str {
        self.setting(field).unwrap_or_default().trim_end_matches('/')
    }
}

fn check_value(field: Field, text: &str, rules: AccountRules) -> Result<(), String> {
    let longest = if field.is_secret() { MAX_SECRET_CHARS } else { MAX_SETTING_CHARS };
    if text.chars().count() > longest {
        return Err(format!("must have at most {longest} characters"));
    }
    if text.chars().any(char::is_control) {
        return Err("must not contain control characters".to_owned());
    }
    match field {
        Field::BaseUrl | Field::TokenUrl => {
            let plain_http = if rules.allow_plain_http { PlainHttp::Anywhere } else { PlainHttp::ThisHost };
            check_address(text, plain_http).map(drop)
        }
        // Haier's description lists the order system's hosts with http: allowed, and warned of.
        Field::YlhBaseUrl | Field::YlhAuthUrl => check_address(text, PlainHttp::Anywhere).map(drop),
        Field::AuthorizationScheme if !matches!(text, "bare" | "bearer") => {
            Err(format!("`{text}` is not allowed: bare or bearer is allowed"))
        }
        Field::YlhServiceSuffix if !YlhAccount::is_service_suffix(text) => {
            Err(format!("`{text}` is not allowed: -dev, -pre, or nothing is expected"))
        }
        _ => Ok(()),
    }
}
