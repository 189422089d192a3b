//! A burst of callbacks: whether each is answered and applied, and how long that takes.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use chrono::{DateTime, TimeDelta, Utc};
use haier_integration::{
    app::SystemClock,
    domain::clock::Clock as _,
    proto::{
        ListOrderChangesRequest, OrderState, haier_integration_client::HaierIntegrationClient as Client,
    },
};
use md5::{Digest as _, Md5};
use serde_json::json;
use tokio::{sync::Barrier, task::JoinSet, time::sleep};
use tonic::transport::Channel;

use super::{
    cluster::Cluster,
    options::Options,
    order_backlog::{settled, store},
    prices_at_rate::reqwest_client,
    quantiles::Times,
    report::Line,
    say,
    shop::{CALLBACK_APP, CALLBACK_SECRET, Shop},
};

/// How often is looked whether all are applied.
const LOOK: Duration = Duration::from_millis(20);
/// Longest time until they are.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) async fn measure(options: &Options, server: Option<&Cluster>) -> anyhow::Result<Vec<Line>> {
    let shop = Shop::start(options, server, 1, 0).await?;
    let service = shop.services.first().context("no service")?;
    let (mut client, url) = (service.client.clone(), service.callback_url.clone());
    store(&shop, std::slice::from_ref(&client), "burst", options.callbacks).await?;
    ensure!(settled(client.clone()).await?, "the orders were not sent");
    let request = ListOrderChangesRequest { page_size: 1, ..Default::default() };
    let cursor = client.list_order_changes(request).await?.into_inner().head_cursor;

    let now = SystemClock::new().now();
    let bodies: Vec<String> =
        shop.booked().await?.iter().map(|(so_id, number)| confirmation(so_id, number, now)).collect();
    let count = bodies.len();
    let (began, times) = post(&url, bodies).await?;
    let answered = began.elapsed();
    applied(&mut client, cursor, count).await?;
    let applied = began.elapsed();

    let measured = format!(
        "all answered 200 in {:.2} s (p50 {:.0} ms, p99 {:.0} ms), all applied after {:.2} s",
        answered.as_secs_f64(),
        times.percentile(50),
        times.percentile(99),
        applied.as_secs_f64()
    );
    let engine = shop.database.engine();
    say(&format!("{engine}: {measured}"));
    Ok(vec![Line::new(format!("{count} callbacks at once, {engine}"), measured)])
}

/// That Haier delivers an order, signed after the order system's description.
fn confirmation(so_id: &str, haier_order_no: &str, now: DateTime<Utc>) -> String {
    let data = json!({ "ExtOrderNo": haier_order_no, "PlatformOrderNo": so_id, "State": 1 }).to_string();
    let time = (now + TimeDelta::hours(8)).format("%Y%m%d%H%M%S").to_string();
    // In the order in which they are signed.
    let fields = [
        ("AppKey", CALLBACK_APP),
        ("Data", data.as_str()),
        ("Method", "hmm.scm_heorder.confirm"),
        ("TimeStamp", time.as_str()),
    ];
    let text: String = fields.iter().flat_map(|(name, value)| [*name, *value]).collect();
    let hash = Md5::digest(format!("{CALLBACK_SECRET}{text}{CALLBACK_SECRET}").to_lowercase());
    let sign: String = hash.iter().map(|byte| format!("{byte:02X}")).collect();
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(fields).append_pair("Sign", &sign).finish()
}

/// Posts all of them at the same instant; when that was, and how long each took until it was answered.
async fn post(url: &str, bodies: Vec<String>) -> anyhow::Result<(Instant, Times)> {
    let (client, start) = (reqwest_client(), std::sync::Arc::new(Barrier::new(bodies.len() + 1)));
    let mut posts = JoinSet::new();
    for body in bodies {
        let (client, start, url) = (client.clone(), std::sync::Arc::clone(&start), url.to_owned());
        posts.spawn(async move {
            start.wait().await;
            let began = Instant::now();
            let request = client.post(url).header("content-type", "application/x-www-form-urlencoded");
            let answer = request.body(body).send().await?;
            let status = answer.status();
            let words = answer.text().await?;
            ensure!(status.as_u16() == 200, "a callback was answered {status}: {words}");
            Ok(began.elapsed())
        });
    }
    start.wait().await;
    let (began, mut times) = (Instant::now(), Times::default());
    while let Some(took) = posts.join_next().await {
        times.push(took??);
    }
    Ok((began, times))
}

/// Waits until so many orders are confirmed.
async fn applied(client: &mut Client<Channel>, mut cursor: String, count: usize) -> anyhow::Result<()> {
    let (began, mut confirmed) = (Instant::now(), HashSet::new());
    while confirmed.len() < count {
        ensure!(began.elapsed() < PATIENCE, "only {} of {count} callbacks were applied", confirmed.len());
        let request = ListOrderChangesRequest { cursor, page_size: 1_000 };
        let answer = client.list_order_changes(request).await?.into_inner();
        cursor = answer.next_cursor;
        let more = answer.changes.into_iter().filter(|change| change.state() == OrderState::Confirmed);
        confirmed.extend(more.map(|change| change.so_id));
        sleep(LOOK).await;
    }
    Ok(())
}
