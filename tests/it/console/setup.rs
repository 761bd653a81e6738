//! The checklist, from its three sides.

use serde_json::json;

use crate::house::{House, Plan};
use crate::setup::consoles::{Consoles, STRIPE_KEY, twiml_app};

use super::{ADMIN, Session, at, browser::Browser, day, open, plan, sign_in};

/// The state of an endpoint, as the page has it.
async fn state(session: &Session, house: &House, endpoint: &str) -> String {
    let page = session.get(house, "/console/setup").await;
    let text = page.text();
    let seen =
        text.split(&format!(">{endpoint} <small>")).nth(1).unwrap_or_else(|| panic!("{endpoint}: {text}"));
    seen.split('<').next().unwrap().to_owned()
}

/// A house whose providers can be asked, and what they have: of Twilio a number that is set otherwise.
pub(super) async fn with_consoles(plan: Plan) -> (House, Consoles) {
    let consoles = Consoles::open().await;
    consoles.twilio_number("PN1", "+14155550142", json!({}));
    consoles.held.lock().unwrap().apps.extend([twiml_app()]);
    let mut plan = plan.set("STRIPE_API_KEY", STRIPE_KEY);
    for name in ["STRIPE_API_BASE", "TWILIO_API_BASE", "PLIVO_API_BASE"] {
        plan = plan.set(name, &consoles.base);
    }
    (House::build(plan).await, consoles)
}

#[tokio::test]
async fn an_endpoint_waits_works_drifts_and_works_again() {
    let (house, consoles) = with_consoles(plan()).await;
    let session = Session::open(&house, &[]).await;
    assert_eq!(state(&session, &house, "Twilio voice").await, "waiting");
    day::call(&house, 1, "completed").await;
    assert_eq!(state(&session, &house, "Twilio voice").await, "ok");

    let ask = session.form("/console/setup/check", &[("provider", "twilio")]);
    assert_eq!(house.ask(&ask).await.status, 303);
    assert_eq!(state(&session, &house, "Twilio voice").await, "drifted");
    let overview = session.get(&house, "/console").await;
    let need = "Twilio does not call here as it should: voice, status, sms; seen now";
    assert!(overview.text().contains(need), "{}", overview.text());
    let page = session.get(&house, "/console/setup").await;
    for words in ["Number …0142 differs in VoiceUrl", "smartline setup twilio"] {
        assert!(page.text().contains(words), "{words}: {}", page.text());
    }
    assert!(!page.text().contains("4155550142"), "masked");

    let ours = |path: &str| json!(format!("https://line.example.com/webhooks/twilio/{path}"));
    for rows in ["numbers", "apps"] {
        let mut held = consoles.held.lock().unwrap();
        let rows = if rows == "numbers" { &mut held.numbers } else { &mut held.apps };
        for row in rows.values_mut() {
            for (field, path) in [("voice_url", "voice"), ("status_callback", "status"), ("sms_url", "sms")] {
                row[field] = ours(path);
            }
            for field in ["voice_method", "status_callback_method", "sms_method"] {
                row[field] = json!("POST");
            }
        }
    }
    house.app.compare_once().await;
    assert_eq!(state(&session, &house, "Twilio voice").await, "ok", "it is asked without a press as well");
    assert!(!session.get(&house, "/console").await.text().contains("Twilio does not call here"));
    assert!(consoles.changes().is_empty(), "asking changes nothing");

    day::refused(&house).await;
    assert_eq!(state(&session, &house, "Twilio voice").await, "failing");
    let viewer = Session::open(&house, &["read"]).await;
    assert_eq!(house.ask(&viewer.form("/console/setup/check", &[("provider", "twilio")])).await.status, 403);
    house.close().await;
}

/// A probe shows that the way behind the endpoint works, and not that a provider comes there.
#[tokio::test]
async fn a_probe_is_kept_under_its_label_and_counts_for_nobody() {
    let house = open().await;
    let session = Session::open(&house, &[]).await;
    for endpoint in
        ["stripe", "twilio/voice", "twilio/status", "twilio/sms", "plivo/answer", "plivo/hangup", "plivo/sms"]
    {
        let sent = house.ask(&session.form("/console/setup/probe", &[("endpoint", endpoint)])).await;
        assert!(sent.header("set-cookie").unwrap().contains("probed.200"), "{endpoint}: {:?}", sent.headers);
    }
    let kept: Vec<String> = house.events().await.into_iter().map(|event| event.signed_by).collect();
    assert_eq!(kept, ["simulated"; 7]);
    assert_eq!(state(&session, &house, "Twilio voice").await, "waiting");
    let list = session.get(&house, "/console/events").await;
    assert!(list.text().contains("Simulated"));
    assert_eq!(
        house.ask(&session.form("/console/setup/probe", &[("endpoint", "nowhere")])).await.status,
        400
    );
    let viewer = Session::open(&house, &["read"]).await;
    assert!(!viewer.get(&house, "/console/setup").await.text().contains("Probe"));
    assert_eq!(house.ask(&viewer.form("/console/setup/probe", &[("endpoint", "stripe")])).await.status, 403);
    house.close().await;
}

#[tokio::test]
async fn a_provider_that_does_not_answer_is_told_of() {
    let house = House::build(
        Plan::new().set("SMARTLINE_API_KEY", ADMIN).set("TWILIO_API_BASE", "http://127.0.0.1:9"),
    )
    .await;
    let session = Session::open(&house, &[]).await;
    assert_eq!(house.ask(&session.form("/console/setup/check", &[("provider", "twilio")])).await.status, 303);
    let page = session.get(&house, "/console/setup").await;
    assert!(page.text().contains("no answer from"), "{}", page.text());
    assert!(page.text().contains("STRIPE_API_KEY</code> is missing"), "{}", page.text());
    assert_eq!(house.ask(&session.form("/console/setup/check", &[("provider", "stripe")])).await.status, 400);
    house.close().await;
}

#[tokio::test]
async fn addresses_are_copied_whole() {
    let house = open().await;
    let browser = Browser::open().await;
    sign_in(&browser, &house, &[]).await;
    browser.go(&at(&house, "/console/setup")).await;
    let copies = browser
        .run("return [...document.querySelectorAll('[data-copy^=https]')].map((one) => one.dataset.copy)")
        .await;
    let paths = [
        "stripe",
        "twilio/voice",
        "twilio/status",
        "twilio/sms",
        "plivo/answer",
        "plivo/hangup",
        "plivo/sms",
    ];
    assert_eq!(copies, json!(paths.map(|path| format!("https://line.example.com/webhooks/{path}"))));
    browser.close().await;
    house.close().await;
}
