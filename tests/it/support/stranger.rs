//! Somebody at our ports who keeps no protocol: writes bytes and frames by hand, and reads when it likes.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
};

use super::within;

/// What a client of HTTP/2 says first, without its settings.
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// An empty gRPC message.
pub(crate) const EMPTY_MESSAGE: &[u8] = &[0; 5];

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RESET: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

/// How often one that drips sends a byte.
const DRIP: Duration = Duration::from_millis(5);

/// One frame of HTTP/2.
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

/// A connection.
pub(crate) struct Stranger {
    stream: TcpStream,
}

impl Stranger {
    pub(crate) async fn connect(addr: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        // So little that what is not read soon waits at the other side.
        socket.set_recv_buffer_size(4_096).unwrap();
        Self { stream: within(socket.connect(addr)).await.unwrap() }
    }

    /// Several that say nothing, each accepted or on its way.
    pub(crate) async fn crowd(addr: SocketAddr, count: usize) -> Vec<Self> {
        let mut crowd = Vec::new();
        for _ in 0..count {
            crowd.push(Self::connect(addr).await);
        }
        crowd
    }

    /// Writes; that the other side has closed already is no mistake of a test.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
    }

    /// Reads to the end of the connection.
    pub(crate) async fn read_to_end(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        // A reset is an end too.
        let _ = within(self.stream.read_to_end(&mut all)).await;
        all
    }

    /// Reads until something was said, or the end.
    pub(crate) async fn read_some(&mut self) -> Vec<u8> {
        let mut some = vec![0; 4_096];
        let count = within(self.stream.read(&mut some)).await.unwrap_or_default();
        some.truncate(count);
        some
    }

    /// Sends the same again and again, and reads nothing, until the other side has closed.
    pub(crate) async fn send_until_cut(&mut self, bytes: &[u8]) -> io::Error {
        within(async {
            loop {
                if let Err(error) = self.stream.write_all(bytes).await {
                    return error;
                }
            }
        })
        .await
    }

    /// Sends a byte now and then until the other side has closed.
    pub(crate) async fn drip_until_cut(&mut self, byte: u8) -> io::Error {
        let mut ticks = tokio::time::interval(DRIP);
        within(async {
            loop {
                ticks.tick().await;
                if let Err(error) = self.stream.write_all(&[byte]).await {
                    return error;
                }
            }
        })
        .await
    }

    /// The next frame. `None`: the connection is over.
    pub(crate) async fn frame(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        within(self.stream.read_exact(&mut head)).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let mut payload = vec![0; length as usize];
        within(self.stream.read_exact(&mut payload)).await.ok()?;
        Some(Frame { kind: head[3], stream, payload })
    }

    /// The next frame of these kinds.
    pub(crate) async fn frame_of(&mut self, kinds: &[u8]) -> Option<Frame> {
        loop {
            let frame = self.frame().await?;
            if kinds.contains(&frame.kind) {
                return Some(frame);
            }
        }
    }
}

/// A frame's bytes.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// Preface and settings, of which each is a number and a value.
pub(crate) fn hello(settings: &[(u16, u32)]) -> Vec<u8> {
    let pair = |(name, value): &(u16, u32)| [&name.to_be_bytes()[..], &value.to_be_bytes()].concat();
    let payload: Vec<u8> = settings.iter().flat_map(pair).collect();
    [PREFACE.to_vec(), frame(SETTINGS, 0, 0, &payload)].concat()
}

/// The head of a gRPC call, packed without any compression.
pub(crate) fn head(path: &str) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    // POST, http; path, authority and content type by the numbers of their names; one name in full.
    let mut block = vec![0x83, 0x86, 0x04];
    block.extend(text(path));
    block.push(0x01);
    block.extend(text("localhost"));
    block.extend([0x0f, 0x10]);
    block.extend(text("application/grpc"));
    block.push(0x00);
    block.extend(text("te"));
    block.extend(text("trailers"));
    block
}

/// A whole call with an empty message.
pub(crate) fn call(stream: u32, path: &str) -> Vec<u8> {
    let head = frame(HEADERS, END_HEADERS, stream, &head(path));
    [head, frame(DATA, END_STREAM, stream, EMPTY_MESSAGE)].concat()
}
