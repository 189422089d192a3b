//! Settings of TLS: which files, and what belongs together. What is in the files is checked when they are loaded.

use super::read::Reader;
use crate::{
    domain::callers::Role,
    tls::{ClientCertificates, ServerFiles},
};

impl Reader {
    /// The gRPC listener's files, or nothing where none is named.
    pub(super) fn tls(&mut self) -> Option<ServerFiles> {
        let (cert, key, ca) = (self.path("tls.cert"), self.path("tls.key"), self.path("tls.client_ca"));
        let required = self.read("tls.client_auth", None, |text| match text.trim() {
            "required" => Ok(Some(true)),
            "optional" => Ok(Some(false)),
            _ => Err("required or optional is allowed".to_owned()),
        });
        let roles = self.read("tls.client_role", Vec::new(), roles);
        if cert.is_none() && key.is_some() {
            self.refuse("tls.key", "needs tls.cert beside it");
        }
        if key.is_none() && cert.is_some() {
            self.refuse("tls.cert", "needs tls.key beside it");
        }
        if ca.is_some() && cert.is_none() && key.is_none() {
            self.refuse("tls.client_ca", "needs tls.cert and tls.key beside it");
        }
        if ca.is_none() && required.is_some() {
            self.refuse("tls.client_auth", "means nothing without tls.client_ca");
        }
        if ca.is_none() && !roles.is_empty() {
            self.refuse("tls.client_role", "means nothing without tls.client_ca");
        }
        let required = required.unwrap_or(true);
        let clients = ca.map(|ca| ClientCertificates { ca, required, roles });
        Some(ServerFiles { cert: cert?, key: key?, clients })
    }
}

/// A URI may hold `=`, so that the last one counts.
fn roles(text: &str) -> Result<Vec<(String, Role)>, String> {
    const ALLOWED: &str = "NAME=ROLE is expected, by comma, with the role reader, operator or admin";
    let mut roles: Vec<(String, Role)> = Vec::new();
    for pair in text.split([',', '\n']).map(str::trim).filter(|pair| !pair.is_empty()) {
        let (name, role) = pair.rsplit_once('=').ok_or(ALLOWED)?;
        let (name, role) = (name.trim(), Role::parse(role.trim()).ok_or(ALLOWED)?);
        if name.is_empty() {
            return Err(ALLOWED.to_owned());
        }
        if roles.iter().any(|(bound, _)| bound == name) {
            return Err(format!("`{name}` is bound twice"));
        }
        roles.push((name.to_owned(), role));
    }
    Ok(roles)
}
