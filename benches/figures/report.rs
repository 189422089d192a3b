//! The table of results, and the machine they were measured on.

use std::{fs, path::Path, thread};

/// One line of the table.
pub(crate) struct Line {
    pub(crate) figure: String,
    pub(crate) measured: String,
    pub(crate) compared_with: String,
    pub(crate) ratio: String,
}

impl Line {
    pub(crate) fn new(figure: impl Into<String>, measured: impl Into<String>) -> Self {
        Self {
            figure: figure.into(),
            measured: measured.into(),
            compared_with: String::new(),
            ratio: String::new(),
        }
    }

    /// What it is measured against, and the ratio to that where there is one.
    pub(crate) fn against(mut self, other: impl Into<String>, ratio: Option<f64>) -> Self {
        self.compared_with = other.into();
        self.ratio = ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
        self
    }
}

/// The whole table as markdown.
pub(crate) fn table(lines: &[Line], machine: &str) -> String {
    let mut text = format!("{machine}\n\n| figure | measured | compared with | ratio |\n|---|---|---|---|\n");
    for Line { figure, measured, compared_with, ratio } in lines {
        text.push_str(&format!("| {figure} | {measured} | {compared_with} | {ratio} |\n"));
    }
    text
}

/// Cores, memory and the file system of the scratch files.
pub(crate) fn machine(scratch: &Path) -> String {
    let cores = thread::available_parallelism().map_or(0, usize::from);
    let build = if cfg!(debug_assertions) { "; DEBUG BUILD, these are no figures" } else { "" };
    let memory = kib("/proc/meminfo", "MemTotal:").map_or("unknown".to_owned(), |kib| {
        #[expect(clippy::cast_precision_loss, reason = "printed with one digit")]
        let gib = kib as f64 / f64::from(1 << 20);
        format!("{gib:.1} GiB")
    });
    let system = file_system(scratch).unwrap_or_else(|| "unknown".to_owned());
    format!("{cores} cores, {memory} memory, files on {system}{build}")
}

/// Bytes in units of 1,000,000.
pub(crate) fn megabytes(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "printed with one digit")]
    let megabytes = bytes as f64 / 1_000_000.0;
    format!("{megabytes:.1}")
}

/// A figure in KiB of one of the kernel's text files, e.g. `VmHWM:` of `/proc/1/status`.
pub(crate) fn kib(file: &str, key: &str) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_whitespace().next()?.parse().ok()
}

fn file_system(path: &Path) -> Option<String> {
    let path = fs::canonicalize(path).ok()?;
    let mounts = fs::read_to_string("/proc/mounts").ok()?;
    let kinds = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        Some((fields.next()?, fields.next()?))
    });
    // Of those mounted at the same place the last one is seen.
    let (_, kind) =
        kinds.filter(|(place, _)| path.starts_with(place)).max_by_key(|(place, _)| place.len())?;
    Some(kind.to_owned())
}
