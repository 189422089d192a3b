//! What each room takes from the settings.

use std::time::Duration;

use chrono::TimeDelta;

use crate::{
    app::{CallbackSettings, ChangeSettings, OrderSettings, RunSettings, ScheduleSettings},
    config::{self, DatabaseUrl, Settings},
    domain::{guard::Limits, orders::plan::PushRules},
    grpc, store,
};

pub(super) fn store_options(settings: &Settings) -> store::Options {
    let database = match &settings.database_url {
        DatabaseUrl::Sqlite { path } => store::Database::Sqlite { path: path.clone() },
        DatabaseUrl::Postgres { url } => store::Database::Postgres { url: url.clone() },
    };
    store::Options {
        database,
        pool_size: settings.database_pool_size as usize,
        wait: settings.database_wait,
        statement_timeout: settings.statement_timeout,
    }
}

pub(super) fn run_settings(settings: &Settings) -> RunSettings {
    RunSettings {
        batch_size: settings.sync.batch_size,
        calls_in_flight: settings.sync.calls_in_flight,
        flush_rows: settings.sync.flush_rows,
        flush_interval: settings.sync.flush_interval,
        lease: span(settings.sync.lease),
        heartbeat: span(settings.sync.heartbeat),
        outage_wait: span(settings.sync.outage_wait),
        guard: Limits {
            delisted: settings.guard.delisted,
            far: settings.guard.price_move,
            moved: settings.guard.moved,
        },
        held_for: span(settings.guard.held_for),
    }
}

pub(super) fn change_settings(settings: &Settings) -> ChangeSettings {
    ChangeSettings { kept: span(settings.changes.kept), patience: settings.changes.reader_patience }
}

pub(super) fn order_settings(settings: &Settings) -> OrderSettings {
    let orders = &settings.orders;
    OrderSettings {
        rules: PushRules {
            schedule: orders.schedule.iter().copied().map(span).collect(),
            doubt_wait: span(orders.doubt_wait.max(settings.upstream.request_timeout)),
            deadline: span(orders.deadline),
        },
        calls_in_flight: orders.calls_in_flight,
        lease: span(orders.lease),
        heartbeat: span(orders.heartbeat),
        unconfirmed_after: span(orders.unconfirmed_after),
    }
}

pub(super) fn schedule_settings(settings: &Settings) -> ScheduleSettings {
    let config::ScheduleSettings { zone, budget_percent, low_stock, selling_for, .. } = settings.schedules;
    let rate = f64::from(settings.upstream_rate) * f64::from(budget_percent) / 100.0;
    ScheduleSettings {
        zone,
        calls_per_second: (settings.upstream_rate > 0).then_some(rate),
        low_stock,
        selling_for: span(selling_for),
    }
}

pub(super) fn callback_settings(settings: &Settings) -> CallbackSettings {
    let config::CallbackSettings { window, parked_warning, .. } = settings.callbacks;
    CallbackSettings { window: span(window), parked_warning: span(parked_warning) }
}

pub(super) fn grpc_options(settings: &Settings) -> grpc::Options {
    grpc::Options {
        default_deadline: settings.default_deadline,
        reflection: settings.reflection,
        max_streams: settings.limits.streams,
        write: settings.limits.write,
        feed: settings.changes.reader_patience,
    }
}

fn span(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}
