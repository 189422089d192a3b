//! What an operator says of single products: whose stock is asked for before that of others.

use super::products::ProductCode;

/// What an operator has said of a product's stock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attention {
    /// The product.
    pub code: ProductCode,
    /// Whether its stock is asked for before that of others.
    pub watched: bool,
    /// Stock below this is low. `None`: the threshold of the settings.
    pub low_stock: Option<i64>,
}

/// What an operator changes of some products.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AttentionChange {
    /// Whether they are watched; `None` stays.
    pub watched: Option<bool>,
    /// Their threshold; `None` stays, and `Some(None)` is that of the settings.
    pub low_stock: Option<Option<i64>>,
}
