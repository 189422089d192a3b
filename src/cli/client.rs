//! What every client command shares: where the service is, who asks, in which language, and how results look.

use std::{
    path::PathBuf,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use clap::{Args, ValueEnum};
use secrecy::{ExposeSecret, SecretString};
use tonic::{
    Request, Status,
    body::Body,
    codec::CompressionEncoding,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::{Channel, Endpoint},
};
use tower::Service;

use super::{
    failure::Failure,
    status::{IT_ANSWERS, NOT_RUNNING},
};
use crate::{
    proto::{
        haier_administration_client::HaierAdministrationClient,
        haier_integration_client::HaierIntegrationClient,
    },
    tls::{ClientFiles, Connector},
};

/// Options of every client command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Service")]
pub(super) struct ClientArgs {
    /// Address of the service: http://HOST:PORT, or https://HOST:PORT if it speaks TLS
    #[arg(long, global = true, value_name = "URL", env = "HAIER_INTEGRATION_SERVER")]
    #[arg(default_value = "http://127.0.0.1:50051")]
    server: String,
    /// Bearer token that says who asks; `tokens create` makes one. Better in the variable than in the process list
    #[arg(
        long,
        global = true,
        value_name = "TOKEN",
        env = "HAIER_INTEGRATION_TOKEN",
        hide_env_values = true
    )]
    token: Option<SecretString>,
    /// With https: the authorities of the service's certificate, in PEM [default: the system's]
    #[arg(long, global = true, value_name = "FILE", env = "HAIER_INTEGRATION_TLS_CA")]
    tls_ca: Option<PathBuf>,
    /// With https: the certificate to show, in PEM
    #[arg(long, global = true, value_name = "FILE", env = "HAIER_INTEGRATION_TLS_CLIENT_CERT")]
    tls_client_cert: Option<PathBuf>,
    /// With https: its private key, in PEM
    #[arg(long, global = true, value_name = "FILE", env = "HAIER_INTEGRATION_TLS_CLIENT_KEY")]
    tls_client_key: Option<PathBuf>,
    /// How results look: `table` for people, `json` for programs (one object a line)
    #[arg(long, global = true, value_name = "FORM", default_value = "table", hide_possible_values = true)]
    pub(super) output: OutputForm,
}

/// How results look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum OutputForm {
    Table,
    Json,
}

/// The client with its headers.
pub(super) type Client = HaierIntegrationClient<InterceptedService<Explained, Headers>>;
/// The same of the other service.
pub(super) type AdministrationClient = HaierAdministrationClient<InterceptedService<Explained, Headers>>;

/// Longest time of a unary call; streams have none.
const UNARY_TIMEOUT: Duration = Duration::from_secs(30);
/// A page of 1,000 products with their picture addresses passes tonic's 4 MiB.
const LARGEST_MESSAGE: usize = 64 << 20;

impl ClientArgs {
    /// A client that connects by itself at the first call, and anew after the connection was lost.
    pub(super) async fn connect(&self) -> Result<Client, Failure> {
        let (channel, headers) = self.channel().await?;
        Ok(HaierIntegrationClient::with_interceptor(channel, headers)
            .accept_compressed(CompressionEncoding::Gzip)
            .max_decoding_message_size(LARGEST_MESSAGE))
    }

    /// The same, of the service for operators.
    pub(super) async fn connect_administration(&self) -> Result<AdministrationClient, Failure> {
        let (channel, headers) = self.channel().await?;
        Ok(HaierAdministrationClient::with_interceptor(channel, headers)
            .accept_compressed(CompressionEncoding::Gzip)
            .max_decoding_message_size(LARGEST_MESSAGE))
    }

    async fn channel(&self) -> Result<(Explained, Headers), Failure> {
        let headers = Headers::new(self.token.as_ref(), &language(|name| std::env::var(name).ok()))?;
        let (address, connector) = match self.server.split_once("://") {
            None => (format!("http://{}", self.server), Connector::plain()),
            Some(("http", _)) => (self.server.clone(), Connector::plain()),
            Some(("https", _)) => (self.server.clone(), self.tls()?),
            Some(_) => {
                let line = format!("--server {}: must begin with http:// or https://", self.server);
                return Err(Failure::Usage(line));
            }
        };
        let endpoint = Endpoint::from_shared(address)
            .map_err(|error| Failure::Usage(format!("--server {}: {error}", self.server)))?
            .user_agent(concat!("haier-integration/", env!("CARGO_PKG_VERSION")))
            .map_err(|error| Failure::Failed(error.to_string()))?
            .connect_timeout(Duration::from_secs(10))
            // So that a long silent stream notices when its peer is gone.
            .http2_keep_alive_interval(Duration::from_secs(20))
            .keep_alive_timeout(Duration::from_secs(10));
        let diagnosis = (connector.clone(), endpoint.uri().clone());
        let channel = endpoint.connect_with_connector(connector).await.map_err(|error| {
            let cause = root_cause(&error);
            let line = format!("no connection to {}: {cause}", self.server);
            // What a handshake came to has its own remedy.
            Failure::Failed(if cause.contains(IT_ANSWERS) { line } else { format!("{line}; {NOT_RUNNING}") })
        })?;
        Ok((Explained { channel, diagnosis }, headers))
    }

    fn tls(&self) -> Result<Connector, Failure> {
        let identity = match (&self.tls_client_cert, &self.tls_client_key) {
            (Some(cert), Some(key)) => Some((cert.clone(), key.clone())),
            (None, None) => None,
            _ => {
                let line = "--tls-client-cert and --tls-client-key: give both or neither";
                return Err(Failure::Usage(line.to_owned()));
            }
        };
        let files = ClientFiles { ca: self.tls_ca.clone(), identity };
        Connector::tls(&files).map_err(|error| Failure::Usage(error.to_string()))
    }
}

/// Calls whose failure is told by what the service has against this connection.
#[derive(Clone)]
pub(super) struct Explained {
    channel: Channel,
    diagnosis: (Connector, http::Uri),
}

impl Service<http::Request<Body>> for Explained {
    type Response = http::Response<Body>;
    type Error = Box<dyn std::error::Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.channel.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let (answer, (connector, uri)) = (self.channel.call(request), self.diagnosis.clone());
        Box::pin(async move {
            match answer.await {
                Ok(answer) => Ok(answer),
                Err(error) => match connector.diagnose(uri).await {
                    Some(words) => Err(Status::unavailable(words).into()),
                    None => Err(error.into()),
                },
            }
        })
    }
}

fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// A unary request with its deadline.
pub(super) fn unary<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(UNARY_TIMEOUT);
    request
}

/// The headers that go with every call.
#[derive(Clone)]
pub(super) struct Headers {
    authorization: Option<MetadataValue<Ascii>>,
    language: MetadataValue<Ascii>,
}

impl Headers {
    fn new(token: Option<&SecretString>, language: &str) -> Result<Self, Failure> {
        let authorization = token
            .map(|token| {
                let mut value = MetadataValue::try_from(format!("Bearer {}", token.expose_secret().trim()))
                    .map_err(|_| {
                    Failure::Usage("--token holds characters that no token has".to_owned())
                })?;
                value.set_sensitive(true);
                Ok::<_, Failure>(value)
            })
            .transpose()?;
        let language =
            MetadataValue::try_from(language).map_err(|error| Failure::Failed(error.to_string()))?;
        Ok(Self { authorization, language })
    }
}

impl Interceptor for Headers {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(authorization) = &self.authorization {
            request.metadata_mut().insert("authorization", authorization.clone());
        }
        request.metadata_mut().insert("accept-language", self.language.clone());
        Ok(request)
    }
}

/// Chinese unless the locale says otherwise: the service's own words are Chinese.
fn language(variable: impl Fn(&str) -> Option<String>) -> String {
    let given =
        ["LC_ALL", "LC_MESSAGES", "LANG"].into_iter().filter_map(variable).find(|locale| !locale.is_empty());
    match given {
        Some(locale) if !locale.to_ascii_lowercase().starts_with("zh") => "en".to_owned(),
        _ => "zh".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_is_the_locales_and_chinese_without_one() {
        let of = |name: &'static str, value: &'static str| {
            language(move |asked| (asked == name).then(|| value.to_owned()))
        };
        assert_eq!(of("LANG", "zh_CN.UTF-8"), "zh");
        assert_eq!(of("LANG", "en_GB.UTF-8"), "en");
        assert_eq!(of("LC_ALL", "C"), "en");
        assert_eq!(language(|_| None), "zh");
    }

    #[test]
    fn a_token_is_never_shown() {
        let headers = Headers::new(Some(&SecretString::from("s3cret-token")), "zh").unwrap();
        assert!(!format!("{:?}", headers.authorization).contains("s3cret"));
        let Err(failure) = Headers::new(Some(&SecretString::from("s3cret\ntoken")), "zh") else { panic!() };
        assert!(!format!("{failure:?}").contains("s3cret"));
    }
}
