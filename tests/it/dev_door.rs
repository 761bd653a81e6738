//! `dev` takes an unsigned request from a program of this machine, and from nobody else.

use serde_json::Value;

use crate::house::{House, Plan};
use crate::wire::Ask;

/// The call that the documentation shows, as curl sends it.
fn curl(house: &House, path: &str, content_type: &str, body: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nHost: {}\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\nContent-Length: {}\r\n\
         Content-Type: {content_type}\r\n\r\n{body}",
        house.address,
        body.len()
    )
    .into_bytes()
}

fn call() -> Ask {
    Ask::post("/webhooks/twilio/voice").form(&[("From", "+14155550100"), ("CallSid", "CA1")])
}

#[tokio::test]
async fn plain_curls_are_answered_and_labelled_unsigned_for_ever() {
    let house = House::build(Plan::new().dev()).await;
    let mut connection = house.connect().await;
    let form = "From=+1234567890&To=+0987654321&CallSid=CA1234567890";
    let form_type = "application/x-www-form-urlencoded";
    connection.send(&curl(&house, "/webhooks/twilio/voice", form_type, form)).await;
    let twilio = connection.reply().await.unwrap();
    assert_eq!(twilio.verbs(), ["Say", "Record", "Redirect"]);
    let action = twilio.attribute("Record", "action");
    assert!(action.starts_with("http://127.0.0.1:8080/webhooks/twilio/voice?t="), "{action}");

    let json = r#"{"From": "1234567890", "To": "0987654321", "CallUUID": "test-call-uuid"}"#;
    connection.send(&curl(&house, "/webhooks/plivo/answer", "application/json", json)).await;
    let plivo = connection.reply().await.unwrap();
    assert_eq!(plivo.verbs(), ["Speak", "Record", "Redirect"]);

    let payment = Ask::post("/webhooks/stripe").json(r#"{"id":"evt_1","type":"invoice.payment_succeeded"}"#);
    assert_eq!(house.ask(&payment).await.status, 200);
    let mut events = house.events().await;
    events.sort_by(|a, b| a.endpoint.cmp(&b.endpoint));
    let seen: Vec<_> = events
        .iter()
        .map(|event| (event.endpoint.as_str(), event.subject.as_deref(), event.signed_by.as_str()))
        .collect();
    assert_eq!(
        seen,
        [
            ("plivo/answer", Some("test-call-uuid"), "unsigned"),
            ("stripe", None, "unsigned"),
            ("twilio/voice", Some("CA1234567890"), "unsigned"),
        ]
    );
    assert_eq!(events[2].body, form.as_bytes(), "the raw bytes");

    // The walk goes on by curl, too.
    let next =
        Ask::post(action.strip_prefix("http://127.0.0.1:8080").unwrap()).form(&[("CallSid", "CA1234567890")]);
    assert_eq!(house.ask(&next).await.verbs(), ["Say", "Hangup"]);
    house.close().await;
}

#[tokio::test]
async fn neither_a_tunnel_nor_a_web_page_gets_in() {
    let house = House::build(Plan::new().dev()).await;
    let port = house.address.port();
    for (name, value) in [
        ("X-Forwarded-For", "192.0.2.1"),
        ("X-Forwarded-Host", "line.example.com"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Anything", "x"),
        ("Forwarded", "for=192.0.2.1"),
        ("Via", "1.1 tunnel"),
        ("X-Real-IP", "192.0.2.1"),
        ("CF-Connecting-IP", "192.0.2.1"),
        ("X-Original-Host", "line.example.com"),
        ("Origin", "https://evil.example"),
        ("Origin", "null"),
        ("Origin", "http://127.0.0.1:1"),
        ("Referer", "https://evil.example/page"),
        ("Referer", "http://127.0.0.1.evil.example/"),
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
    ] {
        let reply = house.ask(&call().header(name, value)).await;
        assert_eq!((reply.status, reply.code().as_str()), (401, "signature_missing"), "{name}: {value}");
    }
    for host in [
        format!("evil.example:{port}"),
        "evil.example".to_owned(),
        format!("127.0.0.1.evil.example:{port}"),
        format!("192.0.2.1:{port}"),
        format!("localhost.evil.example:{port}"),
        "0.0.0.0".to_owned(),
        String::new(),
    ] {
        let reply = house.ask(&call().header("Host", host.clone())).await;
        assert_eq!(reply.code(), "signature_missing", "rebound to {host}");
    }
    let two = call().header("Host", house.address.to_string()).header("Host", "evil.example");
    assert_ne!(house.ask(&two).await.status, 200, "two hosts");
    let mut absolute = call();
    absolute.target = "http://evil.example/webhooks/twilio/voice".to_owned();
    assert_ne!(house.ask(&absolute).await.status, 200, "another authority in the request line");
    house.assert_nothing_kept().await;
    for host in
        [format!("127.0.0.1:{port}"), format!("localhost:{port}"), "LOCALHOST".to_owned(), "[::1]".to_owned()]
    {
        assert_eq!(house.ask(&call().header("Host", host.clone())).await.status, 200, "{host}");
    }
    let own = format!("http://{}", house.address);
    let own_page = call()
        .header("Origin", own.clone())
        .header("Referer", format!("{own}/x"))
        .header("Sec-Fetch-Site", "same-origin");
    assert_eq!(house.ask(&own_page).await.status, 200);
    house.close().await;
}

#[tokio::test]
async fn a_wrong_signature_is_refused_here_too() {
    let house = House::build(Plan::new().dev()).await;
    for (path, name) in [
        ("/webhooks/stripe", "Stripe-Signature"),
        ("/webhooks/twilio/voice", "X-Twilio-Signature"),
        ("/webhooks/plivo/answer", "X-Plivo-Signature-V3"),
        ("/webhooks/plivo/answer", "X-Plivo-Signature-MA-V3"),
        ("/webhooks/plivo/sms", "X-Plivo-Signature-V2"),
        ("/webhooks/plivo/sms", "X-Plivo-Signature-MA-V2"),
        ("/webhooks/plivo/answer", "X-Plivo-Signature"),
    ] {
        for value in ["AAAA", ""] {
            let reply = house.ask(&Ask::post(path).json("{}").header(name, value)).await;
            assert_eq!(reply.status, 401, "{name}: {value:?}");
        }
    }
    house.assert_nothing_kept().await;
    // A right one is taken as in `serve`, also through a tunnel.
    let origin = "http://127.0.0.1:8080";
    let signed =
        call().by_twilio_with(crate::house::TWILIO_TOKEN, origin).header("X-Forwarded-For", "192.0.2.1");
    assert_eq!(house.ask(&signed).await.status, 200);
    assert_eq!(house.event().await.signed_by, "TWILIO_AUTH_TOKEN[0]");
    house.close().await;
}

#[tokio::test]
async fn a_slip_on_the_command_line_gets_an_error() {
    let house = House::build(Plan::new().dev()).await;
    for (case, ask, expected) in [
        ("JSON of Plivo", Ask::post("/webhooks/plivo/answer").json(r#"{"From": 1"#), (400, "body_malformed")),
        ("a list", Ask::post("/webhooks/plivo/answer").json("[1]"), (400, "body_malformed")),
        ("JSON of Stripe", Ask::post("/webhooks/stripe").json("{'id': 1}"), (400, "body_malformed")),
        ("nothing for Stripe", Ask::post("/webhooks/stripe"), (400, "body_malformed")),
        (
            "another type",
            Ask::post("/webhooks/twilio/sms").body("text/plain", "hi"),
            (415, "unsupported_media_type"),
        ),
    ] {
        let reply = house.ask(&ask).await;
        assert_eq!((reply.status, reply.code().as_str()), expected, "{case}");
        assert_eq!(reply.json().get("hint"), None::<&Value>);
    }
    house.assert_nothing_kept().await;
    house.close().await;
}

#[tokio::test]
async fn serve_takes_nothing_unsigned_wherever_it_comes_from() {
    let house = House::open().await;
    let reply = house.ask(&call()).await;
    assert_eq!((reply.status, reply.code().as_str()), (401, "signature_missing"));
    house.assert_nothing_kept().await;
    house.close().await;
}
