//! Who sends too much that is refused waits; who sends what is genuine never does. And whose word on the client's
//! address counts.

use std::time::Duration;

use crate::house::{House, Plan};
use crate::wire::{Ask, Reply};

/// Refusals that an address may have at once.
const BUDGET: usize = 60;

fn forged() -> Ask {
    Ask::post("/webhooks/twilio/voice").form(&[("CallSid", "CA1")]).header("X-Twilio-Signature", "AAAA")
}

fn genuine() -> Ask {
    Ask::post("/webhooks/twilio/voice").form(&[("CallSid", "CA1")]).by_twilio()
}

/// Spends the whole budget of an address.
async fn spend(house: &House, ask: &Ask) {
    for number in 0..BUDGET {
        assert_eq!(house.ask(ask).await.status, 401, "refusal {number}");
    }
}

fn assert_limited(reply: &Reply) {
    assert_eq!((reply.status, reply.code().as_str()), (429, "rate_limited"));
    let seconds: u64 = reply.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&seconds), "{seconds}");
}

#[tokio::test]
async fn beyond_its_budget_an_address_waits_and_what_is_genuine_does_not() {
    let house = House::open().await;
    spend(&house, &forged()).await;
    for ask in [
        forged(),
        Ask::post("/webhooks/stripe"),
        Ask::get("/webhooks/plivo/sms"),
        Ask::new("PUT", "/webhooks/stripe"),
    ] {
        assert_limited(&house.ask(&ask).await);
    }
    assert_eq!(house.ask(&genuine()).await.status, 200);
    assert_eq!(house.ask(&Ask::get("/healthz")).await.status, 200, "only hooks are counted");
    assert_eq!(house.ask(&Ask::get("/nothing")).await.status, 404);
    // A token comes back every second.
    house.clock.advance(Duration::from_secs(2));
    for expected in [401, 401, 429] {
        assert_eq!(house.ask(&forged()).await.status, expected);
    }
    house.clock.advance(Duration::from_secs(60));
    spend(&house, &forged()).await;
    assert_limited(&house.ask(&forged()).await);
    house.close().await;
}

#[tokio::test]
async fn what_is_genuine_costs_nothing() {
    let house = House::open().await;
    for _ in 0..=BUDGET {
        assert_eq!(house.ask(&genuine()).await.status, 200);
    }
    assert_eq!(house.ask(&forged()).await.status, 401);
    house.close().await;
}

#[tokio::test]
async fn behind_a_proxy_the_address_that_it_wrote_pays() {
    let house = House::build(Plan::new().set("SMARTLINE_TRUSTED_PROXY_HOPS", "1")).await;
    let from = |list: &str| forged().header("X-Forwarded-For", list);
    // Whatever an attacker writes before it, the proxy appends the true one.
    for number in 0..BUDGET {
        let reply = house.ask(&from(&format!("198.51.100.{number}, 192.0.2.66"))).await;
        assert_eq!(reply.status, 401, "{number}");
    }
    assert_limited(&house.ask(&from("203.0.113.1, 192.0.2.66")).await);
    assert_limited(&house.ask(&from("203.0.113.1").header("X-Forwarded-For", "192.0.2.66")).await);
    assert_limited(&house.ask(&from("192.0.2.66:4711").header("X-Real-IP", "203.0.113.9")).await);
    for bystander in ["198.51.100.1", "192.0.2.66, 192.0.2.67", "192.0.2.66, unknown"] {
        assert_eq!(house.ask(&from(bystander)).await.status, 401, "{bystander} is not blamed");
    }
    let named: Vec<String> =
        house.rejections(20).await.iter().map(|rejection| rejection.client.addr().to_string()).collect();
    assert_eq!(named, ["192.0.2.66"; 20], "sampled, and with the client that the proxy named");
    house.close().await;
}

#[tokio::test]
async fn two_proxies_mean_the_second_from_the_right() {
    let house = House::build(Plan::new().set("SMARTLINE_TRUSTED_PROXY_HOPS", "2")).await;
    let from = |list: &str| forged().header("X-Forwarded-For", list);
    spend(&house, &from("203.0.113.1, 192.0.2.66, 10.0.0.1")).await;
    assert_limited(&house.ask(&from("203.0.113.2, 192.0.2.66, 10.0.0.2")).await);
    assert_eq!(house.ask(&from("192.0.2.66, 203.0.113.2, 10.0.0.2")).await.status, 401);
    house.close().await;
}

#[tokio::test]
async fn without_a_trusted_proxy_forwarding_headers_are_noise() {
    let house = House::open().await;
    let invented = |number: usize| {
        let address = format!("198.51.100.{number}");
        let names = ["X-Forwarded-For", "X-Real-IP", "CF-Connecting-IP", "True-Client-IP"];
        names.into_iter().fold(forged(), |ask, name| ask.header(name, address.clone()))
    };
    for number in 0..BUDGET {
        assert_eq!(house.ask(&invented(number)).await.status, 401);
    }
    assert_limited(&house.ask(&invented(BUDGET)).await);
    house.close().await;
}

#[tokio::test]
async fn on_render_its_own_header_names_the_client() {
    let plan = Plan::new().set("RENDER", "true").set("HOST", "127.0.0.1");
    let house = House::build(plan).await;
    let from = |address: &str| forged().header("CF-Connecting-IP", address);
    spend(&house, &from("192.0.2.66").header("X-Forwarded-For", "203.0.113.1")).await;
    assert_limited(&house.ask(&from("192.0.2.66").header("X-Forwarded-For", "203.0.113.2")).await);
    assert_eq!(house.ask(&from("192.0.2.67")).await.status, 401);
    house.close().await;
}

#[tokio::test]
async fn http_is_refused_only_where_a_trusted_proxy_says_so() {
    let house = House::build(Plan::new().set("SMARTLINE_TRUSTED_PROXY_HOPS", "1")).await;
    let by = |ask: Ask, proto: &str| ask.header("X-Forwarded-Proto", proto);
    let hook = house.ask(&by(genuine(), "http")).await;
    assert_eq!((hook.status, hook.code().as_str()), (403, "https_required"));
    for path in ["/healthz?a=b", "/nothing"] {
        let other = house.ask(&by(Ask::get(path), "http")).await;
        let location = format!("https://line.example.com{path}");
        assert_eq!((other.status, other.header("location")), (308, Some(location.as_str())));
    }
    assert_eq!(
        house.ask(&by(genuine(), "https, http")).await.code(),
        "https_required",
        "the rightmost is the proxy's"
    );
    house.assert_nothing_kept().await;
    assert_eq!(house.ask(&by(genuine(), "http, https")).await.status, 200);
    assert_eq!(house.ask(&genuine()).await.status, 200, "a direct request says nothing");
    house.close().await;

    let direct = House::open().await;
    assert_eq!(direct.ask(&by(genuine(), "http")).await.status, 200, "no proxy is trusted");
    direct.close().await;
}

#[tokio::test]
async fn an_allow_list_refuses_or_reports_its_providers_outsiders() {
    let plan = Plan::new()
        .set("SMARTLINE_TRUSTED_PROXY_HOPS", "1")
        .set("SMARTLINE_ALLOW_TWILIO", "192.0.2.0/24, 2001:db8::/32, 198.51.100.7")
        .set("SMARTLINE_ALLOW_STRIPE", "report:192.0.2.0/24");
    let house = House::build(plan).await;
    let from = |ask: Ask, address: &str| ask.header("X-Forwarded-For", address);
    for outsider in ["203.0.113.9", "198.51.100.8", "2001:db9::1"] {
        let reply = house.ask(&from(genuine(), outsider)).await;
        assert_eq!((reply.status, reply.code().as_str()), (403, "source_not_allowed"), "{outsider}");
    }
    house.assert_nothing_kept().await;
    for insider in ["192.0.2.9", "2001:db8::1", "::ffff:192.0.2.9", "198.51.100.7"] {
        assert_eq!(house.ask(&from(genuine(), insider)).await.status, 200, "{insider}");
    }
    assert_eq!(house.ask(&from(forged(), "192.0.2.9")).await.status, 401, "no substitute for the signature");
    let event = Ask::post("/webhooks/stripe").json(r#"{"id":"evt_1"}"#).by_stripe();
    assert_eq!(house.ask(&from(event, "203.0.113.9")).await.status, 200, "only reported");
    let answer = Ask::post("/webhooks/plivo/answer").form(&[("CallUUID", "u1")]).by_plivo();
    assert_eq!(house.ask(&from(answer, "203.0.113.9")).await.status, 200, "no list, any source");
    house.close().await;
}

#[tokio::test]
async fn a_provider_without_its_secret_is_closed_and_the_others_work() {
    for (variable, closed) in [
        ("STRIPE_WEBHOOK_SECRET", &["/webhooks/stripe"][..]),
        ("TWILIO_AUTH_TOKEN", &["/webhooks/twilio/voice", "/webhooks/twilio/status", "/webhooks/twilio/sms"]),
        ("PLIVO_AUTH_TOKEN", &["/webhooks/plivo/answer", "/webhooks/plivo/hangup", "/webhooks/plivo/sms"]),
        ("PUBLIC_URL", &["/webhooks/twilio/voice", "/webhooks/plivo/sms"]),
    ] {
        let house = House::build(Plan::new().set(variable, "  ")).await;
        for sample in crate::endpoints::samples() {
            if !closed.contains(&sample.ask.target.as_str()) {
                continue;
            }
            // Signed with an empty key, as whoever knows of the fault would.
            let empty = crate::sign::stripe("", crate::house::NOW, &sample.ask.body);
            for ask in
                [sample.signed(), sample.ask.clone(), sample.ask.clone().header("Stripe-Signature", empty)]
            {
                let reply = house.ask(&ask).await;
                assert_eq!((reply.status, reply.code().as_str()), (503, "config_missing"), "{variable}");
            }
        }
        house.assert_nothing_kept().await;
        let open = if closed[0] == "/webhooks/stripe" {
            genuine()
        } else {
            Ask::post("/webhooks/stripe").json(r#"{"id":"evt_1"}"#).by_stripe()
        };
        assert_eq!(house.ask(&open).await.status, 200, "{variable}: the rest works");
        house.close().await;
    }
}
