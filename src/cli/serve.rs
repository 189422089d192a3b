//! `serve`: the service. Its flags are the first layer of the settings, and are checked together with the others.

use std::path::PathBuf;

use clap::Args;

use super::{failure::Failure, log_level, sandbox::ServeSandboxArgs};
use crate::{
    config::{self, Sources},
    service::{self, Signals},
    telemetry,
};

/// Run the service
///
/// Every setting may also stand in the environment (HAIER_INTEGRATION_GRPC_ADDR for --grpc-addr) or in a TOML file
/// (grpc_addr); a flag wins over the environment, that over the file. The account at Haier comes from HAIER_CLIENT_ID,
/// HAIER_CLIENT_SECRET, HAIER_BASE_URL, HAIER_CUSTOMER_CODE, HAIER_PASSWORD and HAIER_SELLER_PASSWORD, its part at the order
/// system from the YLH_ variables; with --sandbox none is needed. Ctrl-C and SIGTERM let running calls end first; SIGHUP reads the log level anew, SIGUSR1 switches it
/// to debug and back.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haier-integration serve --sandbox
  haier-integration serve --sandbox --sandbox-products 100000 --database-url sqlite:///var/lib/haier.db
  haier-integration serve --sandbox --sandbox-faults harsh
  haier-integration serve --grpc-addr 0.0.0.0:50051 --admin-token-file /run/secrets/admin-token
  HAIER_INTEGRATION_DATABASE_URL=postgres://haier:secret@db/haier?sslmode=verify-full haier-integration serve --migrate
  haier-integration serve --tls-cert server.pem --tls-key server.key --tls-client-ca ca.pem --tls-client-role shop=operator
  haier-integration serve --config /etc/haier/service.toml --log-format json --log-level debug")]
pub(super) struct ServeArgs {
    /// Where gRPC listens; port 0 takes a free one, and it is printed [default: 127.0.0.1:50051]
    #[arg(long, value_name = "IP:PORT")]
    grpc_addr: Option<String>,
    /// Where metrics and health listen; port 0 takes a free one, and it is printed [default: 127.0.0.1:8080]
    #[arg(long, value_name = "IP:PORT")]
    http_addr: Option<String>,
    /// A file that holds a token of an admin, at least 32 characters: `openssl rand -hex 32 > admin-token` [default: none]
    ///
    /// With it the others are made (`tokens create`). HAIER_INTEGRATION_ADMIN_TOKEN holds the token itself. While there is
    /// none, and none was ever made, the service listens on this machine only and takes every caller for an admin.
    #[arg(long, value_name = "FILE")]
    admin_token_file: Option<String>,
    /// Take calls from other machines although nobody needs a token: every caller is an admin
    #[arg(long)]
    insecure: bool,
    /// Whether callers may ask by reflection what is served, `true` or `false`; once there are tokens a reader's is needed
    /// [default: true]
    #[arg(long, value_name = "BOOL")]
    reflection: Option<String>,
    /// Speak TLS on the gRPC address, with this certificate and those behind it, in PEM; reloaded when it changes
    #[arg(long, value_name = "FILE")]
    tls_cert: Option<String>,
    /// The certificate's private key, in PEM
    #[arg(long, value_name = "FILE")]
    tls_key: Option<String>,
    /// Take client certificates of these authorities, in PEM
    #[arg(long, value_name = "FILE")]
    tls_client_ca: Option<String>,
    /// Whether a client certificate is `required`, or `optional` [default: required with --tls-client-ca]
    #[arg(long, value_name = "WHEN")]
    tls_client_auth: Option<String>,
    /// What a client certificate of this name allows: reader, operator or admin; may be repeated
    #[arg(long, value_name = "NAME=ROLE")]
    tls_client_role: Vec<String>,
    /// Where the order system's callbacks come (POST /callbacks/ylh); port 0 takes a free one, and it is printed [default:
    /// 127.0.0.1:8081]
    #[arg(long, value_name = "IP:PORT")]
    callback_addr: Option<String>,
    /// How far a callback's TimeStamp may be from now, with its unit, 1s to 1day [default: 5m]
    #[arg(long, value_name = "TIME")]
    callback_window: Option<String>,
    /// The database: sqlite://FILE or postgres://USER:PASSWORD@HOST:PORT/NAME [default: sqlite://haier.db]
    ///
    /// A password is better in HAIER_INTEGRATION_DATABASE_URL, or in a file that HAIER_INTEGRATION_DATABASE_URL_FILE
    /// names, than in the process list.
    #[arg(long, value_name = "URL")]
    database_url: Option<String>,
    /// A file with the keys that seal secrets in the database; `keys generate FILE` makes one
    ///
    /// Without it what needs a key is refused (NO_KEY): stored accounts and orders. With --sandbox one is made beside the
    /// database. The file is read again when it changes. [default: none]
    #[arg(long, value_name = "FILE")]
    key_file: Option<String>,
    /// Apply missing migrations first [default: on SQLite always, on PostgreSQL not]
    #[arg(long)]
    migrate: bool,
    /// Calls a second to Haier's open platform, token calls included, 0 to 10000; 0: no limit [default: 100]
    #[arg(long, value_name = "N")]
    upstream_rate: Option<String>,
    /// The same to Haier's order system [default: 100]
    #[arg(long, value_name = "N")]
    order_rate: Option<String>,
    /// Let accounts that come by RPC name hosts of this machine and of private networks [default: only with --sandbox]
    #[arg(long)]
    allow_private_hosts: bool,
    /// Authorities of Haier's certificate, in PEM [default: the system's]
    #[arg(long, value_name = "FILE")]
    upstream_ca: Option<String>,
    /// A TOML file with settings [env: HAIER_INTEGRATION_CONFIG] [default: none]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How log lines look: `text` or `json` [default: text]
    #[arg(long, value_name = "FORM")]
    log_format: Option<String>,
    /// off, error, warn, info, debug or trace; or directives: info,haier_integration::store=debug [default: info]
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
    #[command(flatten)]
    sandbox: ServeSandboxArgs,
}

impl ServeArgs {
    pub(super) fn sources(self, surroundings: Sources) -> Sources {
        let roles = (!self.tls_client_role.is_empty()).then(|| self.tls_client_role.join("\n"));
        let flags = [
            ("grpc_addr", self.grpc_addr),
            ("http_addr", self.http_addr),
            ("admin_token_file", self.admin_token_file),
            ("insecure", self.insecure.then(|| "true".to_owned())),
            ("reflection", self.reflection),
            ("tls.cert", self.tls_cert),
            ("tls.key", self.tls_key),
            ("tls.client_ca", self.tls_client_ca),
            ("tls.client_auth", self.tls_client_auth),
            ("tls.client_role", roles),
            ("callback_addr", self.callback_addr),
            ("callback_window", self.callback_window),
            ("database_url", self.database_url),
            ("key_file", self.key_file),
            ("migrate", self.migrate.then(|| "true".to_owned())),
            ("allow_private_hosts", self.allow_private_hosts.then(|| "true".to_owned())),
            ("upstream_rate", self.upstream_rate),
            ("order_rate", self.order_rate),
            ("upstream.ca", self.upstream_ca),
            ("log_format", self.log_format),
            ("log_level", self.log_level),
        ];
        let flags = flags.into_iter().filter_map(|(key, value)| Some((key, value?))).collect();
        Sources { flags, file: self.config, sandbox: self.sandbox.options(), ..surroundings }
    }
}

pub(super) async fn run(args: ServeArgs, signals: Signals) -> Result<u8, Failure> {
    let sources = args.sources(Sources::from_process());
    let settings = config::read(&sources)?;
    let level = telemetry::init(settings.log_format, &settings.log_level).map_err(anyhow::Error::from)?;
    log_level::follow_signals(level, sources, settings.log_level.clone()).map_err(anyhow::Error::from)?;
    service::run(settings, signals).await?;
    Ok(0)
}
