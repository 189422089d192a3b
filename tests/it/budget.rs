//! The budget that all replicas share, as the stand-in counts what arrives: real processes on one PostgreSQL, while some of
//! them start, stop, are killed and stand still; and the rules of the ledger, in SQL.

mod fleet;
mod ledger;

use std::path::PathBuf;

use fleet::{Fleet, IN_FLIGHT};

use crate::support::{Plan, on_postgres};

/// What Haier allows.
const LIMIT: u64 = 100;

on_postgres!(
    one_process_stays_below_the_limit,
    ten_processes_together_stay_below_the_limit,
    replicas_that_come_and_go_and_stand_still_never_exceed_the_limit,
    replicas_whose_clocks_disagree_share_one_budget,
    live_calls_pass_a_sync_that_takes_all_there_is,
);

/// So many processes, each with a run that takes all it can get.
async fn saturated(plan: Plan, processes: usize) -> Fleet {
    let mut fleet = Fleet::start(plan, LIMIT).await;
    for _ in 0..processes {
        fleet.add(fleet.service()).await;
    }
    fleet.saturate().await;
    fleet
}

async fn one_process_stays_below_the_limit(plan: Plan) {
    let fleet = Box::pin(saturated(plan, 1)).await;
    fleet.watch(3 * LIMIT).await;
    fleet.assert_within_the_limit().await;
}

async fn ten_processes_together_stay_below_the_limit(plan: Plan) {
    let fleet = Box::pin(saturated(plan, 10)).await;
    fleet.watch(4 * LIMIT).await;
    fleet.assert_within_the_limit().await;
}

async fn replicas_that_come_and_go_and_stand_still_never_exceed_the_limit(plan: Plan) {
    let mut fleet = Box::pin(saturated(plan, 3)).await;
    for _ in 0..3 {
        fleet.kill(0);
        fleet.signal(0, "-STOP");
        fleet.add(fleet.service()).await;
        fleet.saturate().await;
        fleet.watch(40).await;
        fleet.signal(0, "-CONT");
        fleet.terminate(1).await;
        fleet.add(fleet.service()).await;
        fleet.saturate().await;
        fleet.watch(60).await;
    }
    fleet.assert_within_the_limit().await;
}

/// The library of Debian's package `faketime`.
fn faketime() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib").ok()?;
    let mut libraries = folders.flatten().map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"));
    libraries.find(|library| library.exists())
}

async fn replicas_whose_clocks_disagree_share_one_budget(plan: Plan) {
    let Some(library) = faketime() else {
        let said = "\n*** LEFT OUT: clocks that disagree were NOT tested: there is no faketime ***\n";
        std::io::Write::write_all(&mut std::io::stderr(), said.as_bytes()).unwrap();
        return;
    };
    let mut fleet = Fleet::start(plan, LIMIT).await;
    for offset in ["-40m", "+0m", "+3d"] {
        let mut service = fleet.service();
        service.env("LD_PRELOAD", &library).env("FAKETIME", offset);
        // The monotonic clock goes on as it does: no operator sets that one.
        service.env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("DONT_FAKE_MONOTONIC", "1");
        fleet.add(service).await;
    }
    fleet.saturate().await;
    fleet.watch(3 * LIMIT).await;
    fleet.assert_within_the_limit().await;
}

async fn live_calls_pass_a_sync_that_takes_all_there_is(plan: Plan) {
    let mut fleet = Box::pin(saturated(plan, 3)).await;
    let mut meanwhile = Vec::new();
    for _ in 0..31 {
        meanwhile.push(fleet.live().await);
    }
    fleet.assert_within_the_limit().await;
    // Each process has so many calls in line: who is not let pass waits for those of his own at least.
    meanwhile.sort_unstable();
    assert!(meanwhile[15] < IN_FLIGHT / 2, "calls that arrived during a live one: {meanwhile:?}");
}
