//! `status`: how calls to Haier stand on every replica, and the switch that holds them back.

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand, ValueEnum};

use super::{
    client::{AdministrationClient, ClientArgs, OutputForm, unary},
    console::Console,
    failure::Failure,
    json, moment,
};
use crate::proto::{
    BreakerState, GetUpstreamStatusRequest, PauseUpstreamRequest, ResumeUpstreamRequest, UpstreamPause,
    UpstreamTarget,
};

mod show;

/// Show how calls to Haier stand, on every replica
///
/// First what is paused; then whether orders are frozen since the database was restored, how many sync runs wait for approval,
/// and the orders that nobody can send, with why. Then each replica: when it was last heard of, and of each system its account,
/// the budget of calls and how it is used, the age of the token in use (never its value), and the breakers that are not closed:
/// which operation is left alone since when, after how many failures, and when it is probed. An account that was switched or
/// changed is shown, as former, for as long as something still runs under it. With --output json: an object a line,
/// {"pause": …} for each pause, {"orders_frozen_at": …} and {"held_run_count": …} where they apply, {"displaced_orders": …} for
/// each account whose orders are not sent, and {"replica": …} for each replica.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haier-integration status
  haier-integration status pause open-platform --reason 'Haier announced maintenance' --until 2026-11-23T06:00:00+08:00
  haier-integration status resume open-platform
  haier-integration status --output json | jq -c 'select(.replica).replica.systems[].breakers[] | select(.failures > 0)'")]
pub(super) struct StatusArgs {
    #[command(subcommand)]
    command: Option<StatusCommand>,
    #[command(flatten)]
    client: ClientArgs,
}

#[derive(Debug, Subcommand)]
enum StatusCommand {
    Pause(PauseArgs),
    Resume(ResumeArgs),
}

/// Hold calls to Haier back, on all replicas
///
/// They are refused at once (PAUSED) with the reason given, and what is stored is served as ever. It is obeyed within two
/// seconds everywhere, outlives restarts, and ends by `status resume` or at --until. Pausing again sets reason and end anew.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haier-integration status pause open-platform --reason 'Haier announced maintenance'
  haier-integration status pause order-push --until 2026-11-23 --reason stocktaking")]
struct PauseArgs {
    /// What to hold back: open-platform, order-system, or order-push for new orders alone
    #[arg(value_name = "TARGET", ignore_case = true, hide_possible_values = true)]
    target: Target,
    /// Why, in up to 200 characters; whoever is refused reads it [default: none]
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// When it ends by itself: a date (its midnight here) or RFC 3339 [default: when resumed]
    #[arg(long, value_name = "WHEN", value_parser = moment::parse)]
    until: Option<DateTime<Utc>>,
}

/// Let calls to Haier pass again, on all replicas
///
/// Obeyed within two seconds everywhere. Resuming what is not paused is harmless.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haier-integration status resume open-platform
  haier-integration status resume order-push --output json")]
struct ResumeArgs {
    /// What to let pass: open-platform, order-system or order-push
    #[arg(value_name = "TARGET", ignore_case = true, hide_possible_values = true)]
    target: Target,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Target {
    #[value(alias = "UPSTREAM_TARGET_OPEN_PLATFORM")]
    OpenPlatform,
    #[value(alias = "UPSTREAM_TARGET_ORDER_SYSTEM")]
    OrderSystem,
    #[value(alias = "UPSTREAM_TARGET_ORDER_PUSH")]
    OrderPush,
}

impl From<Target> for UpstreamTarget {
    fn from(target: Target) -> Self {
        match target {
            Target::OpenPlatform => Self::OpenPlatform,
            Target::OrderSystem => Self::OrderSystem,
            Target::OrderPush => Self::OrderPush,
        }
    }
}

pub(super) async fn run(args: StatusArgs, console: &mut Console) -> Result<u8, Failure> {
    let mut client = args.client.connect_administration().await?;
    let form = args.client.output;
    match args.command {
        None => status(&mut client, form, console).await?,
        Some(StatusCommand::Pause(pause)) => hold(pause, &mut client, form, console).await?,
        Some(StatusCommand::Resume(resume)) => release(resume, &mut client, form, console).await?,
    }
    Ok(0)
}

async fn status(
    client: &mut AdministrationClient,
    form: OutputForm,
    console: &mut Console,
) -> Result<(), Failure> {
    let status = client.get_upstream_status(unary(GetUpstreamStatusRequest {})).await?.into_inner();
    match form {
        OutputForm::Json => {
            json::upstream_status(&status).iter().try_for_each(|line| console.say_json(line))?
        }
        OutputForm::Table => console.say(&show::status(&status))?,
    }
    Ok(())
}

async fn hold(
    args: PauseArgs,
    client: &mut AdministrationClient,
    form: OutputForm,
    console: &mut Console,
) -> Result<(), Failure> {
    let request = PauseUpstreamRequest {
        target: UpstreamTarget::from(args.target).into(),
        reason: args.reason.unwrap_or_default(),
        until: args.until.map(moment::to_timestamp),
    };
    let pause = client.pause_upstream(unary(request)).await?.into_inner();
    match form {
        OutputForm::Json => console.say_json(&json::upstream_pause(&pause))?,
        OutputForm::Table => console.say(&format!(
            "{} is paused {}; end it by `haier-integration status resume {0}`",
            name(pause.target()),
            until(&pause)
        ))?,
    }
    Ok(())
}

async fn release(
    args: ResumeArgs,
    client: &mut AdministrationClient,
    form: OutputForm,
    console: &mut Console,
) -> Result<(), Failure> {
    let target = UpstreamTarget::from(args.target);
    let request = ResumeUpstreamRequest { target: target.into() };
    let was_paused = client.resume_upstream(unary(request)).await?.into_inner().was_paused;
    match form {
        OutputForm::Json => console.say_json(&serde_json::json!({ "was_paused": was_paused }))?,
        OutputForm::Table if was_paused => console.say(&format!("{} is resumed", name(target)))?,
        OutputForm::Table => console.say(&format!("{} was not paused", name(target)))?,
    }
    Ok(())
}

/// A target as it is typed.
fn name(target: UpstreamTarget) -> &'static str {
    match target {
        UpstreamTarget::OpenPlatform => "open-platform",
        UpstreamTarget::OrderSystem => "order-system",
        UpstreamTarget::OrderPush => "order-push",
        UpstreamTarget::Unspecified => "unknown",
    }
}

/// How long a pause lasts, in words.
fn until(pause: &UpstreamPause) -> String {
    match &pause.until {
        Some(until) => format!("until {}", moment::local(Some(until))),
        None => "until resumed".to_owned(),
    }
}

/// A breaker's state in words.
fn state(state: BreakerState) -> &'static str {
    match state {
        BreakerState::Closed => "closed",
        BreakerState::Open => "open",
        BreakerState::HalfOpen => "half open",
        BreakerState::Unspecified => "unknown",
    }
}
