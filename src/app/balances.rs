//! The payers' balances now.

use super::{App, Ctx};
use crate::{domain::balances::Balance, error::Result};

impl App {
    /// Asks Haier for the payers' balances now.
    ///
    /// # Errors
    /// Without an account, and when the call fails.
    pub async fn balances_fetch(&self, ctx: &Ctx) -> Result<Vec<Balance>> {
        self.live_balances(ctx).await
    }
}
