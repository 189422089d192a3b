//! What can be said of a call before it is begun: whether it would be admitted now and, if not, why and until when. Whoever
//! must write something down before a call asks here first, and keeps a place for its first send.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::{
    breaker::Permit,
    endpoint::Endpoint,
    error::{Error, Result},
    patience::Call,
    policy::Client,
    subject::Subject,
    token::Login,
};

/// Leave to begin a call, kept until its first send. Dropped unused, a probe's place is free again.
pub struct Reservation {
    client: Arc<Client>,
    endpoint: Endpoint,
    /// Of the breaker's permit; none once it is used.
    generation: Mutex<Option<u64>>,
}

impl Reservation {
    fn take(&self) -> Option<u64> {
        self.generation.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if let Some(generation) = self.take() {
            drop(self.client.breakers[self.endpoint.index()].resume(generation, Subject::WHOLE));
        }
    }
}

impl Client {
    /// Why such a call would not be admitted now, with how long that lasts as far as is known. Takes no place and asks nobody.
    pub(super) fn hold(&self, endpoint: Endpoint) -> Option<Error> {
        if let Err(paused) = self.gate.check(endpoint) {
            return Some(paused);
        }
        let breaker = |endpoint: Endpoint| self.breakers[endpoint.index()].hold();
        let login = || match self.tokens.login(self.clock.now()) {
            Login::Done => None,
            Login::Refused(error) => Some(error),
            Login::Possible => breaker(self.site.system.token()),
        };
        breaker(endpoint).or_else(login).or_else(|| self.budget.hold())
    }

    /// How many such calls would be admitted now. `None`: any number.
    pub(super) fn free(&self, endpoint: Endpoint) -> Option<u32> {
        self.breakers[endpoint.index()].free()
    }

    /// Leave to begin such a call, to be used for its first send.
    pub(super) fn reserve(self: &Arc<Self>, endpoint: Endpoint, subject: &Subject) -> Result<Reservation> {
        self.gate.check(endpoint)?;
        let generation = Mutex::new(Some(self.breakers[endpoint.index()].admit(subject)?.detach()));
        Ok(Reservation { client: Arc::clone(self), endpoint, generation })
    }

    /// Steps 1 to 3 of a send; the first one uses the place that was kept for it.
    pub(super) fn admit_reserved<'a>(
        &'a self,
        endpoint: Endpoint,
        subject: &'a Subject,
        call: &Call<'_>,
    ) -> Result<Permit<'a>> {
        match call.reservation.and_then(Reservation::take) {
            Some(generation) => {
                let permit = self.breakers[endpoint.index()].resume(generation, subject);
                call.check()?;
                self.gate.check(endpoint)?;
                Ok(permit)
            }
            None => self.admit(endpoint, subject, call),
        }
    }
}

/// Waits that are shorter are not worth a deferral: the call waits for its slot instead.
pub(super) const SHORT_WAIT: Duration = Duration::from_secs(1);
