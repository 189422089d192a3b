//! Accounts as a person writes them down: variables as `config template` prints them, TOML as `config export` does, or JSON
//! with the names of the API.

use std::{io::Read as _, path::Path};

use figment::{
    Profile, Provider as _,
    providers::{Format as _, Toml},
};
use serde_json::Value;

use super::message::place;
use crate::{cli::failure::Failure, domain::accounts::Field, proto::HaierConfig};

/// An account of a file, and the fields that were given in it.
#[derive(Debug, Default)]
pub(super) struct Given {
    pub(super) config: HaierConfig,
    pub(super) fields: Vec<Field>,
}

impl Given {
    pub(super) fn set(&mut self, field: Field, text: &str) {
        // Blank is not given, so that a template may be left with gaps.
        if text.trim().is_empty() {
            return;
        }
        text.clone_into(place(&mut self.config, field));
        self.fields.push(field);
    }
}

/// Reads a file, or standard input where it is `-`.
pub(super) fn read(path: &Path) -> Result<Vec<Given>, Failure> {
    let shown = path.display();
    let text = if path.as_os_str() == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(path)
    };
    let text = text.map_err(|error| Failure::Failed(format!("{shown} cannot be read: {error}")))?;
    parse(&text).map_err(|problems| Failure::Usage(format!("{shown}: {}", problems.join("; "))))
}

/// The only account of a file.
pub(super) fn read_one(path: &Path) -> Result<Given, Failure> {
    let mut all = read(path)?;
    match (all.pop(), all.len()) {
        (Some(given), 0) => Ok(given),
        (_, others) => {
            let line =
                format!("{} holds {} accounts; `config import` takes several", path.display(), others + 1);
            Err(Failure::Usage(line))
        }
    }
}

/// Everything wrong is told at once, and never a value.
pub(super) fn parse(text: &str) -> Result<Vec<Given>, Vec<String>> {
    let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let Some(first) = lines().next() else {
        return Err(vec![
            "is empty; `haier-integration config template test` prints one to fill in".to_owned(),
        ]);
    };
    if first.starts_with('{') || first == "[" {
        let value = serde_json::from_str(text).map_err(|error| {
            vec![format!("is no JSON (line {}, column {})", error.line(), error.column())]
        })?;
        return of_values(value);
    }
    if is_variable(first) {
        return of_variables(lines()).map(|given| vec![given]);
    }
    let mut data = Toml::string(text).data().map_err(|error| {
        // The rest of the message quotes the line, which may be the one with a secret.
        vec![format!("is no TOML ({})", error.to_string().lines().next().unwrap_or_default())]
    })?;
    let dict = data.remove(&Profile::Default).unwrap_or_default();
    let mut value = serde_json::to_value(dict).map_err(|error| vec![error.to_string()])?;
    let several = value.get_mut("haier_config").map(Value::take);
    of_values(several.unwrap_or(value))
}

fn is_variable(line: &str) -> bool {
    let line = line.strip_prefix("export ").unwrap_or(line);
    line.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
    })
}

fn of_variables<'a>(lines: impl Iterator<Item = &'a str>) -> Result<Given, Vec<String>> {
    let (mut given, mut problems) = (Given::default(), Vec::new());
    for line in lines {
        let line = line.strip_prefix("export ").unwrap_or(line);
        let Some((name, value)) = line.split_once('=') else {
            problems.push("a line is no NAME=VALUE".to_owned());
            continue;
        };
        match Field::of_variable(name.trim()) {
            Some(field) => given.set(field, unquoted(value.trim())),
            None => problems.push(format!("{} is no variable of an account", name.trim())),
        }
    }
    if problems.is_empty() { Ok(given) } else { Err(problems) }
}

fn unquoted(value: &str) -> &str {
    let within = |quote| value.strip_prefix(quote).and_then(|rest: &str| rest.strip_suffix(quote));
    within('"').or_else(|| within('\'')).unwrap_or(value)
}

fn of_values(value: Value) -> Result<Vec<Given>, Vec<String>> {
    let values = match value {
        Value::Array(values) => values,
        one => vec![one],
    };
    let mut problems = Vec::new();
    let given = values.iter().map(|value| of_value(value, &mut problems)).collect();
    if problems.is_empty() { Ok(given) } else { Err(problems) }
}

/// What the service says and does not hear.
const OUTPUT_ONLY: [&str; 6] = ["active", "secrets", "warnings", "etag", "created_at", "updated_at"];

fn of_value(value: &Value, problems: &mut Vec<String>) -> Given {
    let mut given = Given::default();
    let Some(object) = value.as_object() else {
        problems.push("an account is expected to be an object".to_owned());
        return given;
    };
    for (name, value) in object {
        match (name.as_str(), value.as_str()) {
            ("name", Some(text)) => text.clone_into(&mut given.config.name),
            ("preset", Some(text)) => text.clone_into(&mut given.config.preset),
            ("ylh", _) => of_ylh(value, &mut given, problems),
            (name, _) if OUTPUT_ONLY.contains(&name) => {}
            (name, text) => of_field(name, text, &mut given, problems),
        }
    }
    given
}

fn of_ylh(value: &Value, given: &mut Given, problems: &mut Vec<String>) {
    let Some(object) = value.as_object() else {
        problems.push("ylh is expected to be an object".to_owned());
        return;
    };
    given.config.ylh.get_or_insert_default();
    for (name, value) in object {
        of_field(&format!("ylh.{name}"), value.as_str(), given, problems);
    }
}

fn of_field(path: &str, text: Option<&str>, given: &mut Given, problems: &mut Vec<String>) {
    match (Field::of_path(path), text) {
        (Some(field), Some(text)) => given.set(field, text),
        (Some(_), None) => problems.push(format!("{path} is expected to be a text, in quotes")),
        (None, _) => problems.push(format!("{path} is no field of an account")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_forms_say_the_same() {
        let variables = "# c\nHAIER_CLIENT_ID=id\nexport HAIER_PASSWORD='p w'\nHAIER_SEND_TO_CODE=\nYLH_SHOP_NAME=\"店\"\n";
        let toml = "client_id = \"id\"\npassword = \"p w\"\n[ylh]\nshop_name = \"店\"\n";
        let json = r#"{"client_id": "id", "password": "p w", "active": true, "ylh": {"shop_name": "店"}}"#;
        for text in [variables, toml, json] {
            let given = parse(text).unwrap().remove(0);
            assert_eq!(
                (given.config.client_id.as_str(), given.config.password.as_str()),
                ("id", "p w"),
                "{text}"
            );
            assert_eq!(given.config.ylh.unwrap().shop_name, "店");
            let mut fields = given.fields;
            fields.sort();
            assert_eq!(fields, [Field::ClientId, Field::Password, Field::YlhShopName]);
        }
    }

    #[test]
    fn what_is_wrong_is_told_without_values() {
        for (text, expected) in [
            ("HAIER_CLIENT_ID=s3cret\nHAIER_COLOUR=s3cret\nYLH_SIZE=s3cret", ["HAIER_COLOUR", "YLH_SIZE"]),
            ("{\"colour\": \"s3cret\", \"password\": 7}", ["colour is no field", "password is expected"]),
            ("colour = \"s3cret\"\nylh = \"s3cret\"", ["colour is no field", "ylh is expected"]),
            ("{\"password\": \"s3cret\",,", ["is no JSON", "line 1"]),
            ("password = s3cret", ["is no TOML", "line 1"]),
            ("# nothing", ["is empty", "template"]),
        ] {
            let told = parse(text).unwrap_err().join("; ");
            assert!(expected.iter().all(|words| told.contains(words)), "{told}");
            assert!(!told.contains("s3cret"), "{told}");
        }
    }

    #[test]
    fn several_accounts_stand_in_one_file() {
        let all =
            parse("[[haier_config]]\nname = \"a\"\n[[haier_config]]\nname = \"b\"\npreset = \"test\"\n")
                .unwrap();
        let names: Vec<_> = all.iter().map(|given| given.config.name.as_str()).collect();
        assert_eq!((names, all[1].config.preset.as_str()), (vec!["a", "b"], "test"));
    }
}
