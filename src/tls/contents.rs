//! What stands in the files at one moment, and what a server's TLS becomes of it.

use std::{os::unix::fs::PermissionsExt as _, path::Path, sync::Arc};

use chrono::{DateTime, Utc};
use ring::digest;
use rustls::{
    RootCertStore, ServerConfig,
    crypto::ring::{default_provider, sign::any_supported_type},
    pki_types::{CertificateDer, PrivateKeyDer},
    server::WebPkiClientVerifier,
    sign::{CertifiedKey, SingleCertAndKey},
};
use secrecy::{ExposeSecret as _, SecretSlice};

use super::{Error, ServerFiles, check, pem};

/// Most of a file: a bundle of all public authorities is a fifth of it.
const MAX_FILE: u64 = 1 << 20;

/// The files as they were read, or why one could not be.
pub(super) struct Contents {
    cert: Read,
    key: Read,
    ca: Option<Read>,
    key_mode: u32,
}

type Read = Result<SecretSlice<u8>, String>;

/// Whether two readings are the same, without keeping a key for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp([u8; digest::SHA256_OUTPUT_LEN]);

/// What the files make.
pub(super) struct Loaded {
    pub(super) config: Arc<ServerConfig>,
    pub(super) not_after: Option<DateTime<Utc>>,
}

impl Contents {
    pub(super) fn read(files: &ServerFiles) -> Self {
        let mode = std::fs::metadata(&files.key).map_or(0, |metadata| metadata.permissions().mode());
        Self {
            cert: read(&files.cert),
            key: read(&files.key),
            ca: files.clients.as_ref().map(|clients| read(&clients.ca)),
            key_mode: mode,
        }
    }

    pub(super) fn stamp(&self) -> Stamp {
        let mut all = digest::Context::new(&digest::SHA256);
        for one in [Some(&self.cert), Some(&self.key), self.ca.as_ref()].into_iter().flatten() {
            let (kind, bytes) = match one {
                Ok(bytes) => (0, bytes.expose_secret()),
                Err(words) => (1, words.as_bytes()),
            };
            all.update(&[kind]);
            all.update(digest::digest(&digest::SHA256, bytes).as_ref());
        }
        let mut stamp = Stamp([0; digest::SHA256_OUTPUT_LEN]);
        stamp.0.copy_from_slice(all.finish().as_ref());
        stamp
    }

    /// Checks all of it, and fails with everything that is wrong. Warnings go to the log.
    pub(super) fn load(&self, files: &ServerFiles, now: DateTime<Utc>) -> Result<Loaded, Error> {
        let mut report = Report::default();
        let cert = report.of(&files.cert, "tls.cert");
        let chain = certificates(&self.cert, &mut report, &cert);
        let mut not_after = None;
        if let Some(chain) = &chain {
            not_after = report.take(&cert, check::chain(chain, now));
        }
        let key = report.of(&files.key, "tls.key");
        let private = report.keep(
            &key,
            self.key.as_ref().map_err(Clone::clone).and_then(|bytes| pem::private_key(bytes.expose_secret())),
        );
        if self.key_mode & 0o007 != 0 {
            let words = "may be read by every user of this host: `chmod 600` it";
            report.warnings.push(format!("{key} {words}"));
        }
        let own = chain
            .zip(private)
            .and_then(|(chain, private)| certified(chain, &private, (&cert, &key), &mut report));

        let mut roots = None;
        if let (Some(clients), Some(read)) = (&files.clients, &self.ca) {
            let ca = report.of(&clients.ca, "tls.client_ca");
            if let Some(certificates) = certificates(read, &mut report, &ca) {
                report.take(&ca, check::authorities(&certificates, now));
                roots = report.keep(&ca, store(certificates));
            }
        }
        for warning in &report.warnings {
            tracing::warn!("{warning}");
        }
        let (Some(own), true) = (own, report.problems.is_empty()) else {
            return Err(Error { problems: report.problems });
        };
        let verified =
            roots.map(|roots| (roots, files.clients.as_ref().is_some_and(|clients| clients.required)));
        let config = config(own, verified).map_err(|words| Error { problems: vec![words] })?;
        Ok(Loaded { config: Arc::new(config), not_after })
    }
}

/// The authorities of a file, checked; the setting that names it is told with what is wrong.
pub(super) fn authorities(
    path: &Path,
    setting: &str,
    now: DateTime<Utc>,
) -> Result<Vec<CertificateDer<'static>>, Error> {
    let mut report = Report::default();
    let file = report.of(path, setting);
    let certificates = certificates(&read(path), &mut report, &file);
    if let Some(certificates) = &certificates {
        report.take(&file, check::authorities(certificates, now));
    }
    for warning in &report.warnings {
        tracing::warn!("{warning}");
    }
    certificates.filter(|_| report.problems.is_empty()).ok_or(Error { problems: report.problems })
}

fn read(path: &Path) -> Read {
    let size = std::fs::metadata(path).map_err(|error| format!("cannot be read: {error}"))?.len();
    if size > MAX_FILE {
        return Err(format!("is {size} bytes long: no such file is longer than {MAX_FILE}"));
    }
    let bytes = std::fs::read(path).map_err(|error| format!("cannot be read: {error}"))?;
    Ok(SecretSlice::from(bytes))
}

/// Problems and warnings of all files.
#[derive(Default)]
struct Report {
    problems: Vec<String>,
    warnings: Vec<String>,
}

impl Report {
    /// How a file is called.
    fn of(&self, path: &Path, setting: &str) -> String {
        format!("{setting} {}:", path.display())
    }

    fn keep<T>(&mut self, file: &str, result: Result<T, String>) -> Option<T> {
        result.map_err(|words| self.problems.push(format!("{file} {words}"))).ok()
    }

    fn take(&mut self, file: &str, found: check::Findings) -> Option<DateTime<Utc>> {
        self.problems.extend(found.problems.into_iter().map(|words| format!("{file} {words}")));
        self.warnings.extend(found.warnings.into_iter().map(|words| format!("{file} {words}")));
        found.not_after
    }
}

fn certificates(read: &Read, report: &mut Report, file: &str) -> Option<Vec<CertificateDer<'static>>> {
    let all = read.as_ref().map_err(Clone::clone).and_then(|bytes| pem::certificates(bytes.expose_secret()));
    report.keep(file, all)
}

fn certified(
    chain: Vec<CertificateDer<'static>>,
    private: &PrivateKeyDer<'static>,
    (cert, key): (&str, &str),
    report: &mut Report,
) -> Option<CertifiedKey> {
    let unusable = "holds a key that cannot be used: RSA of 2048 to 8192 bits, ECDSA on P-256 or P-384, or Ed25519 is needed";
    let signing = report.keep(key, any_supported_type(private).map_err(|_| unusable.to_owned()))?;
    let own = CertifiedKey::new(chain, signing);
    if own.keys_match() == Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::KeyMismatch)) {
        let cert = cert.trim_end_matches(':');
        report.problems.push(format!("{key} does not belong to the certificate in {cert}"));
        return None;
    }
    Some(own)
}

fn store(certificates: Vec<CertificateDer<'static>>) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for (index, certificate) in certificates.into_iter().enumerate() {
        roots
            .add(certificate)
            .map_err(|_| format!("certificate {} cannot be trusted as a root", index + 1))?;
    }
    Ok(roots)
}

fn config(own: CertifiedKey, verified: Option<(RootCertStore, bool)>) -> Result<ServerConfig, String> {
    let provider = Arc::new(default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("no TLS: {error}"))?;
    let builder = match verified {
        None => builder.with_no_client_auth(),
        Some((roots, required)) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            let verifier = if required { verifier } else { verifier.allow_unauthenticated() };
            builder.with_client_cert_verifier(
                verifier.build().map_err(|error| format!("tls.client_ca: {error}"))?,
            )
        }
    };
    let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(own)));
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}
