//! What `/metrics` counts, to whom it tells it, and what it never tells.

use std::collections::BTreeSet;

use crate::endpoints::samples;
use crate::house::{House, NOW, PLIVO_TOKEN, Plan, STRIPE_SECRET, TWILIO_TOKEN, eventually};
use crate::wire::{Ask, Reply};

const KEY: &str = "key-of-the-house-of-tests";

/// Refusals that an address may have at once.
const BUDGET: usize = 60;

/// The figures, as a program of this machine gets them.
async fn figures(house: &House) -> String {
    let reply = house.ask(&Ask::get("/metrics")).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.text().to_owned()
}

/// The value of a series, where there is one.
fn value<'t>(text: &'t str, series: &str) -> Option<&'t str> {
    text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))
}

#[track_caller]
fn assert_value(text: &str, series: &str, expected: &str) {
    assert_eq!(value(text, series), Some(expected), "{series} in\n{text}");
}

/// Every series, without its value.
fn series(text: &str) -> BTreeSet<String> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.rsplit_once(' ').unwrap().0.to_owned())
        .collect()
}

/// The figures as somebody else gets them, who shows `authorization`.
async fn from_elsewhere(house: &House, authorization: Option<&str>) -> Reply {
    let ask = Ask::get("/metrics").header("X-Forwarded-For", "192.0.2.66");
    let ask = authorization.into_iter().fold(ask, |ask, value| ask.header("Authorization", value));
    house.ask(&ask).await
}

#[tokio::test]
async fn each_endpoint_and_outcome_is_counted() {
    let house = House::open().await;
    for sample in samples() {
        for ask in [sample.signed(), sample.signed(), sample.ask.clone()] {
            house.ask(&ask).await;
        }
    }
    house.ask(&Ask::get("/webhooks/twilio/voice").header("X-Twilio-Signature", "AAAA")).await;
    house.ask(&Ask::new("PUT", "/webhooks/stripe")).await;
    let text = figures(&house).await;
    for sample in samples() {
        let endpoint = sample.endpoint;
        let provider = endpoint.split('/').next().unwrap();
        let source = format!("provider=\"{provider}\",endpoint=\"{endpoint}\"");
        // One forged and one put.
        let refused = if ["stripe", "twilio/voice"].contains(&endpoint) { "2" } else { "1" };
        for (outcome, count) in [
            ("kept", "1"),
            ("duplicate", "1"),
            ("refused", refused),
            ("safe_document", "0"),
            ("unavailable", "0"),
        ] {
            let series = format!("smartline_webhook_requests_total{{{source},outcome=\"{outcome}\"}}");
            assert_value(&text, &series, count);
        }
        assert_value(&text, &format!("smartline_webhook_ack_seconds_count{{{source}}}"), "2");
        let verified = format!("smartline_last_verified_timestamp_seconds{{{source}}}");
        assert_value(&text, &verified, &NOW.to_string());
        let missing =
            format!("smartline_refusals_total{{endpoint=\"{endpoint}\",code=\"signature_missing\"}}");
        assert_value(&text, &missing, "1");
        for (status, count) in [("200", "2"), ("401", if endpoint == "twilio/voice" { "2" } else { "1" })] {
            let labels = format!("route=\"{endpoint}\",status=\"{status}\"");
            assert_value(&text, &format!("http_server_request_duration_seconds_count{{{labels}}}"), count);
        }
    }
    for (series, count) in [
        ("smartline_signature_failures_total{provider=\"stripe\",reason=\"signature_missing\"}", "1"),
        ("smartline_signature_failures_total{provider=\"twilio\",reason=\"signature_missing\"}", "3"),
        ("smartline_signature_failures_total{provider=\"twilio\",reason=\"signature_mismatch\"}", "1"),
        ("smartline_refusals_total{endpoint=\"stripe\",code=\"method_not_allowed\"}", "1"),
        ("smartline_database_up", "1"),
        ("smartline_panics_total", "0"),
    ] {
        assert_value(&text, series, count);
    }
    let version = format!("smartline_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"));
    assert_value(&text, &version, "1");
    house.close().await;
}

#[tokio::test]
async fn while_the_database_is_away_it_says_so() {
    let mut house = House::build(Plan::new().gated()).await;
    assert_value(&figures(&house).await, "smartline_database_up", "1");
    house.gate().shut().await;
    let house = house;
    let call = Ask::post("/webhooks/twilio/voice").form(&[("CallSid", "CA1")]);
    house.ask(&call.clone().by_twilio()).await;
    let text = eventually("it is seen", || async {
        let text = figures(&house).await;
        (value(&text, "smartline_database_up") == Some("0")).then_some(text)
    })
    .await;
    let voice = "provider=\"twilio\",endpoint=\"twilio/voice\"";
    let fate = |outcome: &str| format!("smartline_webhook_requests_total{{{voice},outcome=\"{outcome}\"}}");
    let count = |outcome: &str| value(&text, &fate(outcome)).unwrap().parse::<u32>().unwrap();
    assert_eq!((count("kept"), count("safe_document") + count("spooled")), (0, 1), "{text}");
    let verified = format!("smartline_last_verified_timestamp_seconds{{{voice}}}");
    assert_value(&text, &verified, &NOW.to_string());
    house.close().await;
}

#[tokio::test]
async fn an_unsigned_request_to_dev_is_not_told_as_verified() {
    let house = House::build(Plan::new().dev()).await;
    let call = Ask::post("/webhooks/twilio/voice").form(&[("CallSid", "CA1")]);
    assert_eq!(house.ask(&call).await.status, 200);
    let text = figures(&house).await;
    let voice = "provider=\"twilio\",endpoint=\"twilio/voice\"";
    assert_value(&text, &format!("smartline_webhook_requests_total{{{voice},outcome=\"kept\"}}"), "1");
    assert!(!text.contains("smartline_last_verified_timestamp_seconds{"), "{text}");
    house.close().await;
}

#[tokio::test]
async fn this_machine_needs_no_key() {
    let house = House::build(Plan::new().set("SMARTLINE_API_KEY", KEY)).await;
    let port = house.address.port();
    let plain = house.ask(&Ask::get("/metrics")).await;
    assert_eq!(plain.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert_eq!(plain.header("cache-control"), Some("no-store"));
    let accept = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.4,*/*;q=0.1";
    let open = house.ask(&Ask::get("/metrics").header("Accept", accept)).await;
    let expected = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!((open.status, open.header("content-type")), (200, Some(expected)));
    assert!(open.text().ends_with("\n# EOF\n"));
    let linked = Ask::get("/metrics")
        .header("Referer", "https://charts.example")
        .header("Host", format!("localhost:{port}"));
    assert_eq!(house.ask(&linked).await.status, 200, "whoever follows a link may read");
    let head = house.ask(&Ask::new("HEAD", "/metrics")).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    let posted = house.ask(&Ask::post("/metrics")).await;
    assert_eq!((posted.status, posted.code().as_str()), (405, "method_not_allowed"));
    assert_eq!(posted.header("allow"), Some("GET,HEAD"));
    house.close().await;
}

#[tokio::test]
async fn everybody_else_needs_the_key() {
    let house = House::build(Plan::new().set("SMARTLINE_API_KEY", KEY)).await;
    let bearer = format!("Bearer {KEY}");
    for (name, value) in [
        ("X-Forwarded-For", "192.0.2.1"),
        ("X-Forwarded-Proto", "https"),
        ("Forwarded", "for=192.0.2.1"),
        ("Via", "1.1 tunnel"),
        ("CF-Connecting-IP", "192.0.2.1"),
        ("Host", "line.example.com"),
        ("Host", "127.0.0.1.evil.example"),
    ] {
        let ask = Ask::get("/metrics").header(name, value);
        let reply = house.ask(&ask).await;
        assert_eq!((reply.status, reply.code().as_str()), (401, "key_required"), "{name}: {value}");
        assert_eq!(
            house.ask(&ask.header("Authorization", bearer.clone())).await.status,
            200,
            "{name}: {value}"
        );
    }
    let rejections = house.rejections(7).await;
    assert!(rejections.iter().all(|rejection| rejection.endpoint == "metrics"), "{rejections:?}");
    assert!(rejections.iter().all(|rejection| rejection.cause.ends_with("and it carries no bearer token")));
    let text = figures(&house).await;
    assert_value(&text, "smartline_refusals_total{endpoint=\"metrics\",code=\"key_required\"}", "7");
    house.close().await;
}

#[tokio::test]
async fn a_refusal_does_not_tell_whether_there_is_a_key() {
    let with = House::build(Plan::new().set("SMARTLINE_API_KEY", KEY)).await;
    let without = House::open().await;
    let mut bodies = BTreeSet::new();
    let shorter = format!("Bearer {}", &KEY[1..]);
    for authorization in
        [None, Some("Bearer wrong"), Some("Bearer "), Some(shorter.as_str()), Some("Basic a2V5"), Some(KEY)]
    {
        for house in [&with, &without] {
            let reply = from_elsewhere(house, authorization).await;
            assert_eq!((reply.status, reply.code().as_str()), (401, "key_required"), "{authorization:?}");
            assert_eq!(reply.header("www-authenticate"), Some("Bearer"));
            bodies.insert(reply.problem_but_for_its_ids().to_string());
        }
    }
    assert_eq!(bodies.len(), 1, "{bodies:#?}");
    assert_eq!(from_elsewhere(&with, Some(&format!("bearer {KEY}"))).await.status, 200);
    let told = |rejections: &[crate::house::Rejection], cause: &str| {
        rejections.iter().any(|rejection| rejection.cause.ends_with(cause))
    };
    assert!(told(&with.rejections(6).await, "and its bearer token is not SMARTLINE_API_KEY"));
    assert!(told(&without.rejections(6).await, "and SMARTLINE_API_KEY is not set"));
    for rejection in with.rejections(6).await {
        assert!(!rejection.whole.contains(&KEY[1..]), "{}", rejection.whole);
    }
    with.close().await;
    without.close().await;
}

#[tokio::test]
async fn who_guesses_too_often_waits() {
    let house = House::build(Plan::new().set("SMARTLINE_API_KEY", KEY)).await;
    for number in 0..BUDGET {
        assert_eq!(from_elsewhere(&house, Some("Bearer wrong")).await.status, 401, "{number}");
    }
    let reply = from_elsewhere(&house, Some("Bearer wrong")).await;
    assert_eq!((reply.status, reply.code().as_str()), (429, "rate_limited"));
    assert!(reply.header("retry-after").is_some());
    assert_eq!(from_elsewhere(&house, Some(&format!("Bearer {KEY}"))).await.status, 200);
    let text = figures(&house).await;
    assert_value(&text, "smartline_refusals_total{endpoint=\"metrics\",code=\"rate_limited\"}", "1");
    house.close().await;
}

/// Requests that name people and secrets wherever a request can.
fn odd_requests() -> Vec<Ask> {
    let query = "?q=told-in-a-query&from=%2B14155550142";
    let mut all = Vec::new();
    for sample in samples() {
        let mut asked = sample.ask.clone();
        asked.target.push_str(query);
        let forged = ["Stripe-Signature", "X-Twilio-Signature", "X-Plivo-Signature-V3"]
            .into_iter()
            .fold(asked.clone(), |ask, name| ask.header(name, "t=1,v1=told-in-a-header"));
        let mut broken = asked.clone().json(r#"{"From": "+14155550142""#);
        broken.method.insert_str(0, "TOLD-");
        all.extend([sample.signed(), asked, forged, broken]);
    }
    for path in [
        "/told-in-a-path/+14155550142",
        "/webhooks/told-in-a-path",
        "/webhooks/twilio/voice/told-in-a-path",
        "/metrics/told-in-a-path",
        "/healthz/told-in-a-path",
        "/%22%7Btold-in-a-path%7D%0A",
        "/healthz",
        "/readyz",
    ] {
        for method in ["GET", "POST", "TOLD"] {
            all.push(Ask::new(method, &format!("{path}{query}")).header("User-Agent", "told-in-a-header"));
        }
    }
    all.push(Ask::get("/metrics?told-in-a-query").header("Authorization", "Bearer told-in-a-header"));
    all.push(
        Ask::get("/metrics").header("Host", "told-in-a-header").header("Authorization", "told-in-a-header"),
    );
    all
}

#[tokio::test]
async fn nothing_out_of_a_request_becomes_a_label() {
    let house = House::build(Plan::new().set("SMARTLINE_API_KEY", KEY)).await;
    for ask in odd_requests() {
        house.ask(&ask).await;
    }
    let first = figures(&house).await;
    for private in [
        "told",
        "TOLD",
        "4155550",
        "CA1",
        "evt_",
        "cus_",
        "@",
        "?",
        "127.0.0.1",
        KEY,
        STRIPE_SECRET,
        TWILIO_TOKEN,
        PLIVO_TOKEN,
    ] {
        let line = first.lines().find(|line| line.contains(private));
        assert_eq!(line, None, "{private}");
    }
    // The second round differs in every word and finds no new series to make, but for duplicates and limits.
    for number in 0..20 {
        for path in [format!("/unknown-{number}"), format!("/webhooks/unknown-{number}")] {
            assert_eq!(house.ask(&Ask::get(&path)).await.status, 404);
        }
        let call = Ask::post("/webhooks/twilio/voice").form(&[("CallSid", &format!("CA-{number}"))]);
        assert_eq!(house.ask(&call.by_twilio()).await.status, 200);
    }
    let second = figures(&house).await;
    let (first, second) = (series(&first), series(&second));
    let new: Vec<_> =
        second.difference(&first).filter(|series| !series.contains("route=\"metrics\"")).collect();
    assert_eq!(new, Vec::<&String>::new());
    assert!(second.len() < 1500, "{}", second.len());
    house.close().await;
}
