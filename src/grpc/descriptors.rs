//! The descriptors of everything served here: reflection shows them, and every method in them must have its rule.

use anyhow::Context as _;
use prost::Message as _;
use prost_types::FileDescriptorSet;
use tonic_reflection::server::Builder;

use crate::auth::rules::{self, RULES};

/// Our own services.
const OURS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// Those of libraries.
const THEIRS: [&[u8]; 3] = [
    tonic_health::pb::FILE_DESCRIPTOR_SET,
    tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
    tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
];

/// A method that is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Method {
    /// Full name of its service.
    pub service: String,
    /// Its name.
    pub name: String,
    /// Whether it answers with a stream.
    pub is_stream: bool,
    /// Whether it is called with a stream.
    pub is_client_stream: bool,
}

impl Method {
    /// Its path, `/package.Service/Method`.
    #[must_use]
    pub fn path(&self) -> String {
        format!("/{}/{}", self.service, self.name)
    }
}

/// Every method that is served.
///
/// # Errors
/// When descriptors cannot be read.
pub fn methods() -> anyhow::Result<Vec<Method>> {
    let mut methods = Vec::new();
    for encoded in std::iter::once(OURS).chain(THEIRS) {
        let set = FileDescriptorSet::decode(encoded).context("the descriptors cannot be read")?;
        for file in &set.file {
            for service in &file.service {
                methods.extend(service.method.iter().map(|method| Method {
                    service: format!("{}.{}", file.package(), service.name()),
                    name: method.name().to_owned(),
                    is_stream: method.server_streaming(),
                    is_client_stream: method.client_streaming(),
                }));
            }
        }
    }
    Ok(methods)
}

/// Sees that the rules name exactly the methods that are served.
///
/// # Errors
/// Each that is named on one side only.
pub fn check_rules() -> anyhow::Result<()> {
    let served: Vec<_> = methods()?.into_iter().map(|method| (method.service, method.name)).collect();
    Ok(rules::check(RULES, &served)?)
}

/// Reflection over all of it.
pub(super) fn reflection() -> Builder<'static> {
    let ours = Builder::configure()
        .register_encoded_file_descriptor_set(OURS)
        // Error details, so that grpcurl shows them in words.
        .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET);
    THEIRS
        .into_iter()
        .fold(ours, Builder::register_encoded_file_descriptor_set)
        // Its descriptors are among the above, in both versions.
        .include_reflection_service(false)
}
