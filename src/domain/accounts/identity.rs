//! What an order is bound to: the order system and the customer there, and not the name of an account. Secrets are no part of
//! it, so that they may change freely.

/// The identity of an account at the order system.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AccountIdentity {
    /// Hash of the place (base address, service suffix, token endpoint) and of the customer (client, user, customer code).
    pub place: String,
    /// Row of the stored account. `None`: the account is not stored.
    pub account_id: Option<i64>,
}

/// Where an account comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// It is not stored: the environment's, or one that is only tested.
    Unstored,
    /// The sandbox of this process, whose address may change with each start.
    OwnSandbox,
    /// The row of this id.
    Stored(i64),
}

impl Origin {
    /// Row of a stored account.
    #[must_use]
    pub const fn account_id(self) -> Option<i64> {
        match self {
            Self::Stored(id) => Some(id),
            Self::Unstored | Self::OwnSandbox => None,
        }
    }
}
