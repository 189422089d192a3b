//! An order as the store keeps it: what is personal is sealed apart, and nobody reads the rest as if it were whole.

use super::{Order, OrderSummary, Personal, SoId, StoredOrder};
use crate::domain::sealed::{Place, Sealed};

/// The table whose rows the sealed values are bound to.
pub const TABLE: &str = "orders";
/// The field of the bytes that are sent.
pub const BODY: &str = "body";

/// The personal part of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonalPart<T> {
    /// Who receives it.
    pub consignee_name: T,
    /// The receiver's mobile number.
    pub consignee_mobile: T,
    /// The rest of the address.
    pub detail_address: T,
    /// The buyer's words.
    pub remark: Option<T>,
}

impl<T> PersonalPart<T> {
    /// Every value by another one; `change` is told the name of the field.
    ///
    /// # Errors
    /// The first that `change` has.
    pub fn try_map<U, E>(
        self,
        change: impl Fn(&'static str, T) -> Result<U, E>,
    ) -> Result<PersonalPart<U>, E> {
        Ok(PersonalPart {
            consignee_name: change("consignee_name", self.consignee_name)?,
            consignee_mobile: change("consignee_mobile", self.consignee_mobile)?,
            detail_address: change("detail_address", self.detail_address)?,
            remark: self.remark.map(|remark| change("remark", remark)).transpose()?,
        })
    }
}

/// Where a personal value of an order belongs.
#[must_use]
pub const fn place(order_id: i64, field: &str) -> Place<'_> {
    Place { table: TABLE, row: order_id, field }
}

impl Order {
    /// Its personal part.
    #[must_use]
    pub fn personal(&self) -> PersonalPart<&Personal> {
        PersonalPart {
            consignee_name: &self.consignee_name,
            consignee_mobile: &self.consignee_mobile,
            detail_address: &self.detail_address,
            remark: self.remark.as_ref(),
        }
    }
}

/// A stored order whose personal part is sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedOrder {
    rest: StoredOrder,
    personal: PersonalPart<Sealed>,
}

impl SealedOrder {
    /// What was read: the personal fields of `rest` are empty.
    #[must_use]
    pub const fn new(rest: StoredOrder, personal: PersonalPart<Sealed>) -> Self {
        Self { rest, personal }
    }

    /// Its id.
    #[must_use]
    pub const fn id(&self) -> i64 {
        self.rest.id
    }

    /// Its number.
    #[must_use]
    pub const fn so_id(&self) -> &SoId {
        &self.rest.order.so_id
    }

    /// Where it stands.
    #[must_use]
    pub const fn summary(&self) -> &OrderSummary {
        &self.rest.summary
    }

    /// The order without its people, whose fields are empty.
    #[must_use]
    pub fn without_people(self) -> StoredOrder {
        self.rest
    }

    /// The whole order.
    ///
    /// # Errors
    /// When something does not open.
    pub fn open<E>(self, open: impl Fn(Place<'_>, &Sealed) -> Result<Personal, E>) -> Result<StoredOrder, E> {
        let Self { mut rest, personal } = self;
        let id = rest.id;
        let personal = personal.try_map(|field, sealed| open(place(id, field), &sealed))?;
        rest.order.consignee_name = personal.consignee_name;
        rest.order.consignee_mobile = personal.consignee_mobile;
        rest.order.detail_address = personal.detail_address;
        rest.order.remark = personal.remark;
        Ok(rest)
    }
}
