//! What the program says of every call and to whoever has no token, as processes.

use std::{
    fs::{self, File},
    path::Path,
    process::{Output, Stdio},
};

use haier_integration::proto::{
    GetProductsRequest, ListSyncLogsRequest, SyncProductsRequest, WatchSyncRequest,
};
use serde_json::{Value, json};
use tonic::Code;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::{
    processes::{Running, program},
    support::{Client, Plan, bearing, collect, on_both_databases, within},
};

on_both_databases!(every_call_leaves_one_line, a_command_without_a_token_is_told_how_to_get_one);

/// The service with its lines in a file, and where it listens.
async fn serve(plan: &Plan, lines: &Path) -> (Running, Running, crate::support::Haier, String) {
    let (sandbox, haier) = Running::sandbox_with(plan.database.folder(), &["--products", "5"]);
    let mut command = Running::service(plan, &haier);
    command.env("HAIER_INTEGRATION_LOG_FORMAT", "json").stderr(File::create(lines).unwrap());
    let mut service = Running::start(command);
    let address = service.told("gRPC ");
    (sandbox, service, haier, format!("http://{address}"))
}

/// Runs a command against the service, with a token or without.
async fn run(server: &str, token: Option<&str>, arguments: &[&str]) -> Output {
    let mut command = program(arguments);
    command.env("HAIER_INTEGRATION_SERVER", server).stderr(Stdio::piped());
    if let Some(token) = token {
        command.env("HAIER_INTEGRATION_TOKEN", token);
    }
    within(tokio::task::spawn_blocking(move || command.output().unwrap())).await.unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap().trim().to_owned()
}

async fn every_call_leaves_one_line(plan: Plan) {
    let lines = plan.database.folder().join("service.log");
    let (_sandbox, service, haier, server) = serve(&plan, &lines).await;
    let made = run(&server, None, &["tokens", "create", "mei", "--role", "admin"]).await;
    let token = text(&made.stdout);
    let mut client = Client::connect(server.clone()).await.unwrap();
    let logs = client.list_sync_logs(bearing(&token, ListSyncLogsRequest::default())).await.unwrap();
    let first = WatchSyncRequest { sync_log_id: logs.into_inner().sync_logs[0].id };
    collect(client.watch_sync(bearing(&token, first)).await.unwrap().into_inner()).await.unwrap();
    let request = || GetProductsRequest { product_codes: vec!["NOBODYS".to_owned()], ..Default::default() };
    client.get_products(bearing(&token, request())).await.unwrap();
    client.get_products(request()).await.unwrap_err();
    client.get_products(bearing("hi_1_wrong", request())).await.unwrap_err();
    let unknown = client.watch_sync(bearing(&token, WatchSyncRequest { sync_log_id: 1 })).await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);

    // A stream whose reader goes away.
    haier.fault(json!({ "kind": "hang", "endpoint": "H1" })).await;
    let request = SyncProductsRequest::default();
    let mut stream = client.sync_products(bearing(&token, request)).await.unwrap().into_inner();
    within(stream.message()).await.unwrap().unwrap();
    drop(stream);
    let channel = tonic::transport::Endpoint::from_shared(server).unwrap().connect().await.unwrap();
    let mut health = HealthClient::new(channel);
    health.check(HealthCheckRequest::default()).await.unwrap();
    assert_eq!(service.terminate().await, Some(0));

    let log = fs::read_to_string(&lines).unwrap();
    let calls = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let calls: Vec<_> = calls.filter(|line| line["target"] == "calls").collect();
    let of = |method: &str| {
        let words = |line: &Value| {
            assert!(line["duration_ms"].as_f64().unwrap() > 0.0 && line["address"] == "127.0.0.1", "{line}");
            let word = |field: &str| line[field].as_str().unwrap().to_owned();
            format!("{} {} {} {}", word("level"), word("caller"), word("role"), word("code"))
        };
        let lines = calls.iter().filter(|line| line["method"].as_str().unwrap().ends_with(method));
        lines.map(words).collect::<Vec<_>>()
    };
    assert_eq!(of("/CreateApiToken"), ["INFO local admin Ok"]);
    assert_eq!(
        of("HaierIntegration/GetProducts"),
        ["INFO mei admin Ok", "INFO   Unauthenticated", "INFO   Unauthenticated"]
    );
    assert_eq!(of("/WatchSync"), ["INFO mei admin Ok", "INFO mei admin NotFound"]);
    assert_eq!(of("/SyncProducts").last().unwrap(), "INFO mei admin Cancelled");
    assert_eq!(of("Health/Check"), [""; 0]);
    assert!(!log.contains(&token) && !log.contains("NOBODYS") && !log.contains("hi_1_wrong"), "{log}");
    haier.clear_faults().await;
}

async fn a_command_without_a_token_is_told_how_to_get_one(plan: Plan) {
    let lines = plan.database.folder().join("service.log");
    let (_sandbox, service, _haier, server) = serve(&plan, &lines).await;
    let open = run(&server, None, &["tokens", "list"]).await;
    assert_eq!((open.status.code(), text(&open.stdout).as_str()), (Some(0), ""));
    assert!(text(&open.stderr).contains("no token was ever made"));
    let first = run(&server, None, &["tokens", "create", "ci", "--role", "reader"]).await;
    assert_eq!(first.status.code(), Some(2));
    assert!(text(&first.stderr).contains("first token must be an admin's"), "{}", text(&first.stderr));

    let made = run(&server, None, &["tokens", "create", "mei", "--role", "admin"]).await;
    let admin = text(&made.stdout);
    assert!(admin.starts_with("hi_") && admin.lines().count() == 1, "{admin}");
    let made =
        run(&server, Some(&admin), &["tokens", "create", "ci", "--role", "READER", "--output", "json"]).await;
    let made: Value = serde_json::from_str(&text(&made.stdout)).unwrap();
    assert_eq!(
        (&made["api_token"]["name"], &made["api_token"]["role"]),
        (&json!("ci"), &json!("ROLE_READER"))
    );
    let reader = made["token"].as_str().unwrap();

    let refused = run(&server, None, &["products", "list"]).await;
    let told = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1));
    for expected in ["UNAUTHENTICATED", "HAIER_INTEGRATION_TOKEN", "--token", "tokens create"] {
        assert!(told.contains(expected), "{expected} is not in {told}");
    }
    assert_eq!(run(&server, Some(reader), &["products", "list"]).await.status.code(), Some(0));
    let refused = run(&server, Some(reader), &["logs"]).await;
    let told = text(&refused.stderr);
    assert!(told.contains("ListSyncLogs needs the role operator; ci is reader"), "{told}");
    let listed = text(&run(&server, Some(&admin), &["tokens", "list"]).await.stdout);
    assert!(listed.contains("ci") && listed.contains("reader") && !listed.contains("hi_"), "{listed}");
    let revoked = run(&server, Some(&admin), &["tokens", "revoke", "ci"]).await;
    assert_eq!(text(&revoked.stdout), "ci is revoked");
    let audit = text(&run(&server, Some(&admin), &["audit", "--by", "mei"]).await.stdout);
    assert!(
        audit.contains("token.revoke") && audit.contains("token.create") && !audit.contains("root"),
        "{audit}"
    );
    assert_eq!(service.terminate().await, Some(0));
}
