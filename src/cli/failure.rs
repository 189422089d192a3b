//! How a command fails: one line for a person, and the exit code.

use std::{error::Error as _, io};

use tonic::{Code, Status};

use super::status;

/// Why a command ended without its result.
#[derive(Debug)]
pub(super) enum Failure {
    /// The command line, the settings on it or the request are wrong.
    Usage(String),
    /// It did not work.
    Failed(String),
    /// The person stopped it; what there was to say is said.
    Interrupted,
    /// Nobody reads the output any more (`| head`), which is no mistake.
    OutputClosed,
}

impl Failure {
    pub(super) fn line(&self) -> Option<&str> {
        match self {
            Self::Usage(line) | Self::Failed(line) => Some(line),
            Self::Interrupted | Self::OutputClosed => None,
        }
    }

    pub(super) fn code(&self) -> u8 {
        match self {
            Self::OutputClosed => 0,
            Self::Failed(_) => 1,
            Self::Usage(_) => 2,
            Self::Interrupted => 130,
        }
    }
}

/// Causes joined; those whose words the text before already has are left out.
impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        let mut line = String::new();
        for cause in error.chain().map(ToString::to_string) {
            if line.is_empty() {
                line = cause;
            } else if !line.contains(&cause) {
                line = format!("{line}: {cause}");
            }
        }
        Self::Failed(line)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::OutputClosed,
            _ => Self::Failed(format!("writing the output: {error}")),
        }
    }
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        let line = status::explain(&status);
        // One that arose on this side (a cut connection) is never about what was asked for.
        if status.code() == Code::InvalidArgument && status.source().is_none() {
            Self::Usage(line)
        } else {
            Self::Failed(line)
        }
    }
}

impl From<crate::config::Error> for Failure {
    fn from(error: crate::config::Error) -> Self {
        if error.problems.iter().any(crate::config::Problem::is_flag) {
            Self::Usage(error.to_string())
        } else {
            Self::Failed(error.to_string())
        }
    }
}
