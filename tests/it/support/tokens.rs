//! Tokens, and calls that carry one.

use haier_integration::proto::{
    CreateApiTokenRequest, Role, haier_administration_client::HaierAdministrationClient,
};
use tonic::{Request, transport::Channel};

use super::World;

/// A call that carries a token.
pub(crate) fn bearing<T>(token: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    request
}

impl World {
    pub(crate) async fn administration(&self) -> HaierAdministrationClient<Channel> {
        HaierAdministrationClient::new(self.channel().connect().await.unwrap())
    }

    /// Makes the first token, an admin's: from then on every call needs one.
    pub(crate) async fn make_admin(&self) -> String {
        self.make_token("", "root", Role::Admin).await
    }

    /// Makes a token; its text.
    pub(crate) async fn make_token(&self, by: &str, name: &str, role: Role) -> String {
        let request = CreateApiTokenRequest { name: name.to_owned(), role: role.into(), expires_at: None };
        let made = self.administration().await.create_api_token(bearing(by, request)).await.unwrap();
        made.into_inner().token
    }
}
