//! What `deploy/` says about the program is true of the program: variables, flags, ports, probes, times. Nobody else
//! notices a manifest that has fallen behind before it is rolled out.

use std::{collections::BTreeSet, process::Command, time::Duration};

use haier_integration::{
    config::{self, SETTINGS, Settings},
    service::Service,
};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

mod manifests;
mod variables;

use manifests::{
    compose_variables, container, env_file, instructions, list, literal_variables, number, object, objects,
    root, secret_variables, text, word, words, yaml,
};
use variables::{account_variables, image_variables, replica_settings, required_variables, settings};

/// What Haier allows in a second.
const HAIERS_RATE: u64 = 100;

fn understands(arguments: &[String]) {
    let mut program = Command::new(env!("CARGO_BIN_EXE_haier-integration"));
    let output = program.args(arguments).arg("--help").output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn every_variable_in_the_manifests_is_one_that_the_service_reads() {
    let compose = yaml("compose.yaml");
    let mut named: BTreeSet<String> = image_variables().into_keys().collect();
    for kind in ["Deployment", "Job"] {
        let owner = object(kind);
        named.extend(literal_variables(container(&owner)).into_keys());
        named.extend(secret_variables(container(&owner)).into_keys());
    }
    for service in ["migrate", "haier-integration"] {
        named.extend(compose_variables(&compose, service).into_keys());
    }
    named.extend(env_file("kustomize/base/settings.env").into_keys());
    // This one is compose.yaml's own.
    named.extend(env_file(".env.example").into_keys().filter(|name| name != "DATABASE_URL_FILE"));
    assert!(text("compose.yaml").contains("${DATABASE_URL_FILE:-"));

    let mut known = account_variables();
    known.extend(SETTINGS.iter().map(|setting| setting.env.to_owned()));
    let unknown: Vec<_> = named.difference(&known).collect();
    assert!(unknown.is_empty(), "the service does not read {unknown:?}");
}

#[test]
fn the_account_is_taken_whole_from_one_secret_by_reference() {
    let deployment = object("Deployment");
    let secrets = secret_variables(container(&deployment));
    assert_eq!(secrets.keys().cloned().collect::<BTreeSet<_>>(), account_variables());
    let required = required_variables();
    for (name, reference) in &secrets {
        assert_eq!(
            (&reference["name"], &reference["key"]),
            (&"haier-integration-account".into(), &name.as_str().into())
        );
        assert_eq!(reference["optional"] == true, !required.contains(name), "{name}");
    }
    let example = env_file(".env.example");
    let unnamed: Vec<_> = secrets.keys().filter(|name| !example.contains_key(*name)).collect();
    assert!(unnamed.is_empty(), ".env.example lacks {unnamed:?}");
    assert!(secrets.keys().all(|name| example[name].is_empty()), ".env.example holds a value of an account");
}

#[test]
fn no_secret_is_committed() {
    assert!(objects().iter().all(|object| object["kind"] != "Secret"));
    let url = url::Url::parse(text("compose.database-url").trim()).unwrap();
    assert_eq!(url.password(), None);
}

#[test]
fn the_database_is_read_from_the_file_that_its_secret_is_mounted_as() {
    for kind in ["Deployment", "Job"] {
        let owner = object(kind);
        let (container, pod) = (container(&owner), owner.pointer("/spec/template/spec").unwrap());
        let mount = word(&list(container, "/volumeMounts")[0]["mountPath"]);
        let item = word(&list(pod, "/volumes/0/secret/items")[0]["path"]);
        let file = &literal_variables(container)["HAIER_INTEGRATION_DATABASE_URL_FILE"];
        assert_eq!(*file, format!("{mount}/{item}"), "{kind}");
        assert_eq!(pod.pointer("/volumes/0/secret/secretName").unwrap(), "haier-integration-database");
    }
    let compose = yaml("compose.yaml");
    for service in ["migrate", "haier-integration"] {
        let secret = word(&compose["services"][service]["secrets"][0]);
        let file = &compose_variables(&compose, service)["HAIER_INTEGRATION_DATABASE_URL_FILE"];
        assert_eq!(*file, format!("/run/secrets/{secret}"), "{service}");
        assert!(compose["secrets"].get(&secret).is_some());
    }
}

#[test]
fn an_address_that_others_reach_is_opened_by_a_token_or_said_to_be_insecure() {
    let replica = replica_settings();
    assert!(replica.grpc_addr.ip().is_unspecified() && !replica.insecure && replica.admin_token.is_some());
    let deployment = object("Deployment");
    let (container, pod) = (container(&deployment), deployment.pointer("/spec/template/spec").unwrap());
    let file = &literal_variables(container)["HAIER_INTEGRATION_ADMIN_TOKEN_FILE"];
    let mount = &list(container, "/volumeMounts")[1];
    let volume = list(pod, "/volumes").iter().find(|volume| volume["name"] == mount["name"]).unwrap();
    let item = word(&list(volume, "/secret/items")[0]["path"]);
    assert_eq!(*file, format!("{}/{item}", word(&mount["mountPath"])));
    assert!(text("kustomize/base/kustomization.yaml").contains(&word(&volume["secret"]["secretName"])));

    // The sandbox is open, on this machine's loopback; an account is not.
    let compose = yaml("compose.yaml");
    let sandbox = settings(&compose_variables(&compose, "haier-integration"));
    assert!(sandbox.grpc_addr.ip().is_unspecified() && sandbox.insecure);
    let published = words(&compose["services"]["haier-integration"]["ports"]);
    assert!(published.iter().all(|port| port.starts_with("127.0.0.1:")), "{published:?}");
    let account = yaml("compose.account.yaml");
    assert!(!settings(&compose_variables(&account, "haier-integration")).insecure);
    assert!(env_file(".env.example")["HAIER_INTEGRATION_ADMIN_TOKEN"].is_empty());
}

#[test]
fn keys_are_read_from_the_file_that_their_secret_is_mounted_as() {
    let deployment = object("Deployment");
    let (container, pod) = (container(&deployment), deployment.pointer("/spec/template/spec").unwrap());
    let variables = literal_variables(container);
    let mount = list(container, "/volumeMounts").iter().find(|mount| mount["name"] == "keys").unwrap();
    let volume = list(pod, "/volumes").iter().find(|volume| volume["name"] == "keys").unwrap();
    let item = word(&list(volume, "/secret/items")[0]["path"]);
    let file = &variables["HAIER_INTEGRATION_KEY_FILE"];
    assert_eq!(*file, format!("{}/{item}", word(&mount["mountPath"])));
    // Kubernetes never changes a file that is mounted by `subPath`.
    assert!(mount.get("subPath").is_none());
    let secret = word(&volume["secret"]["secretName"]);
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    for text in [text("kustomize/base/kustomization.yaml"), readme] {
        assert!(text.contains(&secret) && text.contains(&item), "{secret} {item}");
    }
    let named = list(container, "/envFrom").iter().filter(|source| source.get("secretRef").is_some());
    assert_eq!(named.count(), 0, "a secret in the environment cannot be rotated");
}

#[test]
fn the_component_for_tls_patches_the_services_with_a_grpc_port_and_no_other() {
    let component = yaml("kustomize/components/tls/kustomization.yaml");
    let target = component.pointer("/patches/1/target").unwrap();
    assert_eq!(target["kind"], "Service");
    // As kustomize reads it.
    let pattern = regex::Regex::new(&format!("^({})$", word(&target["name"]))).unwrap();
    for service in objects().iter().filter(|object| object["kind"] == "Service") {
        let name = service.pointer("/metadata/name").map(word).unwrap();
        let has_protocol = service.pointer("/spec/ports/0/appProtocol").is_some();
        assert_eq!(pattern.is_match(&name), has_protocol, "{name}");
    }
}

#[test]
fn certificates_are_read_from_where_their_secret_is_mounted() {
    let patch = yaml("kustomize/components/tls/deployment.yaml");
    let container = container(&patch);
    let mount = &list(container, "/volumeMounts")[0];
    assert_eq!(mount["name"], patch.pointer("/spec/template/spec/volumes/0/name").unwrap().clone());
    let variables = literal_variables(container);
    let files: Vec<_> = ["TLS_CERT", "TLS_KEY", "TLS_CLIENT_CA"]
        .iter()
        .map(|name| variables[&format!("HAIER_INTEGRATION_{name}")].clone())
        .collect();
    let folder = word(&mount["mountPath"]);
    assert_eq!(files, ["tls.crt", "tls.key", "ca.crt"].map(|file| format!("{folder}/{file}")));
    let known: BTreeSet<_> = SETTINGS.iter().map(|setting| setting.env).collect();
    assert!(variables.keys().all(|name| known.contains(name.as_str())), "{variables:?}");
    let tls = settings(&variables).tls.unwrap();
    assert!(tls.clients.unwrap().required);
    for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
        assert!(container[probe]["grpc"].is_null(), "{probe}: Kubernetes speaks no TLS there");
        assert_eq!(container[probe]["httpGet"]["port"], "metrics");
    }
}

#[test]
fn every_command_in_the_manifests_is_understood() {
    for kind in ["Deployment", "Job"] {
        let owner = object(kind);
        assert!(container(&owner).get("command").is_none(), "{kind}: the image names the program");
        understands(&words(&container(&owner)["args"]));
    }
    for (file, service) in [
        ("compose.yaml", "migrate"),
        ("compose.yaml", "haier-integration"),
        ("compose.account.yaml", "haier-integration"),
    ] {
        understands(&words(&yaml(file)["services"][service]["command"]));
    }
    let command: Vec<String> = serde_json::from_str(&instructions("CMD")[0]).unwrap();
    understands(&command);
}

#[test]
fn every_port_in_the_manifests_is_one_that_the_service_listens_at() {
    let settings = replica_settings();
    let listens_at = |settings: &Settings| [settings.grpc_addr, settings.http_addr, settings.callback_addr];
    let all = listens_at(&settings);
    let [grpc, http, callbacks] = all.map(|addr| addr.port());
    assert!(all.iter().all(|addr| addr.ip().is_unspecified()));

    let deployment = object("Deployment");
    let ports: Vec<_> = list(container(&deployment), "/ports")
        .iter()
        .map(|port| (word(&port["name"]), number(port, "/containerPort")))
        .collect();
    let named = [("grpc", grpc), ("metrics", http), ("callbacks", callbacks)];
    assert_eq!(ports, named.map(|(name, port)| (name.to_owned(), u64::from(port))));
    let annotations = deployment.pointer("/spec/template/metadata/annotations").unwrap();
    assert_eq!(word(&annotations["prometheus.io/port"]), http.to_string());

    let named = |port: &Value, key: &str| ports.iter().any(|(name, _)| port[key] == name.as_str());
    for service in objects().iter().filter(|object| object["kind"] == "Service") {
        for port in list(service, "/spec/ports") {
            assert!(named(port, "targetPort"), "{port}");
            let (_, number) = ports.iter().find(|(name, _)| port["name"] == name.as_str()).unwrap();
            assert_eq!(port["port"], *number);
        }
    }
    for rule in list(&object("NetworkPolicy"), "/spec/ingress") {
        assert!(list(rule, "/ports").iter().all(|port| named(port, "port")), "{rule}");
    }

    let image = self::settings(&image_variables());
    assert_eq!(listens_at(&image), all);
    assert_eq!(instructions("EXPOSE"), [format!("{grpc} {http} {callbacks}")]);
    let compose = yaml("compose.yaml");
    let composed = self::settings(&compose_variables(&compose, "haier-integration"));
    assert_eq!(listens_at(&composed), all);
    let published = words(&compose["services"]["haier-integration"]["ports"]);
    assert_eq!(published, [grpc, http, callbacks].map(|port| format!("127.0.0.1:{port}:{port}")));
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_and_prometheus_ask_for_what_the_service_answers() {
    let directory = tempfile::tempdir().unwrap();
    let free = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    let path = directory.path().join("haier.db");
    let service = Service::start(Settings {
        grpc_addr: free,
        http_addr: free,
        callback_addr: free,
        database_url: config::DatabaseUrl::Sqlite { path },
        ..Settings::default()
    })
    .await
    .unwrap();
    let address = format!("http://{}", service.grpc_addr());
    let channel = tonic::transport::Endpoint::from_shared(address).unwrap().connect().await.unwrap();
    let mut health = HealthClient::new(channel);

    let deployment = object("Deployment");
    let container = container(&deployment);
    let port = replica_settings().grpc_addr.port();
    for (probe, expected) in
        [("startupProbe", "liveness"), ("readinessProbe", "readiness"), ("livenessProbe", "liveness")]
    {
        let grpc = &container[probe]["grpc"];
        assert_eq!(
            (number(grpc, "/port"), word(&grpc["service"])),
            (port.into(), expected.to_owned()),
            "{probe}"
        );
        let request = HealthCheckRequest { service: expected.to_owned() };
        let answer = health.check(request).await.unwrap_or_else(|status| panic!("{probe}: {status}"));
        assert_eq!(answer.into_inner().status(), ServingStatus::Serving, "{probe}");
    }

    let page =
        deployment.pointer("/spec/template/metadata/annotations/prometheus.io~1path").map(word).unwrap();
    let mut http = tokio::net::TcpStream::connect(service.http_addr()).await.unwrap();
    http.write_all(format!("GET {page} HTTP/1.0\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    http.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.0 200"), "{answer}");
    drop(health);
    service.stop().await;
}

#[test]
fn a_replica_has_time_to_drain_before_it_is_killed() {
    let deployment = object("Deployment");
    let sleep = number(container(&deployment), "/lifecycle/preStop/sleep/seconds");
    let grace = number(&deployment, "/spec/template/spec/terminationGracePeriodSeconds");
    let drain = replica_settings().drain_timeout;
    assert!(Duration::from_secs(grace) > drain + Duration::from_secs(sleep));
    // Else a rollout has more of them at a time than the rate is made for.
    assert!(number(&deployment, "/spec/minReadySeconds") > grace);

    let compose = yaml("compose.yaml");
    let grace = word(&compose["services"]["haier-integration"]["stop_grace_period"]);
    let drain = settings(&compose_variables(&compose, "haier-integration")).drain_timeout;
    assert!(config::parse_duration(&grace).unwrap() > drain);
}

#[test]
fn all_replicas_together_stay_within_the_rate_that_haier_allows() {
    let deployment = object("Deployment");
    assert_eq!(number(deployment.pointer("/spec/strategy/rollingUpdate").unwrap(), "/maxUnavailable"), 0);
    // They draw on one budget, which stands in the database: each is told all that Haier allows.
    let settings = replica_settings();
    assert!(matches!(settings.database_url, config::DatabaseUrl::Postgres { .. }));
    assert_eq!([settings.upstream_rate, settings.order_rate].map(u64::from), [HAIERS_RATE; 2]);
}

#[test]
fn selectors_match_the_replicas_and_not_the_migration() {
    let [replicas, migration] = ["Deployment", "Job"]
        .map(|kind| object(kind).pointer("/spec/template/metadata/labels").unwrap().clone());
    for object in objects() {
        let pointer = match object["kind"].as_str().unwrap() {
            "Service" => "/spec/selector",
            "NetworkPolicy" => "/spec/podSelector/matchLabels",
            "Deployment" | "PodDisruptionBudget" => "/spec/selector/matchLabels",
            _ => continue,
        };
        let selector = object.pointer(pointer).and_then(Value::as_object).unwrap();
        assert!(selector.iter().all(|(label, value)| replicas[label] == *value), "{selector:?}");
        assert!(selector.iter().any(|(label, value)| migration[label] != *value), "{selector:?}");
    }
}

#[test]
fn the_migration_can_be_applied_before_all_the_rest() {
    let job = object("Job");
    assert!(job.pointer("/spec/template/spec/serviceAccountName").is_none());
    assert!(container(&job).get("envFrom").is_none());
}

#[test]
fn pods_run_without_rights_as_the_user_of_the_image() {
    let user = instructions("USER").remove(0);
    for kind in ["Deployment", "Job"] {
        let owner = object(kind);
        let pod = owner.pointer("/spec/template/spec").unwrap();
        assert_eq!(
            (&pod["automountServiceAccountToken"], &pod["enableServiceLinks"]),
            (&false.into(), &false.into())
        );
        let context = &pod["securityContext"];
        let ids = format!("{}:{}", context["runAsUser"], context["runAsGroup"]);
        assert_eq!((&context["runAsNonRoot"], ids), (&true.into(), user.clone()));
        assert_eq!(context.pointer("/seccompProfile/type").unwrap(), "RuntimeDefault");
        let context = &container(&owner)["securityContext"];
        assert_eq!(context["readOnlyRootFilesystem"], true);
        assert_eq!(context["allowPrivilegeEscalation"], false);
        assert_eq!(words(&context["capabilities"]["drop"]), ["ALL"]);
    }
}

#[test]
fn the_manifests_name_this_version() {
    let version = env!("CARGO_PKG_VERSION");
    let image = format!("haier-integration:{version}");
    for kind in ["Deployment", "Job"] {
        assert_eq!(word(&container(&object(kind))["image"]), image, "{kind}");
    }
    for service in ["migrate", "haier-integration"] {
        assert_eq!(word(&yaml("compose.yaml")["services"][service]["image"]), image, "{service}");
    }
    let job = format!("haier-integration-migrate-{}", version.replace('.', "-"));
    assert_eq!(object("Job").pointer("/metadata/name").map(word), Some(job.clone()));
    let base = "kustomize/base/kustomization.yaml";
    assert!(text(base).contains(&format!("job/{job}\n")), "the instructions name another job");
    assert_eq!(
        yaml(base).pointer("/labels/0/pairs/app.kubernetes.io~1version").map(word).as_deref(),
        Some(version)
    );
}

#[test]
fn the_image_is_built_from_what_is_there() {
    // Both from one registry, which whoever cannot reach Docker Hub names anew.
    let version = env!("CARGO_PKG_RUST_VERSION");
    assert_eq!(
        instructions("FROM"),
        [
            format!("${{REGISTRY}}rust:{version}-slim-bookworm AS build"),
            "${REGISTRY}debian:bookworm-slim".to_owned()
        ]
    );
    assert!(instructions("ARG").contains(&"REGISTRY=docker.io/library/".to_owned()));
    let ignored = text("Dockerfile.dockerignore");
    let let_through: Vec<_> = ignored.lines().filter_map(|line| line.strip_prefix('!')).collect();
    for path in ["Cargo.toml", "Cargo.lock", "build.rs", "migrations", "proto", "src"] {
        assert!(let_through.contains(&path), "{path} does not reach the image");
    }
    for path in let_through.iter().filter(|path| **path != "benches") {
        assert!(root().join(path).exists(), "{path} is let through and does not exist");
    }
    let program: Vec<String> = serde_json::from_str(&instructions("ENTRYPOINT")[0]).unwrap();
    assert!(instructions("COPY").iter().any(|copy| copy.ends_with(&format!(" {}", program[0]))));
    assert!(text("Dockerfile").contains("target/release/haier-integration "));
    let build = &yaml("compose.yaml")["services"]["haier-integration"]["build"];
    assert!(root().join("deploy").join(word(&build["context"])).join(word(&build["dockerfile"])).exists());
    let taken: Vec<_> =
        instructions("ARG").iter().map(|arg| arg.split('=').next().unwrap().to_owned()).collect();
    let given: Vec<_> =
        words(&build["args"]).iter().map(|arg| arg.split('=').next().unwrap().to_owned()).collect();
    assert_eq!(given, taken);
}

#[test]
fn callbacks_come_by_a_service_that_leads_to_nothing_else() {
    let services = objects().into_iter().filter(|object| object["kind"] == "Service");
    let ports = services.map(|service| {
        let ports = list(&service, "/spec/ports");
        ports.iter().map(|port| word(&port["name"])).collect::<Vec<_>>()
    });
    let with_callbacks: Vec<_> = ports.filter(|names| names.contains(&"callbacks".to_owned())).collect();
    assert_eq!(with_callbacks, [["callbacks"]]);
}
