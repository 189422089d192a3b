//! What commands say of one order, of what is due, and of a port that is not the one for gRPC.

use haier_integration::proto::{PauseUpstreamRequest, PushOrderRequest, UpstreamTarget};

use crate::{
    orders::{hurried, on_sale, order},
    processes::{ask, program, run},
    support::{Plan, on_both_databases},
};

on_both_databases!(
    one_order_is_one_and_what_waits_is_due,
    a_command_at_the_port_for_metrics_is_told_the_right_one,
);

async fn one_order_is_one_and_what_waits_is_due(plan: Plan) {
    let world = plan.settings(hurried).start().await;
    let code = on_sale(&world).await;
    let target = UpstreamTarget::OrderPush.into();
    let pause = PauseUpstreamRequest { target, ..Default::default() };
    world.administration().await.pause_upstream(pause).await.unwrap();
    let request = PushOrderRequest { order: Some(order("SO-1", &code)), wait: None };
    world.client().push_order(request).await.unwrap();
    for (arguments, words) in [
        (&["orders", "show", "SO-1"][..], format!("{:<25}  due", "next_attempt_at").as_str()),
        (&["orders", "retry", "SO-1"], "  next due"),
        (&["orders", "reconcile", "--dry-run"], "1 order would be put in doubt"),
        (&["orders", "reconcile"], "1 order is put in doubt; "),
        (&["orders", "reconcile"], "0 orders are put in doubt; "),
        (
            &["config", "update", "environment", "--same-place"],
            "0 orders are bound to where environment leads now",
        ),
    ] {
        let (exit, out, err) = ask(&world, arguments).await;
        assert_eq!(exit, Some(0), "{arguments:?}: {err}");
        assert!(out.contains(words), "{arguments:?}: {out}");
    }
    world.finish_leaving_open().await;
}

async fn a_command_at_the_port_for_metrics_is_told_the_right_one(plan: Plan) {
    let world = plan.start().await;
    let callbacks = world.service().callback_url();
    let callbacks = callbacks.trim_end_matches("/callbacks/ylh").to_owned();
    for server in [format!("http://{}", world.service().http_addr()), callbacks] {
        let mut command = program(&["status"]);
        command.env("HAIER_INTEGRATION_SERVER", server);
        let (exit, _, err) = run(command).await;
        assert_eq!(exit, Some(1), "{err}");
        assert!(err.contains("speaks HTTP/1 and no gRPC") && err.contains("--server"), "{err}");
        assert!(!err.contains("is the service running"), "{err}");
    }
    world.finish().await;
}
