//! TLS to PostgreSQL by rustls, with libpq's meaning of `sslmode` and `sslrootcert`.

use std::sync::Arc;

use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject as _},
};
use rustls_platform_verifier::BuilderVerifierExt as _;
use tokio_postgres_rustls::MakeRustlsConnect;

/// `sslmode` of a database URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TlsMode {
    /// No TLS.
    Disable,
    /// TLS if the server offers it, whoever it is.
    Prefer,
    /// TLS, whoever the server is (checked like `verify-ca` when a root certificate is given).
    Require,
    /// TLS, and a certificate of a known authority.
    VerifyCa,
    /// TLS, a certificate of a known authority, and the right host name.
    VerifyFull,
}

/// How connections are protected.
#[derive(Clone)]
pub(super) enum Tls {
    /// Not at all.
    Off,
    /// By rustls.
    On {
        connector: MakeRustlsConnect,
        /// Refuse a server that offers none.
        required: bool,
    },
}

impl TlsMode {
    /// Whether nothing passes without TLS, or somebody has said that it may.
    pub(super) const fn is_decided(self) -> bool {
        !matches!(self, Self::Prefer)
    }

    /// Takes `sslmode` and `sslrootcert`, which the driver does not know in full, out of a URL.
    pub(super) fn split(url: &str) -> Result<(String, Self, Option<String>), String> {
        let mut parsed =
            url::Url::parse(url).map_err(|error| format!("the database URL is wrong: {error}"))?;
        let (mut mode, mut root_cert, mut rest) = (Self::Prefer, None, Vec::new());
        for (key, value) in parsed.query_pairs() {
            match &*key {
                "sslmode" => mode = Self::parse(&value)?,
                "sslrootcert" => root_cert = Some(value.into_owned()),
                _ => rest.push((key.into_owned(), value.into_owned())),
            }
        }
        parsed.set_query(None);
        if !rest.is_empty() {
            parsed.query_pairs_mut().extend_pairs(rest);
        }
        Ok((parsed.into(), mode, root_cert))
    }

    fn parse(word: &str) -> Result<Self, String> {
        match word {
            "disable" => Ok(Self::Disable),
            "allow" | "prefer" => Ok(Self::Prefer),
            "require" => Ok(Self::Require),
            "verify-ca" => Ok(Self::VerifyCa),
            "verify-full" => Ok(Self::VerifyFull),
            other => Err(format!(
                "sslmode {other:?} in the database URL is unknown; use disable, prefer, require, verify-ca or \
                 verify-full"
            )),
        }
    }
}

impl Tls {
    pub(super) fn new(mode: TlsMode, root_cert: Option<&str>) -> Result<Self, String> {
        if mode == TlsMode::Disable {
            return Ok(Self::Off);
        }
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?;
        let roots = root_cert.map(read_roots).transpose()?;
        let config = match (mode, roots) {
            (TlsMode::VerifyFull, Some(roots)) => builder.with_root_certificates(roots).with_no_client_auth(),
            (TlsMode::VerifyFull, None) => {
                builder.with_platform_verifier().map_err(|error| error.to_string())?.with_no_client_auth()
            }
            (TlsMode::VerifyCa | TlsMode::Require, Some(roots)) => {
                let inner = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
                    .build()
                    .map_err(|error| error.to_string())?;
                builder
                    .dangerous()
                    .with_custom_certificate_verifier(Arc::new(AnyName { inner }))
                    .with_no_client_auth()
            }
            (TlsMode::VerifyCa, None) => {
                return Err("sslmode=verify-ca needs sslrootcert=FILE in the database URL".to_owned());
            }
            (TlsMode::Prefer | TlsMode::Require | TlsMode::Disable, _) => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(AnyServer { provider }))
                .with_no_client_auth(),
        };
        Ok(Self::On { connector: MakeRustlsConnect::new(config), required: mode != TlsMode::Prefer })
    }
}

fn read_roots(path: &str) -> Result<RootCertStore, String> {
    let explain = |error: &dyn std::fmt::Display| format!("sslrootcert {path}: {error}");
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(path).map_err(|error| explain(&error))?;
    for certificate in certificates {
        roots.add(certificate.map_err(|error| explain(&error))?).map_err(|error| explain(&error))?;
    }
    if roots.is_empty() { Err(explain(&"no certificate in it")) } else { Ok(roots) }
}

/// `verify-ca`: the chain is checked, the name is not.
#[derive(Debug)]
struct AnyName {
    inner: Arc<WebPkiServerVerifier>,
}

/// `prefer` and `require`: encrypted, but to whoever answers, as in libpq.
#[derive(Debug)]
struct AnyServer {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        use rustls::CertificateError::{NotValidForName, NotValidForNameContext};
        match self.inner.verify_server_cert(end_entity, intermediates, name, ocsp, now) {
            Err(rustls::Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. })) => {
                Ok(ServerCertVerified::assertion())
            }
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
