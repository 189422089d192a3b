//! The clock, turned from one firing to the next; what is promised at each of them, and what came of it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::select_all;
use haier_integration::{
    domain::clock::Clock as _,
    proto::{
        ListSchedulesRequest, ListSyncLogsRequest, Schedule, ScheduleFiring, ScheduleOutcome, SyncLog,
        SyncStatus, SyncType, UpdateScheduleRequest, WatchSyncRequest,
        haier_administration_client::HaierAdministrationClient, schedule::Cadence,
    },
};
use tonic::transport::Channel;

use crate::{
    schedules::from_wire,
    support::{Client, World, collect, within},
};

/// Firings that follow each other so closely are met with one turn of the clock.
const CLOSE: TimeDelta = TimeDelta::minutes(15);

pub(super) struct Firings<'a> {
    world: &'a World,
    administration: HaierAdministrationClient<Channel>,
    replicas: Vec<Client>,
    /// The schedules when everything was quiet.
    quiet: Vec<Schedule>,
    /// Logs of the runs that firings have started.
    started: Vec<i64>,
    /// How often each schedule has fired.
    fired: BTreeMap<String, i64>,
}

impl<'a> Firings<'a> {
    /// Sets the cadences.
    pub(super) async fn begin(world: &'a World, replicas: &[Client]) -> Self {
        let mut administration = world.administration().await;
        for (name, hours) in [("new-products", 6), ("prices", 6), ("stock", 6), ("stock-rest", 12)] {
            let every = prost_types::Duration { seconds: hours * 3_600, nanos: 0 };
            let cadence = Some(Cadence::Every(every));
            let schedule = Schedule { name: name.to_owned(), cadence, ..Schedule::default() };
            let request = UpdateScheduleRequest { schedule: Some(schedule), update_mask: None };
            administration.update_schedule(request).await.unwrap();
        }
        let (quiet, started, fired) = (Vec::new(), Vec::new(), BTreeMap::new());
        Self { world, administration, replicas: replicas.to_vec(), quiet, started, fired }
    }

    async fn schedules(&mut self) -> Vec<Schedule> {
        self.administration.list_schedules(ListSchedulesRequest {}).await.unwrap().into_inner().schedules
    }

    /// Where the next turn of the clock ends.
    fn next(&self) -> DateTime<Utc> {
        let soonest = self.quiet.iter().map(next_at).min().unwrap();
        self.quiet.iter().map(next_at).filter(|at| *at <= soonest + CLOSE).max().unwrap()
    }

    /// Turns the clock to the next firing and those close behind it, and waits until their runs are over.
    pub(super) async fn turn(&mut self) {
        self.world.clock().turn_to(self.next());
        let now = self.world.clock().now();
        self.quiet.iter().for_each(|schedule| keeps_its_age(schedule, now));
        self.settle().await;
    }

    /// Waits until nothing is due and every run that was started is over.
    pub(super) async fn settle(&mut self) {
        let now = self.world.clock().now();
        within(async {
            loop {
                let schedules = self.schedules().await;
                let is_due = schedules.iter().any(|schedule| next_at(schedule) <= now);
                let firings = self.note(schedules);
                for sync_log_id in &firings {
                    self.over(*sync_log_id).await;
                }
                // Ages are those after the runs, so that it is asked once more.
                if !is_due && firings.is_empty() {
                    return;
                }
            }
        })
        .await;
    }

    /// Waits for the end of a run, of which the replica that works on it hears first.
    async fn over(&self, sync_log_id: i64) {
        let watches = self.replicas.iter().cloned().map(|mut replica| {
            Box::pin(async move {
                let request = WatchSyncRequest { sync_log_id };
                collect(replica.watch_sync(request).await.unwrap().into_inner()).await.unwrap()
            })
        });
        select_all(watches).await;
    }

    /// Notes what has fired since the schedules were seen before; gives the runs that were started.
    fn note(&mut self, schedules: Vec<Schedule>) -> Vec<i64> {
        let mut runs = Vec::new();
        for schedule in &schedules {
            let before = self.quiet.iter().find(|before| before.name == schedule.name);
            let Some(firing) = schedule.last_firing.as_ref().filter(|firing| {
                // Another one than before, and not by hand.
                Some(*firing) != before.and_then(|before| before.last_firing.as_ref()) && !is_by_hand(firing)
            }) else {
                continue;
            };
            *self.fired.entry(schedule.name.clone()).or_default() += 1;
            if firing.outcome() == ScheduleOutcome::Started {
                runs.push(firing.sync_log_id);
            }
        }
        self.quiet = schedules;
        self.started.extend(&runs);
        runs
    }

    /// Every slot has fired, and what was run and asked of Haier is what the firings started, each once. `first` was run by
    /// hand; `arrivals` were asked about when the listing brought them, and `passing` products may be gone before it says so.
    pub(super) async fn ran_once(&mut self, first: i64, arrivals: i64, passing: &BTreeSet<&str>) {
        for schedule in &self.quiet {
            let period = match &schedule.cadence {
                Some(Cadence::Every(every)) => every.seconds,
                _ => 24 * 3_600,
            };
            let (slots, fired) = (7 * 24 * 3_600 / period, self.fired[&schedule.name]);
            assert!((slots - 1..=slots + 1).contains(&fired), "{}: {fired} of {slots}", schedule.name);
        }
        let logs = self.world.logs(ListSyncLogsRequest { page_size: 1_000, ..Default::default() }).await;
        for log in logs.iter().filter(|log| log.status() != SyncStatus::Success) {
            for failure in self.world.failures(log.id).await {
                if is_comparison(log) && failure.reason == "DIFFERS" {
                    continue;
                }
                let is_gone = passing.contains(failure.product_code.as_str());
                assert!(is_gone && failure.reason == "UNKNOWN_CODE", "{failure:?} of {log:?}");
            }
            assert_eq!((log.status(), &*log.end_reason), (SyncStatus::Partial, "COMPLETED"));
        }
        let by_schedule = logs.iter().filter(|log| log.trigger == "SCHEDULE").map(|log| log.id);
        let by_schedule: BTreeSet<i64> = by_schedule.collect();
        assert_eq!(by_schedule.iter().copied().collect::<Vec<_>>(), {
            self.started.sort_unstable();
            self.started.clone()
        });
        let others = logs.iter().filter(|log| !by_schedule.contains(&log.id));
        let others: Vec<_> = others.map(|log| (log.trigger.as_str(), log.id == first)).collect();
        assert_eq!(others, [("CALLER", true), ("FIRST_START", false)]);

        let of = |kind| logs.iter().filter(move |log| log.sync_type() == kind);
        let listings = of(SyncType::Products).count() + logs.iter().filter(|log| is_comparison(log)).count();
        let listings = i64::try_from(listings).unwrap();
        let stock = of(SyncType::Stock).map(|log| log.total_count).sum::<i64>();
        let calls = async |endpoint: &str| i64::try_from(self.world.haier.calls(endpoint).await).unwrap();
        assert_eq!((calls("H1").await, calls("H3").await), (listings, stock + arrivals));
    }
}

/// It finds what has changed since, and writes nothing.
fn is_comparison(log: &SyncLog) -> bool {
    log.sync_type() == SyncType::Manual
}

fn next_at(schedule: &Schedule) -> DateTime<Utc> {
    from_wire(schedule.next_at.unwrap())
}

fn is_by_hand(firing: &ScheduleFiring) -> bool {
    firing.detail.starts_with("by ")
}

/// Just before anything is asked for anew, all is as old as it gets.
fn keeps_its_age(schedule: &Schedule, now: DateTime<Utc>) {
    let reach = schedule.reach.as_ref().unwrap();
    assert_eq!(reach.never_asked_count, 0, "{}", schedule.name);
    let Some(oldest) = reach.oldest_at.map(from_wire) else { return };
    let promised = TimeDelta::seconds(reach.age.as_ref().unwrap().seconds);
    // By as much the clock was turned too far.
    let late = (now - next_at(schedule)).max(TimeDelta::zero());
    let age = now - oldest;
    assert!(
        age <= promised + late,
        "{}: {age} is older than {promised}, {late} late: {schedule:?}",
        schedule.name
    );
}
