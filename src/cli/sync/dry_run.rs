//! What a run would change: a line a product, then the totals.

use super::watch::{failure_line, is_end};
use crate::{
    cli::{
        changes,
        client::{Client, OutputForm},
        console::Console,
        failure::Failure,
        json,
    },
    proto::{SyncProductsRequest, SyncProgress},
};

/// Follows a run that writes nothing; returns its last progress, all before it printed.
pub(super) async fn follow(
    mut client: Client,
    request: SyncProductsRequest,
    form: OutputForm,
    console: &mut Console,
) -> Result<SyncProgress, Failure> {
    let mut stream = client.sync_products(request).await?.into_inner();
    while let Some(progress) = stream.message().await? {
        if is_end(&progress) {
            return Ok(progress);
        }
        match form {
            OutputForm::Json => console.say_json(&json::sync_progress(&progress))?,
            OutputForm::Table => {
                progress.changes.iter().try_for_each(|change| console.say(&changes::body(change)))?;
                progress.failures.iter().try_for_each(|failure| console.say(&failure_line(failure)))?;
            }
        }
    }
    Err(Failure::Failed("the stream ended before the run was thought through; try again".to_owned()))
}
