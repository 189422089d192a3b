//! Statuses that every client can read, and what the log has of their causes.

use std::{
    io::Write,
    sync::{Arc, Mutex},
};

use tonic::Code;
use tonic_types::StatusExt as _;

use super::{MAX_BYTES, clip_to, encoded, of, of_request, size};
use crate::{domain::violations::Violation, error::Error};

fn violations(count: usize, description: &str) -> Vec<Violation> {
    (0..count)
        .map(|index| Violation { field: format!("product_codes[{index}]"), description: description.into() })
        .collect()
}

#[test]
fn a_thousand_violations_fit_into_the_trailers_of_any_client() {
    for description in ["is no product code", "不是商品编码", &"长".repeat(5_000), &"%".repeat(9_000)]
    {
        for count in [1, 20, 21, 1_000] {
            let status = of(Error::Invalid(violations(count, description)));
            assert!(size(&status) <= MAX_BYTES, "{count} {}", size(&status));
            let shown = status.get_details_bad_request().unwrap().field_violations.len();
            assert!((1..=20).contains(&shown), "{shown}");
            let more = format!("and {} more", count - shown);
            assert_eq!(status.message().ends_with(&more), count > shown, "{}", status.message());
        }
    }
}

#[test]
fn twenty_short_violations_are_listed_whole() {
    let status = of(Error::Invalid(violations(1_000, "is no product code")));
    assert_eq!(status.get_details_bad_request().unwrap().field_violations.len(), 20);
    assert!(status.message().ends_with("product_codes[19]: is no product code; and 980 more"));
}

#[test]
fn any_other_status_fits_too() {
    let fields = (0..5_000).map(|index| format!("items[{index}].quantity")).collect();
    for error in [
        Error::OrderConflict { so_id: "单".repeat(9_000), fields },
        Error::NotFound { what: "the product", key: "长".repeat(9_000) },
    ] {
        assert!(size(&of(error)) <= MAX_BYTES);
    }
}

#[test]
fn what_is_clipped_is_no_longer_than_asked_and_ends_between_characters() {
    for text in ["", "short", &"长%a".repeat(400)] {
        for most in [9, 10, 100, 3_000] {
            assert!(encoded(&clip_to(text, most)) <= most, "{most} {text}");
        }
    }
    assert_eq!(clip_to("abcdefghijklm", 12), "abc…");
}

#[test]
fn what_the_transport_refuses_has_a_reason() {
    for (given, code, reason) in [
        (tonic::Status::out_of_range("too large"), Code::ResourceExhausted, "MESSAGE_TOO_LARGE"),
        (tonic::Status::resource_exhausted("too large"), Code::ResourceExhausted, "MESSAGE_TOO_LARGE"),
        (tonic::Status::internal("no message"), Code::InvalidArgument, "VALIDATION_ERROR"),
        (tonic::Status::unimplemented("encoding"), Code::Unimplemented, "UNIMPLEMENTED"),
        (tonic::Status::deadline_exceeded("late"), Code::DeadlineExceeded, "REQUEST_TIMEOUT"),
    ] {
        let status = of_request(&given);
        let info = status.get_details_error_info().unwrap();
        assert_eq!((status.code(), info.reason.as_str()), (code, reason));
        assert_eq!((info.domain.as_str(), status.message()), ("haier.integration", given.message()));
    }
}

/// Lines of a log.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{words}")]
struct Link {
    words: &'static str,
    source: Option<Box<Link>>,
}

#[test]
fn where_a_status_says_that_the_log_has_the_cause_it_has_the_whole_chain() {
    let chain = || {
        let disk = Link { words: "no space left on device", source: None };
        let database = Link { words: "the statement failed", source: Some(Box::new(disk)) };
        Box::new(Link { words: "database error", source: Some(Box::new(database)) })
    };
    for error in [Error::Internal(chain()), Error::StoreUnavailable(chain())] {
        let lines = Lines::default();
        let writer = lines.clone();
        let log = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
        let status = tracing::subscriber::with_default(log, || of(error));
        assert!(!status.message().contains("device"), "{status}");
        let log = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let cause = "database error: the statement failed: no space left on device";
        assert!(log.contains("ERROR") && log.contains(cause), "{log}");
    }
}
