//! Reads the fields of a call and refuses what the supplier would refuse, naming the field.

use axum::http::StatusCode;
use serde_json::{Map, Value};

/// Why a call is not answered.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) message: String,
}

/// The name under which the elements of a bare list stand.
pub(super) const LIST: &str = "请求体";

/// How many codes a call may carry.
pub(super) const MAX_CODES: usize = 20;

pub(super) fn bad(message: impl Into<String>) -> Refusal {
    Refusal { status: StatusCode::BAD_REQUEST, message: message.into() }
}

/// The fields of a call's body.
pub(super) struct Fields(Map<String, Value>);

impl From<Map<String, Value>> for Fields {
    fn from(fields: Map<String, Value>) -> Self {
        Self(fields)
    }
}

impl Fields {
    pub(super) fn from_json(body: &[u8]) -> Result<Self, Refusal> {
        match serde_json::from_slice(body) {
            Ok(Value::Object(fields)) => Ok(Self::from(fields)),
            Ok(_) => Err(bad("参数错误：请求体应为JSON对象")),
            Err(error) => Err(bad(format!("参数错误：请求体不是合法的JSON（{error}）"))),
        }
    }

    pub(super) fn from_form(body: &[u8]) -> Self {
        let pairs = url::form_urlencoded::parse(body);
        Self(pairs.map(|(name, value)| (name.into_owned(), Value::from(value.into_owned()))).collect())
    }

    /// A body that is a bare list; it is found under [`LIST`].
    pub(super) fn from_list(body: &[u8]) -> Result<Self, Refusal> {
        match serde_json::from_slice(body) {
            Ok(Value::Array(list)) => Ok(Self([(LIST.to_owned(), Value::Array(list))].into_iter().collect())),
            Ok(_) => Err(bad("参数错误：请求体应为JSON数组")),
            Err(error) => Err(bad(format!("参数错误：请求体不是合法的JSON（{error}）"))),
        }
    }

    /// A field's value; `null` counts as absent.
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// A text that must be there.
    pub(super) fn text(&self, name: &str) -> Result<&str, Refusal> {
        match self.get(name) {
            Some(Value::String(text)) if !text.trim().is_empty() => Ok(text),
            Some(Value::String(_)) | None => Err(bad(format!("参数错误：{name}不能为空"))),
            Some(_) => Err(bad(format!("参数错误：{name}应为字符串"))),
        }
    }

    /// A text that must be one of a few.
    pub(super) fn one_of(&self, name: &str, allowed: &[&str]) -> Result<&str, Refusal> {
        let text = self.text(name)?;
        if allowed.contains(&text) { Ok(text) } else { Err(bad(format!("参数错误：{name}不正确"))) }
    }

    /// The first of several names that is there must be one of a few.
    pub(super) fn first_of(&self, names: &[&str], allowed: &[&str]) -> Result<&str, Refusal> {
        let name = names.iter().find(|name| self.get(name).is_some()).or(names.first());
        self.one_of(name.copied().unwrap_or_default(), allowed)
    }

    pub(super) fn optional_integer(&self, name: &str) -> Result<(), Refusal> {
        match self.get(name) {
            None => Ok(()),
            Some(value) if value.is_i64() => Ok(()),
            Some(_) => Err(bad(format!("参数错误：{name}应为整数"))),
        }
    }

    /// Distinct codes in the order asked; `None` when the field is absent.
    pub(super) fn codes(&self, name: &str) -> Result<Option<Vec<String>>, Refusal> {
        self.codes_up_to(name, MAX_CODES)
    }

    fn codes_up_to(&self, name: &str, most: usize) -> Result<Option<Vec<String>>, Refusal> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let list = value.as_array().ok_or_else(|| bad(format!("参数错误：{name}应为数组")))?;
        if list.is_empty() || list.len() > most {
            return Err(bad(format!("参数错误：{name}应为1到{most}个，实际{}个", list.len())));
        }
        let mut codes = Vec::with_capacity(list.len());
        for code in list {
            let code = code.as_str().ok_or_else(|| bad(format!("参数错误：{name}的元素应为字符串")))?;
            if !codes.iter().any(|known| known == code) {
                codes.push(code.to_owned());
            }
        }
        Ok(Some(codes))
    }

    /// The distinct texts of a bare list, in the order asked.
    pub(super) fn list(&self, most: usize) -> Result<Vec<String>, Refusal> {
        self.codes_up_to(LIST, most).map(Option::unwrap_or_default)
    }

    /// The product codes a call carries, well-formed or not: what faults look at before anything is checked.
    pub(super) fn mentioned_codes(&self) -> Vec<String> {
        let list = |name| self.get(name).and_then(Value::as_array).into_iter().flatten();
        let ordered = list("itemList").filter_map(|item| item.get("productCode"));
        let codes = list("productCodes").chain(self.get("productCode")).chain(ordered);
        codes.filter_map(Value::as_str).map(str::to_owned).collect()
    }
}
