//! Where a command writes: results to standard output, steps and errors to standard error. Injected, so that tests read
//! both.

use std::io::{self, IsTerminal, Write};

use serde_json::Value;

/// The two outputs of a command.
pub(super) struct Console {
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
    /// Whether a person sees standard error move.
    pub(super) is_terminal: bool,
}

impl Console {
    pub(super) fn of_process() -> Self {
        Self {
            out: Box::new(io::stdout()),
            err: Box::new(io::stderr()),
            is_terminal: io::stderr().is_terminal(),
        }
    }

    #[cfg(test)]
    pub(super) fn of(out: Box<dyn Write + Send>, err: Box<dyn Write + Send>) -> Self {
        Self { out, err, is_terminal: false }
    }

    /// A line of the result.
    pub(super) fn say(&mut self, line: &str) -> io::Result<()> {
        writeln!(self.out, "{line}")?;
        self.out.flush()
    }

    /// An object of the result, on a line of its own.
    pub(super) fn say_json(&mut self, value: &Value) -> io::Result<()> {
        self.say(&value.to_string())
    }

    /// A line beside the result. Nobody is left to be told when this fails.
    pub(super) fn complain(&mut self, line: &str) {
        drop(writeln!(self.err, "{line}"));
    }
}

/// Text that came from elsewhere, on one line and without characters that would steer the terminal.
pub(super) fn printable(text: &str) -> String {
    text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// An output that a test reads.
#[cfg(test)]
#[derive(Clone, Default)]
pub(super) struct Sink(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

#[cfg(test)]
impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
impl Sink {
    pub(super) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}
