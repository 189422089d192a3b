//! The table of fault kinds: what each is called, where it makes sense, what it does.

use super::endpoint::Endpoint;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Latency,
    Hang,
    Unauthorized,
    Forbidden,
    NotFound,
    RequestTimeout,
    Throttled,
    ThrottledWithoutRetryAfter,
    ServerError,
    BadGateway,
    Unavailable,
    GatewayTimeout,
    Html,
    ErrorBody,
    TruncatedJson,
    CutListing,
    ResetBefore,
    ResetAfter,
    LostAnswer,
    WrongType,
    UnknownField,
    MissingProducts,
    DuplicateRows,
    NullFields,
    Empty,
    Poison,
    BadPicture,
    HugeString,
    Deep,
    ControlCharacters,
    Negative,
    TinyRecords,
    JunkListing,
    LongToken,
    Bom,
    BookedThenError,
    BookedThenHang,
    BookedLate,
    HastyRefusal,
    SystemRefusal,
    WordlessRefusal,
    BareConflict,
    WeakRepetition,
    EmptySuccess,
    BookedWithoutData,
    BookedAndRefused,
    ByteOrderMark,
    Refuse,
    OutOfStock,
    RefuseCancel,
    Duplicate,
    Reversed,
    Late,
    Early,
    Lost,
}

/// When in a call it goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Before anything, and the call goes on.
    Delay,
    /// Instead of the answer.
    Instead,
    /// While a right answer is sent.
    Sending,
    /// In the records of an otherwise right answer.
    Records,
    /// In front of an otherwise right answer.
    Front,
    /// In what is decided about an order, or in the callback that tells it.
    Callback,
}

/// One row of the table.
pub(super) struct Row {
    pub(super) kind: Kind,
    pub(super) name: &'static str,
    pub(super) stage: Stage,
    pub(super) endpoints: &'static [Endpoint],
    pub(super) description: &'static str,
}

impl Kind {
    pub(super) fn find(name: &str) -> Option<Self> {
        KINDS.iter().find(|row| row.name == name).map(|row| row.kind)
    }

    /// The table is in the order of the enum, which a test holds.
    pub(super) fn row(self) -> &'static Row {
        &KINDS[self as usize]
    }
}

const fn row(
    kind: Kind,
    name: &'static str,
    stage: Stage,
    endpoints: &'static [Endpoint],
    description: &'static str,
) -> Row {
    Row { kind, name, stage, endpoints, description }
}

const ANY: &[Endpoint] = &Endpoint::ALL;
const READS: &[Endpoint] = &[
    Endpoint::Products,
    Endpoint::Prices,
    Endpoint::Stock,
    Endpoint::Logistics,
    Endpoint::Balance,
    Endpoint::Photos,
    Endpoint::CourierNumbers,
];
const SHOWN: &[Endpoint] = &[
    Endpoint::Products,
    Endpoint::Prices,
    Endpoint::Stock,
    Endpoint::Logistics,
    Endpoint::Balance,
    Endpoint::CreateOrder,
    Endpoint::CancelOrder,
    Endpoint::RescheduleOrder,
    Endpoint::Photos,
    Endpoint::CourierNumbers,
];
const CREATE: &[Endpoint] = &[Endpoint::CreateOrder];
const CANCEL: &[Endpoint] = &[Endpoint::CancelOrder];
const DECIDED: &[Endpoint] = &[Endpoint::CreateOrder, Endpoint::CancelOrder];
const WRITES: &[Endpoint] = &[Endpoint::CreateOrder, Endpoint::CancelOrder, Endpoint::RescheduleOrder];
/// Those whose answers are never streamed.
const WHOLE: &[Endpoint] = &[
    Endpoint::Prices,
    Endpoint::Stock,
    Endpoint::Logistics,
    Endpoint::Balance,
    Endpoint::CreateOrder,
    Endpoint::CancelOrder,
    Endpoint::RescheduleOrder,
    Endpoint::Photos,
    Endpoint::CourierNumbers,
];
const LISTS: &[Endpoint] = &[Endpoint::Products, Endpoint::Prices, Endpoint::Stock, Endpoint::Balance];
const CODED: &[Endpoint] = &[Endpoint::Products, Endpoint::Prices, Endpoint::Stock];
const BATCHED: &[Endpoint] = &[Endpoint::Products, Endpoint::Prices];
const PRODUCTS: &[Endpoint] = &[Endpoint::Products];
const AMOUNTS: &[Endpoint] = &[Endpoint::Prices, Endpoint::Stock];
const TOKENS: &[Endpoint] = &[Endpoint::Token, Endpoint::YlhToken];

/// Every kind, in the order of the enum.
pub(super) const KINDS: &[Row] = &[
    row(Kind::Latency, "latency", Stage::Delay, ANY, "the answer comes delay_ms later (1000 unless given)"),
    row(
        Kind::Hang,
        "hang",
        Stage::Instead,
        ANY,
        "no answer, the connection stays open: for ever, or for delay_ms, and is then reset",
    ),
    row(
        Kind::Unauthorized,
        "unauthorized",
        Stage::Instead,
        ANY,
        "401, and that token is void; on H0 and Y0 only if named; with after_calls only a token that has served so many calls",
    ),
    row(Kind::Forbidden, "forbidden", Stage::Instead, ANY, "403"),
    row(Kind::NotFound, "not_found", Stage::Instead, ANY, "404"),
    row(Kind::RequestTimeout, "request_timeout", Stage::Instead, ANY, "408"),
    row(Kind::Throttled, "throttled", Stage::Instead, ANY, "429 with Retry-After: 1"),
    row(
        Kind::ThrottledWithoutRetryAfter,
        "throttled_without_retry_after",
        Stage::Instead,
        ANY,
        "429 without Retry-After",
    ),
    row(
        Kind::ServerError,
        "server_error",
        Stage::Instead,
        ANY,
        "500; with product_code, as every refusal then, it names the product",
    ),
    row(Kind::BadGateway, "bad_gateway", Stage::Instead, ANY, "502 with an HTML body"),
    row(Kind::Unavailable, "unavailable", Stage::Instead, ANY, "503"),
    row(Kind::GatewayTimeout, "gateway_timeout", Stage::Instead, ANY, "504 with an HTML body"),
    row(Kind::Html, "html", Stage::Instead, ANY, "200 with an HTML error page"),
    row(Kind::ErrorBody, "error_body", Stage::Instead, ANY, "200 with success: false in the body"),
    row(
        Kind::TruncatedJson,
        "truncated_json",
        Stage::Sending,
        ANY,
        "200 whose body politely ends in the middle",
    ),
    row(
        Kind::CutListing,
        "cut_listing",
        Stage::Sending,
        PRODUCTS,
        "the connection breaks in mid-record after half a listing",
    ),
    row(
        Kind::ResetBefore,
        "reset_before",
        Stage::Instead,
        ANY,
        "connection reset before the request was acted on",
    ),
    row(Kind::ResetAfter, "reset_after", Stage::Sending, ANY, "connection closed after half the answer"),
    row(
        Kind::LostAnswer,
        "lost_answer",
        Stage::Sending,
        ANY,
        "the request is acted on, then the connection is reset without a byte of the answer",
    ),
    row(
        Kind::WrongType,
        "wrong_type",
        Stage::Records,
        LISTS,
        "one record has a field of the wrong type: isSales, supplyPrice, stock or payerAccountBalance",
    ),
    row(Kind::UnknownField, "unknown_field", Stage::Records, SHOWN, "records carry a field nobody knows"),
    row(
        Kind::MissingProducts,
        "missing_products",
        Stage::Records,
        BATCHED,
        "the named product, or the last one, is left out",
    ),
    row(
        Kind::DuplicateRows,
        "duplicate_rows",
        Stage::Records,
        CODED,
        "the named record, or the first, comes twice",
    ),
    row(
        Kind::NullFields,
        "null_fields",
        Stage::Records,
        BATCHED,
        "fields that would be left out come as null: names, pictures, prices, reasons",
    ),
    row(Kind::Empty, "empty", Stage::Records, READS, "an answer without any record"),
    row(
        Kind::Poison,
        "poison",
        Stage::Instead,
        CODED,
        "400 for every call that asks for product_code, which must be given (for 500 use server_error with product_code)",
    ),
    row(
        Kind::BadPicture,
        "bad_picture",
        Stage::Records,
        PRODUCTS,
        "the named record's, or the first's, picture is no URL",
    ),
    row(
        Kind::HugeString,
        "huge_string",
        Stage::Records,
        LISTS,
        "the named record, or the first, has a text of 2 MiB: productName, reason, secCode or payerAccountName",
    ),
    row(
        Kind::Deep,
        "deep",
        Stage::Records,
        SHOWN,
        "records, and parcels on H4, carry a field that nobody knows, nested 100 levels deep",
    ),
    row(
        Kind::ControlCharacters,
        "control_characters",
        Stage::Records,
        PRODUCTS,
        "the named record's, or the first's, model holds NUL, an escape sequence and marks of direction",
    ),
    row(
        Kind::Negative,
        "negative",
        Stage::Records,
        AMOUNTS,
        "the named record, or the first, has a supplyPrice of -1 or a stock of -5",
    ),
    row(Kind::TinyRecords, "tiny_records", Stage::Instead, SHOWN, "200 with 400,000 empty records"),
    row(
        Kind::JunkListing,
        "junk_listing",
        Stage::Instead,
        PRODUCTS,
        "a listing of 20,000 records of which none can be read",
    ),
    row(Kind::LongToken, "long_token", Stage::Instead, TOKENS, "200 with a token of 5 MB"),
    row(Kind::Bom, "bom", Stage::Front, ANY, "a byte order mark before the answer"),
    row(
        Kind::BookedThenError,
        "booked_then_error",
        Stage::Sending,
        WRITES,
        "the order is booked (cancelled, rescheduled), and the answer is 500",
    ),
    row(
        Kind::BookedThenHang,
        "booked_then_hang",
        Stage::Sending,
        WRITES,
        "the order is booked (cancelled, rescheduled), and no answer comes: for ever, or for delay_ms and then a reset",
    ),
    row(
        Kind::BookedLate,
        "booked_late",
        Stage::Sending,
        CREATE,
        "connection reset at once, and the order is booked delay_ms later (5000 unless given) or by POST orders/settle, \
         unless its soId is there by then",
    ),
    row(
        Kind::HastyRefusal,
        "hasty_refusal",
        Stage::Instead,
        WRITES,
        "200 with success: false, code 9999 and words of haste that hold a duplicate phrase; nothing is done",
    ),
    row(
        Kind::SystemRefusal,
        "system_refusal",
        Stage::Instead,
        WRITES,
        "200 with success: false, code -1 and 系统异常; nothing is done",
    ),
    row(
        Kind::WordlessRefusal,
        "wordless_refusal",
        Stage::Instead,
        WRITES,
        "200 with success: false and no words at all; nothing is done",
    ),
    row(Kind::BareConflict, "bare_conflict", Stage::Instead, WRITES, "409 without a body; nothing is done"),
    row(
        Kind::WeakRepetition,
        "weak_repetition",
        Stage::Instead,
        CREATE,
        "200 with success: false and words that hold a duplicate phrase but speak of something else; nothing is booked",
    ),
    row(
        Kind::EmptySuccess,
        "empty_success",
        Stage::Instead,
        CREATE,
        "200 with success: true and no data; nothing is booked",
    ),
    row(
        Kind::BookedWithoutData,
        "booked_without_data",
        Stage::Sending,
        CREATE,
        "the order is booked, and the answer has success: true and no data",
    ),
    row(
        Kind::BookedAndRefused,
        "booked_and_refused",
        Stage::Sending,
        CREATE,
        "the order is booked, and the answer has success: false beside its number",
    ),
    row(
        Kind::ByteOrderMark,
        "byte_order_mark",
        Stage::Sending,
        WHOLE,
        "the right answer, behind a byte order mark",
    ),
    row(
        Kind::Refuse,
        "refuse",
        Stage::Callback,
        CREATE,
        "booked, then refused by callback (confirm, State 0)",
    ),
    row(
        Kind::OutOfStock,
        "out_of_stock",
        Stage::Callback,
        CREATE,
        "booked, then out of stock by callback (oostock)",
    ),
    row(
        Kind::RefuseCancel,
        "refuse_cancel",
        Stage::Callback,
        CANCEL,
        "the cancellation is taken, then refused by callback (cancel, State 0); the order stays",
    ),
    row(
        Kind::Duplicate,
        "duplicate",
        Stage::Callback,
        DECIDED,
        "the callback comes twice, the same to the byte",
    ),
    row(
        Kind::Reversed,
        "reversed",
        Stage::Callback,
        DECIDED,
        "the callback comes after the order's next one, or 10 s later than it should",
    ),
    row(
        Kind::Late,
        "late",
        Stage::Callback,
        DECIDED,
        "the callback comes after delay_ms (10000 unless given)",
    ),
    row(Kind::Early, "early", Stage::Callback, DECIDED, "the callback comes before the call's own answer"),
    row(Kind::Lost, "lost", Stage::Callback, DECIDED, "the callback never comes"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_enum() {
        for (place, row) in KINDS.iter().enumerate() {
            assert_eq!((row.kind as usize, Kind::find(row.name)), (place, Some(row.kind)), "{}", row.name);
        }
        assert_eq!(KINDS.len(), Kind::Lost as usize + 1);
    }

    #[test]
    fn the_readme_explains_every_kind() {
        let Ok(readme) = std::fs::read_to_string("README.md") else { return };
        for Row { name, description, .. } in KINDS {
            let told = |line: &str| {
                line.starts_with(&format!("| `{name}` |")) && line.ends_with(&format!("| {description} |"))
            };
            assert!(readme.lines().any(told), "{name}: {description}");
        }
    }
}
