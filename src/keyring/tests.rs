//! What opens and what does not, and what is said of keys that are of no use.

use std::os::unix::fs::PermissionsExt as _;

use chrono::DateTime;
use proptest::prelude::*;

use super::*;

const A: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
const B: &str = "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=";
const H: &str = "AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM=";

fn ring(primary: &str, keys: &[(&str, &str)]) -> KeyRing {
    let keys: Vec<_> = keys.iter().map(|(id, key)| format!("{id} = \"{key}\"")).collect();
    let text = format!("primary = \"{primary}\"\nhmac = \"{H}\"\n[keys]\n{}", keys.join("\n"));
    KeyRing::from_text(&text.into()).unwrap()
}

fn at(row: i64, field: &str) -> Place<'_> {
    Place { table: "t", row, field }
}

fn problems(text: &str) -> Vec<String> {
    Document::parse(text).err().unwrap()
}

proptest! {
    #[test]
    fn what_was_sealed_opens_at_its_place_and_nowhere_else(
        text in ".{0,200}",
        row in any::<i64>(),
        other in any::<i64>(),
        field in "[a-z_]{1,20}",
        other_field in "[a-z_]{1,20}",
        table in "[a-z_]{1,20}",
    ) {
        let ring = ring("a", &[("a", A), ("b", B)]);
        let place = Place { table: &table, row, field: &field };
        let sealed = ring.seal(place, &text).unwrap();
        prop_assert_eq!(sealed.key_id(), Some("a"));
        let opened = ring.open(place, &sealed).unwrap();
        prop_assert_eq!(opened.expose_secret(), &text);
        for elsewhere in [
            Place { row: other, ..place },
            Place { field: &other_field, ..place },
            Place { table: &field, field: &table, row },
            Place { table: "", ..place },
        ] {
            if elsewhere != place {
                let refused = matches!(ring.open(elsewhere, &sealed), Err(Error::DoesNotOpen { .. }));
                prop_assert!(refused, "{elsewhere:?}");
            }
        }
        // Moved over to another key's name it does not open either.
        let renamed = Sealed::from_stored(sealed.as_str().replacen("v1.a.", "v1.b.", 1));
        let refused = matches!(ring.open(place, &renamed), Err(Error::DoesNotOpen { .. }));
        prop_assert!(refused);
    }

    #[test]
    fn no_changed_letter_opens(text in ".{1,50}", at_letter in any::<prop::sample::Index>(), letter in "[A-Za-z0-9_.-]") {
        let ring = ring("a", &[("a", A)]);
        let sealed = ring.seal(at(1, "f"), &text).unwrap();
        let index = at_letter.index(sealed.as_str().len());
        let mut changed = sealed.as_str().to_owned();
        changed.replace_range(index..=index, &letter);
        if changed != sealed.as_str() {
            prop_assert!(ring.open(at(1, "f"), &Sealed::from_stored(changed)).is_err());
        }
    }
}

#[test]
fn every_key_opens_and_the_primary_one_seals() {
    let before = ring("a", &[("a", A)]);
    let sealed = before.seal(at(1, "f"), "x").unwrap();
    let both = ring("b", &[("a", A), ("b", B)]);
    assert_eq!(both.open(at(1, "f"), &sealed).unwrap().expose_secret(), "x");
    let fresh = both.seal(at(1, "f"), "x").unwrap();
    assert_eq!((fresh.key_id(), both.primary().as_str(), both.ids().len()), (Some("b"), "b", 2));
    let refused = before.open(at(1, "f"), &fresh).unwrap_err();
    assert!(refused.to_string().contains("the key b, which is not among"), "{refused}");
    // The same name and another key is no way in.
    let another = ring("a", &[("a", B)]);
    assert!(matches!(another.open(at(1, "f"), &sealed), Err(Error::DoesNotOpen { .. })));
}

#[test]
fn the_same_value_is_sealed_anew_each_time_and_cannot_be_read() {
    let ring = ring("a", &[("a", A)]);
    let [one, two] = [(); 2].map(|()| ring.seal(at(1, "f"), "s3cret").unwrap());
    assert_ne!(one, two);
    assert!(!one.as_str().contains("s3cret") && format!("{one:?}") == "Sealed(v1.a.…)");
}

#[test]
fn an_hmac_tells_context_salt_and_data_apart() {
    let ring = ring("a", &[("a", A)]);
    let one = ring.hmac("order", b"so-1", b"data");
    assert_eq!(one, ring.hmac("order", b"so-1", b"data"));
    for other in [
        ring.hmac("orders", b"o-1", b"data"),
        ring.hmac("order", b"so-1d", b"ata"),
        ring.hmac("order", b"so-2", b"data"),
        ring.hmac("order", b"so-1", b"dato"),
    ] {
        assert_ne!(one, other);
    }
}

#[test]
fn a_new_document_is_read_back() {
    let mut document = Document::generate(DateTime::UNIX_EPOCH).unwrap();
    let first = document.primary().to_owned();
    assert!(first.starts_with("19700101-"), "{first}");
    let second = document.add(DateTime::UNIX_EPOCH).unwrap();
    assert!(!document.promote("nobody"));
    assert_eq!(document.primary(), first);
    assert!(document.promote(&second));
    let text = document.to_text();
    let read = Document::parse(text.expose_secret()).unwrap();
    assert_eq!((read.primary(), read.ids().count()), (second.as_str(), 2));
    assert_eq!(read.to_text().expose_secret(), text.expose_secret());
}

#[test]
fn everything_wrong_with_keys_is_told_at_once_and_without_them() {
    let told = problems(&format!(
        "primary = \"c\"\nprimery = 1\n[keys]\na = \"{A}\"\nd = \"{A}\"\nB = \"s3cret\"\n"
    ));
    let told = told.join("\n");
    for expected in [
        "`primery` is unknown",
        "`hmac` is missing",
        "names c, which is not among",
        "keys.B is no id",
        "`keys.B` is not 32 bytes",
        "keys.d is the same key as keys.a",
    ] {
        assert!(told.contains(expected), "{expected} is missing in:\n{told}");
    }
    assert!(!told.contains("s3cret") && !told.contains(A), "{told}");
    let told = problems("");
    assert_eq!(told.len(), 3, "{told:?}");
    for bad in
        ["s3cret", "primary = s3cret", "hmac = \"s3cret\"\nhmac = \"s3cret\"", "keys = \"s3cret\"", "[s3cret"]
    {
        let told = problems(bad).join("\n");
        assert!(!told.contains("s3cret"), "{told}");
    }
    let told = problems(&format!("primary = \"a\"\nhmac = \"{A}\"\n[keys]\na = \"{A}\"\n"));
    assert!(told[0].contains("one of its own"), "{told:?}");
}

#[test]
fn a_key_file_is_made_once_for_its_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db.keys");
    let text = || Document::generate(DateTime::UNIX_EPOCH).unwrap().to_text();
    assert!(file::create(&path, &text()).unwrap());
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let ring = KeyRing::from_file(&path).unwrap();
    assert!(!file::create(&path, &text()).unwrap(), "never over another one");
    assert!(!ring.reload().unwrap());
    assert!(!file::is_open_to_others(&path).unwrap());
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(file::is_open_to_others(&path).unwrap());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
}

#[test]
fn a_changed_file_is_taken_into_use_and_a_broken_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    let mut document = Document::generate(DateTime::UNIX_EPOCH).unwrap();
    file::create(&path, &document.to_text()).unwrap();
    let ring = KeyRing::from_file(&path).unwrap();
    let sealed = ring.seal(at(1, "f"), "x").unwrap();
    let second = document.add(DateTime::UNIX_EPOCH).unwrap();
    document.promote(&second);
    file::replace(&path, &document.to_text()).unwrap();
    assert!(ring.reload().unwrap());
    assert_eq!(ring.primary(), second);
    ring.open(at(1, "f"), &sealed).unwrap();

    std::fs::write(&path, "primary = 1").unwrap();
    let told = ring.reload().unwrap_err();
    assert!(told.to_string().starts_with(&path.display().to_string()), "{told}");
    assert!(!ring.reload().unwrap(), "a broken file is told once");
    assert_eq!(ring.primary(), second);
    std::fs::remove_file(&path).unwrap();
    ring.reload().unwrap_err();
    assert!(!ring.reload().unwrap(), "so is one that is gone");
    ring.open(at(1, "f"), &sealed).unwrap();
}
