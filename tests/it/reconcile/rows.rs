//! Rows of the lists, as the providers write them.

use chrono::DateTime;
use serde_json::{Value, json};

use crate::house::TWILIO_ACCOUNT;

pub(crate) const CALLER: &str = "+14155550100";
pub(crate) const LINE: &str = "+14155550199";

/// A subscription's event, in the list and as a webhook's body.
pub(crate) fn subscription(id: &str, at: i64) -> Value {
    json!({
        "id": id, "object": "event", "type": "customer.subscription.created", "created": at, "livemode": true,
        "data": { "object": { "id": format!("sub_{id}"), "object": "subscription", "customer": "cus_1",
                              "status": "active" } },
    })
}

pub(crate) fn rfc2822(at: i64) -> String {
    DateTime::from_timestamp(at, 0).unwrap().format("%a, %d %b %Y %H:%M:%S +0000").to_string()
}

pub(crate) fn twilio_call(sid: &str, status: &str, at: i64) -> Value {
    let ended = (status != "in-progress").then(|| rfc2822(at));
    json!({
        "sid": sid, "account_sid": TWILIO_ACCOUNT, "status": status, "direction": "inbound", "from": CALLER, "to": LINE,
        "duration": "42", "start_time": rfc2822(at - 42), "end_time": ended, "date_updated": rfc2822(at),
        "parent_call_sid": null, "api_version": "2010-04-01", "price": null,
    })
}

pub(crate) fn twilio_message(sid: &str, direction: &str, status: &str, at: i64) -> Value {
    let (from, to) = if direction == "inbound" { (CALLER, LINE) } else { (LINE, CALLER) };
    json!({
        "sid": sid, "account_sid": TWILIO_ACCOUNT, "status": status, "direction": direction, "from": from, "to": to,
        "body": "STOP", "num_segments": "1", "num_media": "0", "error_code": null, "api_version": "2010-04-01",
        "date_created": rfc2822(at), "date_sent": rfc2822(at), "date_updated": rfc2822(at),
    })
}

/// As Plivo writes it: with the zone of the account.
pub(crate) fn plivo_time(at: i64) -> String {
    let zone = chrono::FixedOffset::east_opt(19_800).unwrap();
    DateTime::from_timestamp(at, 0).unwrap().with_timezone(&zone).format("%Y-%m-%d %H:%M:%S%:z").to_string()
}

pub(crate) fn plivo_call(id: &str, at: i64) -> Value {
    json!({
        "call_uuid": id, "call_direction": "inbound", "from_number": CALLER, "to_number": LINE, "call_duration": 42,
        "billed_duration": 60, "end_time": plivo_time(at), "answer_time": plivo_time(at - 42),
        "initiation_time": plivo_time(at - 45), "hangup_cause_code": 4000, "hangup_cause_name": "Normal Hangup",
        "hangup_source": "Caller", "parent_call_uuid": null,
    })
}

pub(crate) fn plivo_message(id: &str, direction: &str, state: &str, at: i64) -> Value {
    let (from, to) = if direction == "inbound" { (CALLER, LINE) } else { (LINE, CALLER) };
    json!({
        "message_uuid": id, "message_direction": direction, "message_state": state, "message_type": "sms", "units": 1,
        "from_number": &from[1..], "to_number": &to[1..], "message_time": plivo_time(at), "error_code": null,
    })
}
