//! A gRPC microservice between a shop's internal services and the supplier Haier.
//!
//! Data flows one way: in through `grpc`, `http` and `workers`, down to `app`, out through `store` and `upstream`, which
//! never see each other. All of them speak `domain` and `error`. `keyring` seals what `store` keeps. `listener` guards the
//! ports. `service` joins the rooms; `cli` is the program.

pub mod app;
pub mod auth;
pub mod cli;
pub mod config;
pub mod domain;
pub mod error;
pub mod grpc;
pub mod http;
pub mod keyring;
pub mod listener;
pub mod redact;
pub mod sandbox;
pub mod service;
pub mod store;
pub mod telemetry;
pub mod tls;
pub mod upstream;
pub mod workers;

/// Messages and services generated from `proto/`.
#[allow(missing_docs, clippy::all, reason = "generated code")]
pub mod proto {
    tonic::include_proto!("haier.integration.v1");
}
