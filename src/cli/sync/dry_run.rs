//! What a run would change: a line a product, then the totals.

use super::{
    progress::waiting,
    watch::{failure_line, is_end},
};
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
    let mut wait = None;
    while let Some(progress) = stream.message().await? {
        if is_end(&progress) {
            return Ok(progress);
        }
        match form {
            OutputForm::Json => console.say_json(&json::sync_progress(&progress))?,
            OutputForm::Table => {
                if progress.wait != wait {
                    let line = progress.wait.as_ref().map(|wait| waiting(&progress.message, wait));
                    console.complain(&line.unwrap_or_else(|| "going on".to_owned()));
                }
                progress.changes.iter().try_for_each(|change| console.say(&changes::body(change)))?;
                progress.failures.iter().try_for_each(|failure| console.say(&failure_line(failure)))?;
            }
        }
        wait = progress.wait;
    }
    Err(Failure::Failed("the stream ended before the run was thought through; try again".to_owned()))
}
