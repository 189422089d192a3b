//! A child process that says on its standard output where it listens, and dies with its handle.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};

use super::report::kib;

/// Longest time until a process listens: an old database may have to be recovered first.
const START: Duration = Duration::from_secs(120);

/// Of the kernel's clock, in what it tells programs.
const MILLIS_A_TICK: u64 = 10;

/// Killed when dropped, so that also a panic or Ctrl-C leaves nothing behind.
pub(crate) struct Process {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Process {
    /// Starts it without any setting of the service that happens to be in this environment.
    pub(crate) fn start(command: &mut Command) -> anyhow::Result<Self> {
        for (name, _) in std::env::vars_os() {
            let foreign =
                name.to_str().is_some_and(|name| name.starts_with("HAIER_") || name.starts_with("YLH_"));
            let ours = command.get_envs().any(|(given, _)| given == name);
            if foreign && !ours {
                command.env_remove(&name);
            }
        }
        // Its input is a pipe that nothing is written to: a server of ours ends when that closes.
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
        let stdout = child.stdout.take().context("no standard output")?;
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                // Nobody listens any more: go on reading, or the child blocks.
                let _ = sender.send(line);
            }
        });
        Ok(Self { child, lines })
    }

    /// The rest of the first line that begins with `word`, spaces aside.
    pub(crate) fn wait_for(&mut self, word: &str) -> anyhow::Result<String> {
        let deadline = Instant::now() + START;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    if let Some(rest) = line.trim_start().strip_prefix(word) {
                        return Ok(rest.trim().to_owned());
                    }
                }
                Err(error) => bail!("a child never said `{word}`: {error}"),
            }
        }
    }

    /// Resident memory now, in KiB.
    pub(crate) fn resident(&self) -> anyhow::Result<u64> {
        self.memory("VmRSS:")
    }

    /// The most it ever had, in KiB.
    pub(crate) fn peak(&self) -> anyhow::Result<u64> {
        self.memory("VmHWM:")
    }

    /// Processor time that it has used.
    pub(crate) fn cpu_time(&self) -> anyhow::Result<Duration> {
        let file = format!("/proc/{}/stat", self.child.id());
        let text = std::fs::read_to_string(&file)?;
        // After the name, which may hold anything: the state is field 3; user and system time are fields 14 and 15.
        let fields = text.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().skip(11).take(2));
        let ticks: u64 = fields
            .with_context(|| format!("{file} is not as usual"))?
            .map(str::parse::<u64>)
            .sum::<Result<_, _>>()?;
        Ok(Duration::from_millis(ticks * MILLIS_A_TICK))
    }

    fn memory(&self, key: &str) -> anyhow::Result<u64> {
        let file = format!("/proc/{}/status", self.child.id());
        kib(&file, key).with_context(|| format!("{file} has no {key}"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Fails only when it has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
