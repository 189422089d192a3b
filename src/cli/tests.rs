//! The command line as it is typed.

use clap::{CommandFactory, Parser};

use super::*;

fn help(command: &[&str]) -> String {
    let mut found = Cli::command();
    for name in command {
        found = found.find_subcommand(name).unwrap().clone();
    }
    found.render_long_help().to_string()
}

fn words(text: &str) -> Vec<&str> {
    text.split(|c: char| c.is_whitespace() || matches!(c, ',' | '[' | ']' | '=')).collect()
}

#[test]
fn the_definitions_are_sound() {
    Cli::command().debug_assert();
}

#[test]
fn the_help_of_each_command_names_every_flag_and_shows_examples() {
    let sandbox = "--addr --products --seed --latency --throttle --single-token --token-life --stock-shape --envelope --faults \
                   --callback-url --callback-delay --callback-order-key --callback-json --state";
    let with_prefix = sandbox.replace("--", "--sandbox-");
    let serve = "--grpc-addr --http-addr --callback-addr --callback-window --admin-token-file --insecure --reflection --database-url --key-file --migrate --upstream-rate --order-rate --allow-private-hosts --sandbox --config --log-format --log-level ";
    let client = "--server --token --output ";
    let commands: Vec<(&[&str], String)> = vec![
        (&["serve"], format!("{serve}{with_prefix}")),
        (&["sandbox"], sandbox.to_owned()),
        (&["migrate"], "--database-url --config".to_owned()),
        (
            &["sync"],
            format!(
                "{client}--product-codes --category --brand --assign-category --assign-brand --sync-prices --dry-run"
            ),
        ),
        (&["logs"], format!("{client}--type --status --after --before --query --limit --page-token")),
        (&["logs", "show"], "--limit".to_owned()),
        (&["products"], client.to_owned()),
        (&["products", "list"], "--brand --category --is-sales --query --limit --page-token".to_owned()),
        (&["products", "show"], "--max-staleness".to_owned()),
        (&["changes"], format!("{client}--after --follow --limit")),
        (&["explain"], client.to_owned()),
        (&["held"], client.to_owned()),
        (&["held", "list"], "--all".to_owned()),
        (&["held", "show"], "--limit".to_owned()),
        (&["held", "approve"], String::new()),
        (&["held", "discard"], String::new()),
        (&["verify"], format!("{client}--price-sample --repair")),
        (&["stock"], format!("{client}--county-code")),
        (&["balance"], client.to_owned()),
        (&["logistics"], format!("{client}--delivery-record-code --member-id")),
        (&["status"], client.to_owned()),
        (&["status", "pause"], "--reason --until".to_owned()),
        (&["status", "resume"], String::new()),
        (&["schedules"], client.to_owned()),
        (&["schedules", "list"], String::new()),
        (&["schedules", "set"], "--every --daily-at --jitter --etag".to_owned()),
        (&["schedules", "pause"], String::new()),
        (&["schedules", "resume"], String::new()),
        (&["schedules", "run"], String::new()),
        (&["schedules", "watch"], "--low-stock".to_owned()),
        (&["schedules", "unwatch"], String::new()),
        (&["simulate-freshness"], "--products --days --calls-per-second --seed --output".to_owned()),
        (&["tokens"], client.to_owned()),
        (&["tokens", "create"], "--role --expires".to_owned()),
        (&["tokens", "list"], String::new()),
        (&["tokens", "revoke"], String::new()),
        (&["audit"], format!("{client}--by --action --subject --after --before --limit --page-token")),
        (&["orders"], client.to_owned()),
        (&["orders", "push"], "--wait".to_owned()),
        (&["orders", "list"], "--state --so-id --online-no --after --before --limit --page-token".to_owned()),
        (&["orders", "show"], String::new()),
        (&["orders", "retry"], String::new()),
        (&["orders", "cancel"], "--reason".to_owned()),
        (&["orders", "reschedule"], "--distribution-time --install-time".to_owned()),
        (&["orders", "resolve"], "--evidence --retail-order-no".to_owned()),
        (&["orders", "reconcile"], "--dry-run".to_owned()),
        (&["orders", "callbacks"], "--state --after --before --limit --page-token".to_owned()),
        (&["keys"], String::new()),
        (&["keys", "generate"], String::new()),
        (&["keys", "add"], "--primary".to_owned()),
        (&["keys", "promote"], String::new()),
        (&["keys", "rotate"], client.to_owned()),
        (&["keys", "list"], client.to_owned()),
        (&["config"], client.to_owned()),
        (&["config", "list"], "--active --after --before --query".to_owned()),
        (&["config", "show"], String::new()),
        (&["config", "create"], "--preset --validate-only".to_owned()),
        (&["config", "update"], "--set --preset --etag".to_owned()),
        (&["config", "activate"], "--validate-only --etag".to_owned()),
        (&["config", "deactivate"], String::new()),
        (&["config", "delete"], "--etag".to_owned()),
        (&["config", "test"], "--file".to_owned()),
        (&["config", "template"], String::new()),
        (&["config", "export"], String::new()),
        (&["config", "import"], String::new()),
    ];
    for (command, flags) in commands {
        let text = help(command);
        for flag in flags.split_whitespace() {
            assert!(words(&text).contains(&flag), "{command:?} does not name {flag}:\n{text}");
        }
        assert!(text.matches("\n  ").count() > 2 && text.contains("Examples:"), "{command:?}");
    }
}

#[test]
fn an_option_of_the_sandbox_without_it_is_wrong_usage() {
    let parse = |args: &str| Cli::try_parse_from(format!("haier-integration {args}").split(' '));
    for option in ["--sandbox-seed 1", "--sandbox-envelope", "--sandbox-throttle off", "--sandbox-state a.db"]
    {
        assert_eq!(parse(&format!("serve {option}")).unwrap_err().exit_code(), 2, "{option}");
        assert!(parse(&format!("serve --sandbox {option}")).is_ok(), "{option}");
    }
    for bad in ["--products 10000001", "--latency 5", "--throttle 0", "--token-life 0s", "--stock-shape x"] {
        assert_eq!(parse(&format!("sandbox {bad}")).unwrap_err().exit_code(), 2, "{bad}");
    }
}

#[test]
fn flags_of_the_sandbox_reach_the_settings() {
    let line = "haier-integration serve --sandbox --sandbox-addr 127.0.0.1:0 --sandbox-products 5 --sandbox-throttle off \
                --sandbox-latency 50ms --sandbox-stock-shape object --sandbox-single-token --upstream-rate 0 --order-rate 7";
    let Command::Serve(args) = Cli::try_parse_from(line.split_whitespace()).unwrap().command else {
        panic!()
    };
    let settings = crate::config::read(&args.sources(crate::config::Sources::default())).unwrap();
    let options = settings.sandbox.unwrap();
    assert_eq!((options.products, options.throttle, options.addr.port()), (5, None, 0));
    assert_eq!(options.latency, std::time::Duration::from_millis(50));
    assert_eq!(options.stock_shape, crate::sandbox::StockShape::Object);
    assert!(options.single_token && !options.envelope);
    assert_eq!((settings.upstream_rate, settings.order_rate), (0, 7));
}

#[test]
fn mistakes_in_flags_are_told_together_and_are_wrong_usage() {
    let line = "haier-integration serve --grpc-addr here --upstream-rate many --database-url mysql://x";
    let Command::Serve(args) = Cli::try_parse_from(line.split_whitespace()).unwrap().command else {
        panic!()
    };
    let failure =
        Failure::from(crate::config::read(&args.sources(crate::config::Sources::default())).unwrap_err());
    assert_eq!(failure.code(), 2);
    let told = failure.line().unwrap();
    assert!(
        ["--grpc-addr", "--upstream-rate", "--database-url"].iter().all(|flag| told.contains(flag)),
        "{told}"
    );
}

#[test]
fn causes_are_joined_without_repeating_themselves() {
    let cause = anyhow::anyhow!("connection refused");
    let failure = Failure::from(cause.context("asking db: connection refused").context("starting"));
    assert_eq!(failure.line(), Some("starting: asking db: connection refused"));
}
