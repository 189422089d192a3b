//! Processes of the service that share one database and one stand-in for Haier.

use std::{process::Command, time::Duration};

use haier_integration::proto::{CheckStockRequest, SyncProductsRequest, SyncType};

use crate::{
    processes::Running,
    support::{Client, Haier, Plan, within},
};

/// Products, each a call in a run of stock.
const PRODUCTS: usize = 700;
/// Calls that the runs of a process have under way at most.
pub(super) const IN_FLIGHT: u64 = 32;

pub(super) struct Fleet {
    plan: Plan,
    haier: Haier,
    limit: u64,
    codes: Vec<String>,
    running: Vec<(Running, Client)>,
    asked: usize,
    _sandbox: Running,
}

impl Fleet {
    /// A stand-in that counts and refuses nothing, and a first process that has filled the database and is gone.
    pub(super) async fn start(plan: Plan, limit: u64) -> Self {
        let products = PRODUCTS.to_string();
        let (sandbox, haier) = Running::sandbox_with(plan.database.folder(), &["--products", &products]);
        let mut fleet =
            Self { plan, haier, limit, codes: Vec::new(), running: Vec::new(), asked: 0, _sandbox: sandbox };
        fleet.add(fleet.service()).await;
        let listed = async {
            while fleet.plan.database.number("SELECT count(*) FROM products").await < PRODUCTS as i64 {}
        };
        within(listed).await;
        fleet.codes = fleet.haier.listed().await;
        fleet.terminate(0).await;
        fleet
    }

    /// A process before it is started.
    pub(super) fn service(&self) -> Command {
        let mut command = Running::service(&self.plan, &self.haier);
        command.env("HAIER_INTEGRATION_UPSTREAM_RATE", self.limit.to_string());
        command.env("HAIER_INTEGRATION_SYNC_CALLS_IN_FLIGHT", IN_FLIGHT.to_string());
        command.env("HAIER_INTEGRATION_SYNC_FLUSH_INTERVAL", "200ms");
        command
    }

    pub(super) async fn add(&mut self, command: Command) {
        let mut running = Running::start(command);
        let client = running.client().await;
        self.running.push((running, client));
    }

    pub(super) fn kill(&mut self, index: usize) {
        self.running.remove(index).0.kill();
    }

    pub(super) fn signal(&self, index: usize, name: &str) {
        self.running[index].0.signal(name);
    }

    pub(super) async fn terminate(&mut self, index: usize) {
        let (running, client) = self.running.remove(index);
        drop(client);
        assert_eq!(running.terminate().await, Some(0));
    }

    /// Asks the newest process, and all that have not been asked, for a run that takes every slot there is.
    pub(super) async fn saturate(&mut self) {
        for (_, client) in self.running.iter_mut().rev().take(self.codes.len()) {
            let product_codes = self.codes.clone();
            let request =
                SyncProductsRequest { product_codes, kind: SyncType::Stock.into(), ..Default::default() };
            // A process that stands still answers later.
            let asked = tokio::time::timeout(Duration::from_secs(1), client.sync_products(request)).await;
            drop(asked);
        }
    }

    /// Waits until so many calls more have arrived.
    pub(super) async fn watch(&self, calls: u64) {
        let enough = self.arrived().await + calls;
        within(async { while self.arrived().await < enough {} }).await;
    }

    async fn arrived(&self) -> u64 {
        let stats = self.haier.stats().await;
        let endpoints = stats["endpoints"].as_object().unwrap();
        endpoints.values().map(|endpoint| endpoint["calls"].as_u64().unwrap()).sum()
    }

    pub(super) async fn assert_within_the_limit(&self) {
        let most = self.haier.stats().await["max_in_any_second"]["openplat"].as_u64().unwrap();
        eprintln!("at most {most} in any second");
        assert!(most <= self.limit, "{most} calls in a second");
    }

    /// A live call at the next process in turn, and how many calls arrived meanwhile, itself among them.
    pub(super) async fn live(&mut self) -> u64 {
        self.asked += 1;
        let product_code = self.codes[self.asked % self.codes.len()].clone();
        let (at, before) = (self.asked % self.running.len(), self.arrived().await);
        let request = CheckStockRequest { product_code, county_code: "310101".to_owned() };
        self.running[at].1.check_stock(request).await.unwrap();
        self.arrived().await - before
    }
}
