//! `products`: the shop's copy of Haier's catalogue, read.

use clap::{Args, Subcommand};

use super::{client::ClientArgs, console::Console, failure::Failure};

mod list;
mod show;

/// Show products of the shop's copy
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haier-integration products list --query 热水器
  haier-integration products show AA15CP73L
  haier-integration help products list     more about one of them")]
pub(super) struct ProductsArgs {
    #[command(subcommand)]
    command: ProductsCommand,
    #[command(flatten)]
    client: ClientArgs,
}

#[derive(Debug, Subcommand)]
enum ProductsCommand {
    List(list::ListArgs),
    Show(show::ShowArgs),
}

pub(super) async fn run(args: ProductsArgs, console: &mut Console) -> Result<u8, Failure> {
    let form = args.client.output;
    match args.command {
        ProductsCommand::List(list) => {
            list::run(list, &mut args.client.connect().await?, form, console).await
        }
        ProductsCommand::Show(show) => {
            let request = show.request()?;
            show::run(request, &mut args.client.connect().await?, form, console).await
        }
    }
}
