//! The status for people.

use super::{name, state, until};
use crate::{
    cli::{
        lines, moment,
        table::{
            self,
            Column::{self, Number, Text},
        },
    },
    proto::{
        BreakerState, DisplacedOrders, GetUpstreamStatusResponse, Replica, UpstreamBreaker, UpstreamPause,
        UpstreamSystem,
    },
};

/// Pauses first, then a block a replica.
pub(super) fn status(status: &GetUpstreamStatusResponse) -> String {
    let mut blocks = vec![pauses(&status.pauses)];
    if status.orders_frozen_at.is_some() {
        blocks.push(format!(
            "orders are frozen since {}: the database was restored from a backup, and none is sent until you run\n\
             `haier-integration orders reconcile`",
            moment::local(status.orders_frozen_at.as_ref())
        ));
    }
    if status.held_run_count > 0 {
        let runs = if status.held_run_count == 1 { "run waits" } else { "runs wait" };
        blocks.push(format!(
            "{} sync {runs} for approval: see by `haier-integration held list`",
            status.held_run_count
        ));
    }
    blocks.extend(status.displaced_orders.iter().map(displaced));
    blocks.extend(status.replicas.iter().map(replica));
    blocks.join("\n\n")
}

fn displaced(orders: &DisplacedOrders) -> String {
    let more = if orders.so_ids.len() as i64 == orders.count { "" } else { " …" };
    let count = lines::orders(orders.count, "is", "are");
    format!("{count} not sent: {}{more}\n  {}", orders.so_ids.join(" "), orders.detail)
}

const PAUSES: [Column; 5] = [Text("paused"), Text("until"), Text("paused_by"), Text("since"), Text("reason")];

fn pauses(pauses: &[UpstreamPause]) -> String {
    if pauses.is_empty() {
        return "nothing is paused".to_owned();
    }
    let row = |pause: &UpstreamPause| {
        [
            name(pause.target()).to_owned(),
            until(pause),
            pause.paused_by.clone(),
            moment::local(pause.since.as_ref()),
            pause.reason.clone(),
        ]
    };
    table::of(&PAUSES, pauses.iter().map(row))
}

fn replica(replica: &Replica) -> String {
    let seen = if replica.answering {
        "now: it answers".to_owned()
    } else {
        format!("{:.0} s ago", replica.age.as_ref().map_or(0.0, moment::seconds))
    };
    let head = lines::of(&[
        ("replica", replica.name.clone()),
        ("version", replica.version.clone()),
        ("started_at", moment::local(replica.started_at.as_ref())),
        ("seen", seen),
    ]);
    let mut blocks = vec![head.join("\n")];
    if replica.systems.is_empty() {
        blocks.push("  no account: it calls nothing".to_owned());
    }
    blocks.extend(replica.systems.iter().map(|system| indented(&system_block(system))));
    blocks.join("\n")
}

fn system_block(system: &UpstreamSystem) -> String {
    let budget = system.budget.unwrap_or_default();
    let limit = if budget.limit == 0 {
        "no limit".to_owned()
    } else {
        format!("{} a second, over all replicas", budget.limit)
    };
    let token = system.token.as_ref().map_or_else(
        || "none at hand".to_owned(),
        |token| {
            let age = token.age.as_ref().map_or(0.0, moment::seconds);
            format!("{age:.0} s old, replaced at {}", moment::local(token.refresh_at.as_ref()))
        },
    );
    let closed = |breaker: &&UpstreamBreaker| breaker.state() == BreakerState::Closed;
    let names = system.breakers.iter().filter(closed).map(|breaker| breaker.operation.as_str());
    let mut text = lines::of(&[
        ("system", system.system.clone()),
        (
            "account",
            if system.former {
                format!("{} (former: what began under it goes on)", system.account)
            } else {
                system.account.clone()
            },
        ),
        ("budget", limit),
        (
            "let out",
            format!("{} in the last second, {} in the last minute", budget.last_second, budget.last_minute),
        ),
        ("waiting", format!("{} live, {} of runs", budget.waiting_live, budget.waiting_bulk)),
        ("token", token),
        ("closed breakers", names.collect::<Vec<_>>().join(" ")),
    ])
    .join("\n");
    let others: Vec<_> = system.breakers.iter().filter(|breaker| !closed(breaker)).collect();
    if !others.is_empty() {
        text.push('\n');
        text.push_str(&table::of(&BREAKERS, others.into_iter().map(breaker)));
    }
    text
}

const BREAKERS: [Column; 5] =
    [Text("breaker"), Text("state"), Number("failures"), Text("since"), Text("probe_at")];

fn breaker(breaker: &UpstreamBreaker) -> [String; 5] {
    [
        breaker.operation.clone(),
        state(breaker.state()).to_owned(),
        breaker.failures.to_string(),
        moment::local(breaker.since.as_ref()),
        moment::local(breaker.probe_at.as_ref()),
    ]
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::{UpstreamBudget, UpstreamTarget};

    #[test]
    fn only_breakers_that_are_not_closed_have_a_line() {
        let breaker = |operation: &str, state: BreakerState, failures| UpstreamBreaker {
            operation: operation.to_owned(),
            state: state.into(),
            failures,
            ..UpstreamBreaker::default()
        };
        let system = UpstreamSystem {
            system: "open-platform".to_owned(),
            account: "sandbox".to_owned(),
            budget: Some(UpstreamBudget { limit: 100, last_minute: 12, ..UpstreamBudget::default() }),
            breakers: vec![
                breaker("H0", BreakerState::Closed, 0),
                breaker("H1", BreakerState::Closed, 1),
                breaker("H2", BreakerState::Open, 5),
            ],
            token: None,
            former: false,
        };
        let replica =
            Replica { name: "a-1".to_owned(), systems: vec![system], answering: true, ..Replica::default() };
        let pause = UpstreamPause {
            target: UpstreamTarget::OrderPush.into(),
            reason: "stocktaking".to_owned(),
            ..UpstreamPause::default()
        };
        let text = status(&GetUpstreamStatusResponse {
            orders_frozen_at: None,
            pauses: vec![pause],
            replicas: vec![replica],
            held_run_count: 1,
            displaced_orders: vec![DisplacedOrders {
                account: "shop".to_owned(),
                count: 21,
                so_ids: vec!["SO-1".to_owned(), "SO-2".to_owned()],
                detail: "why".to_owned(),
            }],
        });
        for expected in [
            "order-push  until resumed",
            "\n\n1 sync run waits for approval: see by `haier-integration held list`\n\n",
            "stocktaking",
            "\n\n21 orders are not sent: SO-1 SO-2 …\n  why\n\n",
            "seen        now: it answers",
            "  budget           100 a second, over all replicas",
            "  let out          0 in the last second, 12 in the last minute",
            "  token            none at hand",
            "  closed breakers  H0 H1\n",
            "  H2       open          5",
        ] {
            assert!(text.contains(expected), "{expected:?} is not in\n{text}");
        }
        let text = status(&GetUpstreamStatusResponse::default());
        assert_eq!(text, "nothing is paused");
    }
}
