//! The order system's answers and what they mean to us.

use serde_json::value::RawValue;

use crate::{
    domain::order_calls::{ChangeAnswer, CourierNumbers, CourierParcel, DeliveryPhoto, PushAnswer},
    upstream::{
        envelope,
        error::{Error, Result},
        matrix::UNREADABLE,
        record::{FieldError, Fields, list},
        wire::{is_picture, times::any_time},
    },
};

const MAX_CODE_CHARS: usize = envelope::MAX_NUMBER_CHARS;

/// Y1's answer when it is a success. One without Haier's number proves nothing.
pub(super) fn booked(body: &[u8]) -> Result<PushAnswer> {
    let data = envelope::success(body, Some("retailOrderNo"))?;
    let text = |name| data.as_ref().and_then(|data| data.text(name, MAX_CODE_CHARS).ok().flatten());
    let unnumbered = || Error::of(UNREADABLE, "Haier says that it succeeded, and names no order number");
    Ok(PushAnswer::Booked {
        retail_order_no: data
            .as_ref()
            .and_then(|data| data.order_number("retailOrderNo"))
            .ok_or_else(unnumbered)?,
        so_id: text("soId"),
    })
}

/// Y2's and Y3's answer when it is a success.
pub(super) fn accepted(body: &[u8]) -> Result<ChangeAnswer> {
    envelope::success(body, None).map(|_| ChangeAnswer::Accepted)
}

/// One record of Y4.
pub(super) fn photo(raw: &RawValue) -> std::result::Result<DeliveryPhoto, FieldError> {
    let fields = parse(raw)?;
    Ok(DeliveryPhoto {
        image_type: text(&fields, "imageType")?,
        image_url: fields.text("imageUrl", usize::MAX)?.filter(|url| is_picture(url)).unwrap_or_default(),
        uploaded_at: fields.text("uploadTime", MAX_CODE_CHARS)?.as_deref().and_then(any_time),
    })
}

/// One record of Y5.
pub(super) fn courier_numbers(raw: &RawValue) -> std::result::Result<CourierNumbers, FieldError> {
    let fields = parse(raw)?;
    let parcels = list(&fields, "logisticsList")?.into_iter().map(parcel);
    Ok(CourierNumbers {
        order_code: text(&fields, "orderCode")?,
        delivery_record_code: text(&fields, "deliveryRecordCode")?,
        parcels: parcels.collect::<std::result::Result<_, _>>()?,
    })
}

fn parcel(raw: &RawValue) -> std::result::Result<CourierParcel, FieldError> {
    let fields = parse(raw)?;
    Ok(CourierParcel {
        logistics_company: text(&fields, "logisticsCompany")?,
        logistics_no: text(&fields, "logisticsNo")?,
        sn_code: text(&fields, "snCode")?,
    })
}

fn parse(raw: &RawValue) -> std::result::Result<Fields<'_>, FieldError> {
    Fields::parse(raw).map_err(|bad| (bad.reason, bad.detail))
}

fn text(fields: &Fields<'_>, name: &'static str) -> std::result::Result<String, FieldError> {
    Ok(fields.text(name, MAX_CODE_CHARS)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{domain::reasons::Reason, upstream::matrix::Executed};

    fn said(body: &str) -> (String, Option<String>) {
        match booked(body.as_bytes()).unwrap() {
            PushAnswer::Booked { retail_order_no, so_id } => (retail_order_no, so_id),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_order_is_booked_only_if_the_answer_says_so() {
        let both = ("LS1".to_owned(), Some("S1".to_owned()));
        for body in [
            r#"{"success":true,"code":200,"message":"成功","data":{"retailOrderNo":"LS1","soId":"S1"}}"#,
            r#"{"code":"200","data":{"retailOrderNo":"LS1","soId":"S1"}}"#,
            r#"{"data":{"retailOrderNo":"LS1","soId":"S1"}}"#,
            r#"{"success":"true","code":200,"msg":"ok","message":"ok","data":{"retailOrderNo":"LS1","soId":"S1"}}"#,
            r#"{"success":1,"data":{"retailOrderNo":"LS1","soId":"S1"}}"#,
        ] {
            assert_eq!(said(body), both, "{body}");
        }
        for body in [
            "",
            "<html></html>",
            "[]",
            "{}",
            r#"{"data":{}}"#,
            r#"{"success":true,"data":{"#,
            "true",
            r#"{"success":true}"#,
            r#"{"success":true,"data":null}"#,
            r#"{"success":true,"data":"ok"}"#,
            r#"{"success":true,"data":{"soId":"S1"}}"#,
            r#"{"success":"不","data":{"retailOrderNo":"LS1","soId":"S1"}}"#,
            r#"{"success":true,"data":{"retailOrderNo":false}}"#,
            r#"{"success":true,"data":{"retailOrderNo":0}}"#,
            r#"{"success":true,"data":{"retailOrderNo":"null"}}"#,
            r#"{"success":true,"data":{"retailOrderNo":"-"}}"#,
            r#"{"success":true,"data":{"retailOrderNo":"\u200b"}}"#,
            r#"{"success":true,"data":{"retailOrderNo":{"no":"LS1"}}}"#,
        ] {
            let error = booked(body.as_bytes()).unwrap_err();
            assert_eq!((error.reason, error.executed), (Reason::MalformedAnswer, Executed::Maybe), "{body}");
        }
    }

    #[test]
    fn a_refusal_keeps_haiers_code_and_words() {
        for (body, code, executed) in [
            (r#"{"success":false,"code":"B1","message":"商品不存在"}"#, "B1", Executed::No),
            (r#"{"success":"false","code":"B1","msg":"不","message":"商品不存在"}"#, "B1", Executed::No),
            (r#"{"success":0,"code":0,"message":"商品不存在","data":{"soId":"S1"}}"#, "0", Executed::No),
            (r#"{"success":false,"code":400,"message":"商品不存在"}"#, "400", Executed::No),
            (r#"{"success":false,"message":"商品不存在","data":{"soId":"S1"}}"#, "", Executed::No),
            (r#"{"code":500,"msg":"商品不存在"}"#, "500", Executed::Maybe),
        ] {
            for error in [booked(body.as_bytes()).unwrap_err(), accepted(body.as_bytes()).unwrap_err()] {
                let refusal = error.refusal.unwrap();
                assert_eq!((refusal.code.as_str(), refusal.message.as_str()), (code, "商品不存在"));
                assert_eq!(error.executed, executed, "{body}");
            }
        }
    }

    #[test]
    fn photos_and_parcels_are_read() {
        let raw = |json: &str| RawValue::from_string(json.to_owned()).unwrap();
        let json =
            raw(r#"{"imageType":1,"imageUrl":"https://img.example/1.jpg","uploadTime":1767225600000}"#);
        let photo = photo(&json).unwrap();
        assert_eq!((photo.image_type.as_str(), photo.image_url.as_str()), ("1", "https://img.example/1.jpg"));
        assert_eq!(photo.uploaded_at.unwrap().to_rfc3339(), "2026-01-01T00:00:00+00:00");

        let json = raw(r#"{"orderCode":"SO.1","logisticsList":[{"logisticsNo":"N1","snCode":null}]}"#);
        let numbers = courier_numbers(&json).unwrap();
        assert_eq!((numbers.order_code.as_str(), numbers.parcels.len()), ("SO.1", 1));
        assert_eq!(
            (numbers.parcels[0].logistics_no.as_str(), numbers.parcels[0].sn_code.as_str()),
            ("N1", "")
        );
        assert!(courier_numbers(&raw(r#"{"orderCode":"SO.1","logisticsList":7}"#)).is_err());
    }
}
