//! Calls a second of `GetProducts` with 20 stored codes, against a bare tonic method that answers the same bytes.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use haier_integration::proto::{
    GetProductsRequest, haier_integration_client::HaierIntegrationClient as Client,
};
use prost::Message as _;
use rand::seq::IndexedRandom as _;
use tokio::task::JoinSet;
use tonic::transport::Endpoint;

use super::{
    bare_server,
    cluster::Cluster,
    database::Database,
    options::Options,
    quantiles::median,
    report::Line,
    say,
    service::{Sandbox, Service},
};

const CODES: usize = 20;
const CHANNELS: usize = 4;
const CALLS_IN_FLIGHT: usize = 64;

pub(crate) async fn measure(options: &Options, server: Option<&Cluster>) -> anyhow::Result<Vec<Line>> {
    let sandbox = Sandbox::start(options.products, "0ms", 0)?;
    let database = Database::create(server).await?;
    let mut service = Service::start(&database, Some(&sandbox), 0, &options.settings).await?;
    service.first_start().await?;
    // It takes no part in what follows.
    drop(sandbox);
    let codes: Arc<[String]> = service.codes(usize::try_from(options.products)?).await?.into();
    anyhow::ensure!(codes.len() >= CODES, "too few products are stored");

    let same: Arc<[String]> = codes.sample(&mut rand::rng(), CODES).cloned().collect();
    let request = GetProductsRequest { product_codes: same.to_vec(), max_staleness: None };
    let answer = service.client.get_products(request).await?.into_inner();
    anyhow::ensure!(answer.products.len() == CODES, "not all stored codes were answered");
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("answer");
    std::fs::write(&file, answer.encode_to_vec())?;
    let (_bare, bare_url) = bare_server::start(&file)?;

    let span = Duration::from_secs(options.seconds);
    let (mut lines, engine, bytes) = (Vec::new(), database.engine(), answer.encoded_len());
    for (words, codes) in [("random codes", codes), ("the same codes", same)] {
        let (mut measured, mut bare, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..options.rounds {
            let ours = load(&service.url, &codes, span).await?;
            let theirs = load(&bare_url, &codes, span).await?;
            say(&format!("{engine}, {words}: {ours:.0} calls/s, bare {theirs:.0} calls/s"));
            measured.push(ours);
            bare.push(theirs);
            ratios.push(ours / theirs);
        }
        let figure = format!("GetProducts of {CODES}, {words} of {}, {engine}", options.products);
        let other = format!("{:.0} calls/s of a bare method, {bytes} bytes ready-made", median(&bare));
        let measured = format!("{:.0} calls/s", median(&measured));
        lines.push(Line::new(figure, measured).against(other, Some(median(&ratios))));
    }
    Ok(lines)
}

/// Answered calls a second; each call asks for codes drawn anew.
async fn load(url: &str, codes: &Arc<[String]>, span: Duration) -> anyhow::Result<f64> {
    let mut clients = Vec::new();
    for _ in 0..CHANNELS {
        clients.push(Client::new(Endpoint::from_shared(url.to_owned())?.connect().await?));
    }
    let started = Instant::now();
    let mut callers = JoinSet::new();
    for caller in 0..CALLS_IN_FLIGHT {
        let (mut client, codes) = (clients[caller % CHANNELS].clone(), Arc::clone(codes));
        callers.spawn(async move {
            let mut calls = 0_u32;
            while started.elapsed() < span {
                let product_codes = codes.sample(&mut rand::rng(), CODES).cloned().collect();
                let answer =
                    client.get_products(GetProductsRequest { product_codes, max_staleness: None }).await?;
                anyhow::ensure!(answer.get_ref().products.len() == CODES, "an answer lacks products");
                calls += 1;
            }
            anyhow::Ok(calls)
        });
    }
    let mut calls = 0;
    while let Some(done) = callers.join_next().await {
        calls += done??;
    }
    Ok(f64::from(calls) / started.elapsed().as_secs_f64())
}
