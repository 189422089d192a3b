//! Callbacks as a stranger posts them, signed after the description.

use chrono::{DateTime, TimeDelta, Utc};
use haier_integration::{app::SystemClock, domain::clock::Clock as _};
use md5::{Digest as _, Md5};
use reqwest::{StatusCode, header::CONTENT_TYPE};
use serde_json::{Value, json};

use crate::support::{World, within};

const SECRET: &str = "sandbox-callback-secret";

/// A callback before it is signed.
#[derive(Clone)]
pub(crate) struct Post {
    pub(super) fields: Vec<(&'static str, String)>,
    secret: String,
    json: bool,
}

pub(super) fn now() -> DateTime<Utc> {
    SystemClock::new().now()
}

pub(super) fn shanghai(instant: DateTime<Utc>) -> String {
    (instant + TimeDelta::hours(8)).format("%Y%m%d%H%M%S").to_string()
}

/// The last word of `Method`, and `Data`.
pub(crate) fn post(method: &str, data: &Value) -> Post {
    let fields = vec![
        ("AppKey", "sandbox-app".to_owned()),
        ("TimeStamp", shanghai(now())),
        ("Method", format!("hmm.scm_heorder.{method}")),
        ("Data", data.to_string()),
    ];
    Post { fields, secret: SECRET.to_owned(), json: false }
}

pub(super) fn confirm(number: &str) -> Post {
    post("confirm", &json!({ "ExtOrderNo": "SO.1", "PlatformOrderNo": number, "State": 1 }))
}

impl Post {
    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.fields.retain(|(known, _)| *known != name);
        self.fields.push((name, value.to_owned()));
        self
    }

    pub(super) fn in_json(self) -> Self {
        Self { json: true, ..self }
    }

    pub(super) fn at(self, instant: DateTime<Utc>) -> Self {
        self.with("TimeStamp", &shanghai(instant))
    }

    /// To be signed with another secret than the stand-in's.
    pub(super) fn with_secret(self, secret: &str) -> Self {
        Self { secret: secret.to_owned(), ..self }
    }

    pub(crate) fn signed_with(self, secret: &str) -> Self {
        self.with_secret(secret).signed()
    }

    /// Signed after the description, by another hand than the service's.
    pub(super) fn signed(mut self) -> Self {
        let mut fields = self.fields.clone();
        fields.retain(|(name, value)| *name != "Sign" && !value.trim().is_empty());
        fields.sort();
        let text: String = fields.iter().map(|(name, value)| format!("{name}{value}")).collect();
        let hash = Md5::digest(format!("{0}{text}{0}", self.secret).to_lowercase());
        self.fields.push(("Sign", hash.iter().map(|byte| format!("{byte:02X}")).collect()));
        self
    }

    pub(crate) fn body(&self) -> (String, &'static str) {
        if self.json {
            let object: serde_json::Map<_, _> =
                self.fields.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
            return (Value::from(object).to_string(), "application/json");
        }
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.fields).finish();
        (form, "application/x-www-form-urlencoded")
    }

    pub(crate) async fn send(self, world: &World) -> (StatusCode, Value) {
        self.signed().send_as_it_is(world).await
    }

    pub(super) async fn send_as_it_is(self, world: &World) -> (StatusCode, Value) {
        let (body, content_type) = self.body();
        send(world, body.into(), content_type).await
    }

    /// Sends what must be taken, signed before.
    pub(crate) async fn taken_as_it_is(self, world: &World) {
        let (status, answer) = self.send_as_it_is(world).await;
        assert_eq!((status, &answer["success"]), (StatusCode::OK, &json!(true)), "{answer}");
    }

    /// Sends what must be taken.
    pub(crate) async fn taken(self, world: &World) {
        let (status, answer) = self.send(world).await;
        assert_eq!((status, &answer["success"]), (StatusCode::OK, &json!(true)), "{answer}");
    }
}

pub(super) async fn send(world: &World, body: Vec<u8>, content_type: &str) -> (StatusCode, Value) {
    let url = world.service().callback_url();
    let request = reqwest::Client::new().post(url).header(CONTENT_TYPE, content_type).body(body);
    let response = within(request.send()).await.unwrap();
    let status = response.status();
    let text = within(response.text()).await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}")))
}
