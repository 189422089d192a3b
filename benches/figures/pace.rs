//! A load of so many calls a second, whether those before have ended or not.

use std::time::{Duration, Instant};

use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};

use super::quantiles::Times;

/// Makes so many calls at a steady pace, each told which one it is; how long each took from when it was made.
pub(crate) async fn at_rate<F>(rate: u32, calls: u32, call: impl Fn(u32) -> F) -> anyhow::Result<Times>
where
    F: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    let mut pace = interval(Duration::from_secs(1) / rate);
    // Late ones are made up for at once: the rate holds.
    pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut under_way = JoinSet::new();
    for number in 0..calls {
        pace.tick().await;
        let call = call(number);
        under_way.spawn(async move {
            let began = Instant::now();
            call.await?;
            anyhow::Ok(began.elapsed())
        });
    }
    let mut times = Times::default();
    while let Some(took) = under_way.join_next().await {
        times.push(took??);
    }
    Ok(times)
}
