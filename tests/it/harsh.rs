//! The whole at once, as operators meet it: three replicas on one PostgreSQL sync a catalogue from a Haier that fails one
//! call in six, and one of them after the other is killed. The catalogue must come out whole, with no code failed.

use std::time::Duration;

use haier_integration::proto::{GetProductsRequest, ListSyncLogsRequest, SyncStatus, WatchSyncRequest};

use crate::{
    chaos::invariants::{Ended, assert_served, assert_tidy},
    processes::Running,
    support::{Backend, Client, Haier, Plan, collect, run},
};

/// How long replicas are left alone between two deaths: as long as a lease, so that runs are really taken over.
const BETWEEN_DEATHS: Duration = Duration::from_millis(1_000);
const DEATHS: usize = 4;
const PRODUCTS: usize = 2_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_catalogue_comes_out_whole_under_harsh_faults_while_replicas_die() {
    run(Backend::Postgres, |plan| Box::pin(play(plan))).await;
}

async fn replica(plan: &Plan, haier: &Haier) -> (Running, Client) {
    let mut command = Running::service(plan, haier);
    command.env("HAIER_INTEGRATION_SYNC_CALLS_IN_FLIGHT", "4");
    let mut running = Running::start(command);
    let client = running.client().await;
    (running, client)
}

async fn play(plan: Plan) {
    let products = PRODUCTS.to_string();
    let (_sandbox, haier) =
        Running::sandbox_with(plan.database.folder(), &["--products", &products, "--faults", "harsh"]);
    let mut replicas = Vec::new();
    for _ in 0..3 {
        replicas.push(replica(&plan, &haier).await);
    }
    for _ in 0..DEATHS {
        tokio::time::sleep(BETWEEN_DEATHS).await;
        replicas.remove(0).0.kill();
        replicas.push(replica(&plan, &haier).await);
    }
    let client = &mut replicas[0].1;
    let logs = client.list_sync_logs(ListSyncLogsRequest::default()).await.unwrap().into_inner().sync_logs;
    assert_eq!(logs.len(), 1, "{logs:?}");
    let watching = WatchSyncRequest { sync_log_id: logs[0].id };
    collect(client.watch_sync(watching).await.unwrap().into_inner()).await.unwrap();
    let ended = Ended::fetch(client, logs[0].id).await;
    ended.assert_adds_up();
    let end = (ended.log.status(), ended.log.success_count);
    assert_eq!(end, (SyncStatus::Success, PRODUCTS as i64), "{:?} {:?}", ended.log, ended.failures);

    haier.clear_faults().await;
    let served = haier.served().await;
    assert_eq!(served.len(), PRODUCTS);
    let codes: Vec<_> = served.keys().cloned().collect();
    for some in codes.chunks(500) {
        let request = GetProductsRequest { product_codes: some.to_vec(), ..Default::default() };
        let answer = client.get_products(request).await.unwrap().into_inner();
        assert!(answer.missing_codes.is_empty(), "not stored: {:?}", answer.missing_codes);
        for stored in &answer.products {
            assert_served(stored, std::slice::from_ref(&served[&stored.product_code]), true);
        }
    }
    assert_tidy(client, &plan.database).await;
    for (running, client) in replicas {
        drop(client);
        assert_eq!(running.terminate().await, Some(0));
    }
}
