//! How far a run is: a bar where a person sees it move, else a plain line now and then.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use prost_types::Timestamp;
use tokio::time::Instant;

use super::watch::is_end;
use crate::{
    cli::{
        console::{Console, printable},
        moment,
    },
    proto::{SyncProgress, SyncWait},
};

/// A plain line at most this often, unless the step changes.
const LINE_EVERY: Duration = Duration::from_secs(1);
/// The same while the run waits.
const WAITING_LINE_EVERY: Duration = Duration::from_secs(60);

/// The steps of one run.
pub(super) struct View {
    bar: Option<ProgressBar>,
    stage: String,
    /// Why and since when the run waited when it was shown last.
    wait: Option<(String, Option<Timestamp>)>,
    shown_at: Option<Instant>,
}

impl View {
    pub(super) fn new(is_terminal: bool) -> Self {
        let bar = is_terminal.then(|| {
            let bar = ProgressBar::new_spinner();
            set_style(&bar, false);
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        Self { bar, stage: String::new(), wait: None, shown_at: None }
    }

    pub(super) fn show(&mut self, progress: &SyncProgress, console: &mut Console) {
        let stage = self.stage(progress);
        let wait = progress.wait.as_ref().map(|wait| (wait.reason.clone(), wait.since));
        // Of one wait the time until when changes with every vain try.
        let is_same = if wait.is_some() { self.wait == wait } else { self.stage == stage };
        let is_new_stage = self.shown_at.is_none() || !is_same;
        let every = if wait.is_some() { WAITING_LINE_EVERY } else { LINE_EVERY };
        (self.stage, self.wait) = (stage, wait);
        if let Some(bar) = &self.bar {
            draw(bar, &self.stage, progress);
        } else if is_end(progress) {
            // Its totals are told as the result.
            return;
        } else if is_new_stage || self.shown_at.is_none_or(|at| at.elapsed() >= every) {
            let line = format!("{} {} {}", self.stage, counts(progress), pace(progress));
            console.complain(line.trim_end());
        } else {
            return;
        }
        self.shown_at = Some(Instant::now());
    }

    /// A run that has ended names no stage: the one it ended in stays.
    fn stage(&self, progress: &SyncProgress) -> String {
        if let Some(wait) = &progress.wait {
            return waiting(&progress.message, wait);
        }
        match (progress.stage.as_str(), self.stage.as_str()) {
            // It says for what.
            ("", "") if !progress.message.is_empty() => printable(&progress.message),
            ("", "") => "WAITING".to_owned(),
            ("", last) => last.to_owned(),
            (stage, _) => printable(stage),
        }
    }

    /// Writes something without tearing the bar.
    pub(super) fn beside<T>(&self, write: impl FnOnce() -> T) -> T {
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Drop for View {
    fn drop(&mut self) {
        self.finish();
    }
}

/// Why a run waits, since when and until when.
pub(in crate::cli) fn waiting(message: &str, wait: &SyncWait) -> String {
    let mut text = format!("{} (since {}", printable(message), moment::local(wait.since.as_ref()));
    if wait.until.is_some() {
        text.push_str(&format!(", until {}", moment::local(wait.until.as_ref())));
    }
    text.push(')');
    text
}

fn draw(bar: &ProgressBar, stage: &str, progress: &SyncProgress) {
    let done = u64::try_from(progress.success_count + progress.failed_count).unwrap_or(0);
    let planned = progress.planned_count.and_then(|planned| u64::try_from(planned).ok());
    if bar.length() != planned {
        set_style(bar, planned.is_some());
    }
    match planned {
        Some(planned) => bar.set_length(planned),
        None => bar.unset_length(),
    }
    bar.set_prefix(stage.to_owned());
    bar.set_position(done);
    bar.set_message(format!("{} {}", counts(progress), pace(progress)));
}

fn set_style(bar: &ProgressBar, is_planned: bool) {
    let template = if is_planned {
        "{spinner} {prefix} [{bar:30}] {percent:>3}% {msg}"
    } else {
        "{spinner} {prefix} {msg}"
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
}

fn counts(progress: &SyncProgress) -> String {
    let done = progress.success_count + progress.failed_count;
    let all = progress.planned_count.map_or_else(|| "?".to_owned(), |planned| planned.to_string());
    let failed = progress.failed_count;
    if failed == 0 { format!("{done}/{all}") } else { format!("{done}/{all}, {failed} failed") }
}

fn pace(progress: &SyncProgress) -> String {
    let rate = if progress.rate > 0.0 { format!("{:.0}/s", progress.rate) } else { String::new() };
    let Some(left) = progress.remaining.as_ref().map(moment::seconds).filter(|left| *left >= 0.0) else {
        return rate;
    };
    let left = Duration::try_from_secs_f64(left.ceil()).unwrap_or_default();
    format!("{rate} {} left", humantime::format_duration(left)).trim_start().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::console::Sink;

    #[test]
    fn one_wait_is_one_line_whatever_its_end_seems_to_be() {
        let (out, err) = (Sink::default(), Sink::default());
        let mut console = Console::of(Box::new(out), Box::new(err.clone()));
        let mut view = View::new(false);
        let at = |seconds| Some(Timestamp { seconds, nanos: 0 });
        let mut progress =
            SyncProgress { message: "waiting: REQUEST_TIMEOUT".to_owned(), ..SyncProgress::default() };
        for until in [at(1_793_491_205), None, at(1_793_491_225)] {
            let reason = "REQUEST_TIMEOUT".to_owned();
            progress.wait = Some(SyncWait { reason, since: at(1_793_491_200), until, ..SyncWait::default() });
            view.show(&progress, &mut console);
        }
        assert_eq!(err.text().lines().count(), 1, "{}", err.text());
        let (reason, since) = ("PAUSED".to_owned(), at(1_793_491_230));
        progress.wait = Some(SyncWait { reason, since, ..SyncWait::default() });
        view.show(&progress, &mut console);
        assert_eq!(err.text().lines().count(), 2, "{}", err.text());
    }

    #[test]
    fn what_a_run_waits_for_is_shown_with_its_times() {
        let at = |seconds| Some(Timestamp { seconds, nanos: 0 });
        let mut wait = SyncWait { since: at(1_793_491_200), ..SyncWait::default() };
        let told = waiting("waiting: PAUSED paused", &wait);
        assert!(
            told.starts_with("waiting: PAUSED paused (since 2026-1") && !told.contains("until"),
            "{told}"
        );
        wait.until = at(1_793_491_230);
        assert!(waiting("", &wait).contains(", until 2026-1"));
    }
}
