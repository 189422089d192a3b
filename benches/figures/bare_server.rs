//! One bare tonic method: reads the request as the service must, and answers bytes that were made ready beforehand. It
//! is this program again, as a process of its own.

use std::{
    convert::Infallible,
    ffi::OsStr,
    io::{Read as _, Write as _},
    path::Path,
    process::Command,
    task::{Context, Poll},
};

use anyhow::Context as _;
use bytes::{BufMut as _, Bytes};
use futures_util::future::BoxFuture;
use haier_integration::proto::{
    GetProductsRequest, GetProductsResponse, haier_integration_server::SERVICE_NAME,
};
use tokio::{net::TcpListener, sync::oneshot};
use tonic::{
    Request, Response, Status,
    codec::{Codec, EncodeBuf, Encoder},
    server::{Grpc, NamedService, UnaryService},
    transport::{Server, server::TcpIncoming},
};
use tonic_prost::ProstCodec;

use super::process::Process;

/// Starts it, to answer what the file holds; returns its address.
pub(crate) fn start(answer: &Path) -> anyhow::Result<(Process, String)> {
    start_with("--bare-server", answer.as_os_str())
}

/// Starts this program as a bare server by one of its hidden options; returns its address.
pub(crate) fn start_with(option: &str, value: &OsStr) -> anyhow::Result<(Process, String)> {
    let mut command = Command::new(std::env::current_exe()?);
    let mut process = Process::start(command.arg(option).arg(value))?;
    let url = process.wait_for("bare server at")?;
    Ok((process, url))
}

/// Answers calls until the starter is gone.
pub(crate) async fn serve(answer: &Path) -> anyhow::Result<()> {
    let answer = std::fs::read(answer).context("no answer to give")?;
    answer_calls(Bare { answer: answer.into() }).await
}

/// Serves one bare method until the standard input closes, which it does when the starter is gone.
pub(crate) async fn answer_calls<S>(method: S) -> anyhow::Result<()>
where
    S: tower::Service<
            http::Request<tonic::body::Body>,
            Response = http::Response<tonic::body::Body>,
            Error = Infallible,
            Future: Send,
        > + NamedService
        + Clone
        + Send
        + Sync
        + 'static,
{
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let words = format!("bare server at http://{}\n", listener.local_addr()?);
    std::io::stdout().write_all(words.as_bytes())?;
    // Without waiting for acknowledgements: what is compared with must not be slowed by that.
    let connections = TcpIncoming::from(listener).with_nodelay(Some(true));
    // On a thread of its own, which the runtime does not wait for at the end.
    let (gone, starter_gone) = oneshot::channel::<()>();
    std::thread::spawn(move || {
        let _ = std::io::stdin().read(&mut [0]);
        drop(gone);
    });
    let served = Server::builder().add_service(method);
    served
        .serve_with_incoming_shutdown(connections, async {
            let _ = starter_gone.await;
        })
        .await?;
    Ok(())
}

#[derive(Clone)]
struct Bare {
    answer: Bytes,
}

impl NamedService for Bare {
    const NAME: &'static str = SERVICE_NAME;
}

impl tower::Service<http::Request<tonic::body::Body>> for Bare {
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<tonic::body::Body>) -> Self::Future {
        let method = self.clone();
        Box::pin(async move { Ok(Grpc::new(Ready).unary(method, request).await) })
    }
}

impl UnaryService<GetProductsRequest> for Bare {
    type Response = Bytes;
    type Future = std::future::Ready<Result<Response<Bytes>, Status>>;

    fn call(&mut self, _: Request<GetProductsRequest>) -> Self::Future {
        std::future::ready(Ok(Response::new(self.answer.clone())))
    }
}

/// Requests as prost reads them, responses as they lie ready.
struct Ready;

impl Codec for Ready {
    type Encode = Bytes;
    type Decode = GetProductsRequest;
    type Encoder = Self;
    type Decoder = <ProstCodec<GetProductsResponse, GetProductsRequest> as Codec>::Decoder;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstCodec::<GetProductsResponse, GetProductsRequest>::default().decoder()
    }
}

impl Encoder for Ready {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item);
        Ok(())
    }
}
