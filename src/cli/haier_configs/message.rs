//! Fields of an account in the message that carries it.

use crate::{
    domain::accounts::Field,
    proto::{HaierConfig, YlhConfig},
};

/// The place of a field; `ylh` is added when it is first needed.
pub(super) fn place(config: &mut HaierConfig, field: Field) -> &mut String {
    fn ylh(config: &mut HaierConfig) -> &mut YlhConfig {
        config.ylh.get_or_insert_default()
    }
    match field {
        Field::ClientId => &mut config.client_id,
        Field::ClientSecret => &mut config.client_secret,
        Field::BaseUrl => &mut config.base_url,
        Field::TokenUrl => &mut config.token_url,
        Field::CustomerCode => &mut config.customer_code,
        Field::SendToCode => &mut config.send_to_code,
        Field::SupplierCode => &mut config.supplier_code,
        Field::Password => &mut config.password,
        Field::SellerPassword => &mut config.seller_password,
        Field::CustomerPassword => &mut config.customer_password,
        Field::AuthorizationScheme => &mut config.authorization_scheme,
        Field::YlhBaseUrl => &mut ylh(config).base_url,
        Field::YlhServiceSuffix => &mut ylh(config).service_suffix,
        Field::YlhAuthUrl => &mut ylh(config).auth_url,
        Field::YlhUsername => &mut ylh(config).username,
        Field::YlhPassword => &mut ylh(config).password,
        Field::YlhClientId => &mut ylh(config).client_id,
        Field::YlhClientSecret => &mut ylh(config).client_secret,
        Field::YlhSourceSystem => &mut ylh(config).source_system,
        Field::YlhShopName => &mut ylh(config).shop_name,
        Field::YlhCallbackAppKey => &mut ylh(config).callback_app_key,
        Field::YlhCallbackSecret => &mut ylh(config).callback_secret,
    }
}

/// The settings that are there, in the order of fields; never a secret.
pub(super) fn settings(config: &HaierConfig) -> Vec<(Field, String)> {
    let mut config = config.clone();
    let has_ylh = config.ylh.is_some();
    let mut given = Vec::new();
    for field in
        Field::ALL.iter().copied().filter(|field| !field.is_secret() && (has_ylh || !field.is_of_ylh()))
    {
        let text = std::mem::take(place(&mut config, field));
        if !text.is_empty() {
            given.push((field, text));
        }
    }
    given
}
