//! Which products a run has synced, for `-v`: no log lists them. Of a run by codes they are the codes less the failed
//! ones; of any other the products synced since it began, less the failed ones.

use std::collections::HashSet;

use chrono::{DateTime, Utc};

use crate::{
    cli::{
        client::{Client, unary},
        failure::Failure,
        moment,
    },
    proto::{GetProductsRequest, GetSyncLogRequest, ListProductsRequest, Product, SyncProgress},
};

/// Where the products come from, page by page.
pub(super) struct Successes {
    codes: Option<Vec<String>>,
    page_token: Option<String>,
    since: Option<DateTime<Utc>>,
}

impl Successes {
    pub(super) async fn of(
        client: &mut Client,
        codes: &[String],
        end: &SyncProgress,
        failed: &HashSet<String>,
    ) -> Result<Self, Failure> {
        if end.success_count == 0 {
            return Ok(Self { codes: None, page_token: None, since: None });
        }
        let distinct: HashSet<&String> = codes.iter().filter(|code| !failed.contains(*code)).collect();
        // A run that was cut short has codes that neither failed nor succeeded: only their age tells them apart.
        let all_decided = i64::try_from(distinct.len()) == Ok(end.success_count);
        let since = if !codes.is_empty() && all_decided {
            None
        } else {
            let log =
                client.get_sync_log(unary(GetSyncLogRequest { id: end.sync_log_id })).await?.into_inner();
            log.started_at.as_ref().and_then(moment::from_timestamp)
        };
        let codes: Option<Vec<String>> = (!codes.is_empty()).then(|| codes.to_vec());
        let page_token = codes.is_none().then(String::new);
        Ok(Self { codes, page_token, since })
    }

    /// The next products; which of them count is for [`Self::includes`] to say.
    pub(super) async fn page(&mut self, client: &mut Client) -> Result<Option<Vec<Product>>, Failure> {
        if let Some(product_codes) = self.codes.take() {
            let response =
                client.get_products(unary(GetProductsRequest { product_codes, max_staleness: None })).await?;
            return Ok(Some(response.into_inner().products));
        }
        let Some(page_token) = self.page_token.take() else { return Ok(None) };
        let request = ListProductsRequest { page_size: 1000, page_token, ..ListProductsRequest::default() };
        let response = client.list_products(unary(request)).await?.into_inner();
        self.page_token = Some(response.next_page_token).filter(|token| !token.is_empty());
        Ok(Some(response.products))
    }

    pub(super) fn includes(&self, product: &Product, failed: &HashSet<String>) -> bool {
        let synced_at = product.last_sync_at.as_ref().and_then(moment::from_timestamp);
        !failed.contains(&product.product_code) && self.since.is_none_or(|since| synced_at >= Some(since))
    }
}
