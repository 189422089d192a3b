//! The service's TLS: the certificates in use, exchanged when their files change. Running connections keep theirs.

use std::{sync::Arc, time::Duration};

use rustls::{ServerConfig, ServerConnection};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::{
    Error, ServerFiles,
    contents::{Contents, Loaded, Stamp},
    names,
};
use crate::domain::{callers::PeerName, clock::Clock};

/// Time between two looks at the files.
const PERIOD: Duration = Duration::from_secs(1);

/// Certificates in use.
#[derive(Debug)]
pub struct ServerTls {
    files: ServerFiles,
    current: watch::Sender<Arc<ServerConfig>>,
    /// What the files held at the start.
    first: Stamp,
}

impl ServerTls {
    /// Reads and checks the files. Warnings go to the log.
    ///
    /// # Errors
    /// Everything that is wrong with any of them.
    pub fn open(files: ServerFiles, clock: &dyn Clock) -> Result<Self, Error> {
        let contents = Contents::read(&files);
        let loaded = contents.load(&files, clock.now())?;
        announce(&loaded);
        Ok(Self { files, current: watch::Sender::new(loaded.config), first: contents.stamp() })
    }

    /// Whether a connection without a client certificate is refused; none: no such certificate is looked at.
    #[must_use]
    pub fn client_certificates_required(&self) -> Option<bool> {
        self.files.clients.as_ref().map(|clients| clients.required)
    }

    /// What takes the next connection.
    #[must_use]
    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.current.borrow()))
    }

    /// Who is on the other side, if he has shown a certificate.
    #[must_use]
    pub fn peer(&self, connection: &ServerConnection) -> Option<PeerName> {
        let roles = &self.files.clients.as_ref()?.roles;
        names::peer(connection.peer_certificates()?.first()?, roles)
    }

    /// Looks after the files until the process stops.
    pub async fn follow(&self, clock: Arc<dyn Clock>, stopping: CancellationToken) {
        let mut ticks = tokio::time::interval(PERIOD);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        // `decided`: what was last loaded or refused.
        let (mut decided, mut candidate) = (self.first, None);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = stopping.cancelled() => return,
            }
            let files = self.files.clone();
            let Ok(contents) = tokio::task::spawn_blocking(move || Contents::read(&files)).await else {
                continue;
            };
            let stamp = contents.stamp();
            if stamp == decided {
                candidate = None;
            } else if candidate.replace(stamp) == Some(stamp) {
                // The same twice: nobody is in the middle of writing certificate and key.
                (decided, candidate) = (stamp, None);
                self.exchange(&contents, &*clock);
            }
        }
    }

    fn exchange(&self, contents: &Contents, clock: &dyn Clock) {
        match contents.load(&self.files, clock.now()) {
            Ok(loaded) => {
                announce(&loaded);
                tracing::info!(cert = %self.files.cert.display(), "certificates reloaded; new connections get them");
                self.current.send_replace(loaded.config);
            }
            Err(error) => {
                let problems = error.problems.join("; ");
                tracing::error!(
                    problems,
                    "the changed files for TLS are refused, what was loaded before stays in use"
                );
            }
        }
    }
}

fn announce(loaded: &Loaded) {
    if let Some(not_after) = loaded.not_after {
        metrics::gauge!("haier_tls_certificate_expires_seconds").set(seconds(not_after.timestamp()));
    }
}

/// A gauge holds a float; seconds since 1970 fit it exactly.
#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
fn seconds(timestamp: i64) -> f64 {
    timestamp as f64
}
