//! Settings that are secrets, or hold one: given themselves or in a file, and never shown.

use secrecy::SecretString;

use super::{
    DatabaseUrl, KeySource, Problem, Settings, parse,
    read::{Reader, known},
};

impl Reader {
    /// The address itself, or what the file named by `database_url_file` holds; of two the higher layer wins.
    pub(super) fn database_url(&mut self) -> DatabaseUrl {
        self.secret("database_url", "database_url_file", |text| {
            text.parse().map_err(|error| format!("{error}"))
        })
        .unwrap_or_else(|| Settings::default().database_url)
    }

    pub(super) fn admin_token(&mut self) -> Option<SecretString> {
        self.secret("admin_token", "admin_token_file", parse::admin_token)
    }

    /// The value itself, or what the file named by `file_key` holds; of two the higher layer wins. A bad one becomes a
    /// problem that does not show it.
    fn secret<T>(
        &mut self,
        key: &str,
        file_key: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        let (direct_setting, in_file) = (known(key)?, known(file_key)?);
        let (name, text) = match (self.layers.find(direct_setting), self.layers.find(in_file)) {
            (Some((one, _)), Some((other, _))) if one == other => {
                self.refuse(key, &format!("is given together with {file_key}: give one of them"));
                return None;
            }
            (direct, Some((origin, path))) if direct.as_ref().is_none_or(|(direct, _)| *direct < origin) => {
                let name = self.layers.name_of(in_file, origin);
                let text = path.ok_or("a path is expected".to_owned()).and_then(|path| {
                    std::fs::read_to_string(&path).map_err(|error| format!("{path} cannot be read: {error}"))
                });
                (name, text)
            }
            (Some((origin, text)), _) => {
                (self.layers.name_of(direct_setting, origin), Ok(text.unwrap_or_default()))
            }
            (None, _) => return None,
        };
        text.and_then(|text| parse(&text))
            .map_err(|message| self.problems.push(Problem::new(name, message)))
            .ok()
    }

    /// The keys' text or the file that holds them; of two the higher layer wins. What is in it is checked at the start.
    pub(super) fn keys(&mut self) -> Option<KeySource> {
        let (text, file) = (known("keys")?, known("key_file")?);
        let (from_text, from_file) = (self.layers.find(text), self.layers.find(file));
        if from_text.as_ref().zip(from_file.as_ref()).is_some_and(|((one, _), (other, _))| one == other) {
            self.refuse("keys", "are given together with key_file: give one of them");
            return None;
        }
        let (setting, (origin, value)) = match (from_text, from_file) {
            (Some(text_found), file_found)
                if file_found.as_ref().is_none_or(|found| found.0 < text_found.0) =>
            {
                (text, text_found)
            }
            (_, found) => (file, found?),
        };
        let Some(value) = value else {
            self.problems
                .push(Problem::new(self.layers.name_of(setting, origin), "a single value is expected"));
            return None;
        };
        Some(if setting == text { KeySource::Text(value.into()) } else { KeySource::File(value.into()) })
    }
}
