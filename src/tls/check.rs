//! What is wrong with a certificate before anybody has tried to use it: clients only say "handshake failure".

use chrono::{DateTime, TimeDelta, Utc};
use rustls::pki_types::CertificateDer;
use x509_parser::{
    certificate::X509Certificate, prelude::FromDer as _, public_key::PublicKey, time::ASN1Time,
    x509::X509Version,
};

use super::names::alternative_names;

/// Fewest bits of an RSA key.
const MIN_RSA_BITS: usize = 2048;
/// A certificate that ends sooner is warned of.
const SOON: TimeDelta = TimeDelta::days(14);
/// Signatures by MD5 or SHA-1: RSA, DSA, ECDSA.
const WEAK_SIGNATURES: [&str; 5] = [
    "1.2.840.113549.1.1.4",
    "1.2.840.113549.1.1.5",
    "1.2.840.10040.4.3",
    "1.2.840.10045.4.1",
    "1.3.14.3.2.29",
];

/// What was found in one file.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// Each forbids its use.
    pub(super) problems: Vec<String>,
    /// Each should be mended, and forbids nothing.
    pub(super) warnings: Vec<String>,
    /// When the certificate itself ends, if it can be read.
    pub(super) not_after: Option<DateTime<Utc>>,
}

/// Checks a server's certificate and those that stand behind it.
pub(super) fn chain(certificates: &[CertificateDer<'_>], now: DateTime<Utc>) -> Findings {
    let mut found = Findings::default();
    let parsed = found.parse(certificates);
    for (place, certificate) in &parsed {
        found.times(place, certificate, now);
        found.key(place, certificate);
        // Nobody looks at the signature of a root.
        let is_root = certificate.subject() == certificate.issuer() && *place != FIRST;
        let signature = certificate.signature_algorithm.algorithm.to_id_string();
        if !is_root && WEAK_SIGNATURES.contains(&signature.as_str()) {
            found.problems.push(format!("{place} is signed by SHA-1 or MD5: SHA-256 or better is needed"));
        }
    }
    if let Some((place, leaf)) = parsed.first() {
        found.not_after = instant(leaf.validity().not_after);
        if alternative_names(leaf).is_empty() {
            let problem =
                format!("{place} has no subject alternative name, which clients compare with the host");
            found.problems.push(problem);
        }
        let usage = leaf.extended_key_usage().ok().flatten();
        if usage.is_some_and(|usage| !usage.value.server_auth && !usage.value.any) {
            found
                .problems
                .push(format!("{place} is not meant for servers (extended key usage serverAuth is missing)"));
        }
        if leaf.is_ca() {
            let warning =
                format!("{place} is an authority's (CA:TRUE), which many clients refuse for a server");
            found.warnings.push(warning);
        }
    }
    for pair in parsed.windows(2) {
        let [(place, below), (next, above)] = pair else { continue };
        if below.issuer() != above.subject() {
            let problem =
                format!("{next} did not issue {place}: the certificate itself comes first, then each issuer");
            found.problems.push(problem);
        }
    }
    found
}

/// Checks the authorities whose client certificates are taken.
pub(super) fn authorities(certificates: &[CertificateDer<'_>], now: DateTime<Utc>) -> Findings {
    let mut found = Findings::default();
    let parsed = found.parse(certificates);
    for (place, certificate) in &parsed {
        found.times(place, certificate, now);
        found.key(place, certificate);
        if certificate.version() == X509Version::V3 && !certificate.is_ca() {
            found.problems.push(format!("{place} is no authority's (basic constraint CA:TRUE is missing)"));
        }
    }
    found
}

const FIRST: &str = "certificate 1";

impl Findings {
    /// Those that can be read, each with its place in the file.
    fn parse<'a>(&mut self, certificates: &'a [CertificateDer<'_>]) -> Vec<(String, X509Certificate<'a>)> {
        let mut parsed = Vec::new();
        for (index, certificate) in certificates.iter().enumerate() {
            let place = format!("certificate {}", index + 1);
            match X509Certificate::from_der(certificate) {
                Ok((_, certificate)) => parsed.push((place, certificate)),
                Err(_) => self.problems.push(format!("{place} cannot be read as X.509")),
            }
        }
        parsed
    }

    fn times(&mut self, place: &str, certificate: &X509Certificate<'_>, now: DateTime<Utc>) {
        let validity = certificate.validity();
        let [Some(from), Some(to)] = [validity.not_before, validity.not_after].map(instant) else {
            self.problems.push(format!("{place} has no times that can be read"));
            return;
        };
        if now < from {
            self.problems.push(format!("{place} is not valid before {from}: is this host's clock right?"));
        } else if to < now {
            self.problems.push(format!("{place} expired at {to}"));
        } else if to - now < SOON {
            self.warnings.push(format!("{place} expires at {to}"));
        }
    }

    fn key(&mut self, place: &str, certificate: &X509Certificate<'_>) {
        match certificate.public_key().parsed() {
            Ok(PublicKey::RSA(key)) => {
                let bits = bits(key.modulus);
                if bits < MIN_RSA_BITS {
                    let problem =
                        format!("{place} has an RSA key of {bits} bits: at least {MIN_RSA_BITS} are needed");
                    self.problems.push(problem);
                }
            }
            Ok(PublicKey::DSA(_) | PublicKey::GostR3410(_) | PublicKey::GostR3410_2012(_)) => {
                self.problems.push(format!("{place} has a key of a kind that TLS 1.3 does not know"));
            }
            // Which curves are spoken shows when the key is loaded.
            Ok(PublicKey::EC(_) | PublicKey::Unknown(_)) => {}
            Err(_) => self.problems.push(format!("{place} has a public key that cannot be read")),
        }
    }
}

fn bits(modulus: &[u8]) -> usize {
    let significant = modulus.iter().position(|byte| *byte != 0).map_or(&[][..], |at| &modulus[at..]);
    significant.first().map_or(0, |first| significant.len() * 8 - first.leading_zeros() as usize)
}

fn instant(time: ASN1Time) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(time.timestamp(), 0)
}
