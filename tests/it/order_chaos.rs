//! Chaos around orders in one process: clients push while replicas are killed, stopped and restarted and the stand-in
//! cuts, delays, lies and repeats, each schedule drawn from a seed, by a clock that is turned by hand. There are two accounts
//! at two order systems, and which of them stands under which name changes. Afterwards every accepted order is in one of the
//! two books exactly once, or provably not there with a state that says so, or in doubt with an
//! alert; no state contradicts the book; nothing is left leased; no log holds a name, a phone number or an address.
//!
//! `HAIER_ORDER_CHAOS_SCHEDULES=10000` plays seeds 0 to 9999 on each database instead of the usual ones,
//! `HAIER_ORDER_CHAOS_SEED=7` plays that one alone. A seed repeats what is done to whom and when on the turned clock, not
//! what the machine makes of it.

mod clock;
mod haiers;
pub(crate) mod invariants;
mod opener;
mod play;
mod replica;
mod schedule;
mod taking_over;

use crate::{
    chaos::{play_each, seeds, shares},
    support::{Backend, Haier, run},
};

/// Schedules a database when nothing else is said.
const USUAL: u64 = 250;
/// Test functions the schedules are dealt to, so that they run beside each other.
const SHARES: u64 = 4;
/// Schedules that one of them plays side by side: mostly they wait for their stand-in.
const AT_ONCE: usize = 8;

shares!(
    every_order_is_there_once_under_seeds_0_4_8 = 0,
    every_order_is_there_once_under_seeds_1_5_9 = 1,
    every_order_is_there_once_under_seeds_2_6_10 = 2,
    every_order_is_there_once_under_seeds_3_7_11 = 3,
);

fn play_share(backend: Backend, share: u64) {
    let seeds = seeds("HAIER_ORDER_CHAOS_SCHEDULES", "HAIER_ORDER_CHAOS_SEED", USUAL);
    let seeds = seeds.filter(|seed| seed % SHARES == share);
    let test = format!("test(/^order_chaos::.*{backend:?}/i)");
    play_each(seeds, AT_ONCE, "HAIER_ORDER_CHAOS_SEED", &test, |seed| {
        run(backend, move |plan| Box::pin(play::play(plan, seed)))
    });
}

/// A product that can be ordered.
pub(crate) async fn on_sale(haier: &Haier) -> String {
    for code in haier.listed().await {
        if haier.show(&code).await.product["isSales"].as_str() == Some("1") {
            return code;
        }
    }
    panic!("nothing is on sale");
}
