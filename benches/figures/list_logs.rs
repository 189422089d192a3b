//! The time of any page of `ListSyncLogs` among millions of logs, by every filter.

use std::time::{Duration, Instant};

use haier_integration::proto::{
    ListSyncLogsRequest, SyncStatus, SyncType, haier_integration_client::HaierIntegrationClient,
};
use prost_types::Timestamp;
use rand::RngExt as _;
use tonic::transport::Channel;

use super::{
    cluster::Cluster,
    database::Database,
    log_rows::{self, Logs},
    options::Options,
    quantiles::Times,
    report::Line,
    say,
    service::Service,
};

/// Calls of each filter before the time counts: connections are there then.
const WARM_UP: u32 = 20;

/// Filters of one kind.
#[derive(Clone, Copy)]
struct Filters {
    words: &'static str,
    by_type: bool,
    by_status: bool,
}

const FILTERS: [Filters; 4] = [
    Filters { words: "no filter", by_type: false, by_status: false },
    Filters { words: "by type", by_type: true, by_status: false },
    Filters { words: "by status", by_type: false, by_status: true },
    Filters { words: "by type and status", by_type: true, by_status: true },
];

pub(crate) async fn measure(options: &Options, server: &Cluster) -> anyhow::Result<Vec<Line>> {
    let database = Database::create(Some(server)).await?;
    // It makes the tables; without an account it writes no log of its own.
    let mut service = Service::start(&database, None, 0, &options.settings).await?;
    let Some(client) = database.client().await? else { return Ok(Vec::new()) };
    let logs = log_rows::insert(&client, options.logs).await?;
    let mut lines = Vec::new();
    for filters in FILTERS {
        let [first, deep, next] = pages(&mut service.client, filters, &logs, options.calls).await?;
        for (words, times) in
            [("first page", first), ("page at a random time", deep), ("the page after", next)]
        {
            let (p50, p99) = (times.percentile(50), times.percentile(99));
            let measured = format!("p50 {p50:.2} ms, p99 {p99:.2} ms, most {:.2} ms", times.percentile(100));
            say(&format!("{}, {words}: {measured}", filters.words));
            let partitions = logs.partitions;
            let figure = format!(
                "ListSyncLogs, {words}, {}, {} rows in {partitions} months",
                filters.words, options.logs
            );
            lines.push(Line::new(figure, measured));
        }
    }
    Ok(lines)
}

/// Times of the first page, of one deep inside, and of the one that follows that.
async fn pages(
    client: &mut HaierIntegrationClient<Channel>,
    filters: Filters,
    logs: &Logs,
    calls: u32,
) -> anyhow::Result<[Times; 3]> {
    let mut times = [Times::default(), Times::default(), Times::default()];
    for call in 0..WARM_UP + calls {
        let mut request = filters.draw();
        let (first, _) = timed(client, &request).await?;
        let seconds = rand::rng().random_range(logs.from.timestamp()..logs.to.timestamp());
        request.created_before = Some(Timestamp { seconds, nanos: 0 });
        let (deep, token) = timed(client, &request).await?;
        let mut next = None;
        if !token.is_empty() {
            request.page_token = token;
            next = Some(timed(client, &request).await?.0);
        }
        if call >= WARM_UP {
            times[0].push(first);
            times[1].push(deep);
            next.into_iter().for_each(|next| times[2].push(next));
        }
    }
    Ok(times)
}

async fn timed(
    client: &mut HaierIntegrationClient<Channel>,
    request: &ListSyncLogsRequest,
) -> anyhow::Result<(Duration, String)> {
    let request = request.clone();
    let started = Instant::now();
    let answer = client.list_sync_logs(request).await?;
    Ok((started.elapsed(), answer.into_inner().next_page_token))
}

impl Filters {
    /// A request with values drawn at random, those that no log has among them.
    fn draw(self) -> ListSyncLogsRequest {
        let mut dice = rand::rng();
        let mut draw = |wanted: bool, last: i32| if wanted { dice.random_range(1..=last) } else { 0 };
        let sync_type = draw(self.by_type, SyncType::Manual.into());
        let status = draw(self.by_status, SyncStatus::Partial.into());
        ListSyncLogsRequest { sync_type, status, ..Default::default() }
    }
}
