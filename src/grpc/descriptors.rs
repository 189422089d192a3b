//! The descriptors of everything served here: reflection shows them, and every method in them must have its rule.

use anyhow::Context as _;
use prost::Message as _;
use prost_types::FileDescriptorSet;
use tonic_reflection::server::Builder;

use crate::auth::rules::{self, RULES};

/// Our own services.
pub const OURS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// Those of libraries.
const THEIRS: [&[u8]; 3] = [
    tonic_health::pb::FILE_DESCRIPTOR_SET,
    tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
    tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
];

/// Every method that is served, by service and name.
///
/// # Errors
/// When descriptors cannot be read.
pub fn methods() -> anyhow::Result<Vec<(String, String)>> {
    let mut methods = Vec::new();
    for encoded in std::iter::once(OURS).chain(THEIRS) {
        let set = FileDescriptorSet::decode(encoded).context("the descriptors cannot be read")?;
        for file in set.file {
            for service in &file.service {
                let full_name = format!("{}.{}", file.package(), service.name());
                let names = service.method.iter().map(|method| method.name().to_owned());
                methods.extend(names.map(|name| (full_name.clone(), name)));
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
    Ok(rules::check(RULES, &methods()?)?)
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
