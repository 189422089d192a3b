//! `keys list` and `keys rotate`: what the keys of a running service have sealed.

use clap::Args;

use crate::{
    cli::{
        client::{ClientArgs, OutputForm, unary},
        console::Console,
        failure::Failure,
        json,
        lines::yes_no,
        table::{
            self,
            Column::{self, Number, Text},
        },
    },
    proto::{Key, ListKeysRequest, RotateKeysProgress, RotateKeysRequest},
};

/// Show the keys of the service, and how much each has sealed
///
/// Never a key. A key that has sealed nothing and is not the primary one may be taken out of the file. Values whose key is
/// missing stand together in a last line: they open again when their key is put back.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haier-integration keys list
  haier-integration keys list --output json")]
pub(super) struct ListArgs {
    #[command(flatten)]
    client: ClientArgs,
}

/// Seal anew with the primary key what other keys sealed
///
/// The last step of a change of keys, when every replica has the file with the new primary key. It works in small steps while
/// the service serves; stopped or cut off at any moment it goes on when it is called again. When it is done, `keys list`
/// shows 0 for the old key, which may then be taken out of the file.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haier-integration keys rotate
  haier-integration keys rotate --output json | tail -1")]
pub(super) struct RotateArgs {
    #[command(flatten)]
    client: ClientArgs,
}

const COLUMNS: [Column; 3] = [Text("key"), Text("primary"), Number("sealed_count")];

pub(super) async fn list(args: &ListArgs, console: &mut Console) -> Result<u8, Failure> {
    let mut client = args.client.connect_administration().await?;
    let keys = client.list_keys(unary(ListKeysRequest {})).await?.into_inner().keys;
    match args.client.output {
        OutputForm::Json => keys.iter().try_for_each(|key| console.say_json(&json::key(key)))?,
        OutputForm::Table => {
            let row = |key: &Key| {
                let id = if key.missing { "(missing keys)".to_owned() } else { key.id.clone() };
                [id, yes_no(key.primary), key.sealed_count.to_string()]
            };
            console.say(&table::of(&COLUMNS, keys.iter().map(row)))?;
        }
    }
    Ok(0)
}

pub(super) async fn rotate(args: &RotateArgs, console: &mut Console) -> Result<u8, Failure> {
    let mut client = args.client.connect_administration().await?;
    let mut stream = client.rotate_keys(RotateKeysRequest {}).await?.into_inner();
    let mut last = RotateKeysProgress::default();
    while let Some(progress) = stream.message().await? {
        match args.client.output {
            OutputForm::Json => console.say_json(&json::rotation(&progress))?,
            OutputForm::Table if progress.remaining_count > 0 => console.complain(&format!(
                "{} sealed anew, {} to go",
                progress.resealed_count, progress.remaining_count
            )),
            OutputForm::Table => {}
        }
        last = progress;
    }
    if args.client.output == OutputForm::Table {
        console.say(&format!("{} values sealed anew with the key {}", last.resealed_count, last.key_id))?;
    }
    if last.failed_count == 0 {
        return Ok(0);
    }
    console.complain(&format!(
        "{} values do not open and stay as they are: `haier-integration keys list` shows whether keys are missing; the \
         service's log names them",
        last.failed_count
    ));
    // Some are, some are not.
    Ok(if last.resealed_count == 0 { 1 } else { 3 })
}
