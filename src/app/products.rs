//! Reading the shop's copy of the catalogue.

use std::collections::HashMap;

use super::{App, Ctx};
use crate::{
    domain::{
        pages::{Page, PageRequest},
        products::{Product, ProductCode, ProductFilter},
    },
    error::Result,
    store::products,
};

impl App {
    /// The stored products among these codes, in their order, and the codes that are not stored.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn products_get(
        &self,
        _: &Ctx,
        codes: Vec<ProductCode>,
    ) -> Result<(Vec<Product>, Vec<ProductCode>)> {
        let mut conn = self.store.read().await?;
        let stored = products::list_by_code(&mut conn, &codes).await?;
        let mut by_code: HashMap<ProductCode, Product> =
            stored.into_iter().map(|product| (product.code.clone(), product)).collect();
        let (mut found, mut missing) = (Vec::with_capacity(by_code.len()), Vec::new());
        for code in codes {
            match by_code.remove(&code) {
                Some(product) => found.push(product),
                None => missing.push(code),
            }
        }
        Ok((found, missing))
    }

    /// One page of the stored products that match, by code.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn products_list(
        &self,
        _: &Ctx,
        filter: &ProductFilter,
        page: &PageRequest<String>,
    ) -> Result<Page<Product, String>> {
        let mut conn = self.store.read().await?;
        Ok(products::list(&mut conn, filter, page).await?)
    }
}
