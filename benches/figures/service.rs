//! The service and the stand-in for Haier as processes, and the calls that the figures make.

use std::{path::Path, process::Command, time::Duration};

use anyhow::{Context as _, bail};
use haier_integration::proto::{
    self, SyncProductsRequest, SyncStatus, haier_integration_client::HaierIntegrationClient,
};
use tempfile::TempDir;
use tonic::transport::{Channel, Endpoint};

use super::{database::Database, process::Process};

/// What the service and its stand-in are started from.
const PROGRAM: &str = env!("CARGO_BIN_EXE_haier-integration");

/// The stand-in for Haier.
pub(crate) struct Sandbox {
    pub(crate) url: String,
    _process: Process,
    _folder: TempDir,
}

impl Sandbox {
    /// Starts one; `throttle` in calls a second, 0 for none.
    pub(crate) fn start(products: u64, latency: &str, throttle: u32) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("haier-bench-").tempdir()?;
        let throttle = if throttle == 0 { "off".to_owned() } else { throttle.to_string() };
        let mut command = Command::new(PROGRAM);
        command.args(["sandbox", "--addr", "127.0.0.1:0", "--latency", latency, "--throttle", &throttle]);
        command.args(["--products", &products.to_string()]).current_dir(folder.path());
        // It tells every start; of the two only the service's words matter here.
        command.stderr(std::process::Stdio::null());
        let mut process = Process::start(&mut command)?;
        let said = process.wait_for("sandbox at")?;
        let (url, _) = said.split_once(": ").context("the sandbox does not say where it is")?;
        Ok(Self { url: url.to_owned(), _process: process, _folder: folder })
    }
}

/// The service.
pub(crate) struct Service {
    pub(crate) process: Process,
    pub(crate) client: HaierIntegrationClient<Channel>,
    /// Where it takes calls.
    pub(crate) url: String,
    /// Where it takes callbacks.
    pub(crate) callback_url: String,
}

impl Service {
    /// Starts one on a database; with an account at the sandbox, if one is given. `rate` as its `--upstream-rate`.
    pub(crate) async fn start(
        database: &Database,
        sandbox: Option<&Sandbox>,
        rate: u32,
        settings: &[(String, String)],
    ) -> anyhow::Result<Self> {
        let mut command = Command::new(PROGRAM);
        command.args([
            "serve",
            "--grpc-addr",
            "127.0.0.1:0",
            "--http-addr",
            "127.0.0.1:0",
            "--callback-addr",
            "127.0.0.1:0",
            "--migrate",
        ]);
        command.args(["--log-level", "warn", "--upstream-rate", &rate.to_string()]);
        command.env("HAIER_INTEGRATION_DATABASE_URL", database.url());
        // Nothing but what is measured runs.
        command.env("HAIER_INTEGRATION_SCHEDULES_ENABLED", "false");
        if let Some(sandbox) = sandbox {
            command.env("HAIER_BASE_URL", &sandbox.url).envs(ACCOUNT);
        }
        command.envs(settings.iter().map(|(name, value)| (name, value))).current_dir(Path::new("/"));
        let mut process = Process::start(&mut command)?;
        let url = format!("http://{}", process.wait_for("gRPC ")?);
        let callback_url = process.wait_for("callbacks ")?;
        let client = HaierIntegrationClient::new(Endpoint::from_shared(url.clone())?.connect().await?);
        Ok(Self { process, client, url, callback_url })
    }

    /// The end of the run that an empty catalogue sets off by itself.
    pub(crate) async fn first_start(&mut self) -> anyhow::Result<Run> {
        let logs = self.client.list_sync_logs(proto::ListSyncLogsRequest::default()).await?.into_inner();
        let first = logs.sync_logs.into_iter().find(|log| log.trigger == "FIRST_START");
        let id = first.context("the service did not begin a first run")?.id;
        let mut progress =
            self.client.watch_sync(proto::WatchSyncRequest { sync_log_id: id }).await?.into_inner();
        while progress.message().await?.is_some() {}
        self.run(id).await
    }

    /// Makes a run and waits for its end.
    pub(crate) async fn sync(&mut self, request: SyncProductsRequest) -> anyhow::Result<Run> {
        let mut progress = self.client.sync_products(request).await?.into_inner();
        let mut id = None;
        while let Some(step) = progress.message().await? {
            id = Some(step.sync_log_id);
        }
        self.run(id.context("a run ended without a word")?).await
    }

    /// A run that has ended, from its log.
    async fn run(&mut self, id: i64) -> anyhow::Result<Run> {
        let log = self.client.get_sync_log(proto::GetSyncLogRequest { id }).await?.into_inner();
        if log.status() != SyncStatus::Success {
            bail!("run {id} is no success: {} {}", log.status_display, log.message);
        }
        let took = Duration::try_from(log.duration.context("a run without a duration")?)?;
        #[expect(clippy::cast_precision_loss, reason = "a rate")]
        let rate = log.success_count as f64 / took.as_secs_f64();
        Ok(Run { codes: log.success_count, rate })
    }

    /// Codes of up to `limit` stored products.
    pub(crate) async fn codes(&mut self, limit: usize) -> anyhow::Result<Vec<String>> {
        let mut request = proto::ListProductsRequest { page_size: 1_000, ..Default::default() };
        let mut codes = Vec::new();
        loop {
            let page = self.client.list_products(request.clone()).await?.into_inner();
            codes.extend(page.products.into_iter().map(|product| product.product_code));
            if codes.len() >= limit || page.next_page_token.is_empty() {
                codes.truncate(limit);
                return Ok(codes);
            }
            request.page_token = page.next_page_token;
        }
    }
}

/// What a run did.
pub(crate) struct Run {
    pub(crate) codes: i64,
    /// Codes a second over the duration in its log.
    pub(crate) rate: f64,
}

/// The sandbox's account.
pub(crate) const CUSTOMER: &str = "8800000001";
const ACCOUNT: [(&str, &str); 5] = [
    ("HAIER_CLIENT_ID", "sandbox"),
    ("HAIER_CLIENT_SECRET", "sandbox"),
    ("HAIER_CUSTOMER_CODE", CUSTOMER),
    ("HAIER_PASSWORD", "sandbox"),
    ("HAIER_SELLER_PASSWORD", "sandbox"),
];
