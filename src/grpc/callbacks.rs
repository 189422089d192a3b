//! Stored callbacks on the wire.

use super::{
    convert::timestamp,
    requests::{instant, page_size},
};
use crate::{
    app::{App, Ctx, page_tokens},
    domain::{
        callbacks::{CallbackFilter, CallbackState, StoredCallback, parse_time_stamp},
        pages::PageRequest,
        violations::Violations,
    },
    error::{Error, Result},
    proto,
};

const DEFAULT_PAGE_SIZE: i64 = 100;

pub(super) async fn list(
    app: &App,
    ctx: &Ctx,
    request: proto::ListCallbacksRequest,
) -> Result<proto::ListCallbacksResponse> {
    let mut violations = Violations::default();
    let filter = CallbackFilter {
        state: state(request.state, &mut violations),
        after: instant("received_after", request.received_after.as_ref(), &mut violations),
        before: instant("received_before", request.received_before.as_ref(), &mut violations),
    };
    if let (Some(after), Some(before)) = (filter.after, filter.before)
        && before < after
    {
        violations.add(
            "received_before",
            format!("{before} is before received_after {after}: the range is reversed"),
        );
    }
    let bound = ("callbacks", &filter);
    let page = PageRequest {
        size: page_size(request.page_size, DEFAULT_PAGE_SIZE, &mut violations),
        after: page_tokens::decode::<i64>(&bound, &request.page_token, &mut violations),
    };
    let page = violations.into_result(page).map_err(Error::Invalid)?;
    let answer = app.callbacks_list(ctx, &filter, &page).await?;
    Ok(proto::ListCallbacksResponse {
        next_page_token: page_tokens::encode(&bound, answer.next.as_ref()),
        callbacks: answer.items.into_iter().map(encode).collect(),
    })
}

fn state(number: i32, violations: &mut Violations) -> Option<CallbackState> {
    match proto::CallbackState::try_from(number) {
        Ok(proto::CallbackState::Unspecified) => None,
        Ok(proto::CallbackState::New) => Some(CallbackState::New),
        Ok(proto::CallbackState::Parked) => Some(CallbackState::Parked),
        Ok(proto::CallbackState::Applied) => Some(CallbackState::Applied),
        Err(_) => {
            violations.add("state", format!("{number} is no CallbackState"));
            None
        }
    }
}

fn encode(callback: StoredCallback) -> proto::Callback {
    let state = match callback.state() {
        CallbackState::New => proto::CallbackState::New,
        CallbackState::Parked => proto::CallbackState::Parked,
        CallbackState::Applied => proto::CallbackState::Applied,
    };
    let StoredCallback { received, parked_at, applied } = callback;
    let (so_id, applied_at) = applied.map(|applied| (applied.so_id.to_string(), applied.at)).unzip();
    proto::Callback {
        id: received.id,
        received_at: Some(timestamp(received.received_at)),
        state: state.into(),
        method: received.method.as_str().to_owned(),
        success: received.success,
        platform_order_no: received.platform_order_no,
        haier_order_no: received.haier_order_no.unwrap_or_default(),
        words: received.words,
        app_key: received.app_key,
        accounts: received.signers.into_iter().map(|signer| signer.account).collect(),
        sent_at: parse_time_stamp(&received.time_stamp).map(timestamp),
        so_id: so_id.unwrap_or_default(),
        applied_at: applied_at.map(timestamp),
        parked_at: parked_at.map(timestamp),
    }
}
