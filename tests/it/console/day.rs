//! A day on a line, as the providers tell it: calls with every end, texts, payments that work and one that does not,
//! and requests that are refused.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::house::{House, PLIVO_ACCOUNT, TWILIO_ACCOUNT, TWILIO_TOKEN};
use crate::wire::Ask;

const LINE: &str = "+14155550199";

/// A form of Twilio's, signed.
pub(crate) async fn twilio(house: &House, path: &str, fields: &[(&str, &str)]) {
    let fields = [&[("AccountSid", TWILIO_ACCOUNT), ("ApiVersion", "2010-04-01")], fields].concat();
    let reply = house.ask(&Ask::post(&format!("/webhooks/twilio/{path}")).form(&fields).by_twilio()).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
}

/// A form of Plivo's, signed.
pub(crate) async fn plivo(house: &House, path: &str, fields: &[(&str, &str)]) {
    let fields = [&[("AuthID", PLIVO_ACCOUNT)], fields].concat();
    let reply = house.ask(&Ask::post(&format!("/webhooks/plivo/{path}")).form(&fields).by_plivo()).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
}

/// An event of Stripe's, signed now.
pub(crate) async fn stripe(house: &House, id: &str, kind: &str, object: Value) {
    let now = house.clock.now_s();
    let event = json!({
        "id": id, "object": "event", "api_version": "2026-06-30", "created": now, "livemode": true, "type": kind,
        "data": { "object": object },
    });
    let body = serde_json::to_string(&event).unwrap();
    let ask = Ask::post("/webhooks/stripe").body("application/json; charset=utf-8", body);
    let reply = house
        .ask(&ask.header("User-Agent", "Stripe/1.0 (+https://stripe.com/docs/webhooks)").by_stripe_at(now))
        .await;
    assert_eq!(reply.status, 200, "{}", reply.text());
}

/// A subscription that runs until in thirty days.
pub(crate) fn subscription(house: &House, id: &str, customer: &str, status: &str) -> Value {
    let now = house.clock.now_s();
    json!({
        "id": id, "object": "subscription", "customer": customer, "status": status, "currency": "usd",
        "current_period_start": now, "current_period_end": now + 30 * 86_400, "cancel_at_period_end": false,
        "metadata": { "line": LINE },
        "items": { "data": [{ "price": { "id": "price_line_monthly" }, "quantity": 1,
                              "current_period_start": now, "current_period_end": now + 30 * 86_400 }] },
    })
}

/// An invoice of 29 dollars.
pub(crate) fn invoice(id: &str, customer: &str, subscription: &str, paid: bool) -> Value {
    json!({
        "id": id, "object": "invoice", "customer": customer, "subscription": subscription, "currency": "usd",
        "number": format!("SL-{id}"), "customer_email": "ada@example.com", "amount_due": 2900,
        "amount_paid": if paid { 2900 } else { 0 }, "amount_remaining": if paid { 0 } else { 2900 },
        "status": if paid { "paid" } else { "open" }, "paid": paid, "attempt_count": if paid { 1 } else { 2 },
        "billing_reason": "subscription_cycle",
    })
}

/// A call from its ring to its end, a minute long.
pub(crate) async fn call(house: &House, number: usize, end: &str) {
    let (sid, from) = (format!("CA{number:032x}"), format!("+1415555{:04}", 100 + number % 90));
    let call = [("CallSid", sid.as_str()), ("From", from.as_str()), ("To", LINE), ("Direction", "inbound")];
    let with = |more: &[(&'static str, &'static str)]| [&call[..], more].concat();
    twilio(house, "voice", &with(&[("CallStatus", "ringing")])).await;
    house.clock.advance(Duration::from_secs(8));
    let in_progress = [("CallStatus", "in-progress"), ("SequenceNumber", "1")];
    twilio(house, "status", &with(&in_progress)).await;
    house.clock.advance(Duration::from_secs(52));
    if end == "voicemail" {
        let name: &'static str = Box::leak(format!("RE{number:032x}").into_boxed_str());
        let recording = [
            ("CallStatus", "completed"),
            ("RecordingSid", name),
            ("RecordingStatus", "completed"),
            ("RecordingDuration", "31"),
            ("RecordingUrl", "https://api.example.com/recordings/RE1"),
        ];
        twilio(house, "status", &with(&recording)).await;
    }
    if end != "open" {
        let status = if end == "voicemail" { "completed" } else { end };
        let status = Box::leak(status.to_owned().into_boxed_str());
        twilio(
            house,
            "status",
            &with(&[("CallStatus", status), ("SequenceNumber", "2"), ("CallDuration", "52")]),
        )
        .await;
    }
}

/// A text that came in.
pub(crate) async fn text(house: &House, number: usize, from: &str, body: &str) {
    let sid = format!("SM{number:032x}");
    twilio(
        house,
        "sms",
        &[
            ("MessageSid", &sid),
            ("From", from),
            ("To", LINE),
            ("Body", body),
            ("NumSegments", "1"),
            ("NumMedia", "0"),
        ],
    )
    .await;
}

/// Everything, spread over a day that ends now. All of it is worked on but what came last.
pub(crate) async fn live_through(house: &House) {
    first_customer(house).await;
    hours(house).await;
    text(house, 900, "+14155550142", "Hello! Could someone call me back about my invoice?").await;
    house.clock.advance(Duration::from_secs(90));
    text(house, 901, "+14155550142", "It is about the one from Monday. Thank you 🙂").await;
    house.clock.advance(Duration::from_secs(200));
    stripe(
        house,
        "evt_failed_1",
        "invoice.payment_failed",
        invoice("in_2Pq", "cus_Q7grace1Hopper", "sub_2Pq", false),
    )
    .await;
    stripe(
        house,
        "evt_due_1",
        "customer.subscription.updated",
        subscription(house, "sub_2Pq", "cus_Q7grace1Hopper", "past_due"),
    )
    .await;
    call(house, 903, "voicemail").await;
    call(house, 904, "open").await;
    while house.app.work_once().await.unwrap() > 0 {}
    given_up(house).await;
    owed(house).await;
    house.clock.advance(Duration::from_secs(40));
}

async fn first_customer(house: &House) {
    stripe(house, "evt_checkout_1", "checkout.session.completed", json!({
        "id": "cs_1", "object": "checkout.session", "customer": "cus_Q4vb1aLovelace", "mode": "subscription", "payment_status": "paid",
        "client_reference_id": "ada", "customer_details": { "email": "ada@example.com", "name": "Ada Lovelace", "phone": "+14155550142" },
        "metadata": { "line": LINE },
    })).await;
    stripe(
        house,
        "evt_sub_1",
        "customer.subscription.created",
        subscription(house, "sub_1Pq", "cus_Q4vb1aLovelace", "active"),
    )
    .await;
    stripe(
        house,
        "evt_paid_1",
        "invoice.payment_succeeded",
        invoice("in_1Pq", "cus_Q4vb1aLovelace", "sub_1Pq", true),
    )
    .await;
}

/// All hours but the last, with more calls by day than by night.
async fn hours(house: &House) {
    let ends = ["completed", "voicemail", "busy", "voicemail", "no-answer", "completed", "canceled"];
    for hour in 0..23 {
        let calls = [2, 1, 1, 0, 1, 2, 4, 6, 8, 7, 6, 4, 5, 8, 9, 7, 5, 4, 3, 2, 2, 1, 3][hour];
        for each in 0..calls {
            let number = hour * 10 + each;
            call(house, number, ends[number % ends.len()]).await;
            if number.is_multiple_of(3) {
                let id = format!("00000000-0000-4000-8000-{number:012x}");
                plivo(
                    house,
                    "answer",
                    &[
                        ("CallUUID", &id),
                        ("From", "14155550177"),
                        ("To", "14155550198"),
                        ("Direction", "inbound"),
                        ("CallStatus", "ringing"),
                    ],
                )
                .await;
                plivo(
                    house,
                    "hangup",
                    &[
                        ("CallUUID", &id),
                        ("From", "14155550177"),
                        ("To", "14155550198"),
                        ("Event", "Hangup"),
                        ("CallStatus", "completed"),
                        ("Duration", "41"),
                        ("BillDuration", "60"),
                        ("HangupCauseName", "Normal Hangup"),
                        ("HangupSource", "Caller"),
                    ],
                )
                .await;
            }
        }
        if hour % 2 == 0 {
            text(house, hour, &format!("+1415555{:04}", 120 + hour), "Hi, is the shop open on Sunday?").await;
        }
        if hour % 5 == 1 {
            let id = format!("evt_renew_{hour}");
            let customer = format!("cus_renew{hour}");
            stripe(
                house,
                &id,
                "invoice.payment_succeeded",
                invoice(&format!("in_{hour}"), &customer, &format!("sub_{hour}"), true),
            )
            .await;
            stripe(
                house,
                &format!("evt_subr_{hour}"),
                "customer.subscription.updated",
                subscription(house, &format!("sub_{hour}"), &customer, "active"),
            )
            .await;
        }
        if hour % 6 == 2 {
            refused(house).await;
        }
        house.clock.advance(Duration::from_secs(3600 - calls as u64 * 60));
    }
}

/// One refusal of each common kind.
pub(crate) async fn refused(house: &House) {
    let form = [("CallSid", "CA1"), ("AccountSid", TWILIO_ACCOUNT), ("From", "+14155550100"), ("To", LINE)];
    let now = house.clock.now_s();
    let stripe = Ask::post("/webhooks/stripe").json(r#"{"id":"evt_forged","type":"x"}"#);
    for ask in [
        Ask::post("/webhooks/twilio/voice").form(&form),
        Ask::post("/webhooks/twilio/voice")
            .form(&form)
            .by_twilio_with("7477696c696f20746f6b656e20696e21", "https://other.example.com"),
        stripe.clone().by_stripe_at(now - 900),
        stripe.clone().header("Stripe-Signature", format!("t={now},v1={}", "0".repeat(64))),
        // Right but for the host, which is not the PUBLIC_URL.
        Ask::post("/webhooks/twilio/voice")
            .form(&form)
            .by_twilio_with(TWILIO_TOKEN, "https://old.example.com")
            .header("X-Forwarded-Host", "old.example.com"),
        Ask::post("/webhooks/plivo/answer")
            .form(&[
                ("CallUUID", "u1"),
                ("AuthID", "MA00000000000OTHERS"),
                ("From", "14155550100"),
                ("To", "14155550199"),
            ])
            .by_plivo(),
    ] {
        house.clock.advance(Duration::from_secs(1));
        let reply = house.ask(&ask).await;
        assert_eq!(reply.status, 401, "{}", reply.text());
    }
    house.rejections(6).await;
}

/// Two events that could not be worked on.
pub(crate) async fn given_up(house: &House) {
    for number in 1..=2 {
        let id = format!("evt_odd_{number}");
        stripe(
            house,
            &id,
            "customer.subscription.updated",
            json!({ "id": 7, "object": "subscription", "customer": "cus_odd" }),
        )
        .await;
    }
    let give_up = "UPDATE event_work SET attempts = 10, dead_at = now(),
                   error = 'data.object.id: invalid type: integer `7`, expected a string at line 1 column 164'
                   WHERE event_id IN (SELECT id FROM events WHERE external_id LIKE 'evt_odd_%')";
    let count = sqlx::query(give_up).execute(&house.db).await.unwrap().rows_affected();
    assert_eq!(count, 2);
}

/// Something owed in each state, with the tries that led there, as the sender leaves them.
pub(crate) async fn owed(house: &House) {
    let now = DateTime::from_timestamp(house.clock.now_s(), 0).unwrap();
    let before = |minutes| now - TimeDelta::minutes(minutes);
    for (number, key, reason, state, why, doubt, tries) in [
        (1, "call:twilio:CA1:missed:0", "missed", "done", None, None, vec![("done", Some(201), None)]),
        (2, "call:twilio:CA2:missed:0", "missed", "waiting", Some("quiet_hours"), None, vec![]),
        (
            3,
            "call:twilio:CA3:notice:0",
            "notice",
            "waiting",
            Some("in_doubt"),
            Some(before(9)),
            vec![("in_doubt", None, None)],
        ),
        (4, "call:twilio:CA4:missed:0", "missed", "refused", Some("opted_out"), None, vec![]),
        (
            5,
            "call:twilio:CA5:flow:0",
            "flow",
            "dead",
            Some("30003"),
            None,
            vec![("busy", Some(429), None), ("refused", Some(400), Some("30003"))],
        ),
    ] {
        let id = owed_id(now, number);
        let owed = json!({ "kind": "text", "key": key, "provider": "twilio", "line": LINE, "to": "+14155550142",
                           "body": "Sorry that we missed you! What can we do for you?", "reason": reason });
        let settled = (state != "waiting").then_some(now);
        let insert = "INSERT INTO outbox (id, key, kind, provider, line, contact, reason, owed, state, why, due_at, tries, doubt_since, settled_at)
                      VALUES ($1, $2, 'text', 'twilio', $3, '+14155550142', $4, $5, $6, $7, $8, $9, $10, $11)";
        let query =
            sqlx::query(insert).bind(id).bind(key).bind(LINE).bind(reason).bind(owed).bind(state).bind(why);
        let query = query
            .bind(now + TimeDelta::hours(8))
            .bind(i32::try_from(tries.len()).unwrap())
            .bind(doubt)
            .bind(settled);
        query.execute(&house.db).await.unwrap();
        for (place, (outcome, status, code)) in tries.iter().enumerate() {
            let began = before(9 - i64::try_from(place).unwrap());
            let insert = "INSERT INTO attempts (id, outbox, began_at, ended_at, outcome, status, code) VALUES ($1, $2, $3, $4, $5, $6, $7)";
            let query = sqlx::query(insert).bind(owed_id(began, number * 10 + place)).bind(id).bind(began);
            let query =
                query.bind(began + TimeDelta::milliseconds(240)).bind(outcome).bind(status).bind(code);
            query.execute(&house.db).await.unwrap();
        }
    }
}

/// A UUIDv7 of that moment.
fn owed_id(at: DateTime<Utc>, number: usize) -> Uuid {
    let moment = u128::try_from(at.timestamp_millis()).unwrap() << 80;
    Uuid::from_u128(moment | 0x7000_8000_0000_0000_0000 | number as u128)
}
