//! Reads `deploy/` as it is written, without the tools that would render it.

use std::{collections::BTreeMap, fs, path::PathBuf};

use serde_json::Value;

/// Name to value.
pub(super) type Variables = BTreeMap<String, String>;

/// A file below `deploy/`.
pub(super) fn text(path: &str) -> String {
    let path = root().join("deploy").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The top of the tree.
pub(super) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A YAML file with one document.
pub(super) fn yaml(path: &str) -> Value {
    serde_saphyr::from_str(&text(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every object of the base.
pub(super) fn objects() -> Vec<Value> {
    let base = yaml("kustomize/base/kustomization.yaml");
    let files = list(&base, "/resources").iter().map(|file| format!("kustomize/base/{}", word(file)));
    files.flat_map(|file| serde_saphyr::from_multiple::<Value>(&text(&file)).expect(&file)).collect()
}

/// The only object of a kind in the base.
pub(super) fn object(kind: &str) -> Value {
    let mut found: Vec<_> = objects().into_iter().filter(|object| object["kind"] == kind).collect();
    assert_eq!(found.len(), 1, "objects of kind {kind}");
    found.remove(0)
}

/// The only container of a Deployment or Job.
pub(super) fn container(owner: &Value) -> &Value {
    let containers = list(owner, "/spec/template/spec/containers");
    assert_eq!(containers.len(), 1, "containers of {}", owner["kind"]);
    &containers[0]
}

/// Lines of `NAME=VALUE`.
pub(super) fn env_file(path: &str) -> Variables {
    let text = text(path);
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.split_once('=').unwrap_or_else(|| panic!("{path}: {line}"))).map(owned).collect()
}

/// What a container of the base sets by itself, secrets aside.
pub(super) fn literal_variables(container: &Value) -> Variables {
    let variables = container["env"].as_array().into_iter().flatten();
    let literal =
        variables.filter_map(|variable| Some((variable["name"].as_str()?, variable["value"].as_str()?)));
    literal.map(owned).collect()
}

/// The variables that a container of the base takes from Secrets: name to the reference.
pub(super) fn secret_variables(container: &Value) -> BTreeMap<String, Value> {
    let variables = container["env"].as_array().into_iter().flatten();
    let referring = variables.filter_map(|variable| {
        Some((word(&variable["name"]), variable.pointer("/valueFrom/secretKeyRef")?.clone()))
    });
    referring.collect()
}

/// The variables of a service of compose.yaml, with the default where one may be given.
pub(super) fn compose_variables(compose: &Value, service: &str) -> Variables {
    let variables = compose.pointer(&format!("/services/{service}/environment")).and_then(Value::as_object);
    let given = variables.into_iter().flatten().map(|(name, value)| {
        let value = word(value);
        let default = value.split_once(":-").map(|(_, default)| default.trim_end_matches('}').to_owned());
        (name.clone(), default.unwrap_or(value))
    });
    given.collect()
}

/// The arguments of an instruction of the Dockerfile, once for each time it stands there.
pub(super) fn instructions(name: &str) -> Vec<String> {
    let joined = text("Dockerfile").replace("\\\n", " ");
    let lines = joined.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    lines.map(|rest| rest.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

/// An array, empty if there is none.
pub(super) fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// An array of texts.
pub(super) fn words(value: &Value) -> Vec<String> {
    value.as_array().expect("a list").iter().map(word).collect()
}

/// A text.
pub(super) fn word(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

/// A whole number at a place that must have one.
pub(super) fn number(value: &Value, pointer: &str) -> u64 {
    value.pointer(pointer).and_then(Value::as_u64).unwrap_or_else(|| panic!("no number at {pointer}"))
}

fn owned((name, value): (&str, &str)) -> (String, String) {
    (name.to_owned(), value.to_owned())
}
