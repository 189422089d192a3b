//! The health service of the gRPC protocol: each service, `readiness`, `liveness` and the empty name. `readiness` is what the
//! service knows of itself; everything else serves while it lives.

use std::{pin::Pin, sync::Arc};

use tokio::sync::watch;
use tokio_stream::Stream;
use tonic::{Request, Response, Status};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse,
    health_check_response::ServingStatus,
    health_server::{Health as Service, HealthServer},
};

use super::status;
use crate::{
    app::{App, health::Health},
    error::Error,
    proto::{
        haier_administration_server::SERVICE_NAME as ADMINISTRATION,
        haier_integration_server::SERVICE_NAME as INTEGRATION,
    },
};

const READINESS: &str = "readiness";
const LIVENESS: &str = "liveness";

/// Longest request: anybody may send one, and a name is all that it holds.
const MAX_REQUEST_BYTES: usize = 1 << 10;

pub(super) fn service(app: Arc<App>) -> HealthServer<impl Service> {
    HealthServer::new(HealthService { app }).max_decoding_message_size(MAX_REQUEST_BYTES)
}

struct HealthService {
    app: Arc<App>,
}

/// `None`: nothing of this name is served.
fn serving(name: &str, health: Health) -> Option<ServingStatus> {
    match name {
        "" | INTEGRATION | ADMINISTRATION | LIVENESS => Some(ServingStatus::Serving),
        READINESS if health.is_ready() => Some(ServingStatus::Serving),
        READINESS => Some(ServingStatus::NotServing),
        _ => None,
    }
}

type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

#[tonic::async_trait]
impl Service for HealthService {
    type WatchStream = WatchStream;

    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let key = request.into_inner().service;
        let serving = serving(&key, *self.app.health().borrow())
            .ok_or(Error::NotFound { what: "the service", key })
            .map_err(status::of)?;
        Ok(Response::new(HealthCheckResponse { status: serving.into() }))
    }

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        Ok(Response::new(changes(request.into_inner().service, self.app.health())))
    }
}

/// The status now, and whenever it changes. The protocol wants `SERVICE_UNKNOWN` for a name that is not served, and the
/// stream to stay. It ends when the process goes down, which the drain waits for.
fn changes(name: String, mut health: watch::Receiver<Health>) -> WatchStream {
    Box::pin(async_stream::stream! {
        let mut last = None;
        loop {
            let now = *health.borrow_and_update();
            let serving = serving(&name, now).unwrap_or(ServingStatus::ServiceUnknown);
            if last.replace(serving) != Some(serving) {
                yield Ok(HealthCheckResponse { status: serving.into() });
            }
            if now.draining || health.changed().await.is_err() {
                return;
            }
        }
    })
}
