//! Chaos in one process: schedules of faults, restarts, stolen runs and changes of the catalogue, each drawn from a seed,
//! played against a service and its stand-in for Haier; afterwards everything that was promised must hold.
//!
//! `HAIER_CHAOS_SCHEDULES=1000` plays seeds 0 to 999 on each database instead of the usual ones, `HAIER_CHAOS_SEED=7`
//! plays that one alone. A seed repeats the schedule, not the interleaving: which call a fault strikes depends on which
//! comes first, and that is for the machine to say.

pub(crate) mod invariants;
mod play;
mod replica;
mod schedule;

use std::{
    env,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::Mutex,
    thread,
};

use tokio::runtime::Builder;

use crate::support::{Backend, run};

/// Schedules a database when nothing else is said.
const USUAL: u64 = 100;
/// Test functions the schedules are dealt to, so that they run beside each other.
const SHARES: u64 = 10;
/// Schedules that one of them plays side by side.
const AT_ONCE: usize = 3;

/// Makes two tests of each share: `name::sqlite` and `name::postgres`.
macro_rules! shares {
    ($($name:ident = $share:literal),+ $(,)?) => {$(
        mod $name {
            #[test]
            fn sqlite() {
                super::play_share(crate::support::Backend::Sqlite, $share);
            }

            #[test]
            fn postgres() {
                super::play_share(crate::support::Backend::Postgres, $share);
            }
        }
    )+};
}
pub(crate) use shares;

shares!(
    every_promise_holds_under_seeds_ending_in_0 = 0,
    every_promise_holds_under_seeds_ending_in_1 = 1,
    every_promise_holds_under_seeds_ending_in_2 = 2,
    every_promise_holds_under_seeds_ending_in_3 = 3,
    every_promise_holds_under_seeds_ending_in_4 = 4,
    every_promise_holds_under_seeds_ending_in_5 = 5,
    every_promise_holds_under_seeds_ending_in_6 = 6,
    every_promise_holds_under_seeds_ending_in_7 = 7,
    every_promise_holds_under_seeds_ending_in_8 = 8,
    every_promise_holds_under_seeds_ending_in_9 = 9,
);

fn play_share(backend: Backend, share: u64) {
    let seeds = seeds("HAIER_CHAOS_SCHEDULES", "HAIER_CHAOS_SEED", USUAL);
    let seeds = seeds.filter(|seed| seed % SHARES == share);
    let test = format!("test(/^chaos::.*{backend:?}/i)");
    play_each(seeds, AT_ONCE, "HAIER_CHAOS_SEED", &test, |seed| {
        run(backend, move |plan| Box::pin(play::play(plan, seed)))
    });
}

/// Plays schedules some at a time, each thread with a runtime of its own, so that none waits for another: most of one is
/// waiting. One that fails says how to repeat it, and lets the others end, and clear up.
pub(crate) fn play_each<F: Future<Output = ()>>(
    seeds: impl Iterator<Item = u64> + Send,
    at_once: usize,
    variable: &str,
    test: &str,
    play: impl Fn(u64) -> F + Sync,
) {
    let seeds = Mutex::new(seeds);
    let next = || seeds.lock().unwrap().next();
    let failed = Mutex::new(None);
    thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
                while let Some(seed) = next() {
                    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| runtime.block_on(play(seed)))) {
                        tell(seed, variable, test);
                        *failed.lock().unwrap() = Some(panic);
                    }
                }
            });
        }
    });
    if let Some(panic) = failed.into_inner().unwrap() {
        resume_unwind(panic);
    }
}

/// The seeds to play: one alone, or so many from 0 on.
pub(crate) fn seeds(many: &str, one: &str, usual: u64) -> std::ops::Range<u64> {
    let number =
        |name| env::var(name).ok().map(|text| text.parse::<u64>().expect("a number of the environment"));
    match number(one) {
        Some(seed) => seed..seed + 1,
        None => 0..number(many).unwrap_or(usual),
    }
}

/// Says how to repeat a schedule that failed.
fn tell(seed: u64, variable: &str, test: &str) {
    eprintln!(
        "chaos: the schedule of seed {seed} failed; once more: {variable}={seed} cargo nextest run -E '{test}'"
    );
}
