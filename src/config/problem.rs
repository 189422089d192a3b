//! Mistakes in settings, gathered so that all of them can be told at once.

use std::fmt;

/// One mistake: which setting, named as the person gave it (flag, variable or key), and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The flag, variable or key.
    pub name: String,
    /// What is wrong and what is allowed. Never the value of a secret.
    pub message: String,
}

impl Problem {
    /// A mistake in the setting of this name.
    pub fn new(name: impl Into<String>, message: impl Into<String>) -> Self {
        Self { name: name.into(), message: message.into() }
    }

    /// Whether a flag is at fault: then the command line is what was used wrongly.
    pub fn is_flag(&self) -> bool {
        self.name.starts_with("--")
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.message)
    }
}

/// Everything that is wrong with the settings; there is at least one problem in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// The problems, in the order of the settings table.
    pub problems: Vec<Problem>,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [only] = self.problems.as_slice() {
            return only.fmt(f);
        }
        write!(f, "{} settings are wrong", self.problems.len())?;
        self.problems.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl std::error::Error for Error {}
