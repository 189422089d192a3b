//! A client of the stand-in's order system, as Haier's description has it.

use super::*;

pub(super) const Y0: &str = "/ylh-cloud-mgt-auth-dev/oauth/token";
pub(super) const Y1: &str =
    "/ylh-cloud-service-jst-order-dev/api/page/hmm/retailorder/receive-hmm-retail-order";

pub(super) const Y2: &str =
    "/ylh-cloud-service-jst-order-dev/api/page/hmm/retailorder/cancel-hmm-retail-order";
pub(super) const Y3: &str = "/ylh-cloud-service-order-dev/api/page/retailorder/hmm/update-distribution-time";
pub(super) const Y4: &str =
    "/ylh-cloud-service-order-dev/api/page/retailorder/search/get-retail-order-delivery-img";
pub(super) const Y5: &str =
    "/ylh-cloud-service-stock-dev/api/composite/stock/logistics/get-store-logistics-by-order-code";

/// The last second of 2026-01-01 in Shanghai, in milliseconds.
pub(super) const END_OF_DAY: i64 = 1_767_283_199_000;

/// A client of the order system with a token.
pub(super) struct Ylh {
    pub(super) haier: Haier,
    pub(super) authorization: String,
    /// A product that can be ordered.
    pub(super) code: String,
}

impl Ylh {
    pub(super) async fn start() -> Self {
        Self::with(Options::default()).await
    }

    pub(super) async fn with(options: Options) -> Self {
        let haier = Haier::with(options).await;
        let code = haier.codes(1).await.remove(0);
        let mut ylh = Self { haier, authorization: String::new(), code };
        ylh.authenticate().await;
        ylh
    }

    pub(super) async fn authenticate(&mut self) {
        let answer: Value = self.ask_token(Y0, "sandbox", "sandbox").await.json().await.unwrap();
        self.authorization = format!(
            "{} {}",
            answer["token_type"].as_str().unwrap(),
            answer["access_token"].as_str().unwrap()
        );
    }

    pub(super) async fn ask_token(&self, path: &str, client_secret: &str, password: &str) -> Response {
        let form = [("grant_type", "password"), ("username", "sandbox"), ("password", password)];
        let request = self.haier.request("POST", path).basic_auth("sandbox", Some(client_secret));
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = request.header("Content-Type", "application/x-www-form-urlencoded").body(form);
        request.header("system-name", "ylh-open-api").send().await.unwrap()
    }

    /// A token of another sandbox.
    pub(super) async fn ask_token_at(&self, base_url: &str) -> String {
        let form = "grant_type=password&username=sandbox&password=sandbox";
        let request = self.haier.http.post(format!("{base_url}{Y0}")).basic_auth("sandbox", Some("sandbox"));
        let request = request.header("Content-Type", "application/x-www-form-urlencoded").body(form);
        let response = request.header("system-name", "ylh-open-api").send().await.unwrap();
        format!("bearer {}", response.json::<Value>().await.unwrap()["access_token"].as_str().unwrap())
    }

    pub(super) fn post(&self, path: &str, body: &Value) -> RequestBuilder {
        self.haier.request("POST", path).header("Authorization", &self.authorization).json(body)
    }

    /// What it answers, which must be 200.
    pub(super) async fn call(&self, path: &str, body: &Value) -> Value {
        let response = self.post(path, body).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        response.json().await.unwrap()
    }

    /// Two units with both times on one day.
    pub(super) fn order(&self, so_id: &str) -> Value {
        let item = json!({
            "productCode": self.code, "itemQty": 1, "retailPrice": 2000.5, "discountAmount": "0.5",
            "actualPrice": 2000, "isGift": false,
        });
        json!({
            "sourceSystem": "SHOP", "shopName": "海尔旗舰店", "sellerCode": "8800000001",
            "consigneeName": "王小明", "consigneeMobile": "13800138000", "onlineNo": "ON-1", "soId": so_id,
            "remark": "", "totalQty": 2, "totalAmt": "4000.00", "createTime": 1_767_225_600_123_i64,
            "province": "北京市", "city": "北京市", "area": "东城区", "town": "东华门街道",
            "detailAddress": "长安街1号", "distributionTime": END_OF_DAY, "installTime": END_OF_DAY,
            "governmentOrder": true, "deliveryInstall": "true", "itemList": [item, item],
        })
    }

    pub(super) fn cancellation(&self, so_id: &str) -> Value {
        json!({ "soId": so_id, "cancelTime": "1767225600123", "cancelReason": "不想要了", "sourceSystem": "SHOP" })
    }

    pub(super) async fn push(&self, order: &Value) -> Value {
        self.call(Y1, order).await
    }

    pub(super) async fn book(&self) -> Value {
        self.haier.control("GET", "orders", &json!(null)).await.1
    }

    /// The only order of the book.
    pub(super) async fn only(&self) -> Value {
        let book = self.book().await;
        let [order] = book["orders"].as_array().unwrap().as_slice() else { panic!("{book}") };
        order.clone()
    }
}

/// That it is refused with this code, and the words of the message.
#[track_caller]
pub(super) fn refused(answer: &Value, code: u16) -> String {
    assert_eq!((&answer["success"], &answer["code"]), (&json!(false), &json!(code)), "{answer}");
    answer["message"].as_str().unwrap().to_owned()
}
