//! Who calls, until when, and in which language.

use std::time::{Duration, Instant};

use tonic::{Request, Response, Status, metadata::MetadataMap};

use super::{Api, status};
use crate::{
    app::Ctx,
    domain::{callers::Caller, messages::Language, reasons::Reason},
    error::{Error, Result},
};

/// How long before its caller a call gives up, so that he hears DEADLINE_EXCEEDED from us. At the deadline itself tonic cuts
/// the call off on either side and says CANCELLED: a busy machine needs some time to be quicker.
fn head_start(limit: Duration) -> Duration {
    (limit / 20).clamp(Duration::from_millis(25), Duration::from_millis(250)).min(limit / 4)
}

impl Api {
    /// Runs a unary call within the caller's deadline, or the default one.
    pub(super) async fn unary<Req, Res>(
        &self,
        request: Request<Req>,
        call: impl AsyncFnOnce(Ctx, Req) -> Result<Res>,
    ) -> std::result::Result<Response<Res>, Status> {
        let limit = timeout(request.metadata()).unwrap_or(self.default_deadline);
        let deadline = Instant::now() + limit.saturating_sub(head_start(limit));
        let ctx = Ctx { caller: caller(&request), deadline: Some(deadline) };
        let answer = tokio::time::timeout_at(deadline.into(), call(ctx, request.into_inner())).await;
        let answer = match answer {
            // A call to Haier ends at the same deadline, and may notice it first.
            Ok(Err(Error::Upstream { reason: Reason::RequestTimeout, .. })) if Instant::now() >= deadline => {
                Err(Error::DeadlineExceeded)
            }
            Ok(answer) => answer,
            Err(_) => Err(Error::DeadlineExceeded),
        };
        answer.map(Response::new).map_err(status::of)
    }
}

/// The context of a stream, which has no deadline but the caller's own.
pub(super) fn of_stream<T>(request: &Request<T>) -> Ctx {
    Ctx { caller: caller(request), deadline: None }
}

/// Whom the gate has let in.
fn caller<T>(request: &Request<T>) -> Caller {
    request.extensions().get().cloned().unwrap_or_else(Caller::nobody)
}

/// `grpc-timeout`: up to eight digits and a unit.
fn timeout(metadata: &MetadataMap) -> Option<Duration> {
    let text = metadata.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let count: u32 = digits.parse().ok()?;
    let unit = match unit {
        "H" => Duration::from_secs(3_600),
        "M" => Duration::from_secs(60),
        "S" => Duration::from_secs(1),
        "m" => Duration::from_millis(1),
        "u" => Duration::from_micros(1),
        "n" => Duration::from_nanos(1),
        _ => return None,
    };
    unit.checked_mul(count)
}

/// Chinese, unless `accept-language` names English first.
pub(super) fn language(metadata: &MetadataMap) -> Language {
    let header = metadata.get("accept-language").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut wishes: Vec<(&str, f32)> = header.split(',').map(wish).collect();
    // Stable, so that of equal wishes the first one counts.
    wishes.sort_by(|a, b| b.1.total_cmp(&a.1));
    for (tag, weight) in wishes {
        let primary = tag.split('-').next().unwrap_or_default();
        if weight > 0.0 && primary.eq_ignore_ascii_case("en") {
            return Language::English;
        }
        if weight > 0.0 && primary.eq_ignore_ascii_case("zh") {
            return Language::Chinese;
        }
    }
    Language::Chinese
}

fn wish(part: &str) -> (&str, f32) {
    let (tag, parameters) = part.split_once(';').unwrap_or((part, ""));
    let weight = parameters.trim().strip_prefix("q=").and_then(|weight| weight.parse().ok()).unwrap_or(1.0);
    (tag.trim(), weight)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tonic::metadata::MetadataMap;

    use super::{language, timeout};
    use crate::domain::messages::Language;

    #[test]
    fn the_language_is_chinese_unless_english_is_preferred() {
        for (header, expected) in [
            ("", Language::Chinese),
            ("en", Language::English),
            ("en-GB,en;q=0.9", Language::English),
            ("zh-CN,en;q=0.8", Language::Chinese),
            ("zh;q=0.5,en;q=0.8", Language::English),
            ("fr", Language::Chinese),
        ] {
            let mut metadata = MetadataMap::new();
            metadata.insert("accept-language", header.parse().unwrap());
            assert_eq!(language(&metadata), expected, "{header}");
        }
    }

    #[test]
    fn deadlines_are_read_in_every_unit() {
        for (text, expected) in [("2S", 2_000), ("150m", 150), ("1M", 60_000), ("3000000u", 3_000)] {
            let mut metadata = MetadataMap::new();
            metadata.insert("grpc-timeout", text.parse().unwrap());
            assert_eq!(timeout(&metadata), Some(Duration::from_millis(expected)), "{text}");
        }
    }
}
