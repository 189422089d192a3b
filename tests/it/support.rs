//! The harness: every test of the suite runs on SQLite and on PostgreSQL, against a stand-in for Haier and a service of its
//! own in this process.

mod accounts;
mod answers;
mod authority;
mod cluster;
mod database;
mod dice;
mod haier;
mod served;
pub(crate) mod stranger;
mod tokens;
mod turned;
mod wire;
mod world;

use std::{future::Future, panic::AssertUnwindSafe, time::Duration};

use futures_util::{FutureExt as _, future::LocalBoxFuture};
use tokio::runtime::Builder;

pub(crate) use accounts::{CANARY, account};
pub(crate) use answers::{refusal, violated};
pub(crate) use authority::{Authority, Issued};
pub(crate) use database::{Asker, Backend, Database};
pub(crate) use dice::Dice;
pub(crate) use haier::{Haier, Shown};
pub(crate) use served::{e4, equals, money_e4};
pub(crate) use tokens::bearing;
pub(crate) use turned::TurnedClock;
pub(crate) use wire::Wire;
pub(crate) use world::{Client, Plan, World, collect};

/// How long anything may take; what takes longer will not come. A machine that is held up for a minute is no fault of ours.
const DEADLINE: Duration = Duration::from_secs(180);

/// Makes two tests of each named function: `name::sqlite` and `name::postgres`.
macro_rules! on_both_databases {
    ($($name:ident),+ $(,)?) => {$(
        mod $name {
            use $crate::support::{Backend, Plan, Test, play};

            fn test(plan: Plan) -> Test {
                Box::pin(super::$name(plan))
            }

            #[test]
            fn sqlite() {
                play(Backend::Sqlite, test);
            }

            #[test]
            fn postgres() {
                play(Backend::Postgres, test);
            }
        }
    )+};
}
pub(crate) use on_both_databases;

/// Makes a test of each named function on what only several replicas have: `name::postgres`.
macro_rules! on_postgres {
    ($($name:ident),+ $(,)?) => {$(
        mod $name {
            use $crate::support::{Backend, play};

            #[test]
            fn postgres() {
                play(Backend::Postgres, |plan| Box::pin(super::$name(plan)));
            }
        }
    )+};
}
pub(crate) use on_postgres;

/// A test that is under way. Without a type of its own, so that what plays it is compiled once and not for every test.
pub(crate) type Test = LocalBoxFuture<'static, ()>;

/// Runs a test on a runtime of its own.
pub(crate) fn play(backend: Backend, test: fn(Plan) -> Test) {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(run(backend, test));
}

/// Runs a test on a database of its own, which goes whatever the outcome.
pub(crate) async fn run(backend: Backend, test: impl FnOnce(Plan) -> Test) {
    let Some(database) = Database::create(backend).await else { return };
    let outcome = AssertUnwindSafe(test(Plan::new(database.clone()))).catch_unwind().await;
    database.remove().await;
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

/// Waits for something that must happen.
pub(crate) async fn within<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, what).await.expect("it did not happen in time")
}
