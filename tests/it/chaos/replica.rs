//! A service in a runtime of its own, so that it can vanish from one moment to the next as a killed process does.

use std::time::Duration;

use haier_integration::{config::Settings, service::Service};
use tokio::runtime::{Builder, Runtime};

use crate::support::{Client, within};

/// How long the threads of a vanished service may take to notice.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) struct Replica {
    runtime: Option<Runtime>,
    service: Option<Service>,
    pub(super) client: Client,
}

impl Replica {
    pub(super) async fn start(settings: &Settings) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let service = within(runtime.spawn(Service::start(settings.clone()))).await.unwrap().unwrap();
        let client = Client::connect(format!("http://{}", service.grpc_addr())).await.unwrap();
        Self { runtime: Some(runtime), service: Some(service), client }
    }

    /// Ends as after SIGTERM: what runs is given back.
    pub(super) async fn stop(mut self) {
        if let (Some(runtime), Some(service)) = (&self.runtime, self.service.take()) {
            within(runtime.spawn(service.stop())).await.unwrap();
        }
        self.vanish().await;
    }

    /// Ends as after `kill -9`: every task stops where it waits, nothing is given back.
    pub(super) async fn vanish(mut self) {
        let (runtime, service) = (self.runtime.take(), self.service.take());
        let gone = tokio::task::spawn_blocking(move || {
            drop(service);
            runtime.into_iter().for_each(|runtime| runtime.shutdown_timeout(PATIENCE));
        });
        within(gone).await.unwrap();
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        // Only after a panic is one left; a runtime may not be dropped where others wait.
        self.runtime.take().into_iter().for_each(Runtime::shutdown_background);
    }
}
