//! The program as a process: killed and started again, told to stop, and its commands with their exit codes.

use std::{
    io::{BufRead as _, BufReader, Lines},
    net::TcpListener,
    path::Path,
    process::{Child, ChildStdout, Command, Output, Stdio},
};

use haier_integration::proto::{
    ListProductsRequest, ListSyncLogsRequest, SyncProductsRequest, SyncStatus, WatchSyncRequest,
};
use serde_json::{Value, json};

use crate::support::{Client, Haier, Plan, World, collect, on_both_databases, within};

on_both_databases!(
    a_run_killed_half_way_ends_with_an_equal_catalogue_after_a_restart,
    sigterm_drains_and_ends_with_zero,
    sigterm_ends_a_start_that_waits,
    sync_says_what_failed_and_exits_with_its_code,
    logs_are_a_table_for_people_and_json_for_programs,
);

/// The program, with nothing of our own environment that could be a setting.
pub(crate) fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_haier-integration"));
    for (name, _) in
        std::env::vars().filter(|(name, _)| name.starts_with("HAIER_") || name.starts_with("LC_"))
    {
        command.env_remove(name);
    }
    command.env("HAIER_INTEGRATION_SCHEDULES_ENABLED", "false");
    command.args(arguments).env("LANG", "zh_CN.UTF-8").stdin(Stdio::null()).stderr(Stdio::null());
    command
}

/// A process that runs until it is dropped.
pub(crate) struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// What stands behind a word on a line to come.
    pub(crate) fn told(&mut self, word: &str) -> String {
        let found = self.lines.find_map(|line| Some(line.unwrap().split_once(word)?.1.trim().to_owned()));
        found.unwrap_or_else(|| panic!("it ended without saying {word:?}"))
    }

    fn sandbox(folder: &Path) -> (Self, Haier) {
        Self::sandbox_with(folder, &["--products", "300"])
    }

    pub(crate) fn sandbox_with(folder: &Path, arguments: &[&str]) -> (Self, Haier) {
        let state = folder.join("sandbox.json");
        let mut options = program(&["sandbox", "--addr", "127.0.0.1:0", "--throttle", "off"]);
        options.args(arguments);
        options.arg("--state").arg(state);
        let mut running = Self::start(options);
        let told = running.told("sandbox at ");
        let base_url = told.split(": ").next().unwrap().to_owned();
        (running, Haier::at(base_url))
    }

    async fn serve(plan: &Plan, haier: &Haier) -> (Self, Client) {
        let mut running = Self::start(Self::service(plan, haier));
        let client = running.client().await;
        (running, client)
    }

    /// The service with a short lease and small steps, before it is started.
    pub(crate) fn service(plan: &Plan, haier: &Haier) -> Command {
        let mut command = program(&[
            "serve",
            "--grpc-addr",
            "127.0.0.1:0",
            "--http-addr",
            "127.0.0.1:0",
            "--callback-addr",
            "127.0.0.1:0",
        ]);
        command
            .env("HAIER_INTEGRATION_DATABASE_URL", &plan.database.address)
            .env("HAIER_INTEGRATION_DATABASE_WAIT", "1m")
            .env("HAIER_INTEGRATION_UPSTREAM_RATE", "0")
            .env("HAIER_INTEGRATION_SYNC_LEASE", "1s")
            .env("HAIER_INTEGRATION_SYNC_HEARTBEAT", "200ms")
            .env("HAIER_INTEGRATION_SYNC_CALLS_IN_FLIGHT", "1")
            .env("HAIER_INTEGRATION_SYNC_FLUSH_INTERVAL", "10ms")
            .env("HAIER_INTEGRATION_UPSTREAM_RETRY_BASE", "1ms")
            .env("HAIER_INTEGRATION_UPSTREAM_RETRY_MAX", "5ms")
            .env("HAIER_INTEGRATION_UPSTREAM_BREAKER_OPEN", "50ms")
            .env("HAIER_BASE_URL", haier.base_url())
            .env("HAIER_CUSTOMER_CODE", "8800000001");
        for name in ["CLIENT_ID", "CLIENT_SECRET", "PASSWORD", "SELLER_PASSWORD"] {
            command.env(format!("HAIER_{name}"), "sandbox");
        }
        command
    }

    /// Up to which size it may write files from now on.
    pub(crate) fn limit_files(&self, bytes: &str) {
        let id = self.child.id().to_string();
        let limit = format!("--fsize={bytes}:unlimited");
        assert!(Command::new("prlimit").args(["--pid", &id, &limit]).status().unwrap().success());
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// A client of a service that has just been started.
    pub(crate) async fn client(&mut self) -> Client {
        let address = self.told("gRPC ");
        Client::connect(format!("http://{address}")).await.unwrap()
    }

    /// Ends it as `kill -9` does; returns what it has said on standard output since.
    pub(crate) fn end(mut self) -> String {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let rest: Vec<_> = self.lines.by_ref().map_while(Result::ok).collect();
        rest.join("\n")
    }

    /// Ends it as `kill -9` does.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends it a signal, by its id.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    }

    /// Ends it as Kubernetes does; returns the exit code.
    pub(crate) async fn terminate(mut self) -> Option<i32> {
        self.signal("-TERM");
        let ended = tokio::task::spawn_blocking(move || self.child.wait().unwrap().code());
        within(ended).await.unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn watch(client: &mut Client, sync_log_id: i64) -> Vec<haier_integration::proto::SyncProgress> {
    let stream = client.watch_sync(WatchSyncRequest { sync_log_id }).await.unwrap().into_inner();
    collect(stream).await.unwrap()
}

async fn newest_log(client: &mut Client) -> i64 {
    let logs = client.list_sync_logs(ListSyncLogsRequest::default()).await.unwrap().into_inner();
    logs.sync_logs[0].id
}

async fn a_run_killed_half_way_ends_with_an_equal_catalogue_after_a_restart(plan: Plan) {
    let (_sandbox, haier) = Running::sandbox(plan.database.folder());
    let (service, mut client) = Running::serve(&plan, &haier).await;
    let first = newest_log(&mut client).await;
    assert_eq!(watch(&mut client, first).await.last().unwrap().success_count, 300);
    let all = ListProductsRequest { page_size: 1_000, ..Default::default() };
    let stored = client.list_products(all.clone()).await.unwrap().into_inner().products;
    let contents = |products: Vec<haier_integration::proto::Product>| {
        let timeless = |product| haier_integration::proto::Product { last_sync_at: None, ..product };
        products.into_iter().map(timeless).collect::<Vec<_>>()
    };
    let stored = contents(stored);

    // The eighth of fifteen batches is never answered: the run cannot end before it is killed.
    let code = &stored[150].product_code;
    haier.fault(json!({ "kind": "hang", "endpoint": "H2", "product_code": code })).await;
    let request = SyncProductsRequest { sync_prices: true, ..Default::default() };
    let mut stream = client.sync_products(request).await.unwrap().into_inner();
    let decided = loop {
        let progress = within(stream.message()).await.unwrap().expect("the run ended too early");
        if progress.success_count > 0 {
            break progress;
        }
    };
    service.kill();
    haier.clear_faults().await;
    let asked = haier.calls("H2").await;

    let (service, mut client) = Running::serve(&plan, &haier).await;
    let end = watch(&mut client, decided.sync_log_id).await.pop().unwrap();
    assert_eq!(
        (end.status(), end.total_count, end.success_count, end.failed_count),
        (SyncStatus::Success, 300, 300, 0)
    );
    assert!(haier.calls("H2").await - asked < 15, "it began anew");
    let again = client.list_products(all).await.unwrap().into_inner().products;
    assert_eq!(contents(again), stored);
    let logs = client.list_sync_logs(ListSyncLogsRequest::default()).await.unwrap().into_inner().sync_logs;
    assert_eq!(logs.iter().map(|log| log.id).collect::<Vec<_>>(), [decided.sync_log_id, first]);
    drop(client);
    assert_eq!(service.terminate().await, Some(0));
    let open = "SELECT count(*) FROM sync_runs";
    assert_eq!(plan.database.number(open).await, 0);
}

async fn sigterm_drains_and_ends_with_zero(plan: Plan) {
    let (_sandbox, haier) = Running::sandbox(plan.database.folder());
    haier.fault(json!({ "kind": "hang", "endpoint": "H1" })).await;
    let (service, mut client) = Running::serve(&plan, &haier).await;
    haier.struck(1).await;
    let id = newest_log(&mut client).await;
    let mut stream = client.watch_sync(WatchSyncRequest { sync_log_id: id }).await.unwrap().into_inner();
    assert_eq!(within(stream.message()).await.unwrap().unwrap().status(), SyncStatus::Processing);
    let exit = tokio::spawn(service.terminate());
    // The stream ends with a word, not with a cut connection.
    let ended = loop {
        match within(stream.message()).await {
            Ok(progress) => assert!(progress.is_some(), "the run cannot have ended"),
            Err(status) => break status,
        }
    };
    assert_eq!(crate::support::refusal(&ended).1, "SHUTTING_DOWN");
    drop((stream, client));
    assert_eq!(exit.await.unwrap(), Some(0));
    let free = "SELECT count(*) FROM sync_runs WHERE lease_until IS NULL";
    assert_eq!(plan.database.number(free).await, 1, "the run was given back");
}

/// Signals that a process catches, as Linux tells them.
fn caught(id: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
    u64::from_str_radix(line.trim(), 16).unwrap()
}

/// The database takes connections and says nothing, so that the start waits.
async fn sigterm_ends_a_start_that_waits(plan: Plan) {
    const TERMINATE: u64 = 1 << 14;
    const FILE_TOO_LARGE: u64 = 1 << 24;
    let (_sandbox, haier) = Running::sandbox(plan.database.folder());
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgres://haier@{}/haier?sslmode=disable", silent.local_addr().unwrap());
    let mut command = Running::service(&plan, &haier);
    command.env("HAIER_INTEGRATION_DATABASE_URL", url);
    let service = Running::start(command);
    let id = service.child.id();
    let catches = async {
        while caught(id) & (TERMINATE | FILE_TOO_LARGE) != TERMINATE | FILE_TOO_LARGE {
            tokio::task::yield_now().await;
        }
    };
    within(catches).await;
    assert_eq!(service.terminate().await, Some(0));
}

/// Runs a command to its end; exit code, output and errors.
pub(crate) async fn run(mut command: Command) -> (Option<i32>, String, String) {
    command.stderr(Stdio::piped());
    let done = tokio::task::spawn_blocking(move || command.output().unwrap());
    let Output { status, stdout, stderr } = within(done).await.unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// Runs a command against a service of this process.
pub(crate) async fn ask(world: &World, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = program(arguments);
    command.env("HAIER_INTEGRATION_SERVER", format!("http://{}", world.service().grpc_addr()));
    run(command).await
}

async fn sync_says_what_failed_and_exits_with_its_code(plan: Plan) {
    let world = plan.start().await;
    let code = &world.codes(1).await[0];
    let both = format!("{code},ZZ9999999");
    for (arguments, exit, words) in [
        (&["sync", "--sync-prices"][..], 0, "success: 45 succeeded, 0 failed"),
        (&["sync", "--product-codes", code, "ZZ9999999"], 3, "✗ ZZ9999999 - UNKNOWN_CODE"),
        (&["sync", "--product-codes", &both, "--sync-prices=true"], 3, "partial: 1 succeeded, 1 failed"),
        (&["sync", "--product-codes", "ZZ9999999"], 1, "✗ ZZ9999999 - EMPTY_ANSWER"),
        (&["sync", "--product-codes", code, "-v"], 0, &format!("✓ {code} ")),
    ] {
        let (code, out, err) = ask(&world, arguments).await;
        assert_eq!(code, Some(exit), "{arguments:?}: {out}{err}");
        assert!(out.contains(words), "{arguments:?}: {out}");
    }
    for (arguments, words) in [
        (&["sync", "--product-codes", code, "--brand", "海尔"][..], "brand"),
        (&["sync", "--assign-brand", "自有"], "--product-codes"),
        (&["sync", "--nonsense"], "--nonsense"),
        (&["sync", "--product-codes", " , "], "--product-codes"),
    ] {
        let (code, out, err) = ask(&world, arguments).await;
        assert_eq!((code, out.as_str()), (Some(2), ""), "{arguments:?}: {err}");
        assert!(err.contains(words), "{arguments:?}: {err}");
    }
    world.finish().await;
}

async fn logs_are_a_table_for_people_and_json_for_programs(plan: Plan) {
    let world = plan.start().await;
    let code = world.codes(1).await.remove(0);
    let product_codes = vec![code, "ZZ9999999".to_owned()];
    let id = world.sync(SyncProductsRequest { product_codes, ..Default::default() }).await.sync_log_id;
    let (exit, table, err) = ask(&world, &["logs"]).await;
    assert_eq!(exit, Some(0), "{err}");
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 3, "{table}");
    let columns: Vec<&str> = lines[0].split_whitespace().collect();
    assert_eq!(columns, ["id", "sync_type", "status", "total", "success", "failed", "created_at"]);
    let cells: Vec<&str> = lines[1].split_whitespace().take(6).collect();
    assert_eq!(cells, [id.to_string().as_str(), "商品同步", "部分成功", "2", "1", "1"]);

    let (exit, text, err) = ask(&world, &["logs", "--output", "json", "--status", "partial"]).await;
    assert_eq!(exit, Some(0), "{err}");
    let logs: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(logs.len(), 1, "{text}");
    let expected = [json!(id), json!("SYNC_STATUS_PARTIAL"), json!(1)];
    assert_eq!(
        [&logs[0]["id"], &logs[0]["status"], &logs[0]["failed_count"]],
        [&expected[0], &expected[1], &expected[2]]
    );
    let (exit, shown, _) = ask(&world, &["logs", "show", &id.to_string()]).await;
    assert!(exit == Some(0) && shown.contains("ZZ9999999"), "{shown}");
    let (exit, _, err) = ask(&world, &["logs", "show", "7"]).await;
    assert!(exit == Some(1) && err.contains("does not exist"), "{err}");
    world.finish().await;
}

#[tokio::test]
async fn a_command_without_a_service_says_so() {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = holder.local_addr().unwrap().to_string();
    drop(holder);
    let (exit, out, err) = run(program(&["logs", "--server", &address])).await;
    assert_eq!((exit, out.as_str()), (Some(1), ""), "{err}");
    assert!(err.starts_with("error: ") && err.lines().count() == 1, "{err}");
}

#[tokio::test]
async fn every_wrong_setting_is_named_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("service.toml");
    std::fs::write(&file, "grpc_adr = \"127.0.0.1:0\"\n[sync]\nbatch_size = 21\n").unwrap();
    let mut command = program(&["serve", "--http-addr", "nonsense", "--database-url", "mysql://x"]);
    command.arg("--config").arg(&file).current_dir(folder.path()).env("HAIER_CLIENT_ID", "sandbox");
    let (exit, _, err) = run(command).await;
    assert_eq!(exit, Some(2), "{err}");
    for words in [
        "grpc_adr",
        "did you mean grpc_addr",
        "sync.batch_size",
        "--http-addr",
        "--database-url",
        "HAIER_BASE_URL",
    ] {
        assert!(err.contains(words), "{words} is not in {err}");
    }
}

#[tokio::test]
async fn a_start_that_cannot_be_ends_with_one_and_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = holder.local_addr().unwrap().to_string();
    let unreachable = "postgres://haier:secret-word@127.0.0.1:1/haier";
    for (arguments, words) in [
        (["--grpc-addr", &taken, "--http-addr", "127.0.0.1:0"], taken.as_str()),
        (["--grpc-addr", "127.0.0.1:0", "--database-url", unreachable], "127.0.0.1:1"),
    ] {
        let mut command = program(&["serve", "--callback-addr", "127.0.0.1:0"]);
        if !arguments.contains(&"--http-addr") {
            command.args(["--http-addr", "127.0.0.1:0"]);
        }
        command.args(arguments).current_dir(folder.path());
        let (exit, _, err) = run(command).await;
        assert_eq!(exit, Some(1), "{err}");
        let line = err.lines().last().unwrap();
        assert!(line.starts_with("error: ") && line.contains(words), "{err}");
        assert!(!err.contains("secret-word"), "{err}");
    }
}
