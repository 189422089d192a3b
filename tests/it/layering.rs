//! The house keeps its rooms: each uses only what `may_use` and `alone` allow it, and no file outgrows its idea.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

const MAX_LINES: usize = 600;

/// The rooms of ours that a room may name. `None`: all.
fn may_use(room: &str) -> Option<&'static [&'static str]> {
    match room {
        "domain" | "listener" | "redact" | "sandbox" => Some(&[]),
        // `tls` is files and handshakes; it knows roles only as what a certificate's name is bound to.
        // The key ring seals whatever it is given; it knows neither tables nor callers.
        "error" | "keyring" | "auth" | "tls" => Some(&["domain"]),
        // Both pass what they store or tell through `redact`.
        "store" | "upstream" => Some(&["domain", "redact"]),
        "app" => Some(&["auth", "domain", "error", "keyring", "store", "upstream"]),
        // Of `auth`, what a caller shows and the table of rules: who he is, `app` says.
        "grpc" => Some(&["app", "auth", "domain", "error", "listener", "proto", "redact", "tls"]),
        "http" => Some(&["app", "domain", "error", "listener"]),
        "workers" => Some(&["app", "domain", "error"]),
        _ => None,
    }
}

/// Libraries that only some rooms may use; a name stands for all that begin with it.
const ALONE: &[(&str, &[&str])] = &[
    ("diesel", &["store"]),
    ("libsqlite3_sys", &["store"]),
    ("tokio_postgres", &["store"]),
    // The sandbox calls back, as the supplier does.
    ("reqwest", &["upstream", "sandbox"]),
    ("tonic", &["grpc", "cli", "lib"]),
    ("x509_parser", &["tls"]),
    ("regex", &["redact"]),
    ("aho_corasick", &["redact"]),
    ("tokio_rustls", &["grpc", "tls"]),
    ("prost", &["grpc", "cli"]),
    ("axum", &["http", "sandbox"]),
    ("clap", &["cli"]),
    ("indicatif", &["cli"]),
];

/// All that `domain` may stand on. `url` takes addresses apart and reaches for nothing.
const OF_DOMAIN: [&str; 6] = ["std", "chrono", "secrecy", "thiserror", "core", "url"];

struct Source {
    path: PathBuf,
    room: String,
    whole: String,
    /// Without comments and without its tests.
    code: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut folders, mut files) = (vec![root.clone()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    let read = |path: PathBuf| {
        let relative = path.strip_prefix(&root).unwrap();
        let room = relative.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs").to_owned();
        let whole = fs::read_to_string(&path).unwrap();
        let code = whole.split("#[cfg(test)]\nmod tests {").next().unwrap();
        let code =
            code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
        Source { path: relative.to_owned(), room, code, whole }
    };
    files.into_iter().map(read).collect()
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// First names of paths: `a` of `a::b::c`, and of `use a;`.
fn roots(code: &str) -> BTreeSet<&str> {
    let mut found: BTreeSet<&str> =
        code.lines().filter_map(|line| line.trim().strip_prefix("use ")?.strip_suffix(';')).collect();
    for (end, _) in code.match_indices("::") {
        let start = code[..end].bytes().rposition(|byte| !is_word(byte)).map_or(0, |at| at + 1);
        if start < end && !code[..start].ends_with("::") {
            found.insert(&code[start..end]);
        }
    }
    found
}

/// Rooms named behind `crate::`, alone or in braces.
fn rooms_named(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, found_text) in code.match_indices("crate::") {
        let rest = &code[at + found_text.len()..];
        if at > 0 && (is_word(code.as_bytes()[at - 1]) || code.as_bytes()[at - 1] == b'$') {
            continue;
        }
        let Some(group) = rest.strip_prefix('{') else {
            found.insert(rest.bytes().take_while(|byte| is_word(*byte)).map(char::from).collect());
            continue;
        };
        let (mut depth, mut word, mut fresh) = (0, String::new(), true);
        for letter in group.chars() {
            match letter {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => fresh = true,
                letter if letter.is_alphanumeric() || letter == '_' => {
                    if fresh && depth == 0 {
                        word.push(letter);
                    }
                    continue;
                }
                _ => {}
            }
            if !word.is_empty() {
                found.insert(std::mem::take(&mut word));
                fresh = letter == ',' && depth == 0;
            }
        }
        if !word.is_empty() {
            found.insert(word);
        }
    }
    found
}

#[test]
fn a_room_uses_only_the_rooms_it_may() {
    let mut faults = Vec::new();
    for source in sources() {
        let Some(allowed) = may_use(&source.room) else { continue };
        for named in rooms_named(&source.code) {
            if named != source.room && !allowed.contains(&named.as_str()) {
                faults.push(format!("{} uses {named}", source.path.display()));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn a_library_is_used_only_where_it_belongs() {
    let mut faults = Vec::new();
    for source in sources() {
        for root in roots(&source.code) {
            let owner = ALONE.iter().find(|(name, _)| root == *name || root.starts_with(&format!("{name}_")));
            if owner.is_some_and(|(_, rooms)| !rooms.contains(&source.room.as_str())) {
                faults.push(format!("{} uses {root}", source.path.display()));
            }
            let is_library = env!("CARGO_PKG_NAME") != root && dependencies().contains(root);
            if source.room == "domain" && is_library && !OF_DOMAIN.contains(&root) {
                faults.push(format!("{} uses {root}", source.path.display()));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

/// Names of our dependencies as code spells them.
fn dependencies() -> BTreeSet<String> {
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
    let section = manifest.split("[dependencies]").nth(1).unwrap().split("\n[").next().unwrap();
    section.lines().filter_map(|line| Some(line.split_once(" = ")?.0.replace('-', "_"))).collect()
}

#[test]
fn only_settings_commands_and_telemetry_read_the_environment() {
    let mut faults = Vec::new();
    for source in sources() {
        let reads = ["env::var", "env::vars", "std::env", "env::args", "option_env!"]
            .iter()
            .any(|call| source.code.contains(call));
        if reads && !["config", "telemetry", "cli", "main"].contains(&source.room.as_str()) {
            faults.push(source.path);
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn a_file_says_what_it_is_and_stays_small() {
    let mut faults = Vec::new();
    let all = sources();
    assert!(all.len() > 50, "the sources were not found");
    for source in all {
        if !source.whole.starts_with("//!") {
            faults.push(format!("{} does not begin with //!", source.path.display()));
        }
        let lines = source.whole.lines().count();
        if lines > MAX_LINES {
            faults.push(format!("{} has {lines} lines", source.path.display()));
        }
        if source.path.file_name().is_some_and(|name| name == "mod.rs") {
            faults.push(format!("{}: foo.rs beside foo/ instead", source.path.display()));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn the_layering_test_sees_what_it_should() {
    let code = "use crate::{\n    app::{App, Ctx},\n    domain::x,\n    workers,\n};\nlet y = crate::store::z;\nstd::env::x; use diesel;";
    let named: Vec<_> = rooms_named(code).into_iter().collect();
    assert_eq!(named, ["app", "domain", "store", "workers"]);
    let found = roots("use reqwest;\nfn x() -> tonic::Status { a::tonic_types::b() }");
    assert_eq!(found.into_iter().collect::<Vec<_>>(), ["a", "reqwest", "tonic"]);
}
