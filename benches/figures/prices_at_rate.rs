//! A prices run when Haier allows so many calls a second, and whether the service keeps to that.

use haier_integration::proto::{SyncProductsRequest, SyncType};
use serde_json::Value;

use super::{
    cluster::Cluster,
    database::Database,
    options::Options,
    report::Line,
    say,
    service::{Sandbox, Service},
};

pub(crate) async fn measure(options: &Options, server: Option<&Cluster>) -> anyhow::Result<Vec<Line>> {
    let database = Database::create(server).await?;
    // Stored without a limit, so that the throttled stand-in sees the measured run alone. Both have the same catalogue.
    let unlimited = Sandbox::start(options.stored, "0ms", 0)?;
    let mut service = Service::start(&database, Some(&unlimited), 0, &options.settings).await?;
    service.first_start().await?;
    drop((service, unlimited));

    let sandbox = Sandbox::start(options.stored, "0ms", options.rate)?;
    let mut service = Service::start(&database, Some(&sandbox), options.rate, &options.settings).await?;
    let request = SyncProductsRequest { kind: SyncType::Prices.into(), ..Default::default() };
    let run = service.sync(request).await?;
    let stats = reqwest_client().get(format!("{}/_sandbox/stats", sandbox.url)).send().await?;
    let stats: Value = stats.error_for_status()?.json().await?;
    let (most, rejected) = (&stats["max_in_any_second"]["openplat"], &stats["rejected"]);
    let measured = format!(
        "{:.0} codes/s; at most {most} calls in any second, {rejected} rejected (tokens and health checks included)",
        run.rate
    );
    say(&format!("{}: {measured}", database.engine()));
    let figure =
        format!("prices of {} products at {} calls/s, {}", run.codes, options.rate, database.engine());
    let limit = f64::from(options.rate) * 20.0;
    Ok(vec![
        Line::new(figure, measured)
            .against(format!("{limit:.0} codes/s in full batches"), Some(run.rate / limit)),
    ])
}

/// A client that needs no TLS, but cannot be made without a provider of it.
pub(crate) fn reqwest_client() -> reqwest::Client {
    // Fails when there is one already, which will do.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}
