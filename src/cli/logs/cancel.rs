//! `logs cancel`: ends a run that is open.

use clap::Args;

use super::table;
use crate::{
    cli::{
        client::{Client, OutputForm, unary},
        console::{Console, printable},
        failure::Failure,
        json,
    },
    proto::CancelSyncRequest,
};

/// End a run that is pending or under way
///
/// What is decided stays stored and counted, what is in flight is dropped. A run that has ended stays as it is. Shows
/// the run's log.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haier-integration logs cancel 381073546842112000")]
pub(super) struct CancelArgs {
    /// Id of the log, as `logs` and `sync` print it
    #[arg(value_name = "ID")]
    id: i64,
}

pub(super) async fn run(
    args: &CancelArgs,
    client: &mut Client,
    form: OutputForm,
    console: &mut Console,
) -> Result<(), Failure> {
    let log = client.cancel_sync(unary(CancelSyncRequest { sync_log_id: args.id })).await?.into_inner();
    match form {
        OutputForm::Json => console.say_json(&json::sync_log(&log))?,
        OutputForm::Table => {
            console.say(&table::of(std::slice::from_ref(&log)))?;
            console.say(&printable(&log.message))?;
        }
    }
    Ok(())
}
