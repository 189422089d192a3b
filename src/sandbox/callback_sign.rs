//! The signature of callbacks, and the request that carries it.

use md5::{Digest as _, Md5};
use serde::Serialize;

use super::CALLBACK_SECRET;

/// A callback as it goes over the wire.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Signed {
    pub(super) app_key: String,
    pub(super) time_stamp: String,
    pub(super) method: String,
    /// A JSON text.
    pub(super) data: String,
    pub(super) sign: String,
}

impl Signed {
    pub(super) fn new(app_key: &str, time_stamp: String, method: &str, data: String) -> Self {
        let mut signed = Self {
            app_key: app_key.to_owned(),
            time_stamp,
            method: method.to_owned(),
            data,
            sign: String::new(),
        };
        signed.sign = sign(&signed.fields(), CALLBACK_SECRET);
        signed
    }

    fn fields(&self) -> [(&'static str, &str); 5] {
        [
            ("AppKey", &self.app_key),
            ("TimeStamp", &self.time_stamp),
            ("Method", &self.method),
            ("Data", &self.data),
            ("Sign", &self.sign),
        ]
    }

    pub(super) fn form(&self) -> String {
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(self.fields()).finish()
    }
}

/// Every parameter but `Sign` that is not blank, sorted by name, between two secrets, in lower case, as MD5 in upper case.
fn sign(fields: &[(&str, &str)], secret: &str) -> String {
    let mut fields: Vec<_> =
        fields.iter().filter(|(name, value)| *name != "Sign" && !value.trim().is_empty()).collect();
    fields.sort_unstable();
    let text: String = fields.iter().flat_map(|(name, value)| [*name, *value]).collect();
    let digest = Md5::digest(format!("{secret}{text}{secret}").to_lowercase());
    digest.iter().map(|byte| format!("{byte:02X}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(method: &str, data: &str) -> String {
        Signed::new("sandbox-app", "20260101120000".to_owned(), method, data.to_owned()).sign
    }

    #[test]
    fn signatures_are_those_of_the_interface_description() {
        let confirm = r#"{"ExtOrderNo":"SO.20260101.000001","PlatformOrderNo":"PO20260101001","State":1}"#;
        assert_eq!(signed("hmm.scm_heorder.confirm", confirm), "36C3372E242E44519DA642E7B121FE6C");
        let oostock = r#"{"ExtOrderNo":"","PlatformOrderNo":"PO20260101002","State":0,"FailMsg":"商品缺货"}"#;
        assert_eq!(signed("hmm.scm_heorder.oostock", oostock), "5F08F98A925355E0E97EB4EA9F2BDA50");
    }

    #[test]
    fn blank_values_do_not_count() {
        let fields = [("B", "2"), ("A", "1"), ("Sign", "x")];
        let with_blank = [("A", "1"), ("B", "2"), ("C", "  "), ("D", "")];
        assert_eq!(sign(&fields, "s"), sign(&with_blank, "s"));
    }
}
