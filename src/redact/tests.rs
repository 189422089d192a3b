//! What must go, what must stay, and that a line of JSON stays one.

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use proptest::prelude::{ProptestConfig, prop_assert, proptest};
use secrecy::SecretString;
use serde_json::{Value, json};

use super::{MASK, Redactor};

fn knowing(secrets: &[&str]) -> Redactor {
    let secrets: Vec<_> = secrets.iter().map(|secret| SecretString::from(*secret)).collect();
    Redactor::new(&secrets)
}

fn redact(text: &str) -> String {
    knowing(&[]).redact(text).into_owned()
}

#[test]
fn what_stands_behind_the_name_of_a_secret_goes() {
    for (text, expected) in [
        (r#"{"passWord":"hunter2","a":1}"#, r#"{"passWord":"***","a":1}"#),
        (r#"{"client_secret" : "a \" b", "x": 2}"#, r#"{"client_secret" : "***", "x": 2}"#),
        (r#"{"words":"{\"access_token\":\"a b c\"}"}"#, r#"{"words":"{\"access_token\":\"***\"}"}"#),
        (r#"{"passWord":123456}"#, r#"{"passWord":"***"}"#),
        (r#"{"words":"{\"password\":123456}"}"#, r#"{"words":"{\"password\":\"***\"}"}"#),
        (
            "grant_type=password&client_secret=abc%2F&scope=all",
            "grant_type=password&client_secret=***&scope=all",
        ),
        ("AppKey=1&Sign=9F86D081&TimeStamp=2", "AppKey=1&Sign=***&TimeStamp=2"),
        ("field passWord holds password=`a b`", "field passWord holds password=`***`"),
        ("authorization: Bearer sandbox", "authorization: ***"),
        (r#"{"authorization": "Bearer abc.def", "te": "x"}"#, r#"{"authorization": "***", "te": "x"}"#),
        ("Authorization: 9f86d081-884c", "Authorization: ***"),
        ("sent Bearer ht_5f2a9c81 to", "sent Bearer *** to"),
        ("密码：hunter2，错误", "密码：***"),
        ("a password: \"cut off in the mid", "a password: \"***\""),
        (
            "\x1b[3mpassword\x1b[0m\x1b[2m=\x1b[0mhunter2 \x1b[3mx",
            "\x1b[3mpassword\x1b[0m\x1b[2m=\x1b[0m*** \x1b[3mx",
        ),
    ] {
        assert_eq!(redact(text), expected, "{text}");
    }
}

#[test]
fn mobile_numbers_go_and_other_numbers_stay() {
    for (text, expected) in [
        ("mobile 13812345678 of", "mobile *** of"),
        ("+86 138 1234 5678", "***"),
        ("tel:8613812345678.", "tel:***."),
        ("138-1234-5678;19912345678", "***;***"),
        (r#"{"mobile":13812345678,"n":1}"#, r#"{"mobile":"***","n":1}"#),
        (r#"{"mobile":"13812345678"}"#, r#"{"mobile":"***"}"#),
        ("电话13812345678。", "电话***。"),
    ] {
        assert_eq!(redact(text), expected, "{text}");
    }
    for text in [
        "sync_log_id=382877886983733248",
        "at 1763814601123 ms",
        "12812345678",
        "1381234567",
        "138123456789",
        "HAIER_PASSWORD: is required once any variable of the account is set",
        "certificate 1 is no authority's (basic constraint CA:TRUE is missing)",
        "grant_type=password, 3 tokens",
        "the header authorization must read `Bearer TOKEN`",
        "基本信息 design: yes, signal: 9",
    ] {
        assert!(matches!(knowing(&[]).redact(text), Cow::Borrowed(same) if same == text), "{text}");
    }
}

#[test]
fn a_known_value_goes_in_whatever_form_it_is_written() {
    let secret = "pa\"ss wö/rd+1";
    let redactor = knowing(&[secret, "pa\"ss"]);
    let once = json!(secret).to_string();
    let forms = [
        secret.to_owned(),
        once.clone(),
        json!(once).to_string(),
        format!("{secret:?}"),
        r#"pa\"ss w\u00f6\/rd+1"#.to_owned(),
        json!(format!("{secret:?}")).to_string(),
        "a=pa%22ss%20w%C3%B6%2Frd%2B1".to_owned(),
        "a=pa%22ss+w%c3%b6%2frd%2b1&b".to_owned(),
        url::form_urlencoded::byte_serialize(secret.as_bytes()).collect(),
        format!("x {} y", STANDARD.encode(secret)),
    ];
    for form in forms {
        let redacted = redactor.redact(&form);
        assert!(redacted.contains(MASK), "{form}: {redacted}");
        assert!(!redacted.contains("rd") && !redacted.contains("ss"), "{form}: {redacted}");
    }
    for user in ["", "a", "ab", "abc", "client"] {
        let encoded = STANDARD.encode(format!("{user}:{secret}@host"));
        let redacted = redactor.redact(&encoded);
        assert!(redacted.contains(MASK), "{encoded}: {redacted}");
    }
    // Ordinary words stay whatever an account calls its secrets.
    assert_eq!(knowing(&["abc"]).redact("abc"), "abc");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_line_of_json_stays_one_without_its_secrets(
        secret in "[ -~é密]{6,20}",
        around in "[ -~\n\"\\\\]{0,20}",
        phone in "1[3-9][0-9]{9}",
        key in "(passWord|access_token|mobile|words|authorization)",
    ) {
        let number: u64 = phone.parse().unwrap();
        let inner = json!({ key.as_str(): secret, "mobile": number }).to_string();
        let line = json!({ "message": format!("{around}{secret}{around} {phone} "), "words": inner, key: number }).to_string();
        let redacted = knowing(&[&secret]).redact(&line).into_owned();
        let value: Result<Value, _> = serde_json::from_str(&redacted);
        prop_assert!(value.is_ok(), "{line}\n{redacted}");
        prop_assert!(!redacted.contains(&phone), "{line}\n{redacted}");
        if !MASK.contains(secret.trim()) && !r#"{"message":"words":"#.contains(&secret) {
            prop_assert!(!redacted.contains(&secret), "{line}\n{redacted}");
        }
    }
}

#[test]
fn many_tokens_drive_out_no_secret() {
    let secret = SecretString::from("lasting-secret-5f2a9c81");
    super::learn([&secret]);
    for n in 0..2 * super::TOKENS {
        super::learn_token(&SecretString::from(format!("token-number-{n:04}-0c7d")));
    }
    let newest = format!("token-number-{:04}-0c7d", 2 * super::TOKENS - 1);
    let text = format!("{newest} of lasting-secret-5f2a9c81, after token-number-0000-0c7d");
    assert_eq!(super::redact(&text), "*** of ***, after token-number-0000-0c7d");
}

#[test]
fn long_tokens_drive_out_each_other_and_never_the_newest() {
    let token = |n: usize| SecretString::from(format!("{n:02}{}", "q".repeat(16_380)));
    let memory = super::Memory::of(super::TOKENS, super::TOKEN_BYTES);
    for n in 0..8 {
        memory.learn([&token(n)]);
    }
    assert_eq!(memory.secrets.lock().unwrap().len(), 4);
    memory.learn([&SecretString::from("z".repeat(super::TOKEN_BYTES + 1))]);
    assert_eq!(memory.secrets.lock().unwrap().len(), 1);
}

#[test]
fn of_a_long_text_only_the_start_is_looked_at_and_no_half_of_a_secret_is_left() {
    let secret = "0123456789abcdef".repeat(1_024);
    let redactor = knowing(&[&secret]);
    let halves = |text: &str| text.contains("0123") || text.contains("cdef");
    for at in [0, 1, 500, 983, 984, 999, 1_000, 1_001, 2_000] {
        let text = format!("{}{secret}{}", "x".repeat(at), "y".repeat(200_000));
        let start = redactor.redact_start(&text, 1_000, None);
        assert!(!halves(&start), "{at}: {start}");
        assert!(start.starts_with(&"x".repeat(at.min(1_000))), "{at}: {start}");
    }
    assert_eq!(
        redactor.redact_start(&format!("ab{}", &secret[1..]), 1_000, None).len(),
        1_000,
        "no secret is cut"
    );
    let token = SecretString::from(secret.clone());
    let repeated = secret.repeat(50);
    assert!(!halves(&knowing(&[]).redact_start(&repeated, 1_000, Some(&token))));
    assert!(!halves(&knowing(&[]).redact_start(&repeated, 40_000, Some(&token))));
    assert_eq!(redactor.redact_start(&secret, 1_000, None), super::MASK);
}
