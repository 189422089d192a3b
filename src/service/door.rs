//! Who can reach the service while nobody needs a token.

use anyhow::anyhow;

use crate::{app::App, config::Settings};

/// While nobody needs a token, whoever reaches the port may do everything: nobody on another machine must, unless told so.
pub(super) fn check(app: &App, settings: &Settings) -> anyhow::Result<()> {
    let addr = settings.grpc_addr;
    match (app.is_open(), addr.ip().is_loopback(), settings.insecure) {
        (false, ..) => {}
        (true, true, _) => tracing::warn!(
            "no token was ever made: whoever calls from this machine is an admin, until the first one is made by \
             `haier-integration tokens create NAME --role admin`"
        ),
        (true, false, true) => tracing::warn!(
            %addr,
            "INSECURE: no token was ever made, and calls are taken from other machines: WHOEVER REACHES THIS PORT IS AN \
             ADMIN, until the first token is made by `haier-integration tokens create NAME --role admin`"
        ),
        (true, false, false) => {
            return Err(anyhow!(
                "--grpc-addr {addr} can be reached from other machines, and no token was ever made, so that everybody \
                 would be an admin: give an admin's token of at least 32 characters in HAIER_INTEGRATION_ADMIN_TOKEN or \
                 --admin-token-file (`openssl rand -hex 32` makes one), or listen on 127.0.0.1 and make one by \
                 `haier-integration tokens create NAME --role admin`, or say --insecure"
            ));
        }
    }
    if !addr.ip().is_loopback() && !settings.insecure {
        app.close_gate();
    }
    Ok(())
}
