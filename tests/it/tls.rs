//! TLS from outside: who is let in, what new connections get after the files changed, what is said of bad files, and the
//! commands, the database and Haier by TLS.

use std::{fs, path::Path, sync::Arc};

use chrono::{Datelike as _, TimeDelta};
use haier_integration::{
    app::SystemClock,
    domain::{callers::Role, clock::Clock as _},
    proto::{
        CancelSyncRequest, ListProductsRequest, SyncProductsRequest,
        haier_integration_client::HaierIntegrationClient,
    },
    service::Service,
    tls::{ClientCertificates, ClientFiles, Connector, ServerFiles},
};
use serde_json::json;
use tokio_rustls::{TlsAcceptor, TlsConnector, rustls};
use tonic::{
    Code, Status,
    transport::{Channel, Endpoint},
};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::{
    processes::{program, run},
    support::{Authority, Backend, Issued, Plan, on_both_databases, on_postgres, refusal, within},
};

on_both_databases!(
    a_client_certificate_is_required_or_optional_and_never_anybodys,
    changed_certificates_are_for_new_connections_and_cut_no_stream,
    a_stream_ends_with_the_client_certificate_that_opened_it,
    every_bad_file_is_named_before_anything_starts,
    haier_is_known_by_a_bundle_of_our_own,
);
on_postgres!(postgres_is_reached_by_tls_as_sslmode_says);

fn serving(own: &Issued, clients: Option<(&Authority, bool)>) -> Option<ServerFiles> {
    let clients = clients.map(|(ca, required)| ClientCertificates {
        ca: ca.file.clone(),
        required,
        roles: vec![("shop.example".to_owned(), Role::Operator)],
    });
    Some(ServerFiles { cert: own.cert.clone(), key: own.key.clone(), clients })
}

/// A connection by our own client; the certificate is for `localhost`.
pub(crate) async fn channel(
    port: u16,
    ca: &Authority,
    identity: Option<&Issued>,
) -> Result<Channel, tonic::transport::Error> {
    let identity = identity.map(|own| (own.cert.clone(), own.key.clone()));
    let connector = Connector::tls(&ClientFiles { ca: Some(ca.file.clone()), identity }).unwrap();
    let endpoint = Endpoint::from_shared(format!("https://localhost:{port}")).unwrap();
    endpoint.connect_with_connector(connector).await
}

pub(crate) async fn health(channel: Channel) -> Result<ServingStatus, Status> {
    let request = HealthCheckRequest { service: "liveness".to_owned() };
    HealthClient::new(channel).check(request).await.map(|answer| answer.into_inner().status())
}

/// The certificate that a new connection is shown.
async fn shown(port: u16, ca: &Authority) -> Vec<u8> {
    let mut roots = rustls::RootCertStore::empty();
    let pem = fs::read(&ca.file).unwrap();
    let own = <rustls::pki_types::CertificateDer as rustls::pki_types::pem::PemObject>::from_pem_slice(&pem);
    roots.add(own.unwrap()).unwrap();
    let config =
        rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
    let stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let name = "localhost".try_into().unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

async fn a_client_certificate_is_required_or_optional_and_never_anybodys(plan: Plan) {
    let folder = tempfile::tempdir().unwrap();
    let (ca, other) = (Authority::new(folder.path(), "ours"), Authority::new(folder.path(), "other"));
    let own = ca.issue("server", &["localhost"]);
    let (shop, stranger) = (ca.issue("shop", &["shop.example"]), other.issue("stranger", &["shop.example"]));
    let expired = ca.issue_with("expired", &["shop.example"], |params| {
        params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    });
    let mut world = plan.prepare().await;
    for (clients, without, with) in
        [(None, true, true), (Some((&ca, false)), true, true), (Some((&ca, true)), false, true)]
    {
        world.settings.tls = serving(&own, clients);
        let service = within(Service::start(world.settings.clone())).await.unwrap();
        let port = service.grpc_addr().port();
        let call = async |identity| match channel(port, &ca, identity).await {
            Ok(channel) => health(channel).await.is_ok(),
            Err(_) => false,
        };
        assert_eq!(call(None).await, without, "{:?}", world.settings.tls);
        assert_eq!(call(Some(&shop)).await, with);
        let asked = clients.is_some();
        assert_eq!(call(Some(&stranger)).await, !asked, "a certificate of another authority");
        assert_eq!(call(Some(&expired)).await, !asked, "an expired certificate");
        // Neither a client that does not know the authority nor one without TLS gets anywhere.
        assert!(channel(port, &other, Some(&shop)).await.is_err());
        let plain = Endpoint::from_shared(format!("http://127.0.0.1:{port}")).unwrap().connect().await;
        assert!(health(plain.unwrap()).await.is_err());
        within(service.stop()).await;
    }
    world.finish_leaving_open().await;
}

async fn changed_certificates_are_for_new_connections_and_cut_no_stream(plan: Plan) {
    let folder = tempfile::tempdir().unwrap();
    let ca = Authority::new(folder.path(), "ours");
    let first = ca.issue("server", &["localhost"]);
    let mut world = plan.prepare().await;
    world.settings.tls = serving(&first, None);
    let service = within(Service::start(world.settings.clone())).await.unwrap();
    let port = service.grpc_addr().port();
    let running = channel(port, &ca, None).await.unwrap();
    let request = HealthCheckRequest { service: "readiness".to_owned() };
    let mut watch = HealthClient::new(running.clone()).watch(request).await.unwrap().into_inner();
    assert!(watch.message().await.unwrap().is_some());
    assert_eq!(shown(port, &ca).await, first.der);

    // Half of a pair, garbage and an expired one change nothing.
    let key = fs::read(&first.key).unwrap();
    let expired = ca.issue_with("server", &["localhost"], |params| {
        params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    });
    fs::write(&expired.key, key).unwrap();
    let second = ca.issue("next", &["localhost"]);
    fs::write(&first.cert, "garbage").unwrap();
    assert_eq!(shown(port, &ca).await, first.der);
    fs::copy(&second.cert, &first.cert).unwrap();
    assert_eq!(shown(port, &ca).await, first.der);
    fs::copy(&second.key, &first.key).unwrap();
    let exchanged = async {
        while shown(port, &ca).await != second.der {
            tokio::task::yield_now().await;
        }
    };
    within(exchanged).await;
    assert_eq!(health(running).await.unwrap(), ServingStatus::Serving);
    within(service.stop()).await;
    // The stream lived to hear that the service goes.
    let mut heard = Vec::new();
    while let Some(answer) = within(watch.message()).await.unwrap() {
        heard.push(answer.status());
    }
    assert_eq!(heard.last(), Some(&ServingStatus::NotServing));
    world.finish_leaving_open().await;
}

async fn a_stream_ends_with_the_client_certificate_that_opened_it(plan: Plan) {
    let folder = tempfile::tempdir().unwrap();
    let ca = Authority::new(folder.path(), "ours");
    let (own, lasting) = (ca.issue("server", &["localhost"]), ca.issue("lasting", &["shop.example"]));
    let brief = ca.issue_with("brief", &["shop.example"], |params| {
        let end = (SystemClock::new().now() + TimeDelta::days(2)).date_naive();
        let (month, day) = (u8::try_from(end.month()).unwrap(), u8::try_from(end.day()).unwrap());
        params.not_after = rcgen::date_time_ymd(end.year(), month, day);
    });
    let mut world = plan.turned().prepare().await;
    world.settings.tls = serving(&own, Some((&ca, true)));
    world.haier.fault(json!({ "kind": "hang", "endpoint": "H1" })).await;
    let service = world.replica().await;
    let port = service.grpc_addr().port();
    let mut shop = HaierIntegrationClient::new(channel(port, &ca, Some(&brief)).await.unwrap());
    let request = SyncProductsRequest { product_codes: vec!["A".to_owned()], ..Default::default() };
    let mut stream = shop.sync_products(request).await.unwrap().into_inner();
    let sync_log_id = within(stream.message()).await.unwrap().unwrap().sync_log_id;

    world.clock().turn(TimeDelta::days(3));
    let mut other = HaierIntegrationClient::new(channel(port, &ca, Some(&lasting)).await.unwrap());
    other.cancel_sync(CancelSyncRequest { sync_log_id }).await.unwrap();
    let refused = within(async {
        loop {
            match stream.message().await {
                Ok(Some(_)) => {}
                other => return other.unwrap_err(),
            }
        }
    });
    let refused = refused.await;
    assert_eq!(refusal(&refused), (Code::Unauthenticated, "UNAUTHENTICATED".to_owned()));
    assert!(refused.message().contains("shop.example expired"), "{refused}");
    // Its connection opens nothing more either.
    let refused = shop.list_products(ListProductsRequest::default()).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::Unauthenticated, "UNAUTHENTICATED".to_owned()));
    other.list_products(ListProductsRequest::default()).await.unwrap();
    within(service.stop()).await;
    world.finish_leaving_open().await;
}

async fn every_bad_file_is_named_before_anything_starts(plan: Plan) {
    let folder = tempfile::tempdir().unwrap();
    let ca = Authority::new(folder.path(), "ours");
    let own = ca.issue("server", &["localhost"]);
    let early = ca.issue_with("early", &[], |params| params.not_before = rcgen::date_time_ymd(2200, 1, 1));
    let empty = folder.path().join("empty.pem");
    fs::write(&empty, "").unwrap();
    let weak = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/tls/weak.pem");
    let mut world = plan.prepare().await;
    let files = |cert: &Path, key: &Path, ca: &Path| {
        let clients = ClientCertificates { ca: ca.to_owned(), required: true, roles: Vec::new() };
        Some(ServerFiles { cert: cert.to_owned(), key: key.to_owned(), clients: Some(clients) })
    };
    for (tls, upstream_ca, words) in [
        (
            files(&weak, &own.key, &empty),
            Some(own.cert.clone()),
            &[
                "RSA key of 1024 bits",
                "SHA-1",
                "no subject alternative name",
                "does not belong to the certificate",
                "empty.pem: holds no certificate in PEM: it is empty",
                "upstream.ca",
                "is no authority's",
            ][..],
        ),
        (
            files(&own.key, &own.cert, Path::new("/nowhere/ca.pem")),
            None,
            &[
                "but a private key: are the files swapped?",
                "but a certificate: are the files swapped?",
                "/nowhere/ca.pem",
            ],
        ),
        (files(&early.cert, &early.key, &ca.file), None, &["is not valid before 2200-01-01"]),
    ] {
        (world.settings.tls, world.settings.upstream.ca) = (tls, upstream_ca);
        let Err(error) = Service::start(world.settings.clone()).await else { panic!("it started") };
        let told = format!("{error:#}");
        for word in words {
            assert!(told.contains(word), "{word} is not in {told}");
        }
        assert!(!told.contains("BEGIN"), "{told}");
    }
    world.finish_leaving_open().await;
}

/// Ends TLS in front of a port without it.
async fn terminator(own: &Issued, to: u16) -> u16 {
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
    let config =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![CertificateDer::from_pem_file(&own.cert).unwrap()],
                PrivateKeyDer::from_pem_file(&own.key).unwrap(),
            )
            .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut near) = acceptor.accept(near).await else { return };
                let Ok(mut far) = tokio::net::TcpStream::connect(("127.0.0.1", to)).await else { return };
                let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
            });
        }
    });
    port
}

async fn haier_is_known_by_a_bundle_of_our_own(plan: Plan) {
    let folder = tempfile::tempdir().unwrap();
    let ca = Authority::new(folder.path(), "haiers");
    let own = ca.issue("haier", &["localhost"]);
    let mut world = plan.prepare().await;
    let plain: url::Url = world.haier.base_url().parse().unwrap();
    let port = terminator(&own, plain.port().unwrap()).await;
    let account = world.settings.account.as_mut().unwrap();
    account.base_url = format!("https://localhost:{port}");
    account.token_url = format!("https://localhost:{port}/oauth2/auth");
    world.settings.upstream.ca = Some(ca.file.clone());
    world.serve().await;
    world.first_sync().await;
    assert_eq!(world.products().await.len(), 45);
    world.stop().await;
    // To the system it is a stranger.
    world.forget_token().await;
    world.settings.upstream.ca = None;
    world.settings.upstream.tries = 1;
    world.serve().await;
    let request = haier_integration::proto::GetBalanceRequest {};
    let refused = world.client().get_balance(request).await.unwrap_err();
    assert!(refused.message().contains("certificate"), "{refused}");
    world.finish().await;
}

async fn postgres_is_reached_by_tls_as_sslmode_says(plan: Plan) {
    let Some(ca) = plan.database.authority() else { return };
    let folder = tempfile::tempdir().unwrap();
    let other = Authority::new(folder.path(), "other");
    let plain = url::Url::parse(&plan.database.address).unwrap();
    let opened = async |host: &str, query: String| {
        let mut url = plain.clone();
        url.set_host(Some(host)).unwrap();
        url.set_query(Some(&query));
        let database_url = url.as_str().parse().unwrap();
        let store = haier_integration::store::Store::open(&haier_integration::store::Options {
            database: match database_url {
                haier_integration::config::DatabaseUrl::Postgres { url } => {
                    haier_integration::store::Database::Postgres { url }
                }
                haier_integration::config::DatabaseUrl::Sqlite { .. } => panic!("that is no PostgreSQL"),
            },
            pool_size: 1,
            wait: std::time::Duration::from_secs(10),
            statement_timeout: std::time::Duration::from_secs(10),
        })
        .await;
        let store = store.map_err(|error| error.to_string())?;
        let encrypted = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
                         WHERE ssl AND datname = current_database() AND application_name = 'haier-integration'";
        let count = plan.database.number(encrypted).await;
        drop(store);
        Ok::<_, String>(count)
    };
    let [ca, other] = [ca.as_path(), &other.file].map(|file| format!("&sslrootcert={}", file.display()));
    assert_eq!(opened("127.0.0.1", "sslmode=disable".to_owned()).await, Ok(0));
    for (host, mode, roots) in [
        ("127.0.0.1", "require", ""),
        ("127.0.0.1", "require", ca.as_str()),
        ("127.0.0.1", "verify-ca", &ca),
        ("localhost", "verify-ca", &ca),
        ("127.0.0.1", "verify-full", &ca),
    ] {
        assert_eq!(opened(host, format!("sslmode={mode}{roots}")).await, Ok(1), "{host} {mode} {roots}");
    }
    for (host, mode, roots) in [
        ("127.0.0.1", "verify-ca", ""),
        ("127.0.0.1", "verify-full", ""),
        ("127.0.0.1", "require", &other),
        ("127.0.0.1", "verify-full", &other),
        // Its certificate is for the address alone.
        ("localhost", "verify-full", &ca),
    ] {
        let refused = opened(host, format!("sslmode={mode}{roots}")).await.unwrap_err();
        assert!(refused.contains("certificate") || refused.contains("sslrootcert"), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_speak_tls_and_say_why_they_cannot() {
    crate::support::run(Backend::Sqlite, |plan| Box::pin(commands(plan))).await;
}

async fn commands(plan: Plan) {
    let folder = tempfile::tempdir().unwrap();
    let (ca, other) = (Authority::new(folder.path(), "ours"), Authority::new(folder.path(), "other"));
    let (own, shop) = (ca.issue("server", &["localhost"]), ca.issue("shop", &["shop.example"]));
    let mut world = plan.prepare().await;
    world.settings.tls = serving(&own, Some((&ca, true)));
    let service = within(Service::start(world.settings.clone())).await.unwrap();
    let (port, plain) = (service.grpc_addr().port(), service.http_addr().port());
    let [ours, others] = [&ca, &other].map(|ca| ca.file.display().to_string());
    let (cert, key) = (shop.cert.display().to_string(), shop.key.display().to_string());
    let shown = ["--tls-client-cert", &cert, "--tls-client-key", &key];
    for (server, ca, identity, exit, words) in [
        (format!("https://localhost:{port}"), &ours, &shown[..], 0, "sync_type"),
        (format!("https://localhost:{port}"), &ours, &[], 1, "give one by --tls-client-cert"),
        (format!("https://localhost:{port}"), &others, &shown, 1, "name its CA by --tls-ca"),
        (format!("https://127.0.0.1:{port}"), &ours, &shown, 1, "is not for `127.0.0.1`, but for"),
        (format!("https://localhost:{plain}"), &ours, &shown, 1, "speaks no TLS: write http://"),
        (format!("http://localhost:{port}"), &ours, &[], 1, "speaks TLS: write https://"),
        (format!("https://localhost:{port}"), &ours, &shown[..2], 2, "--tls-client-key"),
        (format!("https://localhost:{port}"), &key, &shown, 2, "are the files swapped?"),
        (format!("ftp://localhost:{port}"), &ours, &[], 2, "must begin with http:// or https://"),
    ] {
        let mut command = program(&["logs", "--server", &server, "--tls-ca", ca]);
        command.args(identity);
        let (code, out, err) = run(command).await;
        assert_eq!(code, Some(exit), "{server} {identity:?}: {out}{err}");
        assert!(out.contains(words) || err.contains(words), "{server} {identity:?}: {out}{err}");
    }
    within(service.stop()).await;
    world.finish_leaving_open().await;
}
