//! Connections of our own commands: plain, or by TLS with the authorities of the system or of a file; and in words, why
//! there is none.

use std::{
    io,
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::Uri;
use hyper_util::rt::TokioIo;
use rustls::{
    AlertDescription, CertificateError, ClientConfig, RootCertStore, crypto::ring::default_provider,
    pki_types::ServerName,
};
use rustls_platform_verifier::BuilderVerifierExt as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_util::either::Either;
use tower::Service;

use super::{Error, pem};

/// Files of a client.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientFiles {
    /// Authorities to trust, in PEM; none: the system's.
    pub ca: Option<PathBuf>,
    /// Certificate and private key to show, in PEM.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// Connects to addresses, by TLS where they say `https`.
#[derive(Clone)]
pub struct Connector {
    tls: Option<TlsConnector>,
}

impl Connector {
    /// For addresses that say `http`.
    #[must_use]
    pub const fn plain() -> Self {
        Self { tls: None }
    }

    /// For addresses that say `https`.
    ///
    /// # Errors
    /// Everything that is wrong with the files.
    pub fn tls(files: &ClientFiles) -> Result<Self, Error> {
        let mut problems = Vec::new();
        let roots = files.ca.as_deref().map(|path| keep(&mut problems, path, roots(path)));
        let identity = files.identity.as_ref().map(|(cert, key)| {
            let chain = read(cert).and_then(|bytes| pem::certificates(&bytes));
            let chain = keep(&mut problems, cert, chain);
            let private = read(key).and_then(|bytes| pem::private_key(&bytes));
            chain.zip(keep(&mut problems, key, private))
        });
        if !problems.is_empty() {
            return Err(Error { problems });
        }
        let failed = |words: String| Error { problems: vec![words] };
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| failed(format!("no TLS: {error}")))?;
        let builder = match roots.flatten() {
            Some(roots) => builder.with_root_certificates(roots),
            None => builder
                .with_platform_verifier()
                .map_err(|error| failed(format!("the system's authorities cannot be used: {error}")))?,
        };
        let mut config = match identity.flatten() {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => builder
                .with_client_auth_cert(chain, key)
                .map_err(|error| failed(format!("certificate and key of the client: {error}")))?,
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Self { tls: Some(TlsConnector::from(Arc::new(config))) })
    }
}

fn keep<T>(problems: &mut Vec<String>, path: &Path, result: Result<T, String>) -> Option<T> {
    result.map_err(|words| problems.push(format!("{}: {words}", path.display()))).ok()
}

fn roots(path: &Path) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in pem::certificates(&read(path)?)? {
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    Ok(roots)
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("cannot be read: {error}"))
}

impl Connector {
    async fn connect(self, uri: Uri) -> io::Result<Stream> {
        // An IPv6 address stands in brackets, of which neither the resolver nor a certificate knows.
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = uri.port_u16().unwrap_or(if self.tls.is_some() { 443 } else { 80 });
        let stream = TcpStream::connect((host.as_str(), port)).await?;
        stream.set_nodelay(true)?;
        let Some(tls) = self.tls else { return Ok(Either::Left(stream)) };
        let name = ServerName::try_from(host.clone())
            .map_err(|_| io::Error::other(format!("`{host}` is no name that a certificate could be for")))?;
        let stream = tls.connect(name, stream).await.map_err(|error| explained(&error, &host))?;
        Ok(Either::Right(stream))
    }

    /// Why connections there end as soon as they have begun, if it is for TLS or another protocol: a server says so after the
    /// handshake, and in a call that it cuts its words are lost. Asked on a connection that only listens.
    pub async fn diagnose(self, uri: Uri) -> Option<String> {
        let listening = async {
            let mut stream = self.clone().connect(uri.clone()).await.ok()?;
            stream.write_all(GREETING).await.ok()?;
            let mut first = [0];
            match (stream.read(&mut first).await, &stream) {
                (Ok(1), Either::Left(_)) if first == [ALERT] => {
                    Some("the service there speaks TLS: write https://".to_owned())
                }
                (Err(error), Either::Right(_)) => Some(explained(&error, "").to_string()),
                (_, Either::Left(_)) => self.speaks_http1(uri).await.ok()?.then(|| NO_GRPC.to_owned()),
                _ => None,
            }
        };
        tokio::time::timeout(DIAGNOSIS_LIMIT, listening).await.ok().flatten()
    }

    /// Whether what listens there answers as the service's other ports do, which close at HTTP/2 without a word.
    async fn speaks_http1(self, uri: Uri) -> io::Result<bool> {
        let mut stream = self.connect(uri).await?;
        stream.write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await?;
        let mut begin = *b"-----";
        stream.read_exact(&mut begin).await?;
        Ok(begin == *b"HTTP/")
    }
}

type Stream = Either<TcpStream, TlsStream<TcpStream>>;

/// What is said of a port that is not the one for gRPC.
const NO_GRPC: &str = "the service there speaks HTTP/1 and no gRPC, as the ports for metrics and for callbacks do: name by \
                       --server the port that `serve` shows as gRPC, 50051 unless set otherwise";
/// How HTTP/2 begins: its preface and empty settings.
const GREETING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
/// How an alert of TLS begins. No answer by HTTP/2 begins so: its first frame would be a megabyte long.
const ALERT: u8 = 0x15;
/// A service that has something against us says so at once.
const DIAGNOSIS_LIMIT: Duration = Duration::from_secs(2);

impl Service<Uri> for Connector {
    type Response = TokioIo<Stream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = self.clone().connect(uri);
        Box::pin(async move { connecting.await.map(TokioIo::new) })
    }
}

/// Why there is no connection by TLS, with the remedy.
fn explained(error: &io::Error, host: &str) -> io::Error {
    use CertificateError::{Expired, ExpiredContext, NotValidForName, NotValidForNameContext, UnknownIssuer};
    let cause = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let words = match cause {
        Some(rustls::Error::InvalidMessage(_)) => "the service there speaks no TLS: write http://".to_owned(),
        Some(rustls::Error::InvalidCertificate(UnknownIssuer)) => {
            "the service's certificate is of an authority that is not known here: name its CA by --tls-ca FILE".to_owned()
        }
        Some(rustls::Error::InvalidCertificate(NotValidForNameContext { presented, .. })) => {
            format!("the service's certificate is not for `{host}`, but for {}", presented.join(", "))
        }
        Some(rustls::Error::InvalidCertificate(NotValidForName)) => {
            format!("the service's certificate is not for `{host}`")
        }
        Some(rustls::Error::InvalidCertificate(Expired | ExpiredContext { .. })) => {
            "the service's certificate has expired".to_owned()
        }
        Some(rustls::Error::AlertReceived(alert)) => refused(*alert),
        Some(other) => format!("no TLS with the service there: {other}"),
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            "the service there hung up during the TLS handshake; does it speak TLS? else write http://".to_owned()
        }
        None => return io::Error::new(error.kind(), error.to_string()),
    };
    io::Error::other(words)
}

/// What the other side has against us.
fn refused(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::CertificateRequired => {
            "the service wants a client certificate: give one by --tls-client-cert and --tls-client-key"
                .to_owned()
        }
        AlertDescription::UnknownCA | AlertDescription::BadCertificate | AlertDescription::DecryptError => {
            "the service does not accept the client certificate: it is of another authority".to_owned()
        }
        AlertDescription::CertificateExpired => "the client certificate has expired".to_owned(),
        other => format!("the service refuses TLS with us ({other:?})"),
    }
}
