//! One call to the order system about one order, and what its answer is as a fact.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::{ExposeSecret as _, SecretString};

use super::super::order_facts::History;
use crate::{
    domain::{
        clock::{Clock, to_micros},
        order_calls::{self, Cancellation, OrderRefusal, Rescheduling},
        order_evidence::OrderNames,
        orders::{
            Order, StoredOrder,
            facts::{ChangeAnswer, FactKind, PushAnswer},
        },
        reasons::Reason,
    },
    upstream::{self, OrderCall, Ylh},
};

/// What is to be sent.
pub(super) enum Call {
    Push { attempt: i64, body: SecretString },
    Cancel { number: i64, attempt: i64, cancellation: Cancellation },
    Reschedule { number: i64, attempt: i64, times: Rescheduling },
}

/// What came of it. Haier's words in it are redacted.
#[derive(Debug, Clone)]
pub(super) enum Outcome {
    Push(PushAnswer),
    Change(ChangeAnswer),
}

impl Call {
    /// The change of this number, if Haier can be told of it. `ours` is the name of the ordering system where the order was not
    /// sent from here, as far as is known.
    pub(super) fn change(history: &History, number: i64, attempt: i64, ours: &str) -> Option<Self> {
        history.facts.iter().find_map(|fact| match &fact.kind {
            FactKind::CancelRequested { number: of, reason, .. } if *of == number => {
                let sent = history.order.sender.as_ref().map(|sender| sender.source_system.as_str());
                let given = history.order.order.source_system.as_deref();
                Some(Self::Cancel {
                    number,
                    attempt,
                    cancellation: Cancellation {
                        so_id: history.order.order.so_id.as_str().to_owned(),
                        cancelled_at: fact.at,
                        reason: reason.clone(),
                        source_system: sent.or(given).unwrap_or(ours).to_owned(),
                    },
                })
            }
            FactKind::RescheduleRequested { number: of, distribution_time, install_time, .. }
                if *of == number =>
            {
                Some(Self::Reschedule {
                    number,
                    attempt,
                    times: Rescheduling {
                        retail_order_no: history.standing.retail_order_no.clone()?,
                        distribution_time: *distribution_time,
                        install_time: *install_time,
                    },
                })
            }
            _ => None,
        })
    }

    /// Sends it, which takes as long as it takes; always ends in something to store.
    pub(super) async fn send(
        &self,
        ylh: &Ylh,
        order: &Order,
        clock: &Arc<dyn Clock>,
        call: &upstream::Call<'_>,
    ) -> Outcome {
        match self {
            Self::Push { body, .. } => {
                let body = bytes::Bytes::copy_from_slice(body.expose_secret().as_bytes());
                let names =
                    OrderNames { so_id: order.so_id.as_str().to_owned(), online_no: order.online_no.clone() };
                Outcome::Push(pushed(ylh.create_order(&names, body, call).await, order, clock))
            }
            Self::Cancel { cancellation, .. } => {
                Outcome::Change(changed(ylh.cancel_order(cancellation, call).await, order, clock))
            }
            Self::Reschedule { times, .. } => {
                Outcome::Change(changed(ylh.reschedule_order(times, call).await, order, clock))
            }
        }
    }

    /// Which call it is to the order system.
    pub(super) const fn kind(&self) -> OrderCall {
        match self {
            Self::Push { .. } => OrderCall::Create,
            Self::Cancel { .. } => OrderCall::Cancel,
            Self::Reschedule { .. } => OrderCall::Reschedule,
        }
    }

    /// The number by which Haier is told of the order.
    pub(super) fn number<'a>(&'a self, order: &'a StoredOrder) -> &'a str {
        match self {
            Self::Push { .. } => order.order.so_id.as_str(),
            Self::Cancel { cancellation, .. } => &cancellation.so_id,
            Self::Reschedule { times, .. } => &times.retail_order_no,
        }
    }

    /// The fact that it ended so.
    pub(super) fn ended(&self, outcome: Outcome) -> FactKind {
        match (self, outcome) {
            (Self::Push { attempt, .. }, Outcome::Push(answer)) => {
                FactKind::PushEnded { attempt: *attempt, answer }
            }
            (
                Self::Cancel { number, attempt, .. } | Self::Reschedule { number, attempt, .. },
                Outcome::Change(answer),
            ) => FactKind::ChangeEnded { number: *number, attempt: *attempt, answer },
            // Cannot be: `send` gives each its own.
            (Self::Push { attempt, .. }, Outcome::Change(_)) => FactKind::PushEnded {
                attempt: *attempt,
                answer: PushAnswer::InDoubt { reason: Reason::Internal, words: String::new() },
            },
            (
                Self::Cancel { number, attempt, .. } | Self::Reschedule { number, attempt, .. },
                Outcome::Push(_),
            ) => FactKind::ChangeEnded {
                number: *number,
                attempt: *attempt,
                answer: ChangeAnswer::Failed {
                    reason: Reason::Internal,
                    words: String::new(),
                    again_at: None,
                },
            },
        }
    }
}

fn pushed(
    answer: upstream::Result<order_calls::PushAnswer>,
    order: &Order,
    clock: &Arc<dyn Clock>,
) -> PushAnswer {
    match answer {
        Ok(order_calls::PushAnswer::Booked { so_id: Some(so_id), .. }) if so_id != order.so_id.as_str() => {
            let words = format!("Haier's answer is about another order, {so_id}");
            PushAnswer::InDoubt { reason: Reason::MalformedAnswer, words }
        }
        Ok(order_calls::PushAnswer::Booked { retail_order_no, .. }) => {
            PushAnswer::Booked { retail_order_no: Some(retail_order_no) }
        }
        Ok(order_calls::PushAnswer::Repeated(refusal)) => {
            let words = words(order, &refusal);
            PushAnswer::Repeated { words, retail_order_no: refusal.retail_order_no }
        }
        Ok(order_calls::PushAnswer::Refused(refusal)) => {
            PushAnswer::Refused { words: words(order, &refusal) }
        }
        Err(error) if error.is_in_doubt() => {
            PushAnswer::InDoubt { reason: error.reason, words: order.redact(&error.detail) }
        }
        // Haier would say the same the next time.
        Err(error) if error.reason == Reason::ValidationError => {
            PushAnswer::Refused { words: order.redact(&error.detail) }
        }
        Err(error) => PushAnswer::NotSent {
            reason: error.reason,
            words: order.redact(&error.detail),
            again_at: again_at(&error, clock),
            reached: error.reached,
        },
    }
}

fn changed(
    answer: upstream::Result<order_calls::ChangeAnswer>,
    order: &Order,
    clock: &Arc<dyn Clock>,
) -> ChangeAnswer {
    match answer {
        Ok(order_calls::ChangeAnswer::Accepted) => ChangeAnswer::Done,
        Ok(order_calls::ChangeAnswer::Refused(refusal)) => {
            ChangeAnswer::Refused { words: words(order, &refusal) }
        }
        Ok(order_calls::ChangeAnswer::CancelledAlready(refusal)) => {
            ChangeAnswer::CancelledAlready { words: words(order, &refusal) }
        }
        Err(error) if error.reason == Reason::ValidationError && !error.is_in_doubt() => {
            ChangeAnswer::Refused { words: order.redact(&error.detail) }
        }
        // Whether or not it arrived, asking again does no harm.
        Err(error) => ChangeAnswer::Failed {
            reason: error.reason,
            words: order.redact(&error.detail),
            again_at: again_at(&error, clock),
        },
    }
}

fn words(order: &Order, refusal: &OrderRefusal) -> String {
    order.redact(&refusal.to_string())
}

fn again_at(error: &upstream::Error, clock: &Arc<dyn Clock>) -> Option<DateTime<Utc>> {
    let wait = TimeDelta::from_std(error.retry_after?).ok()?;
    Some(to_micros(clock.now() + wait))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{app::SystemClock, domain::orders::sample};

    #[test]
    fn the_number_that_a_repeated_refusal_names_is_kept() {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let refusal = OrderRefusal { retail_order_no: Some("LS1".to_owned()), ..OrderRefusal::default() };
        let answer = pushed(Ok(order_calls::PushAnswer::Repeated(refusal)), &sample::order(), &clock);
        let PushAnswer::Repeated { retail_order_no, .. } = answer else { panic!("{answer:?}") };
        assert_eq!(retail_order_no.as_deref(), Some("LS1"));
    }
}
