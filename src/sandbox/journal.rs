//! The state file: one line of JSON for each thing that happened, only ever appended to, and on disk before anybody is told
//! of it. A line that a sudden end left unfinished never happened.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::events::Event;

/// The first line; a file that begins otherwise is not ours to write to.
const HEADER: &[u8] = b"{\"haier_sandbox\":1}\n";
/// How many lines are written at once at most.
const GROUP: usize = 10_000;

/// Where events are kept; without a file they are not.
pub(super) struct Journal {
    lines: Option<mpsc::UnboundedSender<Line>>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

struct Line {
    bytes: Vec<u8>,
    kept: oneshot::Sender<io::Result<()>>,
}

/// An event on its way to the disk.
#[must_use = "nobody may be told of an event that is not on disk"]
pub(super) struct Keeping(io::Result<Option<oneshot::Receiver<io::Result<()>>>>);

impl Journal {
    /// Opens the file, or makes it, and returns what happened before.
    pub(super) fn open(path: Option<&Path>, closing: CancellationToken) -> io::Result<(Self, Vec<Event>)> {
        let Some(path) = path else {
            return Ok((Self { lines: None, writer: Mutex::default() }, Vec::new()));
        };
        // Whatever a tester pushes is in it: it is its owner's alone.
        let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => io::Error::other("another sandbox is using it"),
            TryLockError::Error(error) => error,
        })?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let (events, whole) = read(&bytes)?;
        if whole == 0 {
            file.set_len(0)?;
            file.write_all(HEADER)?;
            // The entry in the folder must outlast a sudden end as well as the content.
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
        } else {
            file.set_len(whole as u64)?;
        }
        file.sync_all()?;
        let (lines, incoming) = mpsc::unbounded_channel();
        let writer = tokio::spawn(write(Arc::new(file), incoming, closing));
        Ok((Self { lines: Some(lines), writer: Mutex::new(Some(writer)) }, events))
    }

    /// Puts an event in line; they stand in the file in the order of these calls.
    pub(super) fn append(&self, event: &Event) -> Keeping {
        match serde_json::to_vec(event) {
            Ok(bytes) => self.put([bytes, b"\n".to_vec()].concat()),
            Err(error) => Keeping(Err(error.into())),
        }
    }

    /// Stands for everything that was put in line before.
    pub(super) fn so_far(&self) -> Keeping {
        self.put(Vec::new())
    }

    fn put(&self, bytes: Vec<u8>) -> Keeping {
        let Some(lines) = &self.lines else { return Keeping(Ok(None)) };
        let (kept, keeping) = oneshot::channel();
        // A writer that is gone drops what it would have answered by, which whoever waits sees.
        let _ = lines.send(Line { bytes, kept });
        Keeping(Ok(Some(keeping)))
    }

    /// Waits until the writer has given the file up; it does so when the stand-in closes.
    pub(super) async fn closed(&self) {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer {
            let _ = writer.await;
        }
    }
}

impl Keeping {
    /// Returns once the event, and every one before it, is on disk.
    pub(super) async fn done(self) -> io::Result<()> {
        match self.0? {
            None => Ok(()),
            Some(kept) => kept.await.unwrap_or_else(|_| Err(io::Error::other("the sandbox is closing"))),
        }
    }
}

/// The events of a file's content, and how much of it is whole; 0: it is new.
fn read(bytes: &[u8]) -> io::Result<(Vec<Event>, usize)> {
    if HEADER.starts_with(bytes) && bytes.len() < HEADER.len() {
        return Ok((Vec::new(), 0));
    }
    let Some(body) = bytes.strip_prefix(HEADER) else {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "it is no state file of a sandbox: name another one",
        ));
    };
    let whole = body.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let lines = body[..whole].split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let events = lines.enumerate().map(|(at, line)| {
        let why = |error| io::Error::new(io::ErrorKind::InvalidData, format!("line {}: {error}", at + 2));
        serde_json::from_slice(line).map_err(why)
    });
    Ok((events.collect::<io::Result<_>>()?, HEADER.len() + whole))
}

// What arrives while a group is being written makes up the next one, so that many calls share one wait for the disk.
async fn write(file: Arc<File>, mut lines: mpsc::UnboundedReceiver<Line>, closing: CancellationToken) {
    let mut group = Vec::new();
    loop {
        let taken = tokio::select! {
            biased;
            taken = lines.recv_many(&mut group, GROUP) => taken,
            () = closing.cancelled() => 0,
        };
        if taken == 0 {
            return;
        }
        let bytes: Vec<u8> = group.iter().flat_map(|line: &Line| &line.bytes).copied().collect();
        let target = Arc::clone(&file);
        let written = tokio::task::spawn_blocking(move || {
            (&*target).write_all(&bytes)?;
            target.sync_data()
        });
        let outcome = written.await.map_err(io::Error::other).and_then(|outcome| outcome);
        for line in group.drain(..) {
            let told = outcome.as_ref().map_err(|error| io::Error::new(error.kind(), error.to_string()));
            let _ = line.kept.send(told.copied());
        }
        // What may stand half-written at the end must not be followed by anything: from here on nothing is kept.
        if let Err(error) = outcome {
            tracing::error!(%error, "the state file of the sandbox cannot be written; it must be started again");
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    async fn received(path: &Path) -> (Journal, CancellationToken, Vec<String>) {
        let closing = CancellationToken::new();
        let (journal, events) = Journal::open(Some(path), closing.clone()).unwrap();
        let so_ids = events.into_iter().map(|event| match event {
            Event::Received { so_id, .. } => so_id,
            other => panic!("{other:?}"),
        });
        (journal, closing, so_ids.collect())
    }

    #[tokio::test]
    async fn what_was_kept_is_read_back_and_an_unfinished_line_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let (journal, closing, so_ids) = received(&path).await;
        assert!(so_ids.is_empty());
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let event = |so_id: &str| Event::Received { so_id: so_id.to_owned(), body: 7 };
        let keeping: Vec<_> = ["a", "b", "c"].map(|so_id| journal.append(&event(so_id))).into();
        for one in keeping {
            one.done().await.unwrap();
        }
        assert!(Journal::open(Some(&path), closing.clone()).is_err(), "two must not share a file");
        closing.cancel();
        journal.closed().await;
        assert!(journal.append(&event("d")).done().await.is_err());

        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"{\"received\":{\"so").unwrap();
        let (journal, closing, so_ids) = received(&path).await;
        assert_eq!(so_ids, ["a", "b", "c"]);
        journal.append(&event("e")).done().await.unwrap();
        journal.so_far().done().await.unwrap();
        closing.cancel();
        journal.closed().await;
        assert_eq!(received(&path).await.2, ["a", "b", "c", "e"]);
    }

    #[test]
    fn a_foreign_file_is_left_alone() {
        for content in ["{ not json", "{}\n", "SQLite format 3"] {
            assert!(read(content.as_bytes()).is_err(), "{content}");
        }
        assert!(read(&[HEADER, b"{\"exploded\":1}\n"].concat()).unwrap_err().to_string().contains("line 2"));
    }
}
