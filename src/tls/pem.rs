//! Certificates and keys out of PEM. What it says of a file never quotes it, which may hold a key.

use rustls::pki_types::{
    CertificateDer, PrivateKeyDer,
    pem::{Error, PemObject as _},
};

const NO_PEM: &str =
    "is not PEM, or damaged: blocks between -----BEGIN …----- and -----END …----- are expected";

/// Every certificate of a file; at least one.
pub(super) fn certificates(bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let all: Result<Vec<_>, Error> = CertificateDer::pem_slice_iter(bytes).collect();
    match all {
        Ok(all) if all.is_empty() => Err(format!("holds no certificate in PEM{}", instead(bytes))),
        Ok(all) => Ok(all),
        Err(_) => Err(NO_PEM.to_owned()),
    }
}

/// The private key of a file.
pub(super) fn private_key(bytes: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_slice(bytes).map_err(|error| match error {
        Error::NoItemsFound if contains(bytes, b"-----BEGIN ENCRYPTED PRIVATE KEY-----") => {
            "holds a key that is encrypted by a password: decrypt it by `openssl pkey -in FILE -out NEW`"
                .to_owned()
        }
        Error::NoItemsFound => format!("holds no private key in PEM{}", instead(bytes)),
        _ => NO_PEM.to_owned(),
    })
}

/// What is there in its place, where that is a likely slip.
fn instead(bytes: &[u8]) -> &'static str {
    if contains(bytes, b"-----BEGIN CERTIFICATE-----") {
        ", but a certificate: are the files swapped?"
    } else if contains(bytes, b"PRIVATE KEY-----") {
        ", but a private key: are the files swapped?"
    } else if bytes.trim_ascii().is_empty() {
        ": it is empty"
    } else if bytes.first() == Some(&0x30) {
        ": it looks like DER, which `openssl x509 -inform der` turns into PEM"
    } else {
        ""
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
