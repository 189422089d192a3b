//! What a person reads when the service is up: addresses, the account, and a line to try.

use std::io::Write as _;

use super::Service;
use crate::tls::ServerFiles;

impl Service {
    /// Says on standard output where everything is.
    pub(super) fn announce(&self) {
        let (about, options) = match &self.settings.tls {
            None => ("", "-plaintext"),
            Some(ServerFiles { clients: None, .. }) => ("  (TLS)", "-cacert CA.pem"),
            Some(ServerFiles { clients: Some(clients), .. }) if !clients.required => {
                ("  (TLS, client certificates are optional)", "-cacert CA.pem")
            }
            Some(_) => (
                "  (TLS, a client certificate is required)",
                "-cacert CA.pem -cert CLIENT.pem -key CLIENT.key",
            ),
        };
        let mut text = format!(
            "haier-integration is ready\n  gRPC      {}{about}\n  metrics   http://{}/metrics  (also /livez, /readyz)\n  callbacks {}\n  database  {}\n",
            self.grpc_addr,
            self.http_addr,
            self.callback_url(),
            self.settings.database_url
        );
        match (&self.sandbox, &self.settings.account) {
            (Some(sandbox), account) => {
                text.push_str(&format!("  sandbox   {}  (a stand-in for Haier, used as the account)\n", sandbox.base_url()));
                if account.is_some() {
                    text.push_str("            the account in the environment is not used while --sandbox is on\n");
                }
            }
            (None, Some(account)) => text.push_str(&format!("  account   {} at {}\n", account.name, account.base_url)),
            (None, None) => text.push_str(
                "  account   none: what is stored is served, calls that need Haier are refused. Set HAIER_CLIENT_ID,\n            \
                 HAIER_CLIENT_SECRET, HAIER_BASE_URL, HAIER_CUSTOMER_CODE, HAIER_PASSWORD and HAIER_SELLER_PASSWORD.\n",
            ),
        }
        if !self.app.is_open() {
            text.push_str(
                "  callers   each needs a token: grpcurl takes it by -H 'authorization: Bearer TOKEN'\n",
            );
        }
        text.push_str(&format!(
            "Try\n  grpcurl {options} {0} list\n  grpcurl {options} -d '{{\"page_size\": 3}}' {0} \
             haier.integration.v1.HaierIntegration/ListProducts\n",
            self.grpc_addr
        ));
        // A closed standard output is no reason not to serve.
        let _ = std::io::stdout().write_all(text.as_bytes());
    }
}
