//! Log lines to standard error, their level changeable at run time, and panics as one of them.

use std::{
    any::Any,
    backtrace::{Backtrace, BacktraceStatus},
    io::{self, IsTerminal, Write},
    panic::PanicHookInfo,
};

use tracing::Level;
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    filter::{ParseError, filter_fn},
    layer::SubscriberExt,
    reload,
    util::{SubscriberInitExt, TryInitError},
};

use crate::{config::LogFormat, redact::redact};

/// What our own targets begin with.
const OURS: &str = "haier_integration";

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
    let lines =
        tracing_subscriber::fmt::layer().with_writer(|| Redacted(io::stderr())).log_internal_errors(false);
    let lines = match format {
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
        LogFormat::Text => {
            let in_colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            lines.compact().with_ansi(in_colour).boxed()
        }
    };
    // The filter stands on the registry itself, below the lines, so that it is asked first and for all of them.
    let ceiling = filter_fn(|metadata| is_allowed(metadata.target(), *metadata.level()));
    tracing_subscriber::registry().with(filter).with(ceiling).with(lines).try_init()?;
    std::panic::set_hook(Box::new(log_panic));
    Ok(LevelHandle(handle))
}

/// Below INFO libraries tell headers, statements and their parameters, and bytes as they came: nothing of that is ours
/// to show, whatever level is asked for.
fn is_allowed(target: &str, level: Level) -> bool {
    let is_ours = target.strip_prefix(OURS).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
    is_ours || level <= Level::INFO
}

/// Where every line ends: one whole line a write, without what must not leave the process.
struct Redacted<W>(W);

impl<W: Write> Write for Redacted<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.write_all(redact(&String::from_utf8_lossy(line)).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
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
    let words = words_of(panic.payload());
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

/// Words that stand in the source. Others were made of values, which may be anybody's name: the place must do.
fn words_of(payload: &(dyn Any + Send)) -> &'static str {
    payload.downcast_ref::<&'static str>().copied().unwrap_or("words made of values are left out")
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

    #[test]
    fn libraries_tell_nothing_below_info_however_they_are_named() {
        assert!(is_allowed("haier_integration::upstream", Level::TRACE) && is_allowed("h2", Level::INFO));
        for target in ["h2::client", "hyper::proto", "rustls", "tokio_postgres", "log", "haier_integration_x"]
        {
            assert!(!is_allowed(target, Level::DEBUG), "{target}");
        }
    }

    #[test]
    fn a_line_leaves_without_what_it_must_not_tell() {
        let mut out = Vec::new();
        Redacted(&mut out).write_all(b"{\"message\":\"tel 13812345678\",\"passWord\":\"x y\"}\n").unwrap();
        assert_eq!(out, b"{\"message\":\"tel ***\",\"passWord\":\"***\"}\n");
    }

    #[test]
    fn a_panic_tells_its_place_and_no_value() {
        let panicked = |act: fn()| std::panic::catch_unwind(act).unwrap_err();
        let literal = panicked(|| panic!("no such state"));
        assert_eq!(words_of(&*literal), "no such state");
        let formatted = panicked(|| {
            let name = String::from("王小明");
            panic!("no order of {name}");
        });
        assert!(!words_of(&*formatted).contains("王"), "{}", words_of(&*formatted));
    }
}
