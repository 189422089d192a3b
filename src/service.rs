//! PLACEHOLDER: the start of the service is written elsewhere and replaces this file whole.

use crate::config::{DatabaseUrl, Settings};

/// Runs the service until it is told to stop.
///
/// # Errors
/// Always, until the real one is here.
pub async fn run(_settings: Settings) -> anyhow::Result<()> {
    anyhow::bail!("this build has no service yet")
}

/// Applies the migrations that are missing and returns their names.
///
/// # Errors
/// Always, until the real one is here.
pub async fn migrate(_url: &DatabaseUrl) -> anyhow::Result<Vec<String>> {
    anyhow::bail!("this build has no migrations yet")
}
