//! File descriptors: every connection needs one, and so do the database, Haier and files.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Least connections of a listener, however few descriptors there are.
const MIN_CONNECTIONS: usize = 16;

/// Raises this process's limit of open files as far as the system lets it, and returns what holds now. `None`: no limit.
pub fn raise() -> Option<usize> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return limit.current.map(bounded);
    }
    match setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }) {
        Ok(()) => limit.maximum.map(bounded),
        Err(error) => {
            tracing::debug!(%error, "the limit of open files cannot be raised");
            limit.current.map(bounded)
        }
    }
}

fn bounded(limit: u64) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

/// Listeners' connections as they fit into a limit of open files of which some are reserved: as they are wanted, or each
/// the same part of that.
#[must_use]
pub fn share_out<const N: usize>(wanted: [usize; N], limit: Option<usize>, reserved: usize) -> [usize; N] {
    let all: usize = wanted.iter().sum();
    let free = limit.map_or(all, |limit| limit.saturating_sub(reserved));
    if free >= all {
        return wanted;
    }
    wanted.map(|wanted| (wanted * free / all).clamp(MIN_CONNECTIONS.min(wanted), wanted))
}

#[cfg(test)]
mod tests {
    use super::share_out;

    #[test]
    fn listeners_share_what_the_system_lets_open() {
        assert_eq!(share_out([1_000, 256, 256], Some(1_048_576), 200), [1_000, 256, 256]);
        assert_eq!(share_out([1_000, 256, 256], None, 200), [1_000, 256, 256]);
        assert_eq!(share_out([1_000, 250, 250], Some(950), 200), [500, 125, 125]);
        assert_eq!(share_out([1_000, 256, 8], Some(10), 200), [16, 16, 8]);
    }
}
