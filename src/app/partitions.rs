//! Partitions of the months ahead. That they cannot be made is no reason to stop.

use chrono::{DateTime, Utc};

use crate::{error::Causes, store::Store};

/// Makes them; whether it did. Rows of a month that has none go to the default partition.
pub async fn make_partitions(store: &Store, now: DateTime<Utc>) -> bool {
    match store.ensure_partitions(now).await {
        Ok(()) => true,
        Err(error) => {
            tracing::warn!(
                error = %Causes(&error),
                alert = true,
                "partitions of the months ahead could not be made; rows are kept in the default one, trying again each minute"
            );
            false
        }
    }
}
