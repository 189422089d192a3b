//! A gRPC microservice between a shop's internal services and the supplier Haier.

pub mod cli;
pub mod config;
pub mod domain;
pub mod error;
pub mod sandbox;
pub mod service;
pub mod store;
pub mod telemetry;

/// Messages and services generated from `proto/`.
#[allow(missing_docs, clippy::all, reason = "generated code")]
pub mod proto {
    tonic::include_proto!("haier.integration.v1");
}
