//! The service as a process: how much memory it ever had, whatever it was answered.

use haier_integration::proto::{
    CheckStockRequest, GetPricesRequest, ListSyncLogsRequest, SyncProductsRequest, SyncStatus,
    WatchSyncRequest,
};

use super::{Answer, Peer};
use crate::{
    processes::Running,
    support::{Backend, Client, Haier, Plan, collect, play, within},
};

// On one database: what is stored is the same few products throughout.
#[test]
fn whatever_haier_answers_the_service_stays_small() {
    play(Backend::Sqlite, |plan| Box::pin(stays_small(plan)));
}

/// What the service may ever have, in megabytes.
const MOST: u64 = 250;

async fn stays_small(plan: Plan) {
    let peer = Peer::start().await;
    let haier = Haier::at(peer.base_url().to_owned());
    let mut program = Running::service(&plan, &haier);
    program
        .env("HAIER_INTEGRATION_UPSTREAM_TRIES", "1")
        .env("HAIER_INTEGRATION_UPSTREAM_BREAKER_FAILURES", "1000");
    let mut service = Running::start(program);
    let mut client = service.client().await;
    let first = client.list_sync_logs(ListSyncLogsRequest::default()).await.unwrap().into_inner().sync_logs;
    let watched =
        client.watch_sync(WatchSyncRequest { sync_log_id: first[0].id }).await.unwrap().into_inner();
    assert_eq!(collect(watched).await.unwrap().last().unwrap().success_count, 3);

    let megabyte = |of: &str| of.repeat((1 << 20) / of.len());
    let string = || Answer::repeated(r#"[{"productCode":"A","productName":""#, megabyte("x"), 1_000);
    for (what, answer) in [
        ("a string of a gigabyte", string()),
        ("the same in gzip", string().gzipped()),
        ("a key of a gigabyte", Answer::repeated(r#"{"data":[{""#, megabyte("k"), 1_000).gzipped()),
        ("a gigabyte of brackets", Answer::repeated("[", megabyte("["), 1_000).gzipped()),
        ("a gigabyte of empty records", Answer::repeated("[", megabyte("{},"), 1_000).gzipped()),
        (
            "a gigabyte of one record",
            Answer::repeated("[", megabyte(r#"{"productCode":"A"},"#), 1_000).gzipped(),
        ),
        (
            "a megabyte a record",
            Answer::repeated("[", format!(r#"{{"productCode":"A","x":"{}"}},"#, "x".repeat(1_000_000)), 200),
        ),
        ("an envelope of a gigabyte", Answer::repeated(r#"{"code":["#, megabyte("1,"), 1_000).gzipped()),
    ] {
        peer.set(answer);
        let stream = client.sync_products(SyncProductsRequest::default()).await.unwrap().into_inner();
        let end = collect(stream).await.unwrap().pop().unwrap();
        assert_ne!(end.status(), SyncStatus::Success, "{what}");
        assert_small(&service, what);
    }
    // Below what is refused for its length alone, and several at a time.
    const LENGTH: usize = 8_000_000;
    let of = |begin: &str, piece: &str, end| {
        let pieces = piece.repeat(10_000);
        Answer { end, ..Answer::repeated(begin, pieces.clone(), (LENGTH / pieces.len()) as u64) }
    };
    for (what, answer) in [
        ("records without anything", of("[", "{},", "{}]")),
        ("numbers", of("[", "0,", "0]")),
        ("one record of many fields", of("[{", r#""a":1,"#, r#""a":1}]"#)),
        ("a message", of(r#"{"success":false,"message":["#, "0,", "0]}")),
        ("a long text", of(r#"{"success":false,"message":""#, "password=", r#""}"#)),
        (
            "a string in gzip",
            Answer::repeated(r#"[{"productCode":"A","reason":""#, megabyte("x"), 1_000).gzipped(),
        ),
    ] {
        peer.set(answer);
        ask_all_at_once(&client).await;
        assert_small(&service, what);
    }
    // Long tokens that Haier changes all the time.
    peer.set(Answer { status: 401, ..Answer::whole("") });
    for n in 0..6 {
        peer.set_token(format!("{n}{}", "ab".repeat(8_000)));
        ask_all_at_once(&client).await;
    }
    assert_small(&service, "tokens");
    assert_eq!(service.terminate().await, Some(0));
}

async fn ask_all_at_once(client: &Client) {
    let calls = (0..2).map(|n| {
        let mut client = client.clone();
        async move {
            let code = format!("P{n}");
            let prices = GetPricesRequest { product_codes: vec![code.clone()] };
            let stock = CheckStockRequest { product_code: code, ..Default::default() };
            let mut other = client.clone();
            // Whatever they are answered: it is none.
            let _ = tokio::join!(client.get_prices(prices), other.check_stock(stock));
        }
    });
    within(futures_util::future::join_all(calls)).await;
}

fn assert_small(service: &Running, what: &str) {
    let most = memory(service, "VmHWM");
    assert!(most < MOST, "{what}: {most} MB");
}

/// A figure of the kernel's, in megabytes.
fn memory(service: &Running, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", service.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1_024
}
