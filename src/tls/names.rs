//! The names that a certificate carries.

use chrono::DateTime;
use rustls::pki_types::CertificateDer;
use x509_parser::{
    certificate::X509Certificate,
    extensions::{GeneralName, ParsedExtension},
    prelude::FromDer as _,
};

use crate::domain::callers::{PeerName, Role};

/// Who shows this certificate, which has been found right; nothing if it carries no name.
pub(super) fn peer(certificate: &CertificateDer<'_>, roles: &[(String, Role)]) -> Option<PeerName> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let names = names(&certificate);
    let role_of =
        |name: &String| roles.iter().filter(|(bound, _)| bound == name).map(|(_, role)| *role).max();
    let bound = names.iter().filter_map(|name| Some((name, role_of(name)?))).max_by_key(|(_, role)| *role);
    let not_after = DateTime::from_timestamp(certificate.validity().not_after.timestamp(), 0);
    match bound {
        Some((name, role)) => Some(PeerName { name: name.clone(), role: Some(role), not_after }),
        None => Some(PeerName { name: names.into_iter().next()?, role: None, not_after }),
    }
}

/// URIs, DNS names and e-mail addresses of the alternative names, in this order; the common name where there is none.
pub(super) fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let (mut uris, mut domains, mut mails) = (Vec::new(), Vec::new(), Vec::new());
    for name in alternative_names(certificate) {
        match name {
            GeneralName::URI(text) => uris.push((*text).to_owned()),
            GeneralName::DNSName(text) => domains.push((*text).to_owned()),
            GeneralName::RFC822Name(text) => mails.push((*text).to_owned()),
            _ => {}
        }
    }
    let names: Vec<_> = uris.into_iter().chain(domains).chain(mails).collect();
    if !names.is_empty() {
        return names;
    }
    let common = certificate.subject().iter_common_name().next();
    common.and_then(|name| name.as_str().ok()).map(str::to_owned).into_iter().collect()
}

/// The alternative names; none where there is no such extension, or an unreadable one.
pub(super) fn alternative_names<'a>(certificate: &'a X509Certificate<'a>) -> &'a [GeneralName<'a>] {
    certificate
        .extensions()
        .iter()
        .find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::SubjectAlternativeName(names) => Some(names.general_names.as_slice()),
            _ => None,
        })
        .unwrap_or_default()
}
