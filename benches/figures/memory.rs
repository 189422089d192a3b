//! Resident memory of the service: idle, and at most over a run of a large catalogue.

use std::time::Duration;

use super::{
    cluster::Cluster,
    database::Database,
    options::Options,
    report::{Line, megabytes},
    say,
    service::{Sandbox, Service},
};

/// Past the first checks of health, by which everything idle has been used once.
const SETTLED: Duration = Duration::from_secs(12);

pub(crate) async fn measure(options: &Options, server: Option<&Cluster>) -> anyhow::Result<Vec<Line>> {
    let database = Database::create(server).await?;
    let service = Service::start(&database, None, 0, &options.settings).await?;
    tokio::time::sleep(SETTLED).await;
    let idle = service.process.resident()?;
    drop(service);

    let sandbox = Sandbox::start(options.memory_products, "0ms", 0)?;
    let mut service = Service::start(&database, Some(&sandbox), 0, &options.settings).await?;
    let run = service.first_start().await?;
    let peak = service.process.peak()?;
    let engine = database.engine();
    say(&format!(
        "{engine}: idle {} MB, peak {} MB at {:.0} codes/s",
        megabytes(idle * 1_024),
        megabytes(peak * 1_024),
        run.rate
    ));
    Ok(vec![
        Line::new(format!("resident, idle, {engine}"), format!("{} MB", megabytes(idle * 1_024))),
        Line::new(
            format!("peak resident over the first sync of {} products with prices, {engine}", run.codes),
            format!("{} MB ({:.0} codes/s)", megabytes(peak * 1_024), run.rate),
        ),
    ])
}
