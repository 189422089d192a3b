//! A port that strangers reach. It holds so many connections, and so many of one address; a connection keeps its place by
//! sending whole requests and by reading what it is sent. Knows neither gRPC nor settings. The rules and why they are so:
//! `docs/development/untrusted-input.md`.

mod counted;
mod descriptors;
mod places;
mod stream;

use std::{io, net::SocketAddr, time::Duration};

use tokio::net::{TcpListener, TcpStream};

pub use counted::{Counted, Held, Whole};
pub use descriptors::{raise, share_out};
use places::{Entered, Places};
pub use places::{Place, Seat};
pub use stream::WriteLimited;

/// How long nothing is accepted after the system could not accept; full tables are the cause.
const PAUSE: Duration = Duration::from_millis(100);
/// How often a connection that waits for a place looks again.
const LOOK: Duration = Duration::from_millis(5);

/// What connections of one listener may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time, at least 1.
    pub connections: usize,
    /// Percent of them that one address may hold while others want one.
    pub address_share: usize,
    /// What becomes of a connection for which no other one makes room.
    pub when_full: WhenFull,
    /// How long a connection has, even in a crowd, to send its first request, TLS included, and to send the next one.
    pub grace: Duration,
    /// Longest time from the connection to the first request's head, TLS included.
    pub first_request: Duration,
    /// Longest time for the peer to take what was written.
    pub write: Duration,
    /// How long a connection without a request is kept.
    pub idle: Duration,
    /// Age at which a connection is asked to end.
    pub age: Duration,
}

/// What becomes of a connection for which no other one makes room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenFull {
    /// It waits, and those behind it wait with the system: for short requests, which free a place soon.
    Wait,
    /// It is closed: for calls that may take for ever.
    Refuse,
}

/// A listener whose connections have places.
pub struct Listener {
    listener: TcpListener,
    open: Open,
}

/// The connections of a listener; those that are left when it is dropped are cut.
pub struct Open(Places);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.cut_all();
    }
}

/// A connection with a place.
pub struct Accepted {
    /// The connection.
    pub stream: TcpStream,
    /// Where it came from.
    pub peer: SocketAddr,
    /// Its place; given back when it is dropped.
    pub place: Place,
}

impl Listener {
    /// Connections of `listener` under limits; `name` is what metrics and log lines call it.
    #[must_use]
    pub fn new(listener: TcpListener, name: &'static str, limits: Limits) -> Self {
        Self { listener, open: Open(Places::new(name, limits)) }
    }

    /// Takes no more connections: the system refuses them from now on.
    #[must_use]
    pub fn close(self) -> Open {
        self.open
    }

    /// The limits.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.open.0.limits()
    }

    /// The next connection that has a place. Dropped while it waits, it closes the connection that it has accepted.
    pub async fn accept(&self) -> Accepted {
        loop {
            match self.listener.accept().await {
                Ok((stream, peer)) => {
                    if let Some(place) = self.enter(peer).await {
                        // Without it small answers wait some 40 ms for the peer's delayed acknowledgement.
                        if let Err(error) = stream.set_nodelay(true) {
                            tracing::debug!(%error, "a connection is gone already");
                        }
                        return Accepted { stream, peer, place };
                    }
                }
                Err(error) if is_of_the_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, listener = self.open.0.name(), "no connection can be accepted");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    async fn enter(&self, peer: SocketAddr) -> Option<Place> {
        loop {
            match self.open.0.enter(peer.ip(), tokio::time::Instant::now()) {
                Entered::Placed(place) => return Some(place),
                Entered::Refused => return None,
                Entered::Full => tokio::time::sleep(LOOK).await,
            }
        }
    }
}

/// The peer gave up before it was accepted.
fn is_of_the_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
