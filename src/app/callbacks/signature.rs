//! Whether a callback is signed with the secret of an account: MD5 over the signing text, as the order system's description
//! has it. Its strength is the secret's, which no message shows.

use md5::{Digest as _, Md5};
use ring::digest::{SHA256, digest};
use secrecy::{ExposeSecret as _, SecretString};
use subtle::ConstantTimeEq as _;

use crate::domain::callbacks::Parameters;

/// What a callback with an unknown key is compared with, so that it takes as long as one with a wrong signature.
const DECOY: &str = "no account has this key";

/// The signature of these parameters: upper-case hex.
fn sign(parameters: &Parameters, secret: &str) -> String {
    let hash = Md5::digest(parameters.signing_text(secret));
    hash.iter().map(|byte| format!("{byte:02X}")).collect()
}

/// Whether the parameters are signed with this secret, in a time that does not tell how nearly.
pub(super) fn is_signed_with(parameters: &Parameters, secret: &SecretString) -> bool {
    matches(parameters, secret.expose_secret())
}

/// Takes as long as one comparison, and finds nothing.
pub(super) fn compare_with_nothing(parameters: &Parameters) {
    let _ = std::hint::black_box(matches(parameters, DECOY));
}

fn matches(parameters: &Parameters, secret: &str) -> bool {
    sign(parameters, secret).as_bytes().ct_eq(parameters.sign().as_bytes()).into()
}

/// SHA-256 of the signed text: two callbacks that one signature covers are one callback. The signature does not detect changes
/// of letter case, nor where a name ends and its value begins, so that nobody can make another callback of a captured one by
/// these.
pub(super) fn fingerprint(parameters: &Parameters) -> Vec<u8> {
    digest(&SHA256, parameters.signing_text("").as_bytes()).as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, prop_assume, proptest};

    use super::*;

    const SECRET: &str = "sandbox-callback-secret";
    const CONFIRM: &str =
        r#"{"ExtOrderNo":"SO.20260101.000001","PlatformOrderNo":"PO20260101001","State":1}"#;
    const OUT_OF_STOCK: &str =
        r#"{"ExtOrderNo":"","PlatformOrderNo":"PO20260101002","State":0,"FailMsg":"商品缺货"}"#;

    fn pairs(method: &str, data: &str, sign: &str) -> Vec<(String, String)> {
        let method = format!("hmm.scm_heorder.{method}");
        [
            ("AppKey", "sandbox-app"),
            ("TimeStamp", "20260101120000"),
            ("Method", &method),
            ("Data", data),
            ("Sign", sign),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }

    fn is_signed(pairs: Vec<(String, String)>, secret: &str) -> bool {
        Parameters::new(pairs).is_some_and(|parameters| is_signed_with(&parameters, &secret.into()))
    }

    #[test]
    fn signatures_are_those_of_the_test_vectors() {
        assert!(is_signed(pairs("confirm", CONFIRM, "36C3372E242E44519DA642E7B121FE6C"), SECRET));
        assert!(is_signed(pairs("oostock", OUT_OF_STOCK, "5F08F98A925355E0E97EB4EA9F2BDA50"), SECRET));
        assert!(!is_signed(pairs("confirm", CONFIRM, "36c3372e242e44519da642e7b121fe6c"), SECRET));
        assert!(!is_signed(
            pairs("confirm", CONFIRM, "36C3372E242E44519DA642E7B121FE6C"),
            "sandbox-callback-secreT2"
        ));
        assert!(!is_signed(pairs("confirm", CONFIRM, ""), SECRET));
    }

    #[test]
    fn a_blank_parameter_more_changes_nothing_and_another_one_does() {
        let signed = pairs("confirm", CONFIRM, "36C3372E242E44519DA642E7B121FE6C");
        let with = |value: &str| {
            let mut pairs = signed.clone();
            pairs.push(("Version".to_owned(), value.to_owned()));
            pairs
        };
        assert!(is_signed(with("  "), SECRET));
        assert!(!is_signed(with("1"), SECRET));
    }

    #[test]
    fn only_the_same_callback_has_the_same_fingerprint() {
        let of = |method, data, sign| fingerprint(&Parameters::new(pairs(method, data, sign)).unwrap());
        assert_eq!(
            of("confirm", CONFIRM, "A"),
            of("confirm", CONFIRM, "B"),
            "the signature is no part of it"
        );
        assert_ne!(of("confirm", CONFIRM, "A"), of("cancel", CONFIRM, "A"));
    }

    #[test]
    fn what_one_signature_covers_has_one_fingerprint() {
        let captured = pairs("confirm", CONFIRM, "36C3372E242E44519DA642E7B121FE6C");
        let of = |pairs: &[(String, String)]| fingerprint(&Parameters::new(pairs.to_vec()).unwrap());
        for altered in [CONFIRM.replace("PO20260101001", "po20260101001"), CONFIRM.replace("SO.", "so.")] {
            let altered = pairs("confirm", &altered, "36C3372E242E44519DA642E7B121FE6C");
            assert!(is_signed(altered.clone(), SECRET) && of(&altered) == of(&captured));
        }
        let mut split = captured.clone();
        split[3] = ("Dat".to_owned(), format!("a{CONFIRM}"));
        assert!(is_signed(split.clone(), SECRET) && of(&split) == of(&captured));
    }

    proptest! {
        // What is signed is in lower case, so that letters that differ in case alone are the same letter.
        #[test]
        fn every_altered_letter_is_refused(field in 0..5_usize, at in any::<proptest::sample::Index>(), other in any::<char>()) {
            let mut pairs = pairs("oostock", OUT_OF_STOCK, "5F08F98A925355E0E97EB4EA9F2BDA50");
            let mut letters: Vec<char> = pairs[field].1.chars().collect();
            let at = at.index(letters.len());
            let is_same = letters[at] == other
                || (field < 4 && letters[at].to_lowercase().eq(other.to_lowercase()));
            prop_assume!(!is_same);
            letters[at] = other;
            pairs[field].1 = letters.into_iter().collect();
            prop_assert!(!is_signed(pairs, SECRET));
        }
    }

    #[test]
    fn every_letter_of_the_vectors_altered_is_refused() {
        let signed = pairs("confirm", CONFIRM, "36C3372E242E44519DA642E7B121FE6C");
        for (field, (name, value)) in signed.iter().enumerate() {
            for (at, letter) in value.char_indices() {
                let mut pairs = signed.clone();
                let other = if letter == '7' { '8' } else { '7' };
                pairs[field].1 = format!("{}{other}{}", &value[..at], &value[at + letter.len_utf8()..]);
                assert!(!is_signed(pairs, SECRET), "{name} at {at}");
            }
        }
    }
}
