//! Feeds of changes: read once on each replica, and handed from there to everybody who follows. Entries are numbered
//! without gaps, and none appears behind one that could be read, so a number says all about where a reader stands.

use std::{
    collections::VecDeque,
    sync::{Arc, PoisonError, RwLock},
    time::Instant,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::{Notify, watch};

use super::App;
use crate::{
    error::{Causes, Error, Interrupted, Result},
    store::{self, Conn},
};

/// How often a replica looks for the commits of the others, which ring no bell here.
const LOOK: TimeDelta = TimeDelta::milliseconds(400);
/// A reader hears something at least this often.
const HEARTBEAT: TimeDelta = TimeDelta::seconds(15);
/// Entries read, and handed on, at a time.
const BATCH: i64 = 500;
/// Entries kept in memory for those who follow; who is further behind reads from the database.
const KEPT: usize = 10_000;

/// A place in a feed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place {
    /// The epoch of the feed: another one after entries were lost with the database that held them.
    pub epoch: i64,
    /// The number of the last entry before.
    pub number: i64,
    /// When that entry came to be, in microseconds: another one that has taken its number is no entry to go on from. `None`:
    /// there is none, or the cursor is from before it was told.
    pub at: Option<i64>,
}

/// An entry of some feed, and where it is stored.
pub trait FeedEntry: Sized + Send + Sync + 'static {
    /// Name of the feed, which its cursors carry.
    const FEED: &'static str;
    /// What a reader does whose entries are gone.
    const REMEDY: &'static str;

    /// Its number.
    fn number(&self) -> i64;

    /// When it came to be.
    fn at(&self) -> DateTime<Utc>;

    /// Entries after a number, in their order.
    fn list(conn: &mut Conn, after: i64, limit: i64)
    -> impl Future<Output = store::Result<Vec<Self>>> + Send;

    /// The epoch, and the number of the last entry.
    fn head(conn: &mut Conn) -> impl Future<Output = store::Result<(i64, i64)>> + Send;

    /// The cursor of a place. No secret, no authority.
    fn cursor(place: Place) -> String {
        let at = place.at.map(|at| format!(":{at}")).unwrap_or_default();
        URL_SAFE_NO_PAD.encode(format!("{}:{}:{}{at}", Self::FEED, place.epoch, place.number))
    }

    /// The place of a cursor of this very feed. One without an epoch is from before there were any.
    fn place(cursor: &str) -> Option<Place> {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
        let place = text.strip_prefix(Self::FEED)?.strip_prefix(':')?;
        let parts: Vec<i64> = place.split(':').map(str::parse).collect::<std::result::Result<_, _>>().ok()?;
        let place = match *parts {
            [number] => Place { epoch: 1, number, at: None },
            [epoch, number] => Place { epoch, number, at: None },
            [epoch, number, at] => Place { epoch, number, at: Some(at) },
            _ => return None,
        };
        (place.epoch > 0 && place.number >= 0).then_some(place)
    }

    /// The place after this entry.
    fn place_after(&self, epoch: i64) -> Place {
        Place { epoch, number: self.number(), at: Some(self.at().timestamp_micros()) }
    }

    /// Does what must be done before what is committed can be read.
    fn settle(_: &App) -> impl Future<Output = Result<()>> + Send {
        std::future::ready(Ok(()))
    }
}

/// One feed as this replica has read it.
pub(super) struct Feed<T> {
    recent: RwLock<Recent<T>>,
    /// The place of the last entry in `recent`; who follows waits on it.
    last: watch::Sender<Place>,
    /// Rung by a commit of this replica, and by a reader where there was none.
    wake: Notify,
}

/// The last entries, without a gap.
struct Recent<T> {
    /// The place before the first one.
    before: Place,
    batches: VecDeque<Arc<Vec<T>>>,
}

/// Some entries in their order, shared by all who follow.
#[derive(Debug)]
pub struct Batch<T> {
    shared: Arc<Vec<T>>,
    skip: usize,
    /// Where a reader goes on from.
    pub cursor: String,
    place: Place,
}

impl<T: FeedEntry> Batch<T> {
    /// Where the feed goes on after one of its entries.
    #[must_use]
    pub fn cursor_after(&self, entry: &T) -> String {
        T::cursor(entry.place_after(self.place.epoch))
    }
}

impl<T> Batch<T> {
    /// The entries; none: a sign of life.
    #[must_use]
    pub fn entries(&self) -> &[T] {
        self.shared.get(self.skip..).unwrap_or_default()
    }
}

/// A page of a feed.
#[derive(Debug)]
pub struct FeedPage<T> {
    /// Entries in their order.
    pub entries: Vec<T>,
    /// Where a reader goes on from.
    pub cursor: String,
    /// Where the feed ends.
    pub head: String,
    /// Whether there are more already.
    pub has_more: bool,
    place: Place,
}

impl<T: FeedEntry> FeedPage<T> {
    /// Where the feed goes on after one of its entries.
    #[must_use]
    pub fn cursor_after(&self, entry: &T) -> String {
        T::cursor(entry.place_after(self.place.epoch))
    }
}

impl<T> Default for Feed<T> {
    fn default() -> Self {
        let recent = Recent { before: Place::default(), batches: VecDeque::new() };
        Self { recent: RwLock::new(recent), last: watch::Sender::new(Place::default()), wake: Notify::new() }
    }
}

impl<T: FeedEntry> Feed<T> {
    /// Says that this replica has committed entries.
    pub(super) fn wake(&self) {
        self.wake.notify_one();
    }

    /// Reads what is new as long as there is somebody to hear it, until the process goes down.
    pub(super) async fn run(&self, app: &App) {
        // Whether what is kept goes on where it was left, which it does only while it is looked at.
        let (mut goes_on, mut database_down) = (false, false);
        while !app.stopping.is_cancelled() {
            let followed = self.last.receiver_count() > 0;
            goes_on &= followed;
            if followed {
                match self.read(app, goes_on).await {
                    Ok(()) => (goes_on, database_down) = (true, false),
                    Err(error) => {
                        if !std::mem::replace(&mut database_down, true) {
                            tracing::warn!(error = %Causes(&error), feed = T::FEED, "the feed cannot be read; trying again");
                        }
                    }
                }
            }
            tokio::select! {
                () = app.stopping.cancelled() => {}
                () = self.wake.notified() => {}
                () = app.clock.sleep_until(app.clock.now() + LOOK), if followed => {}
            }
        }
    }

    async fn read(&self, app: &App, goes_on: bool) -> Result<()> {
        T::settle(app).await?;
        let mut conn = app.store.read().await?;
        let head = head::<T>(&mut conn).await?;
        // Nobody wants what was committed while nobody followed: who does reads it from the database. In a new epoch whoever
        // follows is told that its entries are gone.
        if !goes_on || head.epoch != self.last.borrow().epoch {
            self.begin_at(head);
        }
        loop {
            let last = *self.last.borrow();
            let Some((_, entries)) = list_after::<T>(&mut conn, head, last, BATCH).await? else {
                // Some went unread, of age, or with the database that held them: what follows must not look as if it
                // followed what is kept here.
                self.begin_at(head);
                return Ok(());
            };
            let full = i64::try_from(entries.len()).is_ok_and(|read| read == BATCH);
            let Some(new_last) = entries.last() else { return Ok(()) };
            let new_last = new_last.place_after(last.epoch);
            self.recent.write().unwrap_or_else(PoisonError::into_inner).push(entries);
            self.last.send_replace(new_last);
            if !full {
                return Ok(());
            }
        }
    }

    /// Forgets what is kept, and begins anew after a place.
    fn begin_at(&self, place: Place) {
        let empty = Recent { before: place, batches: VecDeque::new() };
        *self.recent.write().unwrap_or_else(PoisonError::into_inner) = empty;
        self.last.send_replace(place);
    }

    /// What comes after a place, if it is kept. `None`: nothing is, ask the database.
    fn after(&self, place: Place) -> Option<Batch<T>> {
        let recent = self.recent.read().unwrap_or_else(PoisonError::into_inner);
        if !recent.keeps(place) {
            return None;
        }
        let number = place.number;
        let at =
            recent.batches.partition_point(|batch| batch.last().is_some_and(|last| last.number() <= number));
        let shared = Arc::clone(recent.batches.get(at)?);
        let skip = shared.partition_point(|entry| entry.number() <= number);
        let place = shared.last()?.place_after(place.epoch);
        Some(Batch { shared, skip, cursor: T::cursor(place), place })
    }

    fn keeps(&self, place: Place) -> bool {
        self.recent.read().unwrap_or_else(PoisonError::into_inner).keeps(place)
    }
}

impl<T: FeedEntry> Recent<T> {
    /// Whether what follows a place is kept, if there is anything.
    fn keeps(&self, place: Place) -> bool {
        let ends_here = |batch: &Arc<Vec<T>>| {
            let at = batch.binary_search_by_key(&place.number, FeedEntry::number).ok();
            at.is_some_and(|at| batch[at].place_after(place.epoch) == place)
        };
        let epoch = self.before.epoch;
        place == self.before || place.epoch == epoch && self.batches.iter().rev().any(ends_here)
    }

    fn push(&mut self, entries: Vec<T>) {
        self.batches.push_back(Arc::new(entries));
        let kept = |batches: &VecDeque<Arc<Vec<T>>>| batches.iter().map(|batch| batch.len()).sum::<usize>();
        while self.batches.len() > 1 && kept(&self.batches) > KEPT {
            let gone = self.batches.pop_front();
            if let Some(last) = gone.as_ref().and_then(|batch| batch.last()) {
                self.before = last.place_after(self.before.epoch);
            }
        }
    }
}

/// A reader that follows a feed.
pub struct FeedWatch<T> {
    app: Arc<App>,
    feed: fn(&App) -> &Feed<T>,
    last: watch::Receiver<Place>,
    place: Place,
    begun: bool,
    /// Whether there is more in the database than what is kept in memory may follow on.
    behind: bool,
    /// When the last batch was handed over. What comes back late was not taken.
    handed: Option<Instant>,
}

impl<T: FeedEntry> FeedWatch<T> {
    /// The next entries, or none as a sign of life; at first one at once, so that the reader knows its cursor.
    ///
    /// # Errors
    /// When the entries to go on with are gone, the reader took too long over the batch before, the database does not
    /// answer, or this process goes down.
    pub async fn next(&mut self) -> Result<Batch<T>> {
        if self.handed.take().is_some_and(|handed| handed.elapsed() > self.app.changes.patience) {
            return Err(Error::SlowReader { cursor: T::cursor(self.place) });
        }
        let batch = self.wait().await?;
        self.place = batch.place;
        self.handed = Some(Instant::now());
        Ok(batch)
    }

    async fn wait(&mut self) -> Result<Batch<T>> {
        let feed = (self.feed)(&self.app);
        let silent_until = self.app.clock.now() + HEARTBEAT;
        loop {
            self.last.mark_unchanged();
            if let Some(batch) = feed.after(self.place) {
                self.begun = true;
                return Ok(batch);
            }
            if self.behind || !feed.keeps(self.place) {
                let page = page::<T>(&self.app, Some(self.place), BATCH).await?;
                self.behind = page.has_more;
                if !page.entries.is_empty() {
                    self.begun = true;
                    let FeedPage { entries, cursor, place, .. } = page;
                    return Ok(Batch { shared: Arc::new(entries), skip: 0, cursor, place });
                }
            }
            if !std::mem::replace(&mut self.begun, true) || self.app.clock.now() >= silent_until {
                let (cursor, place) = (T::cursor(self.place), self.place);
                return Ok(Batch { shared: Arc::default(), skip: 0, cursor, place });
            }
            tokio::select! {
                () = self.app.stopping.cancelled() => return Err(Error::ShuttingDown(Interrupted::Stream)),
                _ = self.last.changed() => {}
                () = self.app.clock.sleep_until(silent_until) => {}
            }
        }
    }
}

/// Begins to follow a feed: after a place, else from now on.
pub(super) async fn follow<T: FeedEntry>(
    app: &Arc<App>,
    feed: fn(&App) -> &Feed<T>,
    after: Option<Place>,
) -> Result<FeedWatch<T>> {
    // Before the head is read, so that no entry falls between the two.
    let last = feed(app).last.subscribe();
    feed(app).wake();
    let place = match after {
        Some(place) => {
            // Says at once if the entries to go on with are gone.
            page::<T>(app, Some(place), 0).await?.place
        }
        None => head::<T>(&mut app.store.read().await?).await?,
    };
    Ok(FeedWatch {
        app: Arc::clone(app),
        feed,
        last,
        place,
        begun: false,
        behind: after.is_some(),
        handed: None,
    })
}

pub(super) async fn head<T: FeedEntry>(conn: &mut Conn) -> Result<Place> {
    let (epoch, number) = T::head(conn).await?;
    let last = T::list(conn, (number - 1).max(0), 1).await?;
    let last = last.first().filter(|last| last.number() == number);
    Ok(last.map_or(Place { epoch, number, at: None }, |last| last.place_after(epoch)))
}

/// The entries after a place, and the place as it is stored. `None`: the feed does not go on from there, since entries are
/// gone: of age, or with a database that was put back to an earlier state.
async fn list_after<T: FeedEntry>(
    conn: &mut Conn,
    head: Place,
    after: Place,
    limit: i64,
) -> Result<Option<(Place, Vec<T>)>> {
    if after.epoch != head.epoch {
        return Ok(None);
    }
    let mut entries = T::list(conn, (after.number - 1).max(0), limit + 1).await?;
    let Some(first) = entries.first() else {
        return Ok((after.number == head.number).then_some((after, entries)));
    };
    if first.number() == after.number {
        let stored = first.place_after(after.epoch);
        let is_same = after.at.is_none_or(|_| stored == after);
        entries.remove(0);
        return Ok(is_same.then_some((stored, entries)));
    }
    // Its own entry is gone, of age; those after it need not be.
    let goes_on = first.number() == after.number + 1;
    entries.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(goes_on.then_some((after, entries)))
}

/// A page after a place, else from the oldest entry that is kept.
pub(super) async fn page<T: FeedEntry>(app: &App, after: Option<Place>, size: i64) -> Result<FeedPage<T>> {
    T::settle(app).await?;
    let mut conn = app.store.read().await?;
    // The head first: what it counts is there to be read, unless it is gone.
    let head = head::<T>(&mut conn).await?;
    let (after, mut entries) = match after {
        None => (head, T::list(&mut conn, 0, size + 1).await?),
        Some(after) => list_after::<T>(&mut conn, head, after, size + 1)
            .await?
            .ok_or_else(|| Error::CursorExpired { cursor: T::cursor(head), remedy: T::REMEDY })?,
    };
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let has_more = entries.len() > size;
    entries.truncate(size);
    let place = entries.last().map_or(after, |last| last.place_after(head.epoch));
    let head = if place.number > head.number { place } else { head };
    Ok(FeedPage { entries, cursor: T::cursor(place), head: T::cursor(head), has_more, place })
}
