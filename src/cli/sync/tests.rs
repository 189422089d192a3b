//! A run followed over a stream that is lost, and failures that keep coming.

use std::sync::atomic::{AtomicUsize, Ordering};

use clap::Parser;
use tokio_stream::{Stream, wrappers::TcpListenerStream};
use tonic::{Code, Request, Response, Status, transport::Server};
use tonic_types::{ErrorDetails, StatusExt};

use super::*;
use crate::cli::console::Sink;
use crate::proto::haier_integration_server::{HaierIntegration, HaierIntegrationServer};
use crate::proto::{
    self, GetPricesRequest, GetPricesResponse, GetProductsRequest, GetProductsResponse, GetSyncLogRequest,
    ListProductsRequest, ListProductsResponse, ListSyncFailuresRequest, ListSyncFailuresResponse,
    ListSyncLogsRequest, ListSyncLogsResponse, Product, SyncFailure, SyncLog, WatchSyncRequest,
};

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    args: SyncArgs,
}

fn args(line: &str) -> SyncArgs {
    Line::try_parse_from(std::iter::once("sync").chain(line.split('|'))).unwrap().args
}

#[test]
fn codes_come_by_blank_by_comma_and_by_repeat() {
    for line in [
        "--product-codes|A|B",
        "--product-codes|A,B",
        "--product-codes|A|--product-codes|B",
        "--product-codes|A, B",
        "--product-codes=A,B",
    ] {
        assert_eq!(args(line).request().unwrap().product_codes, ["A", "B"], "{line}");
    }
    assert!(matches!(args("--product-codes|").request(), Err(Failure::Usage(_))));
}

#[test]
fn prices_are_asked_for_bare_or_by_value() {
    assert!(args("--sync-prices").sync_prices && args("--sync-prices=true").sync_prices);
    assert!(!args("--sync-prices=false").sync_prices && !args("--verbose").sync_prices);
    let codes_after = args("--sync-prices|--product-codes|A");
    assert!(codes_after.sync_prices && codes_after.product_codes == ["A"]);
}

#[test]
fn what_would_sync_everything_by_accident_is_wrong_usage() {
    let refused = ["--assign-brand|x", "--category|", "--product-codes|A|--brand|x", "--sync-prices|maybe"];
    for line in refused {
        let error = Line::try_parse_from(std::iter::once("sync").chain(line.split('|'))).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{line}");
    }
}

/// A service that loses the stream once and whose list of failures grows between two readings.
#[derive(Default)]
struct Fake {
    failure_calls: AtomicUsize,
}

type Progresses = std::pin::Pin<Box<dyn Stream<Item = Result<SyncProgress, Status>> + Send>>;

fn progress(status: SyncStatus, success_count: i64, failed_count: i64) -> SyncProgress {
    let total_count = success_count + failed_count;
    let status = status.into();
    SyncProgress {
        sync_log_id: 7,
        status,
        success_count,
        failed_count,
        total_count,
        ..SyncProgress::default()
    }
}

fn failure(code: &str) -> SyncFailure {
    let detail = "no such\ncode".to_owned();
    let reason = "UNKNOWN_CODE".to_owned();
    SyncFailure { product_code: code.to_owned(), reason, detail, ..SyncFailure::default() }
}

#[tonic::async_trait]
impl HaierIntegration for Fake {
    type WatchProductChangesStream =
        std::pin::Pin<Box<dyn Stream<Item = Result<proto::WatchProductChangesResponse, Status>> + Send>>;
    type SyncProductsStream = Progresses;
    type WatchSyncStream = Progresses;
    type RetrySyncStream = Progresses;
    type WatchOrderStream = tokio_stream::Empty<Result<proto::OrderResponse, Status>>;
    type WatchOrderChangesStream = tokio_stream::Empty<Result<proto::WatchOrderChangesResponse, Status>>;

    async fn check_stock(
        &self,
        _: Request<proto::CheckStockRequest>,
    ) -> Result<Response<proto::CheckStockResponse>, Status> {
        Err(Status::unimplemented("not asked for by `sync`"))
    }

    async fn get_balance(
        &self,
        _: Request<proto::GetBalanceRequest>,
    ) -> Result<Response<proto::GetBalanceResponse>, Status> {
        Err(Status::unimplemented("not asked for by `sync`"))
    }

    async fn get_logistics(
        &self,
        _: Request<proto::GetLogisticsRequest>,
    ) -> Result<Response<proto::GetLogisticsResponse>, Status> {
        Err(Status::unimplemented("not asked for by `sync`"))
    }

    async fn list_product_changes(
        &self,
        _: Request<proto::ListProductChangesRequest>,
    ) -> Result<Response<proto::ListProductChangesResponse>, Status> {
        Err(Status::unimplemented("not asked for by `sync`"))
    }

    async fn watch_product_changes(
        &self,
        _: Request<proto::WatchProductChangesRequest>,
    ) -> Result<Response<Self::WatchProductChangesStream>, Status> {
        Err(Status::unimplemented("not asked for by `sync`"))
    }

    async fn explain_product(
        &self,
        _: Request<proto::ExplainProductRequest>,
    ) -> Result<Response<proto::ExplainProductResponse>, Status> {
        Err(Status::unimplemented("not asked for by `sync`"))
    }

    async fn sync_products(
        &self,
        request: Request<SyncProductsRequest>,
    ) -> Result<Response<Self::SyncProductsStream>, Status> {
        if request.get_ref().product_codes == ["BAD"] {
            let mut details = ErrorDetails::new();
            details.add_bad_request_violation("product_codes[0]", "not good").set_error_info(
                "VALIDATION_ERROR",
                "haier.integration",
                std::collections::HashMap::new(),
            );
            return Err(Status::with_error_details(Code::InvalidArgument, "the request is wrong", details));
        }
        let items = vec![Ok(progress(SyncStatus::Processing, 0, 1)), Err(Status::unavailable("going down"))];
        Ok(Response::new(Box::pin(tokio_stream::iter(items))))
    }

    async fn watch_sync(
        &self,
        _: Request<WatchSyncRequest>,
    ) -> Result<Response<Self::WatchSyncStream>, Status> {
        let items = vec![Ok(progress(SyncStatus::Partial, 1, 3))];
        Ok(Response::new(Box::pin(tokio_stream::iter(items))))
    }

    async fn retry_sync(
        &self,
        _: Request<proto::RetrySyncRequest>,
    ) -> Result<Response<Self::RetrySyncStream>, Status> {
        Err(Status::unimplemented("not asked for here"))
    }

    async fn cancel_sync(&self, _: Request<proto::CancelSyncRequest>) -> Result<Response<SyncLog>, Status> {
        Err(Status::unimplemented("not asked for here"))
    }

    async fn list_sync_failures(
        &self,
        request: Request<ListSyncFailuresRequest>,
    ) -> Result<Response<ListSyncFailuresResponse>, Status> {
        let first_time = self.failure_calls.fetch_add(1, Ordering::SeqCst) == 0;
        let (codes, next): (&[&str], &str) = match request.get_ref().page_token.as_str() {
            "" if first_time => (&["A"], ""),
            "" => (&["A", "B"], "2"),
            _ => (&["C"], ""),
        };
        let failures = codes.iter().map(|code| failure(code)).collect();
        Ok(Response::new(ListSyncFailuresResponse { failures, next_page_token: next.to_owned() }))
    }

    async fn get_products(
        &self,
        request: Request<GetProductsRequest>,
    ) -> Result<Response<GetProductsResponse>, Status> {
        let product =
            |code: String| Product { name: format!("名 {code}"), product_code: code, ..Product::default() };
        let products = request.into_inner().product_codes.into_iter().map(product).collect();
        Ok(Response::new(GetProductsResponse { products, ..GetProductsResponse::default() }))
    }

    async fn list_products(
        &self,
        _: Request<ListProductsRequest>,
    ) -> Result<Response<ListProductsResponse>, Status> {
        Err(Status::unimplemented("not asked for"))
    }

    async fn get_prices(&self, _: Request<GetPricesRequest>) -> Result<Response<GetPricesResponse>, Status> {
        Err(Status::unimplemented("not asked for"))
    }

    async fn list_sync_logs(
        &self,
        _: Request<ListSyncLogsRequest>,
    ) -> Result<Response<ListSyncLogsResponse>, Status> {
        Err(Status::unimplemented("not asked for"))
    }

    async fn get_sync_log(&self, _: Request<GetSyncLogRequest>) -> Result<Response<SyncLog>, Status> {
        Err(Status::unimplemented("not asked for"))
    }

    async fn push_order(
        &self,
        _: Request<proto::PushOrderRequest>,
    ) -> Result<Response<proto::OrderResponse>, Status> {
        Err(Status::unimplemented("not asked for"))
    }

    async fn get_order(
        &self,
        _: Request<proto::GetOrderRequest>,
    ) -> Result<Response<proto::OrderResponse>, Status> {
        Err(Status::unimplemented("not asked for"))
    }

    async fn batch_get_orders(
        &self,
        _: Request<proto::BatchGetOrdersRequest>,
    ) -> Result<Response<proto::BatchGetOrdersResponse>, Status> {
        Err(Status::unimplemented("not asked for"))
    }

    async fn list_orders(
        &self,
        _: Request<proto::ListOrdersRequest>,
    ) -> Result<Response<proto::ListOrdersResponse>, Status> {
        Err(Status::unimplemented("not asked for"))
    }

    async fn watch_order(
        &self,
        _: Request<proto::WatchOrderRequest>,
    ) -> Result<Response<Self::WatchOrderStream>, Status> {
        Err(Status::unimplemented("not asked for"))
    }

    async fn list_order_facts(
        &self,
        _: Request<proto::ListOrderFactsRequest>,
    ) -> Result<Response<proto::ListOrderFactsResponse>, Status> {
        Err(Status::unimplemented("not asked for"))
    }

    async fn cancel_order(
        &self,
        _: Request<proto::CancelOrderRequest>,
    ) -> Result<Response<proto::OrderResponse>, Status> {
        Err(Status::unimplemented("not asked for"))
    }

    async fn reschedule_order(
        &self,
        _: Request<proto::RescheduleOrderRequest>,
    ) -> Result<Response<proto::OrderResponse>, Status> {
        Err(Status::unimplemented("not asked for"))
    }

    async fn retry_order(
        &self,
        _: Request<proto::RetryOrderRequest>,
    ) -> Result<Response<proto::OrderResponse>, Status> {
        Err(Status::unimplemented("not asked for"))
    }

    async fn list_order_changes(
        &self,
        _: Request<proto::ListOrderChangesRequest>,
    ) -> Result<Response<proto::ListOrderChangesResponse>, Status> {
        Err(Status::unimplemented("not asked for"))
    }

    async fn watch_order_changes(
        &self,
        _: Request<proto::WatchOrderChangesRequest>,
    ) -> Result<Response<Self::WatchOrderChangesStream>, Status> {
        Err(Status::unimplemented("not asked for"))
    }

    async fn list_delivery_photos(
        &self,
        _: Request<proto::ListDeliveryPhotosRequest>,
    ) -> Result<Response<proto::ListDeliveryPhotosResponse>, Status> {
        Err(Status::unimplemented("not asked for"))
    }

    async fn list_courier_numbers(
        &self,
        _: Request<proto::ListCourierNumbersRequest>,
    ) -> Result<Response<proto::ListCourierNumbersResponse>, Status> {
        Err(Status::unimplemented("not asked for"))
    }
}

#[test]
fn steps_are_told_as_they_come_and_an_ended_run_has_none() {
    let sink = Sink::default();
    let mut console = Console::of(Box::new(Sink::default()), Box::new(sink.clone()));
    let mut view = progress::View::new(false);
    let prices = SyncProgress {
        stage: "PRICES".to_owned(),
        planned_count: Some(4),
        ..progress(SyncStatus::Processing, 1, 0)
    };
    view.show(&progress(SyncStatus::Pending, 0, 0), &mut console);
    view.show(&prices, &mut console);
    view.show(&SyncProgress { stage: String::new(), ..prices }, &mut console);
    view.show(&progress(SyncStatus::Success, 4, 0), &mut console);
    assert_eq!(sink.text(), "WAITING 0/?\nPRICES 1/4\n");
}

async fn sync(line: &str) -> (Result<u8, Failure>, String, String) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = format!("--server|http://{}|", listener.local_addr().unwrap());
    let service = Server::builder().add_service(HaierIntegrationServer::new(Fake::default()));
    let serving = tokio::spawn(service.serve_with_incoming(TcpListenerStream::new(listener)));
    let (out, err) = (Sink::default(), Sink::default());
    let mut console = Console::of(Box::new(out.clone()), Box::new(err.clone()));
    let outcome = run(args(&(server + line)), &mut console).await;
    serving.abort();
    (outcome, out.text(), err.text())
}

#[tokio::test]
async fn a_lost_stream_is_joined_again_and_no_failure_is_printed_twice() {
    let (outcome, out, err) = sync("--product-codes|A|B|C|D|-v").await;
    assert_eq!(outcome.unwrap(), 3);
    assert_eq!(
        out,
        "✗ A - UNKNOWN_CODE: no such code\n✗ B - UNKNOWN_CODE: no such code\n✗ C - UNKNOWN_CODE: no such code\n\
         ✓ D 名 D\npartial: 1 succeeded, 3 failed, 4 in all (log 7)\n"
    );
    assert!(err.contains("connection lost (going down); joining run 7 again"), "{err}");
}

#[tokio::test]
async fn json_is_one_object_a_line_and_the_end_comes_last() {
    let (outcome, out, _) = sync("--product-codes|A|--output|json").await;
    assert_eq!(outcome.unwrap(), 3);
    let lines: Vec<serde_json::Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 5, "{out}");
    assert_eq!(lines[0]["status"], "SYNC_STATUS_PROCESSING");
    assert_eq!(lines[1]["product_code"], "A");
    assert_eq!((&lines[4]["status"], &lines[4]["sync_log_id"]), (&"SYNC_STATUS_PARTIAL".into(), &7.into()));
}

#[tokio::test]
async fn a_refused_request_is_wrong_usage_and_names_the_field() {
    let (outcome, _, _) = sync("--product-codes|BAD").await;
    let failure = outcome.unwrap_err();
    assert_eq!(failure.code(), 2);
    let line = "the request is wrong; product_codes[0]: not good (VALIDATION_ERROR)";
    assert_eq!(failure.line(), Some(line));
}
