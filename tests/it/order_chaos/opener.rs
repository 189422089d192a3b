//! Clients of the stand-in for one replica, which share nothing with those of another one.

use std::{sync::Arc, time::Duration};

use haier_integration::{
    app::OpenUpstream,
    domain::{accounts::Account, clock::Clock},
    upstream::{
        self, BreakerSettings, Budget, Haier, Means, MemoryShelf, Openplat, RetrySettings, Settings, Ylh,
    },
};

pub(super) struct Opener {
    clock: Arc<dyn Clock>,
    shelves: [Arc<MemoryShelf>; 2],
}

impl Opener {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, shelves: Default::default() }
    }
}

/// Real time, since what is waited for is a real stand-in: enough for an answer, too little to be waited for.
fn settings() -> Settings {
    Settings {
        // Without roots of its own, each client would read those of the machine.
        roots: Some(Vec::new()),
        request_timeout: Duration::from_millis(400),
        token_timeout: Duration::from_millis(400),
        listing_timeout: Duration::from_secs(10),
        retry: RetrySettings {
            tries: 3,
            base: Duration::from_millis(1),
            max: Duration::from_millis(3),
            seed: 1,
        },
        breaker: BreakerSettings { failures: 100_000, open: Duration::from_secs(1), probes: 1 },
        rate: 0,
        repeated_words: vec!["已存在".to_owned()],
        cancelled_words: vec!["已取消".to_owned()],
    }
}

impl OpenUpstream for Opener {
    fn open(&self, account: Account) -> upstream::Result<Haier> {
        let [openplat, ylh] = &self.shelves;
        let means = |shelf: &Arc<MemoryShelf>| Means {
            settings: settings(),
            budget: Budget::unlimited(),
            shelf: shelf.clone(),
            clock: Arc::clone(&self.clock),
        };
        let part = account.ylh.clone().map(|part| Ylh::new(&account.name, part, means(ylh)));
        let ylh = part.transpose()?.map(Arc::new);
        let openplat = Openplat::new(account, means(openplat))?;
        Ok(Haier { openplat: Arc::new(openplat), ylh })
    }
}
