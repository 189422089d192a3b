//! The places of a listener. When all are taken, a newcomer gets the place of the connection with the weakest claim: one
//! that has sent no whole request, then one of nobody known, one that does not read, one that is idle.

use std::{
    cmp::Reverse,
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};

use super::{Limits, WhenFull};

/// What takes longer in a crowd, and for a caller nobody knows, gives its place up.
const STALL: Duration = Duration::from_secs(1);
/// Connections that were cut and are not closed yet: more are not cut before those are.
const MAX_LEAVING: usize = 32;
/// How often the log says that there is no room.
const REPORT: Duration = Duration::from_secs(60);

/// The places of one listener.
#[derive(Clone)]
pub(super) struct Places(Arc<Shared>);

struct Shared {
    name: &'static str,
    limits: Limits,
    table: Mutex<Table>,
    /// Parent of each connection's own.
    all: CancellationToken,
}

#[derive(Default)]
struct Table {
    next: u64,
    open: HashMap<u64, Entry>,
    /// Connections of each address.
    held: HashMap<IpAddr, usize>,
    leaving: usize,
    /// When the log last said that there is no room, and how many lost their place or found none since.
    reported: Option<Instant>,
    turned_away: u64,
}

struct Entry {
    address: IpAddr,
    /// When it began what it does now.
    since: Instant,
    /// Whether it has ever sent a whole request.
    has_asked: bool,
    /// Whether a caller was let in who is somebody.
    is_known: bool,
    /// Whole requests that are being answered.
    in_flight: usize,
    /// Since when it does not read what it was sent.
    stalled_since: Option<Instant>,
    cut: CancellationToken,
}

/// What became of a newcomer.
pub(super) enum Entered {
    Placed(Place),
    Refused,
    /// Something may change soon.
    Full,
}

impl Places {
    pub(super) fn new(name: &'static str, limits: Limits) -> Self {
        Self(Arc::new(Shared { name, limits, table: Mutex::default(), all: CancellationToken::new() }))
    }

    pub(super) fn limits(&self) -> Limits {
        self.0.limits
    }

    pub(super) fn name(&self) -> &'static str {
        self.0.name
    }

    pub(super) fn cut_all(&self) {
        self.0.all.cancel();
    }

    /// Takes a place for a connection from an address, maybe another one's.
    pub(super) fn enter(&self, address: IpAddr, now: Instant) -> Entered {
        let address = neighbourhood(address);
        let (name, limits) = (self.0.name, self.0.limits);
        let mut table = self.table();
        if table.leaving >= MAX_LEAVING {
            return Entered::Full;
        }
        if table.open.len() >= limits.connections {
            match table.weakest(address, limits, now) {
                Some((Claim { is_ripe: true, .. }, victim)) => table.cut(victim),
                Some(_) => return Entered::Full,
                None if limits.when_full == WhenFull::Wait => return Entered::Full,
                None => {
                    metrics::counter!("haier_connections_refused_total", "listener" => name).increment(1);
                    table.report(name, limits, now);
                    return Entered::Refused;
                }
            }
            metrics::counter!("haier_connections_cut_total", "listener" => name, "why" => "full")
                .increment(1);
            table.report(name, limits, now);
        }
        let cut = self.0.all.child_token();
        let id = table.insert(address, cut.clone(), now);
        metrics::gauge!("haier_connections", "listener" => name).set(table.open.len() as f64);
        Entered::Placed(Place(Seat(Arc::new(Numbered {
            id,
            cut,
            has_head: AtomicBool::new(false),
            calls: AtomicU64::new(0),
            places: self.clone(),
        }))))
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn insert(&mut self, address: IpAddr, cut: CancellationToken, now: Instant) -> u64 {
        let id = self.next;
        self.next += 1;
        let entry = Entry {
            address,
            since: now,
            has_asked: false,
            is_known: false,
            in_flight: 0,
            stalled_since: None,
            cut,
        };
        self.open.insert(id, entry);
        *self.held.entry(address).or_default() += 1;
        id
    }

    fn remove(&mut self, id: u64) -> Option<Entry> {
        let entry = self.open.remove(&id)?;
        if let Some(held) = self.held.get_mut(&entry.address) {
            *held -= 1;
            if *held == 0 {
                self.held.remove(&entry.address);
            }
        }
        Some(entry)
    }

    fn cut(&mut self, id: u64) {
        if let Some(entry) = self.remove(id) {
            self.leaving += 1;
            entry.cut.cancel();
        }
    }

    /// The connection with the weakest claim; of equal ones the oldest of the address that holds most. An address at its
    /// share competes with itself.
    fn weakest(&self, newcomer: IpAddr, limits: Limits, now: Instant) -> Option<(Claim, u64)> {
        let share = (limits.connections * limits.address_share).div_ceil(100);
        let held = |address: &IpAddr| self.held.get(address).copied().unwrap_or_default();
        let at_share = held(&newcomer) >= share;
        let candidates = self.open.iter().filter(|(_, entry)| !at_share || entry.address == newcomer);
        let claims = candidates.filter_map(|(id, entry)| {
            let yields = !at_share && held(&entry.address) > share;
            let claim = entry.claim(now, yields, limits)?;
            Some((claim, (!claim.is_ripe, claim.rank, Reverse(held(&entry.address)), entry.since), *id))
        });
        claims.min_by_key(|(_, key, _)| *key).map(|(claim, _, id)| (claim, id))
    }

    /// Says at most once a minute that there is no room.
    fn report(&mut self, listener: &'static str, limits: Limits, now: Instant) {
        self.turned_away += 1;
        if self.reported.is_some_and(|at| now.duration_since(at) < REPORT) {
            return;
        }
        let turned_away = std::mem::take(&mut self.turned_away);
        self.reported = Some(now);
        let addresses = self.held.len();
        let most_of_one_address = self.held.values().max().copied().unwrap_or_default();
        tracing::warn!(
            listener,
            limit = limits.connections,
            addresses,
            most_of_one_address,
            turned_away,
            "all connections are taken: those with the weakest claim are cut for new ones"
        );
    }
}

impl Entry {
    /// What it has to say for itself. `None`: it keeps its place. `yields`: its address holds more than its share.
    fn claim(&self, now: Instant, yields: bool, limits: Limits) -> Option<Claim> {
        let lasts = now.duration_since(self.since);
        if !self.has_asked {
            return Some(Claim { rank: 0, is_ripe: lasts >= limits.grace });
        }
        let is_stalled = self.stalled_since.is_some_and(|since| now.duration_since(since) >= STALL);
        let (rank, is_ripe) = match (self.is_known, self.in_flight > 0) {
            // The last bytes of an answer are still on their way when it is over.
            (false, false) => (1, lasts >= limits.grace),
            _ if is_stalled => (2, true),
            // The answer to a short request is late because of us, and a newcomer can wait for it.
            (false, true) if limits.when_full == WhenFull::Wait => return None,
            (false, true) => (3, lasts >= STALL),
            (true, false) => (4, lasts >= limits.grace),
            (true, true) if yields => (5, true),
            (true, true) => return None,
        };
        Some(Claim { rank, is_ripe })
    }
}

/// What a connection has to say for itself.
#[derive(Clone, Copy)]
struct Claim {
    /// How much its place is worth, least first.
    rank: u8,
    /// Whether it had its time; else it will have soon.
    is_ripe: bool,
}

/// A connection's place, which it gives back when this is dropped.
pub struct Place(Seat);

/// What others need of a connection's place: to say what the connection does.
#[derive(Clone)]
pub struct Seat(Arc<Numbered>);

struct Numbered {
    id: u64,
    cut: CancellationToken,
    has_head: AtomicBool,
    /// Requests whose answer is not over, whole or not.
    calls: AtomicU64,
    places: Places,
}

impl Place {
    /// Done when another connection was given the place, or the listener is gone.
    pub fn is_cut(&self) -> WaitForCancellationFuture<'_> {
        self.0.0.cut.cancelled()
    }

    /// The seat.
    #[must_use]
    pub fn seat(&self) -> Seat {
        self.0.clone()
    }

    /// Whether a request's head has come.
    #[must_use]
    pub fn has_head(&self) -> bool {
        self.0.0.has_head.load(Ordering::Relaxed)
    }

    /// Since when nothing is asked; `None` while something is being answered.
    #[must_use]
    pub fn idle_since(&self) -> Option<Instant> {
        if self.0.0.calls.load(Ordering::Relaxed) > 0 {
            return None;
        }
        self.0.0.places.table().open.get(&self.0.0.id).map(|entry| entry.since)
    }

    /// Counts a connection that is cut for what it does, or does not.
    pub fn count_cut(&self, why: &'static str) {
        let listener = self.0.0.places.name();
        metrics::counter!("haier_connections_cut_total", "listener" => listener, "why" => why).increment(1);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let places = &self.0.0.places;
        let mut table = places.table();
        if table.remove(self.0.0.id).is_none() {
            // It was cut for another one, and is closed now.
            table.leaving = table.leaving.saturating_sub(1);
        }
        metrics::gauge!("haier_connections", "listener" => places.name()).set(table.open.len() as f64);
    }
}

impl Seat {
    fn change(&self, change: impl FnOnce(&mut Entry)) {
        // No longer there: the place went to another one.
        if let Some(entry) = self.0.places.table().open.get_mut(&self.0.id) {
            change(entry);
        }
    }

    /// Whether all places are taken: then a connection ends best with its answer, so that its peer knows, and not later, when
    /// the peer's next request may be on its way.
    #[must_use]
    pub fn is_crowded(&self) -> bool {
        let places = &self.0.places;
        places.table().open.len() >= places.limits().connections
    }

    /// A caller was let in who is somebody.
    pub fn make_known(&self) {
        self.change(|entry| entry.is_known = true);
    }

    pub(super) fn begin_head(&self) {
        self.0.has_head.store(true, Ordering::Relaxed);
        self.0.calls.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn end_call(&self) {
        self.0.calls.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn begin_request(&self) {
        self.change(|entry| {
            entry.has_asked = true;
            entry.in_flight += 1;
            entry.since = Instant::now();
        });
    }

    pub(super) fn end_request(&self) {
        self.change(|entry| {
            entry.in_flight = entry.in_flight.saturating_sub(1);
            entry.since = Instant::now();
        });
    }

    pub(super) fn set_stalled(&self, stalled: bool) {
        self.change(|entry| entry.stalled_since = stalled.then(Instant::now));
    }
}

/// Addresses that one party may be behind: of IPv6 whoever has one has a network of them.
fn neighbourhood(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        address => address,
    }
}

#[cfg(test)]
mod tests;
