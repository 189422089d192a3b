//! What a refused call says.

use tonic::{Code, Status};
use tonic_types::StatusExt as _;

/// The code, and the reason in the details, whose domain must be ours.
pub(crate) fn refusal(status: &Status) -> (Code, String) {
    let info = status.get_details_error_info().expect("every error carries an ErrorInfo");
    assert_eq!(info.domain, "haier.integration");
    (status.code(), info.reason)
}

/// The fields that a refused request got wrong, in order.
pub(crate) fn violated(status: &Status) -> Vec<String> {
    assert_eq!(refusal(status), (Code::InvalidArgument, "VALIDATION_ERROR".to_owned()), "{status}");
    let request = status.get_details_bad_request().expect("every violation is named");
    let mut fields: Vec<_> = request.field_violations.into_iter().map(|violation| violation.field).collect();
    fields.sort();
    fields
}
