//! Methods and paths: what is answered, how the rest is refused, and that nothing but the path decides.

use serde_json::json;

use crate::endpoints::sign;
use crate::house::House;
use crate::wire::{Ask, urlencoded};

const CARRIER_PATHS: [(&str, &[(&str, &str)]); 6] = [
    ("twilio/voice", &[("CallSid", "CA1"), ("From", "+14155550100")]),
    ("twilio/status", &[("CallSid", "CA1"), ("CallStatus", "completed")]),
    (
        "twilio/sms",
        &[("MessageSid", "SM1"), ("From", "+14155550100"), ("To", "+14155550199"), ("Body", "Hi & bye")],
    ),
    ("plivo/answer", &[("CallUUID", "u1"), ("From", "14155550100")]),
    ("plivo/hangup", &[("CallUUID", "u1"), ("Event", "Hangup")]),
    (
        "plivo/sms",
        &[("MessageUUID", "m1"), ("From", "14155550100"), ("To", "14155550199"), ("Text", "Hi & bye")],
    ),
];

#[tokio::test]
async fn get_is_answered_where_a_provider_may_be_set_to_it_and_flagged() {
    let house = House::open().await;
    for (number, (endpoint, fields)) in CARRIER_PATHS.into_iter().enumerate() {
        let target = format!("/webhooks/{endpoint}?{}", urlencoded(fields));
        let by_get = house.ask(&sign(endpoint, Ask::get(&target))).await;
        let unsigned = house.ask(&Ask::get(&target)).await;
        assert_eq!(unsigned.code(), "signature_missing", "{endpoint}");
        by_get.xml();
        let events = house.events().await;
        assert_eq!(events.len(), number + 1);
        let event = events.iter().find(|event| event.endpoint == endpoint).unwrap();
        assert_eq!((event.method.as_str(), event.path.as_str()), ("GET", target.as_str()));
        assert_eq!(event.flags, ["by_get"]);
        assert_eq!(event.subject.as_deref(), Some(fields[0].1), "{endpoint}");
    }
    let reply = house.ask(&Ask::get("/webhooks/stripe").by_stripe()).await;
    assert_eq!((reply.status, reply.header("allow")), (405, Some("POST")));
    house.close().await;
}

#[tokio::test]
async fn other_methods_are_refused_and_head_runs_no_handler() {
    let house = House::open().await;
    for (endpoint, fields) in CARRIER_PATHS {
        let target = format!("/webhooks/{endpoint}?{}", urlencoded(fields));
        let head = house.ask(&sign(endpoint, Ask::new("HEAD", &target))).await;
        assert_eq!((head.status, head.header("allow")), (405, Some("GET, POST")), "{endpoint}");
        for method in ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"] {
            let reply = house.ask(&sign(endpoint, Ask::new(method, &target))).await;
            assert_eq!(
                (reply.status, reply.header("allow")),
                (405, Some("GET, POST")),
                "{method} {endpoint}"
            );
            assert_eq!(reply.code(), "method_not_allowed");
        }
    }
    for path in ["/healthz", "/readyz"] {
        assert_eq!(house.ask(&Ask::new("HEAD", path)).await.status, 200);
        let reply = house.ask(&Ask::post(path)).await;
        assert_eq!((reply.status, reply.header("allow")), (405, Some("GET,HEAD")));
    }
    house.assert_nothing_kept().await;
    house.close().await;
}

#[tokio::test]
async fn a_trailing_slash_is_served_and_signed_as_sent() {
    let house = House::open().await;
    for (endpoint, fields) in CARRIER_PATHS {
        let with = Ask::post(&format!("/webhooks/{endpoint}/")).form(fields);
        let signed = sign(endpoint, with.clone());
        house.ask(&signed).await.xml();
        let mut moved = signed;
        moved.target = format!("/webhooks/{endpoint}");
        assert_eq!(house.ask(&moved).await.code(), "signature_mismatch", "{endpoint}: the slash is signed");
    }
    let event = Ask::post("/webhooks/stripe/").json(r#"{"id":"evt_1"}"#).by_stripe();
    assert_eq!(house.ask(&event).await.status, 200);
    assert_eq!(house.events().await.len(), 7);
    house.close().await;
}

#[tokio::test]
async fn a_wrong_path_names_the_seven_and_the_nearest() {
    let house = House::open().await;
    let paths = json!([
        "/webhooks/stripe",
        "/webhooks/twilio/voice",
        "/webhooks/twilio/status",
        "/webhooks/twilio/sms",
        "/webhooks/plivo/answer",
        "/webhooks/plivo/hangup",
        "/webhooks/plivo/sms",
    ]);
    for (path, nearest) in [
        ("/webhook/twilio/voice", "/webhooks/twilio/voice"),
        ("/webhooks/twilio/voices", "/webhooks/twilio/voice"),
        ("/webhooks/plivo/Answer", "/webhooks/plivo/answer"),
        ("/webhooks/stripe//", "/webhooks/stripe"),
        ("/webhooks/../webhooks/stripe", "/webhooks/stripe"),
        ("/webhooks", "/webhooks/stripe"),
    ] {
        for method in ["GET", "POST"] {
            let reply = house.ask(&Ask::new(method, path)).await;
            assert_eq!((reply.status, reply.code().as_str()), (404, "not_found"), "{path}");
            assert_eq!(reply.json()["nearest"], nearest, "{path}");
            assert_eq!(reply.json()["paths"], paths, "{path}");
        }
    }
    let elsewhere = house.ask(&Ask::get("/wp-login.php")).await;
    assert_eq!((elsewhere.status, elsewhere.code().as_str()), (404, "not_found"));
    assert_eq!(elsewhere.json().get("paths"), None, "strangers are told nothing");
    house.assert_nothing_kept().await;
    house.close().await;
}

/// A path that a provider was set to call by mistake is told of; what strangers try is not.
#[tokio::test]
async fn a_provider_on_a_wrong_path_is_noted_with_the_right_one() {
    let house = House::open().await;
    let call = [("CallSid", "CA1")];
    house.ask(&Ask::post("/webhook/twilio/voice").form(&call)).await;
    house.ask(&Ask::post("/wp-login.php").form(&call).by_twilio()).await;
    for path in ["/webhook/twilio/voice", "/webhooks/twilio/voice/+14155550142"] {
        let reply = house.ask(&Ask::post(path).form(&call).by_twilio()).await;
        assert_eq!((reply.status, reply.code().as_str()), (404, "not_found"), "{path}");
    }
    house.rejections(2).await;
    let kept: Vec<(String, String, String)> =
        sqlx::query_as("SELECT endpoint, code, cause FROM rejections ORDER BY id")
            .fetch_all(&house.db)
            .await
            .unwrap();
    let cause = "no such path; the nearest is /webhooks/twilio/voice";
    let noted = ("twilio/voice".to_owned(), "not_found".to_owned(), cause.to_owned());
    assert_eq!(kept, [noted.clone(), noted], "without the path, in which may stand what is somebody's");
    house.close().await;
}

#[tokio::test]
async fn no_header_changes_what_is_signed_or_where_answers_link() {
    let house = House::open().await;
    let call = |id: &str| Ask::post("/webhooks/twilio/voice").form(&[("CallSid", id)]).by_twilio();
    let liars = [
        ("Host", "evil.example"),
        ("X-Forwarded-Host", "evil.example"),
        ("X-Forwarded-Proto", "http"),
        ("X-Forwarded-Port", "8443"),
        ("X-Forwarded-Prefix", "/evil"),
        ("Forwarded", "host=evil.example;proto=http"),
        ("X-Original-URL", "/evil"),
        ("X-Rewrite-URL", "/evil"),
        ("X-HTTP-Method-Override", "GET"),
    ];
    for (number, (name, value)) in liars.into_iter().enumerate() {
        let reply = house.ask(&call(&format!("CA{number}")).replaced(name, value)).await;
        let action = reply.attribute("Record", "action");
        assert!(action.starts_with("https://line.example.com/webhooks/twilio/voice?t="), "{name}: {action}");
        assert!(!reply.text().contains("evil"), "{name}");
    }
    // Nor does one make a signature for another URL good.
    let elsewhere = Ask::post("/webhooks/twilio/voice").form(&[("CallSid", "CA1")]);
    let elsewhere = elsewhere.by_twilio_with(crate::house::TWILIO_TOKEN, "https://evil.example");
    for (name, value) in liars {
        let reply = house.ask(&elsewhere.clone().replaced(name, value)).await;
        assert_eq!(reply.code(), "signature_mismatch", "{name}");
    }
    house.close().await;
}

#[tokio::test]
async fn every_answer_keeps_browsers_from_using_it() {
    let house = House::open().await;
    for ask in [Ask::get("/healthz"), Ask::get("/nothing"), Ask::post("/webhooks/stripe")] {
        let reply = house.ask(&ask).await;
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cache-control", "no-store"),
            ("content-security-policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'"),
            ("strict-transport-security", "max-age=31536000"),
        ] {
            assert_eq!(reply.header(name), Some(value), "{}", ask.target);
        }
        assert!(reply.header("server").is_none());
    }
    house.close().await;
}
