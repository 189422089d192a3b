//! A gRPC microservice between a shop's internal services and the supplier Haier.

/// Messages and services generated from `proto/`.
#[expect(missing_docs, clippy::all, clippy::pedantic, reason = "generated code")]
pub mod proto {
    tonic::include_proto!("haier.integration.v1");
}

pub mod sandbox;
