//! Every place where something sealed is stored, so that it can be counted by key and sealed anew. A table joins them by one
//! variant here.

use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, NullableExpressionMethods as _, QueryDsl as _,
    TextExpressionMethods as _,
};
use diesel_async::RunQueryDsl as _;

use super::{
    Conn, Result, on, orders,
    schema::{callbacks as stored_callbacks, haier_config_secrets as config_secrets, order_secrets},
};
use crate::domain::{
    callbacks, haier_configs,
    orders::sealing,
    sealed::{Place, Sealed, VERSION},
};

/// A table that holds sealed values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SealedTable {
    /// Secrets of accounts.
    HaierConfigSecrets,
    /// What is personal in orders, and their bodies.
    Orders,
    /// Words of callbacks whose order is not found.
    Callbacks,
}

/// One sealed value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedValue {
    /// Id of the row it is bound to.
    pub row: i64,
    /// What of the row.
    pub field: String,
    /// The value.
    pub sealed: Sealed,
}

impl SealedTable {
    /// All of them.
    pub const ALL: &[Self] = &[Self::HaierConfigSecrets, Self::Orders, Self::Callbacks];

    /// The table its values are bound to.
    #[must_use]
    pub const fn bound_to(self) -> &'static str {
        match self {
            Self::HaierConfigSecrets => haier_configs::TABLE,
            Self::Orders => sealing::TABLE,
            Self::Callbacks => callbacks::TABLE,
        }
    }

    /// Where a value of it belongs.
    #[must_use]
    pub fn place(self, value: &SealedValue) -> Place<'_> {
        Place { table: self.bound_to(), row: value.row, field: &value.field }
    }

    /// How many values it has that are sealed with this key; `None`: with any.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn count(self, conn: &mut Conn, key_id: Option<&str>) -> Result<i64> {
        let pattern = key_id.map_or_else(|| "%".to_owned(), sealed_with);
        match self {
            Self::HaierConfigSecrets => {
                let matching = config_secrets::table.filter(config_secrets::sealed.like(pattern)).count();
                Ok(on!(conn, |c| matching.get_result(c).await)?)
            }
            Self::Orders => {
                let matching = order_secrets::table.filter(order_secrets::sealed.like(pattern)).count();
                Ok(on!(conn, |c| matching.get_result(c).await)?)
            }
            Self::Callbacks => {
                let matching = stored_callbacks::table.filter(stored_callbacks::sealed.like(pattern)).count();
                Ok(on!(conn, |c| matching.get_result(c).await)?)
            }
        }
    }

    /// Some values that are sealed with another key than this one, by row and field, after the given one.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list_others(
        self,
        conn: &mut Conn,
        key_id: &str,
        after: Option<&SealedValue>,
        limit: i64,
    ) -> Result<Vec<SealedValue>> {
        let (row, field) = after.map_or((i64::MIN, String::new()), |value| (value.row, value.field.clone()));
        let rows: Vec<(i64, String, String)> = match self {
            Self::HaierConfigSecrets => on!(conn, |c| config_secrets::table
                .filter(config_secrets::sealed.not_like(sealed_with(key_id)))
                .filter(
                    config_secrets::config_id
                        .gt(row)
                        .or(config_secrets::config_id.eq(row).and(config_secrets::field.gt(field)))
                )
                .order((config_secrets::config_id, config_secrets::field))
                .limit(limit)
                .select((config_secrets::config_id, config_secrets::field, config_secrets::sealed))
                .load(c)
                .await)?,
            Self::Orders => on!(conn, |c| order_secrets::table
                .filter(order_secrets::sealed.not_like(sealed_with(key_id)))
                .filter(
                    order_secrets::order_id
                        .gt(row)
                        .or(order_secrets::order_id.eq(row).and(order_secrets::field.gt(field)))
                )
                .order((order_secrets::order_id, order_secrets::field))
                .limit(limit)
                .select((order_secrets::order_id, order_secrets::field, order_secrets::sealed))
                .load(c)
                .await)?,
            Self::Callbacks => {
                let others = stored_callbacks::table
                    .filter(stored_callbacks::sealed.not_like(sealed_with(key_id)))
                    .filter(stored_callbacks::applied_at.is_null())
                    .filter(stored_callbacks::id.gt(row))
                    .order(stored_callbacks::id)
                    .limit(limit)
                    .select((stored_callbacks::id, stored_callbacks::sealed.assume_not_null()));
                let rows: Vec<(i64, String)> = on!(conn, |c| others.load(c).await)?;
                rows.into_iter().map(|(id, sealed)| (id, callbacks::DATA.to_owned(), sealed)).collect()
            }
        };
        let value = |(row, field, sealed)| SealedValue { row, field, sealed: Sealed::from_stored(sealed) };
        Ok(rows.into_iter().map(value).collect())
    }

    /// Puts a value sealed anew in place of the one that was read; `false` if somebody has changed that one meanwhile.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn replace(self, conn: &mut Conn, read: &SealedValue, anew: &Sealed) -> Result<bool> {
        let replaced = match self {
            Self::HaierConfigSecrets => {
                let same = config_secrets::table
                    .find((read.row, &read.field))
                    .filter(config_secrets::sealed.eq(read.sealed.as_str()));
                let set = config_secrets::sealed.eq(anew.as_str());
                on!(conn, |c| diesel::update(same).set(set).execute(c).await)?
            }
            Self::Orders => orders::replace_sealed(conn, read.row, &read.field, &read.sealed, anew).await?,
            Self::Callbacks => {
                let same = stored_callbacks::table
                    .find(read.row)
                    .filter(stored_callbacks::applied_at.is_null())
                    .filter(stored_callbacks::sealed.eq(read.sealed.as_str()));
                let set = stored_callbacks::sealed.eq(anew.as_str());
                on!(conn, |c| diesel::update(same).set(set).execute(c).await)?
            }
        };
        Ok(replaced > 0)
    }
}

/// Ids of keys hold no letter that means something in a pattern.
fn sealed_with(key_id: &str) -> String {
    format!("{VERSION}.{key_id}.%")
}
