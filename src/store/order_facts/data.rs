//! A fact as a word and JSON. What is stored is read for ever: variants and fields are added, never renamed.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::{Result, sync_logs::unknown};
use crate::domain::{
    orders::facts::{
        Callback, CallbackMethod, ChangeAnswer, FactKind, PushAnswer, Resolution, ResolvedOutcome,
    },
    reasons::Reason,
};

#[derive(Serialize, Deserialize)]
struct PushBegan {
    attempt: i64,
    round: i64,
    account: String,
}

#[derive(Serialize, Deserialize)]
struct PushEnded {
    attempt: i64,
    #[serde(flatten)]
    answer: Answer,
}

/// An answer to a push or to a change.
#[derive(Serialize, Deserialize)]
struct Answer {
    answer: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    words: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    again_at: Option<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retail_order_no: Option<String>,
    /// Of an attempt that left nothing: whether Haier received it. Older facts do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reached: Option<bool>,
}

#[derive(Serialize, Deserialize)]
struct CalledBack {
    method: String,
    time_stamp: String,
    data: String,
    success: bool,
    haier_order_no: Option<String>,
    words: String,
}

#[derive(Serialize, Deserialize)]
struct Resolved {
    outcome: String,
    attempts: i64,
    retail_order_no: Option<String>,
    evidence: String,
    by: String,
}

#[derive(Serialize, Deserialize)]
struct By {
    by: String,
}

#[derive(Serialize, Deserialize)]
struct RetryRequested {
    round: i64,
    by: String,
}

#[derive(Serialize, Deserialize)]
struct GaveUp {
    round: i64,
}

#[derive(Serialize, Deserialize)]
struct CancelRequested {
    number: i64,
    reason: String,
    by: String,
}

#[derive(Serialize, Deserialize)]
struct RescheduleRequested {
    number: i64,
    distribution_time: Option<DateTime<Utc>>,
    install_time: Option<DateTime<Utc>>,
    by: String,
}

#[derive(Serialize, Deserialize)]
struct ChangeBegan {
    number: i64,
    attempt: i64,
}

#[derive(Serialize, Deserialize)]
struct ChangeEnded {
    number: i64,
    attempt: i64,
    #[serde(flatten)]
    answer: Answer,
}

pub(super) fn encode(fact: &FactKind) -> (&'static str, Value) {
    match fact.clone() {
        FactKind::PushBegan { attempt, round, account } => {
            ("push_began", json(&PushBegan { attempt, round, account }))
        }
        FactKind::PushEnded { attempt, answer } => {
            ("push_ended", json(&PushEnded { attempt, answer: of_push(answer) }))
        }
        FactKind::Callback(Callback { method, time_stamp, data, success, haier_order_no, words }) => {
            let method = method.as_str().to_owned();
            ("callback", json(&CalledBack { method, time_stamp, data, success, haier_order_no, words }))
        }
        FactKind::Resolved(Resolution { outcome, attempts, retail_order_no, evidence, by }) => {
            let outcome = outcome.as_str().to_owned();
            ("resolved", json(&Resolved { outcome, attempts, retail_order_no, evidence, by }))
        }
        FactKind::Doubted { by } => ("doubted", json(&By { by })),
        FactKind::RetryRequested { round, by } => ("retry_requested", json(&RetryRequested { round, by })),
        FactKind::GaveUp { round } => ("gave_up", json(&GaveUp { round })),
        FactKind::CancelRequested { number, reason, by } => {
            ("cancel_requested", json(&CancelRequested { number, reason, by }))
        }
        FactKind::RescheduleRequested { number, distribution_time, install_time, by } => (
            "reschedule_requested",
            json(&RescheduleRequested { number, distribution_time, install_time, by }),
        ),
        FactKind::ChangeBegan { number, attempt } => ("change_began", json(&ChangeBegan { number, attempt })),
        FactKind::ChangeEnded { number, attempt, answer } => {
            ("change_ended", json(&ChangeEnded { number, attempt, answer: of_change(answer) }))
        }
    }
}

pub(super) fn decode(kind: &str, json: Value) -> Result<FactKind> {
    let bad = |error: serde_json::Error| unknown("fact about an order", &format!("{kind}: {error}"));
    Ok(match kind {
        "push_began" => {
            let PushBegan { attempt, round, account } = serde_json::from_value(json).map_err(bad)?;
            FactKind::PushBegan { attempt, round, account }
        }
        "push_ended" => {
            let PushEnded { attempt, answer } = serde_json::from_value(json).map_err(bad)?;
            FactKind::PushEnded { attempt, answer: answer.into_push()? }
        }
        "callback" => {
            let stored: CalledBack = serde_json::from_value(json).map_err(bad)?;
            let CalledBack { method, time_stamp, data, success, haier_order_no, words } = stored;
            let method = CallbackMethod::parse(&method).ok_or_else(|| unknown("callback", &method))?;
            FactKind::Callback(Callback { method, time_stamp, data, success, haier_order_no, words })
        }
        "resolved" => {
            let stored: Resolved = serde_json::from_value(json).map_err(bad)?;
            let Resolved { outcome, attempts, retail_order_no, evidence, by } = stored;
            let outcome = ResolvedOutcome::parse(&outcome).ok_or_else(|| unknown("outcome", &outcome))?;
            FactKind::Resolved(Resolution { outcome, attempts, retail_order_no, evidence, by })
        }
        "doubted" => FactKind::Doubted { by: serde_json::from_value::<By>(json).map_err(bad)?.by },
        "retry_requested" => {
            let RetryRequested { round, by } = serde_json::from_value(json).map_err(bad)?;
            FactKind::RetryRequested { round, by }
        }
        "gave_up" => FactKind::GaveUp { round: serde_json::from_value::<GaveUp>(json).map_err(bad)?.round },
        "cancel_requested" => {
            let CancelRequested { number, reason, by } = serde_json::from_value(json).map_err(bad)?;
            FactKind::CancelRequested { number, reason, by }
        }
        "reschedule_requested" => {
            let stored: RescheduleRequested = serde_json::from_value(json).map_err(bad)?;
            let RescheduleRequested { number, distribution_time, install_time, by } = stored;
            FactKind::RescheduleRequested { number, distribution_time, install_time, by }
        }
        "change_began" => {
            let ChangeBegan { number, attempt } = serde_json::from_value(json).map_err(bad)?;
            FactKind::ChangeBegan { number, attempt }
        }
        "change_ended" => {
            let ChangeEnded { number, attempt, answer } = serde_json::from_value(json).map_err(bad)?;
            FactKind::ChangeEnded { number, attempt, answer: answer.into_change()? }
        }
        other => return Err(unknown("fact about an order", other)),
    })
}

/// None of these types can fail to become JSON: they hold texts, numbers and times.
fn json(value: &impl Serialize) -> Value {
    serde_json::json!(value)
}

fn answer(word: &str) -> Answer {
    let answer = word.to_owned();
    Answer {
        answer,
        reason: None,
        words: String::new(),
        again_at: None,
        retail_order_no: None,
        reached: None,
    }
}

fn of_push(push: PushAnswer) -> Answer {
    match push {
        PushAnswer::InDoubt { reason, words } => {
            Answer { reason: Some(reason.as_str().to_owned()), words, ..answer("in_doubt") }
        }
        PushAnswer::NotSent { reason, words, again_at, reached } => {
            let (reason, reached) = (Some(reason.as_str().to_owned()), Some(reached));
            Answer { reason, words, again_at, reached, ..answer("not_sent") }
        }
        PushAnswer::Refused { words } => Answer { words, ..answer("refused") },
        PushAnswer::Repeated { words, retail_order_no } => {
            Answer { words, retail_order_no, ..answer("repeated") }
        }
        PushAnswer::Booked { retail_order_no } => Answer { retail_order_no, ..answer("booked") },
    }
}

fn of_change(change: ChangeAnswer) -> Answer {
    match change {
        ChangeAnswer::Failed { reason, words, again_at } => {
            Answer { reason: Some(reason.as_str().to_owned()), words, again_at, ..answer("failed") }
        }
        ChangeAnswer::Refused { words } => Answer { words, ..answer("refused") },
        ChangeAnswer::CancelledAlready { words } => Answer { words, ..answer("cancelled_already") },
        ChangeAnswer::Done => answer("done"),
    }
}

impl Answer {
    fn reason(&self) -> Result<Reason> {
        let word = self.reason.as_deref().unwrap_or_default();
        Reason::parse(word).ok_or_else(|| unknown("reason", word))
    }

    fn into_push(self) -> Result<PushAnswer> {
        Ok(match self.answer.as_str() {
            "in_doubt" => PushAnswer::InDoubt { reason: self.reason()?, words: self.words },
            "not_sent" => PushAnswer::NotSent {
                reason: self.reason()?,
                words: self.words,
                again_at: self.again_at,
                reached: self.reached.unwrap_or(false),
            },
            "refused" => PushAnswer::Refused { words: self.words },
            "repeated" => PushAnswer::Repeated { words: self.words, retail_order_no: self.retail_order_no },
            "booked" => PushAnswer::Booked { retail_order_no: self.retail_order_no },
            other => return Err(unknown("answer to a push", other)),
        })
    }

    fn into_change(self) -> Result<ChangeAnswer> {
        Ok(match self.answer.as_str() {
            "failed" => {
                ChangeAnswer::Failed { reason: self.reason()?, words: self.words, again_at: self.again_at }
            }
            "refused" => ChangeAnswer::Refused { words: self.words },
            "cancelled_already" => ChangeAnswer::CancelledAlready { words: self.words },
            "done" => ChangeAnswer::Done,
            other => return Err(unknown("answer to a change", other)),
        })
    }
}
