//! Who may call what: the one table. A new RPC needs a line here, or the service does not start.

use crate::domain::callers::Role;

/// Whom a method lets in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Anybody, known or not.
    Nothing,
    /// Whoever has this role, or one above it.
    Role(Role),
}

/// A method and whom it lets in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Full name of its service.
    pub service: &'static str,
    /// Its name.
    pub method: &'static str,
    /// Whom it lets in.
    pub need: Need,
}

const ANYBODY: Need = Need::Nothing;
const READER: Need = Need::Role(Role::Reader);
const OPERATOR: Need = Need::Role(Role::Operator);
const ADMIN: Need = Need::Role(Role::Admin);

macro_rules! rules {
    ($($service:literal { $($need:ident: $($method:ident)+;)+ })+) => {
        &[$($($(Rule { service: $service, method: stringify!($method), need: $need },)+)+)+]
    };
}

/// Every method that is served. An operator is shown logs of runs that he or the service itself has asked for, an admin
/// all of them.
#[rustfmt::skip]
pub const RULES: &[Rule] = rules! {
    "haier.integration.v1.HaierIntegration" {
        READER: GetProducts ListProducts;
        READER: ListProductChanges WatchProductChanges ExplainProduct;
        READER: GetPrices CheckStock GetBalance GetLogistics;
        OPERATOR: SyncProducts WatchSync RetrySync CancelSync;
        OPERATOR: ListSyncLogs GetSyncLog ListSyncFailures;
        // A reader is shown whom an order is for masked.
        READER: GetOrder BatchGetOrders ListOrders WatchOrder ListOrderFacts;
        READER: ListOrderChanges WatchOrderChanges ListCourierNumbers;
        OPERATOR: PushOrder CancelOrder RescheduleOrder RetryOrder ListDeliveryPhotos;
    }
    "haier.integration.v1.HaierAdministration" {
        READER: GetUpstreamStatus;
        OPERATOR: PauseUpstream ResumeUpstream;
        OPERATOR: ListHeldRuns ListHeldFindings ApproveRun DiscardRun VerifyCatalogue RepairCatalogue;
        OPERATOR: ListSchedules UpdateSchedule RunScheduleNow SetProductAttention;
        OPERATOR: ResolveOrder ReconcileOrders;
        // A reader is shown Haier's words masked.
        READER: ListCallbacks;
        ADMIN: CreateApiToken ListApiTokens RevokeApiToken;
        ADMIN: ListAuditEvents;
        ADMIN: CreateHaierConfig GetHaierConfig ListHaierConfigs UpdateHaierConfig DeleteHaierConfig;
        ADMIN: ActivateHaierConfig DeactivateHaierConfig TestHaierConfig;
        ADMIN: ListKeys RotateKeys;
    }
    // Probes have no token.
    "grpc.health.v1.Health" {
        ANYBODY: Check Watch;
    }
    "grpc.reflection.v1.ServerReflection" {
        READER: ServerReflectionInfo;
    }
    "grpc.reflection.v1alpha.ServerReflection" {
        READER: ServerReflectionInfo;
    }
};

/// The rule of a method by its path, `/package.Service/Method`.
#[must_use]
pub fn find(path: &str) -> Option<&'static Rule> {
    let (service, method) = path.strip_prefix('/')?.split_once('/')?;
    RULES.iter().find(|rule| rule.method == method && rule.service == service)
}

/// What is wrong between the table and what is served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("; "))]
pub struct Mismatch(Vec<String>);

/// Sees that the table names exactly the methods that are served, each as `(service, method)`, and each once.
///
/// # Errors
/// Every method without a line, and every line without a method.
pub fn check(rules: &[Rule], served: &[(String, String)]) -> Result<(), Mismatch> {
    let count = |service: &str, method: &str| {
        rules.iter().filter(|rule| rule.service == service && rule.method == method).count()
    };
    let mut faults = Vec::new();
    for (service, method) in served {
        match count(service, method) {
            1 => {}
            0 => faults.push(format!(
                "nobody may call {service}/{method}: say in src/auth/rules.rs which role it needs"
            )),
            _ => faults.push(format!("{service}/{method} has several rules in src/auth/rules.rs: leave one")),
        }
    }
    for Rule { service, method, .. } in rules {
        if !served.iter().any(|served| served.0 == *service && served.1 == *method) {
            faults.push(format!("src/auth/rules.rs names {service}/{method}, which does not exist"));
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(Mismatch(faults)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MADE_UP: &[Rule] = rules! {
        "a.B" { READER: Get List; ADMIN: Delete; }
    };

    fn served(methods: &[&str]) -> Vec<(String, String)> {
        methods.iter().map(|method| ("a.B".to_owned(), (*method).to_owned())).collect()
    }

    #[test]
    fn a_table_that_names_every_method_once_is_whole() {
        assert_eq!(check(MADE_UP, &served(&["Delete", "Get", "List"])), Ok(()));
    }

    #[test]
    fn a_method_without_a_rule_is_named() {
        let told = check(MADE_UP, &served(&["Get", "List", "Delete", "Create"])).unwrap_err().to_string();
        assert!(told.contains("a.B/Create") && told.contains("rules.rs") && !told.contains("Get"), "{told}");
    }

    #[test]
    fn a_rule_without_a_method_and_one_too_many_are_named() {
        let twice = [MADE_UP, &MADE_UP[..1]].concat();
        let told = check(&twice, &served(&["Get", "List"])).unwrap_err().to_string();
        assert!(
            told.contains("a.B/Get has several rules") && told.contains("a.B/Delete, which does not"),
            "{told}"
        );
    }

    #[test]
    fn a_method_is_found_by_its_whole_path_only() {
        let found = find("/haier.integration.v1.HaierAdministration/PauseUpstream").unwrap();
        assert_eq!(found.need, Need::Role(Role::Operator));
        for other in ["", "/", "PauseUpstream", "/x.HaierAdministration/PauseUpstream", "//PauseUpstream"] {
            assert_eq!(find(other), None, "{other}");
        }
    }
}
