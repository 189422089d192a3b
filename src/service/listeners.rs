//! The three ports, their limits, and the files that they may open together.

use std::{net::SocketAddr, time::Duration};

use anyhow::Context as _;
use tokio::net::{TcpListener, TcpSocket};

use crate::{
    config::{LimitSettings, Settings},
    listener::{self, Limits, Listener, WhenFull},
};

/// Descriptors for log, certificates, keys, state files and whatever libraries open.
const RESERVED: usize = 64;
/// Those of a stand-in in the same process: its listener's and of both ends of connections to it.
const RESERVED_FOR_SANDBOX: usize = 256;

/// The ports, bound.
pub(super) struct Listeners {
    pub(super) grpc: Listener,
    pub(super) http: Listener,
    pub(super) callbacks: Listener,
    pub(super) grpc_addr: SocketAddr,
    pub(super) http_addr: SocketAddr,
    pub(super) callback_addr: SocketAddr,
}

impl Listeners {
    pub(super) fn bind(settings: &Settings) -> anyhow::Result<Self> {
        let [grpc_limits, http_limits, callback_limits] = limits(settings);
        let grpc = listen(settings.grpc_addr, "gRPC", "--grpc-addr")?;
        let http = listen(settings.http_addr, "metrics and health", "--http-addr")?;
        let callbacks = listen(settings.callback_addr, "callbacks", "--callback-addr")?;
        Ok(Self {
            grpc_addr: grpc.local_addr()?,
            http_addr: http.local_addr()?,
            callback_addr: callbacks.local_addr()?,
            grpc: Listener::new(grpc, "grpc", grpc_limits),
            http: Listener::new(http, "http", http_limits),
            callbacks: Listener::new(callbacks, "callbacks", callback_limits),
        })
    }
}

/// Connections that wait with the system until they are accepted. When that queue is full, a peer asks again after a second.
const QUEUE: u32 = 4_096;

fn listen(addr: SocketAddr, what: &str, flag: &str) -> anyhow::Result<TcpListener> {
    let bind = || {
        let socket = if addr.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.set_reuseaddr(true)?;
        socket.bind(addr)?;
        socket.listen(QUEUE)
    };
    bind().with_context(|| format!("cannot listen on {addr} for {what} ({flag})"))
}

/// Limits of the ports of gRPC, of metrics and health, and of callbacks.
fn limits(settings: &Settings) -> [Limits; 3] {
    let LimitSettings { grpc_connections, http_connections, callback_connections, .. } = settings.limits;
    let wanted = [grpc_connections, http_connections, callback_connections];
    let (open_files, reserved) = (listener::raise(), reserved(settings));
    let connections = listener::share_out(wanted, open_files, reserved);
    if connections == wanted {
        tracing::debug!(?open_files, reserved, "the system lets this process open enough files");
    } else {
        let [grpc, http, callbacks] = connections;
        tracing::warn!(
            open_files,
            reserved,
            grpc,
            http,
            callbacks,
            "the limit of open files is low (ulimit -n): fewer connections are taken than limits.*_connections say"
        );
    }
    let [grpc, http, callbacks] = connections;
    // Watches may last for ever; what plain HTTP is asked takes milliseconds.
    [
        (grpc, WhenFull::Refuse, Duration::from_millis(100)),
        // Probes have a second: in a crowd, as many newcomers get a place in the grace as there are places.
        (http, WhenFull::Wait, Duration::from_millis(25)),
        // A callback that is lost may not come again: a burst of them has time.
        (callbacks, WhenFull::Wait, Duration::from_secs(1)),
    ]
    .map(|(connections, when_full, grace)| of(&settings.limits, connections, when_full, grace))
}

fn of(limits: &LimitSettings, connections: usize, when_full: WhenFull, grace: Duration) -> Limits {
    Limits {
        connections,
        address_share: limits.address_share,
        when_full,
        grace,
        first_request: limits.first_request,
        write: limits.write,
        idle: limits.idle,
        age: limits.connection_age,
    }
}

/// Descriptors that are not for connections to us: the database's, Haier's, files.
fn reserved(settings: &Settings) -> usize {
    let database = settings.database_pool_size as usize;
    let haier = settings.sync.calls_in_flight + settings.orders.calls_in_flight;
    let sandbox = settings.sandbox.as_ref().map_or(0, |_| RESERVED_FOR_SANDBOX);
    RESERVED + database + haier + sandbox
}
