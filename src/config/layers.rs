//! Where settings come from, merged by figment: flags over environment over file. Only variables of the settings
//! table are read: Kubernetes puts others with our prefix (`HAIER_INTEGRATION_PORT`) beside a service of our name.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use figment::{
    Figment, Metadata, Profile, Provider,
    providers::{Format, Toml},
    value::{Dict, Map, Value},
};

use super::{
    Problem, Setting,
    table::{SETTINGS, nearest},
};
use crate::sandbox;

/// What is given to [`super::read`].
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// Values of flags by the setting's key, as they were typed.
    pub flags: BTreeMap<&'static str, String>,
    /// The environment.
    pub environment: BTreeMap<String, String>,
    /// The file named by `--config`; without it, the one that the environment names.
    pub file: Option<PathBuf>,
    /// The sandbox to start; flags alone say so.
    pub sandbox: Option<sandbox::Options>,
}

impl Sources {
    /// Only the environment of this process.
    pub fn from_process() -> Self {
        // What is not UTF-8 cannot be the value of any setting.
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self { environment: std::env::vars_os().filter_map(text).collect(), ..Self::default() }
    }

    /// A variable; empty ones count as absent, since manifests often leave them so.
    pub fn variable(&self, name: &str) -> Option<String> {
        self.environment.get(name).filter(|value| !value.trim().is_empty()).cloned()
    }
}

/// Which layer a value stands in; later ones win.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Origin {
    File,
    Environment,
    Flag,
}

impl Origin {
    const ALL: [Self; 3] = [Self::File, Self::Environment, Self::Flag];

    const fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Environment => "environment",
            Self::Flag => "flags",
        }
    }
}

struct Layer {
    origin: Origin,
    values: Dict,
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.origin.name())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Profile::Default.collect(self.values.clone()))
    }
}

/// The merged layers.
pub(super) struct Layers {
    merged: Figment,
    in_file: Dict,
    file: Option<PathBuf>,
}

impl Layers {
    pub(super) fn merge(sources: &Sources, problems: &mut Vec<Problem>) -> Self {
        let file =
            sources.file.clone().or_else(|| sources.variable("HAIER_INTEGRATION_CONFIG").map(PathBuf::from));
        let in_file = file.as_ref().map_or_else(Dict::new, |path| {
            read_file(path).unwrap_or_else(|message| {
                let name = if sources.file.is_some() { "--config" } else { "HAIER_INTEGRATION_CONFIG" };
                problems.push(Problem::new(name, format!("{}: {message}", path.display())));
                Dict::new()
            })
        });
        let mut in_environment = Dict::new();
        let mut in_flags = Dict::new();
        for setting in SETTINGS {
            if let Some(text) = sources.variable(setting.env) {
                put(&mut in_environment, setting.key, text);
            }
            if let Some(text) = sources.flags.get(setting.key) {
                put(&mut in_flags, setting.key, text.clone());
            }
        }
        let merged = Figment::new()
            .merge(Layer { origin: Origin::File, values: in_file.clone() })
            .merge(Layer { origin: Origin::Environment, values: in_environment })
            .merge(Layer { origin: Origin::Flag, values: in_flags });
        Self { merged, in_file, file }
    }

    /// The winning value of a key as text, or nothing if no layer has it. Of a list each text is a line.
    pub(super) fn find(&self, setting: &Setting) -> Option<(Origin, Option<String>)> {
        let value = self.merged.find_value(setting.key).ok()?;
        let layer = self.merged.get_metadata(value.tag())?;
        let origin = Origin::ALL.into_iter().find(|origin| origin.name() == layer.name)?;
        let text = match value {
            Value::String(_, text) => Some(text),
            Value::Char(_, one) => Some(one.to_string()),
            Value::Bool(_, flag) => Some(flag.to_string()),
            Value::Num(_, number) => match (number.to_i128(), number.to_f64()) {
                (Some(whole), _) => Some(whole.to_string()),
                (None, float) => float.map(|float| float.to_string()),
            },
            Value::Array(_, all) => {
                all.iter().map(Value::as_str).collect::<Option<Vec<_>>>().map(|all| all.join("\n"))
            }
            Value::Empty(..) | Value::Dict(..) => None,
        };
        Some((origin, text))
    }

    /// A setting's name as the person wrote it.
    pub(super) fn name_of(&self, setting: &Setting, origin: Origin) -> String {
        match origin {
            Origin::Flag => format!("--{}", setting.key.replace(['_', '.'], "-")),
            Origin::Environment => setting.env.to_owned(),
            Origin::File => self.key_in_file(setting.key),
        }
    }

    /// Keys in the file that are no settings.
    pub(super) fn unknown_keys(&self, problems: &mut Vec<Problem>) {
        let mut keys = Vec::new();
        flatten("", &self.in_file, &mut keys);
        for (key, is_table) in keys {
            let is_setting = SETTINGS.iter().any(|setting| setting.key == key);
            let message = match (is_setting, begins_settings(&key)) {
                (true, _) if !is_table => continue,
                (_, true) if is_table => continue,
                (true, _) => "is a single value, not a table".to_owned(),
                (_, true) => format!("is a table: write it as [{key}]"),
                _ => match nearest(&key, SETTINGS.iter().map(|setting| setting.key)) {
                    Some(known) => format!("unknown key; did you mean {known}?"),
                    None => "unknown key".to_owned(),
                },
            };
            problems.push(Problem::new(self.key_in_file(&key), message));
        }
    }

    fn key_in_file(&self, key: &str) -> String {
        match &self.file {
            Some(path) => format!("{key} (in {})", path.display()),
            None => key.to_owned(),
        }
    }
}

fn put(into: &mut Dict, key: &str, text: String) {
    match key.split_once('.') {
        None => {
            into.insert(key.to_owned(), Value::from(text));
        }
        Some((table, key)) => {
            let table = into.entry(table.to_owned()).or_insert_with(|| Value::from(Dict::new()));
            if let Value::Dict(_, inner) = table {
                inner.insert(key.to_owned(), Value::from(text));
            }
        }
    }
}

/// Every key below `dict` with its path, and whether it is a table. Tables that hold settings are opened.
fn flatten(path: &str, dict: &Dict, keys: &mut Vec<(String, bool)>) {
    for (key, value) in dict {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        let inner = value.as_dict();
        keys.push((path.clone(), inner.is_some()));
        if let Some(inner) = inner.filter(|_| begins_settings(&path)) {
            flatten(&path, inner, keys);
        }
    }
}

fn begins_settings(path: &str) -> bool {
    SETTINGS.iter().any(|setting| setting.key.strip_prefix(path).is_some_and(|rest| rest.starts_with('.')))
}

fn read_file(path: &Path) -> Result<Dict, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"))?;
    let mut data = Toml::string(&text).data().map_err(|error| {
        // The parser quotes the line, which may be the one with the password: only where and what are kept.
        let message = error.to_string();
        let lines = message.lines().filter(|line| !line.contains('|') && !line.trim().is_empty());
        lines.collect::<Vec<_>>().join(": ")
    })?;
    Ok(data.remove(&Profile::Default).unwrap_or_default())
}
