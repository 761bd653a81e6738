//! What the rows of the lists are taken for.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::{
    list::List,
    page::{Page, What},
    remote::Failure,
    window::Window,
};
use crate::provider::params;

const ACCOUNT: &str = "AC1";

fn now() -> DateTime<Utc> {
    "2026-11-15T12:00:00Z".parse().unwrap()
}

fn window() -> Window {
    Window::wanted(now(), None, None)
}

fn read(list: List, page: &Value) -> Result<Page, Failure> {
    list.read(ACCOUNT, window(), &Bytes::from(page.to_string()), now())
}

/// Names and values of a form.
type Fields = Vec<(String, String)>;

/// What the one row of a page is taken for: name, kind, state, and the fields of its form.
fn told(list: List, row: &Value) -> Option<(String, String, What, Fields)> {
    let page = match list {
        List::StripeEvents => json!({ "data": [row], "has_more": false }),
        List::TwilioCalls => json!({ "calls": [row] }),
        List::TwilioMessages => json!({ "messages": [row] }),
        List::PlivoCalls | List::PlivoMessages => json!({ "objects": [row], "meta": {} }),
    };
    let told = read(list, &page).unwrap().told.pop()?;
    let envelope = told.event.envelope();
    let fields = params(told.event.received());
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let fields = fields.sorted().iter().map(own).collect();
    Some((envelope.identity.external_id.clone(), envelope.kind.clone(), told.what, fields))
}

#[test]
fn a_call_has_the_name_that_its_webhook_would_have() {
    let ended = "Sun, 15 Nov 2026 11:00:00 +0000";
    let twilio = |status: &str| json!({ "sid": "CA1", "status": status, "end_time": ended, "duration": "0" });
    for (status, name) in [
        ("completed", Some("CA1:twilio.call.status:completed:0:")),
        ("no-answer", Some("CA1:twilio.call.status:no-answer:0:")),
        ("queued", None),
        ("in-progress", None),
        ("", None),
    ] {
        let told = told(List::TwilioCalls, &twilio(status));
        assert_eq!(told.as_ref().map(|(name, ..)| name.as_str()), name, "{status}");
        assert!(told.is_none_or(|(_, kind, ..)| kind == "twilio.call.status"));
    }
    for (case, row, status) in [
        (
            "inbound, unanswered",
            json!({ "call_direction": "inbound", "hangup_cause_code": 3000 }),
            "completed",
        ),
        ("answered", json!({ "call_direction": "outbound", "answer_time": "x" }), "completed"),
        ("nobody there", json!({ "call_direction": "outbound", "hangup_cause_code": 3000 }), "no-answer"),
        ("busy", json!({ "call_direction": "outbound", "hangup_cause_code": "3010" }), "busy"),
        ("given up", json!({ "call_direction": "outbound", "hangup_cause_code": 1000 }), "cancel"),
        ("anything else", json!({ "call_direction": "outbound", "hangup_cause_code": 5010 }), "failed"),
    ] {
        let mut row = row;
        row["call_uuid"] = "u1".into();
        let (name, kind, what, _) = told(List::PlivoCalls, &row).unwrap();
        assert_eq!(name, format!("u1:plivo.hangup:Event=Hangup:CallStatus={status}:"), "{case}");
        assert!(kind == "plivo.hangup" && matches!(what, What::Call { status: None, .. }), "{case}");
    }
}

#[test]
fn a_text_has_the_name_and_the_words_that_its_webhook_would_have() {
    for (list, row, name, kind, field) in [
        (
            List::TwilioMessages,
            json!({ "sid": "SM1", "direction": "inbound", "status": "received", "body": "a+b" }),
            "SM1:sms:",
            "twilio.sms",
            ("Body", Some("a+b")),
        ),
        (
            List::TwilioMessages,
            json!({ "sid": "SM1", "direction": "outbound-api", "status": "undelivered", "error_code": 30003 }),
            "SM1:twilio.message.status:undelivered::",
            "twilio.message.status",
            ("ErrorCode", Some("30003")),
        ),
        (
            List::TwilioMessages,
            json!({ "sid": "SM1", "direction": "outbound-reply", "status": "delivered", "body": "ours" }),
            "SM1:twilio.message.status:delivered::",
            "twilio.message.status",
            ("Body", None),
        ),
        (
            List::PlivoMessages,
            json!({ "message_uuid": "m1", "message_direction": "inbound", "message_state": "received" }),
            "m1:sms",
            "plivo.sms",
            ("Status", None),
        ),
        (
            List::PlivoMessages,
            json!({ "message_uuid": "m1", "message_direction": "outbound", "message_state": "Failed" }),
            "m1:status:failed::",
            "plivo.message.status",
            ("Status", Some("failed")),
        ),
    ] {
        let (found, found_kind, _, fields) = told(list, &row).unwrap();
        assert_eq!((found.as_str(), found_kind.as_str()), (name, kind));
        let found = fields.iter().find(|(name, _)| name == field.0).map(|(_, value)| value.as_str());
        assert_eq!(found, field.1, "{name} {}", field.0);
    }
}

#[test]
fn a_row_that_names_nothing_is_passed_over() {
    for list in List::ALL.into_iter().filter(|list| *list != List::StripeEvents) {
        for row in
            [json!({}), json!(null), json!("x"), json!({ "sid": "", "call_uuid": [], "message_uuid": {} })]
        {
            assert!(told(list, &row).is_none(), "{list:?} {row}");
        }
    }
}

#[test]
fn a_page_that_is_none_or_leads_elsewhere_is_refused() {
    for list in List::ALL {
        for page in [json!({}), json!([]), json!({ "error": { "message": "x" } })] {
            assert!(matches!(read(list, &page), Err(Failure::Unreadable(_))), "{list:?} {page}");
        }
    }
    for (next, is_ours) in [
        (json!(null), true),
        (json!("/2010-04-01/Accounts/AC1/Calls.json?PageToken=PACA1"), true),
        (json!("/2010-04-01/Accounts/AC2/Calls.json"), false),
        (json!("https://line.example/2010-04-01/Accounts/AC1/Calls.json"), false),
        (json!("@line.example/2010-04-01/Accounts/AC1/"), false),
    ] {
        let page = read(List::TwilioCalls, &json!({ "calls": [], "next_page_uri": next }));
        assert_eq!(page.is_ok(), is_ours, "{next}");
    }
}

#[test]
fn an_event_is_kept_to_the_letter() {
    let event = "{\"id\":\"evt_1\",  \"type\":\"invoice.paid\", \"amount\":1.50}";
    let body = Bytes::from(format!("{{\"object\":\"list\",\"data\":[{event}],\"has_more\":true}}"));
    let page = List::StripeEvents.read("live", window(), &body, now()).unwrap();
    assert_eq!(page.told[0].event.received().body.bytes(), event);
    assert!(page.next.unwrap().ends_with("&starting_after=evt_1"));
}

#[test]
fn the_first_page_names_the_window() {
    for (list, expected) in [
        (
            List::StripeEvents,
            "/v1/events?limit=100&created%5Bgte%5D=1792152000&created%5Blt%5D=1794743400&types%5B%5D=checkout.",
        ),
        (List::TwilioCalls, "/2010-04-01/Accounts/AC1/Calls.json?PageSize=500&StartTime%3E=2026-10-16"),
        (List::TwilioMessages, "/2010-04-01/Accounts/AC1/Messages.json?PageSize=500&DateSent%3E=2026-10-16"),
        (
            List::PlivoCalls,
            "/v1/Account/AC1/Call/?limit=20&offset=0&end_time__gte=2026-10-16+12%3A00%3A00&end_time__lt=2026-11-15+11%3A50",
        ),
        (List::PlivoMessages, "/v1/Account/AC1/Message/?limit=20&offset=0&message_time__gte=2026-10-16+"),
    ] {
        let first = list.first(ACCOUNT, window());
        assert!(first.starts_with(expected), "{first}");
    }
}
