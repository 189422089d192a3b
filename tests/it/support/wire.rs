//! A wire between the service and its database that a test can cut, silence and mend.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

/// Passes on every connection while it is whole.
pub(crate) struct Wire {
    addr: SocketAddr,
    state: watch::Sender<State>,
    accepting: JoinHandle<()>,
}

#[derive(Clone, Copy, Default)]
struct State {
    /// Ends the connections there are, and every new one at once.
    cut: bool,
    /// Connections so far.
    accepted: u64,
    /// Connections up to this one stay open and pass nothing on.
    silent: u64,
    /// Refuses what begins with start options, as PgBouncer does.
    refuses_options: bool,
}

impl Wire {
    pub(crate) async fn to(port: u16) -> Self {
        Self::in_state(port, State::default()).await
    }

    /// A pooler that takes no start options.
    pub(crate) async fn refusing_options_to(port: u16) -> Self {
        Self::in_state(port, State { refuses_options: true, ..State::default() }).await
    }

    async fn in_state(port: u16, state: State) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let state = watch::Sender::new(state);
        let shared = state.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                shared.send_modify(|state| state.accepted += 1);
                let number = shared.borrow().accepted;
                tokio::spawn(pass(near, port, number, shared.subscribe()));
            }
        });
        Self { addr, state, accepting }
    }

    pub(crate) fn port(&self) -> u16 {
        self.addr.port()
    }

    /// How many connections there have been.
    pub(crate) fn accepted(&self) -> u64 {
        self.state.borrow().accepted
    }

    pub(crate) fn cut(&self) {
        self.state.send_modify(|state| state.cut = true);
    }

    /// The connections there are stay open, and nothing passes on them any more; new ones pass.
    pub(crate) fn silence_old(&self) {
        self.state.send_modify(|state| state.silent = state.accepted);
    }

    /// Nothing passes any more, on new connections either.
    pub(crate) fn silence(&self) {
        self.state.send_modify(|state| state.silent = u64::MAX);
    }

    /// All passes again, and first what was kept back.
    pub(crate) fn mend(&self) {
        self.state.send_modify(|state| (state.cut, state.silent) = (false, 0));
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn pass(mut near: TcpStream, port: u16, number: u64, mut state: watch::Receiver<State>) {
    if state.borrow().cut {
        return;
    }
    let Ok(mut far) = TcpStream::connect(("127.0.0.1", port)).await else { return };
    let refuses_options = state.borrow().refuses_options;
    if refuses_options && !begin(&mut near, &mut far).await {
        return;
    }
    let (near_in, near_out) = near.split();
    let (far_in, far_out) = far.split();
    let (there, back) = (state.clone(), state.clone());
    tokio::select! {
        () = copy(near_in, far_out, number, there) => {}
        () = copy(far_in, near_out, number, back) => {}
        // The wire itself going is a cut too.
        _ = state.wait_for(|state| state.cut) => {}
    }
}

async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    number: u64,
    mut state: watch::Receiver<State>,
) {
    let mut bytes = vec![0; 16_384];
    while let Ok(read @ 1..) = from.read(&mut bytes).await {
        let Ok(_) = state.wait_for(|state| state.silent < number).await else { return };
        if to.write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
}

/// Passes the start of a connection on, unless it has options.
async fn begin(near: &mut TcpStream, far: &mut TcpStream) -> bool {
    const REFUSED: &[u8] = b"SFATAL\0C08P01\0Munsupported startup parameter: options\0\0";
    let mut length = [0; 4];
    near.read_exact(&mut length).await.unwrap();
    let mut rest = vec![0; u32::from_be_bytes(length) as usize - 4];
    near.read_exact(&mut rest).await.unwrap();
    if rest.split(|byte| *byte == 0).any(|word| word == b"options") {
        let answered = u32::try_from(REFUSED.len() + 4).unwrap();
        near.write_all(&[b"E", &answered.to_be_bytes()[..], REFUSED].concat()).await.unwrap();
        return false;
    }
    far.write_all(&[&length[..], &rest].concat()).await.unwrap();
    true
}
