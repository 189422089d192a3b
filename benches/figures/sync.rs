//! Runs over the whole catalogue: with prices, products only, and twice more with nothing changed.

use haier_integration::proto::SyncProductsRequest;

use super::{
    bare_upsert::bare_upsert,
    cluster::Cluster,
    database::{Database, checkpoint},
    options::Options,
    quantiles::median,
    report::{Line, megabytes},
    row_writes::{RowWrites, Until},
    say,
    service::{Sandbox, Service},
};

/// What one round on a new database measured, in codes or rows a second.
#[derive(Default)]
struct Rounds {
    with_prices: Vec<f64>,
    products: Vec<f64>,
    bare: Vec<f64>,
    products_to_bare: Vec<f64>,
    unchanged: Vec<f64>,
    unchanged_to_products: Vec<f64>,
    /// In words, of the last round.
    writes: String,
    /// The most resident memory of the service in any round, in KiB.
    peak: u64,
}

/// On PostgreSQL with a server, else on SQLite.
pub(crate) async fn full(options: &Options, server: Option<&Cluster>) -> anyhow::Result<Vec<Line>> {
    let sandbox = Sandbox::start(options.products, "0ms", 0)?;
    let mut rounds = Rounds::default();
    for _ in 0..options.rounds {
        round(&mut rounds, options, server, &sandbox).await?;
    }
    let engine = if server.is_some() { "PostgreSQL" } else { "SQLite" };
    let count = options.products;
    let rate = |values: &[f64]| format!("{:.0} codes/s", median(values));
    let mut products =
        Line::new(format!("sync of {count} products, no prices, {engine}"), rate(&rounds.products));
    if !rounds.bare.is_empty() {
        let bare = format!("{:.0} rows/s by a bare UNNEST upsert of the same rows", median(&rounds.bare));
        products = products.against(bare, Some(median(&rounds.products_to_bare)));
    }
    let mut unchanged = rate(&rounds.unchanged);
    if !rounds.writes.is_empty() {
        unchanged = format!("{unchanged}; {}", rounds.writes);
    }
    unchanged =
        format!("{unchanged}; at most {} MB resident over all these runs", megabytes(rounds.peak * 1_024));
    Ok(vec![
        Line::new(format!("first sync of {count} products with prices, {engine}"), rate(&rounds.with_prices)),
        products,
        Line::new(format!("sync of {count} products, nothing changed, {engine}"), unchanged)
            .against("the sync without prices", Some(median(&rounds.unchanged_to_products))),
    ])
}

async fn round(
    rounds: &mut Rounds,
    options: &Options,
    server: Option<&Cluster>,
    sandbox: &Sandbox,
) -> anyhow::Result<()> {
    let database = Database::create(server).await?;
    let mut service = Service::start(&database, Some(sandbox), 0, &options.settings).await?;
    let with_prices = service.first_start().await?;
    say(&format!("with prices: {:.0} codes/s", with_prices.rate));
    database.empty_products().await?;
    let products = service.sync(SyncProductsRequest::default()).await?;
    say(&format!("products only: {:.0} codes/s", products.rate));
    anyhow::ensure!(products.codes == with_prices.codes, "the runs differ in their codes");
    let client = database.client().await?;
    let mut before = None;
    if let Some(client) = &client {
        checkpoint(client).await?;
        let bare = bare_upsert(client).await?;
        say(&format!("bare upsert: {bare:.0} rows/s"));
        rounds.bare.push(bare);
        rounds.products_to_bare.push(products.rate / bare);
        checkpoint(client).await?;
        before = Some(RowWrites::read(client, &Until::Inserted(2 * products.codes)).await?);
    }
    // The first one makes the room for the rows it touches; from then on nothing should grow.
    let touching = service.sync(SyncProductsRequest::default()).await?;
    if let (Some(client), Some(inserted)) = (&client, &before) {
        before = Some(RowWrites::read(client, &inserted.touched(touching.codes)).await?);
    }
    let unchanged = service.sync(SyncProductsRequest::default()).await?;
    say(&format!("nothing changed: {:.0} codes/s", unchanged.rate));
    if let (Some(client), Some(before)) = (&client, &before) {
        let after = RowWrites::read(client, &before.touched(unchanged.codes)).await?;
        rounds.writes = after.since(before);
        say(&rounds.writes);
    }
    rounds.peak = rounds.peak.max(service.process.peak()?);
    rounds.with_prices.push(with_prices.rate);
    rounds.products.push(products.rate);
    rounds.unchanged.push(unchanged.rate);
    rounds.unchanged_to_products.push(unchanged.rate / products.rate);
    Ok(())
}

/// The first run, with prices, when every answer of Haier takes its time.
pub(crate) async fn latency(options: &Options, server: Option<&Cluster>) -> anyhow::Result<Vec<Line>> {
    let sandbox = Sandbox::start(options.products, &options.latency, 0)?;
    let mut rates = Vec::new();
    let mut engine = "";
    for _ in 0..options.rounds {
        let database = Database::create(server).await?;
        let mut service = Service::start(&database, Some(&sandbox), 0, &options.settings).await?;
        rates.push(service.first_start().await?.rate);
        engine = database.engine();
        say(&format!("{engine}: {:.0} codes/s", rates.last().copied().unwrap_or_default()));
    }
    let (count, latency) = (options.products, &options.latency);
    Ok(vec![Line::new(
        format!("first sync of {count} products with prices, {latency} latency, {engine}"),
        format!("{:.0} codes/s", median(&rates)),
    )])
}
