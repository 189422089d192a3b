//! Log lines to standard error, their level changeable at run time, and panics as one of them.

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    io::IsTerminal,
    panic::PanicHookInfo,
};

use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    filter::ParseError,
    layer::SubscriberExt,
    reload,
    util::{SubscriberInitExt, TryInitError},
};

use crate::config::LogFormat;

/// Libraries that tell a lot at INFO and DEBUG; a directive that names one of them goes before.
const QUIET: [&str; 8] =
    ["h2", "hyper", "hyper_util", "reqwest", "rustls", "tokio_postgres", "tonic", "tower"];

/// Why logging did not start, or its level not change.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The directives cannot be read.
    #[error("`{directives}` is no log level")]
    Level {
        /// What was given.
        directives: String,
        /// Why.
        source: ParseError,
    },
    /// Something else logs already in this process.
    #[error("logging was already started")]
    Started(#[from] TryInitError),
    /// Logging has ended.
    #[error("the log level cannot be changed any more")]
    Gone(#[from] reload::Error),
}

/// Changes the level while the program runs.
#[derive(Debug, Clone)]
pub struct LevelHandle(reload::Handle<EnvFilter, Registry>);

impl LevelHandle {
    /// Sets the level: `debug`, or directives such as `info,haier_integration::store=debug`.
    ///
    /// # Errors
    /// When the directives cannot be read, or logging has ended.
    pub fn set(&self, directives: &str) -> Result<(), Error> {
        Ok(self.0.reload(filter(directives)?)?)
    }

    /// The directives in force, the quietened libraries among them.
    pub fn current(&self) -> Option<String> {
        self.0.with_current(ToString::to_string).ok()
    }
}

/// Starts logging, once a process.
///
/// # Errors
/// When the directives cannot be read, or logging was started before.
pub fn init(format: LogFormat, level: &str) -> Result<LevelHandle, Error> {
    let (filter, handle) = reload::Layer::new(filter(level)?);
    // A closed standard error is no reason to panic, which telling about it there would be.
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).log_internal_errors(false);
    let lines = match format {
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
        LogFormat::Text => {
            let in_colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            lines.compact().with_ansi(in_colour).boxed()
        }
    };
    // The filter stands on the registry itself, below the lines, so that it is asked first and for all of them.
    tracing_subscriber::registry().with(filter).with(lines).try_init()?;
    std::panic::set_hook(Box::new(log_panic));
    Ok(LevelHandle(handle))
}

fn filter(directives: &str) -> Result<EnvFilter, Error> {
    let is_named = |target: &str| {
        directives
            .split(',')
            .any(|part| part.split(['=', '[', ':']).next().is_some_and(|named| named == target))
    };
    let quiet = QUIET.iter().filter(|target| !is_named(target)).map(|target| format!("{target}=warn"));
    let all = std::iter::once(directives.to_owned()).chain(quiet).collect::<Vec<_>>().join(",");
    EnvFilter::try_new(all).map_err(|source| Error::Level { directives: directives.to_owned(), source })
}

fn log_panic(panic: &PanicHookInfo<'_>) {
    let words = panic.payload_as_str().unwrap_or("a value that is no text");
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or("unnamed");
    // Captures only where RUST_BACKTRACE asks for it.
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        tracing::error!(%place, thread, %backtrace, "panicked: {words}");
    } else {
        tracing::error!(%place, thread, "panicked: {words}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_quiet_unless_they_are_named() {
        let usual = filter("debug").unwrap().to_string();
        assert!(usual.contains("h2=warn") && usual.contains("debug"), "{usual}");
        let named = filter("info,h2=debug").unwrap().to_string();
        assert!(named.contains("h2=debug") && !named.contains("h2=warn"), "{named}");
    }
}
