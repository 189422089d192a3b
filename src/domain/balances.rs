//! What the shop's payers have at Haier.

use super::decimal::Money;

/// One payer's balance, in one sale group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Balance {
    /// Sale group.
    pub sale_group_code: Option<String>,
    /// Its name.
    pub sale_group_name: Option<String>,
    /// Payer's account.
    pub payer_account_code: Option<String>,
    /// Its name.
    pub payer_account_name: Option<String>,
    /// What is left.
    pub payer_account_balance: Option<Money>,
}
