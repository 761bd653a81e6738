//! The seven webhooks: what is signed is kept and answered, everything else is refused and leaves no trace but the
//! reason.

use serde_json::{Value, json};

use crate::house::{Event, House, NOW, ORIGIN, PLIVO_ACCOUNT, Plan, TWILIO_ACCOUNT, TWILIO_APP};
use crate::wire::{Ask, Reply};

/// What an endpoint is to answer.
#[derive(Clone, Copy)]
enum Answer {
    Json,
    /// A document of these verbs.
    Xml(&'static [&'static str]),
}

/// A good request to each endpoint, not yet signed.
pub(crate) struct Sample {
    pub(crate) endpoint: &'static str,
    pub(crate) ask: Ask,
    answer: Answer,
    kind: &'static str,
    subject: &'static str,
    external_id: &'static str,
    signed_by: &'static str,
}

const STRIPE_EVENT: &str = r#"{
  "id": "evt_1", "object": "event", "type": "invoice.payment_failed", "created": 1794743990,
  "data": {"object": {"id": "in_1", "customer": "cus_1"}}
}"#;

fn sample(
    endpoint: &'static str,
    fields: &[(&str, &str)],
    verbs: &'static [&'static str],
    [kind, subject, external_id, signed_by]: [&'static str; 4],
) -> Sample {
    let ask = Ask::post(&format!("/webhooks/{endpoint}")).form(fields);
    Sample { endpoint, ask, answer: Answer::Xml(verbs), kind, subject, external_id, signed_by }
}

/// One good request for each endpoint.
pub(crate) fn samples() -> Vec<Sample> {
    let (from, to) = ("+14155550100", "+14155550199");
    let stripe = Sample {
        endpoint: "stripe",
        ask: Ask::post("/webhooks/stripe").body("application/json; charset=utf-8", STRIPE_EVENT),
        answer: Answer::Json,
        kind: "invoice.payment_failed",
        subject: "cus_1",
        external_id: "evt_1",
        signed_by: "STRIPE_WEBHOOK_SECRET[0]",
    };
    let call = [("CallSid", "CA1"), ("AccountSid", TWILIO_ACCOUNT), ("From", from), ("To", to)];
    let with = |more: &[(&'static str, &'static str)]| [&call[..], more].concat();
    vec![
        stripe,
        sample(
            "twilio/voice",
            &with(&[("CallStatus", "ringing"), ("ApplicationSid", TWILIO_APP)]),
            &["Say", "Record", "Redirect"],
            ["twilio.voice", "CA1", "CA1:voice:", "TWILIO_AUTH_TOKEN[0]"],
        ),
        sample(
            "twilio/status",
            &with(&[("CallStatus", "completed"), ("SequenceNumber", "2")]),
            &[],
            ["twilio.call.status", "CA1", "CA1:twilio.call.status:completed:2:", "TWILIO_AUTH_TOKEN[0]"],
        ),
        sample(
            "twilio/sms",
            &[
                ("MessageSid", "SM1"),
                ("AccountSid", TWILIO_ACCOUNT),
                ("From", from),
                ("To", to),
                ("Body", "Hello"),
            ],
            &["Message"],
            ["twilio.sms", "SM1", "SM1:sms:", "TWILIO_AUTH_TOKEN[0]"],
        ),
        sample(
            "plivo/answer",
            &[("CallUUID", "u1"), ("AuthID", PLIVO_ACCOUNT), ("From", "14155550100"), ("To", "14155550199")],
            &["Speak", "Record", "Redirect"],
            ["plivo.answer", "u1", "u1:answer:", "PLIVO_AUTH_TOKEN[0]"],
        ),
        sample(
            "plivo/hangup",
            &[("CallUUID", "u1"), ("Event", "Hangup"), ("CallStatus", "completed")],
            &[],
            [
                "plivo.hangup",
                "u1",
                "u1:plivo.hangup:Event=Hangup:CallStatus=completed:",
                "PLIVO_AUTH_TOKEN[0]",
            ],
        ),
        sample(
            "plivo/sms",
            &[("MessageUUID", "m1"), ("From", "14155550100"), ("To", "14155550199"), ("Text", "Hello")],
            &["Message"],
            ["plivo.sms", "m1", "m1:sms", "PLIVO_AUTH_TOKEN[0]"],
        ),
    ]
}

impl Sample {
    /// Signed by its provider.
    pub(crate) fn signed(&self) -> Ask {
        sign(self.endpoint, self.ask.clone())
    }

    fn provider(&self) -> &'static str {
        self.endpoint.split('/').next().unwrap()
    }
}

/// Signs a request to `endpoint` as its provider does.
pub(crate) fn sign(endpoint: &str, ask: Ask) -> Ask {
    match endpoint.split('/').next().unwrap() {
        "stripe" => ask.by_stripe(),
        "twilio" => ask.by_twilio(),
        _ => ask.by_plivo(),
    }
}

fn assert_answer(sample: &Sample, reply: &Reply) {
    match sample.answer {
        Answer::Json => {
            assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/json")));
            assert_eq!(reply.json(), json!({"received": true}));
        }
        Answer::Xml(verbs) => assert_eq!(reply.verbs(), verbs, "{}", sample.endpoint),
    }
}

#[tokio::test]
async fn each_endpoint_keeps_and_answers_what_is_signed() {
    for sample in samples() {
        let house = House::open().await;
        let ask = sample.signed();
        let reply = house.ask(&ask).await;
        assert_answer(&sample, &reply);
        assert_kept(&house, &sample, &ask, &reply).await;
        house.close().await;
    }
}

/// One event, one key and one piece of work, as the request was.
async fn assert_kept(house: &House, sample: &Sample, ask: &Ask, reply: &Reply) {
    let event: Event = house.event().await;
    assert_eq!(event.provider, sample.provider());
    assert_eq!(event.endpoint, sample.endpoint);
    assert_eq!(event.kind, sample.kind);
    assert_eq!(event.subject.as_deref(), Some(sample.subject));
    assert_eq!(event.external_id, sample.external_id);
    assert_eq!(event.signed_by, sample.signed_by);
    assert_eq!(event.method, "POST");
    assert_eq!(event.path, ask.target);
    assert_eq!(event.body, ask.body, "raw bytes");
    assert_eq!(event.flags, Vec::<String>::new());
    assert_eq!(event.received_at.timestamp(), NOW);
    let stripe = sample.endpoint == "stripe";
    assert_eq!(event.occurred_at.map(|at| at.timestamp()), stripe.then_some(1_794_743_990));
    for (name, value) in &ask.headers {
        let kept = (name.to_lowercase(), value.clone());
        assert!(event.headers.contains(&kept), "{kept:?} of {:?}", event.headers);
    }
    let keys = "SELECT times_seen FROM event_keys WHERE event_id = $1 AND generation = 1";
    let times: i32 = sqlx::query_scalar(keys).bind(event.id).fetch_one(&house.db).await.unwrap();
    assert_eq!(times, 1);
    let usual = stripe || reply.verbs().is_empty();
    assert_eq!(event.answer, (!usual).then(|| reply.body.clone()), "kept where it is not the usual one");
    let work = "SELECT count(*) FROM event_work WHERE event_id = $1 AND due_at IS NULL AND attempts = 0";
    let work: i64 = sqlx::query_scalar(work).bind(event.id).fetch_one(&house.db).await.unwrap();
    assert_eq!(work, 1);
    let shown = reply.header("x-smartline-event").unwrap();
    assert_eq!((&shown[..6], shown.len()), ("event_", 32), "the answer names its event");
}

#[tokio::test]
async fn each_endpoint_refuses_what_is_unsigned_or_forged() {
    for sample in samples() {
        let house = House::open().await;
        let unsigned = house.ask(&sample.ask).await;
        let mut missing = unsigned.problem_but_for_its_ids();
        let hint = missing.as_object_mut().unwrap().remove("hint").unwrap();
        let command = format!("smartline sign {} ", sample.endpoint.replace('/', " "));
        assert!(hint.as_str().unwrap().contains(&command), "{hint}");
        assert_eq!(unsigned.status, 401);
        assert_eq!(
            missing,
            json!({
                "type": "https://line.example.com/docs/errors/signature_missing",
                "title": "The request carries no signature",
                "status": 401,
                "code": "signature_missing",
                "detail": "This endpoint takes requests that the provider has signed. This one has no signature header.",
            })
        );
        let forged = refusals_of_forgeries(&house, &sample).await;
        assert!(forged.windows(2).all(|pair| pair[0] == pair[1]), "one code, one body: {forged:#?}");
        assert_eq!(
            forged[0],
            json!({
                "type": "https://line.example.com/docs/errors/signature_mismatch",
                "title": "The signature does not match",
                "status": 401,
                "code": "signature_mismatch",
                "detail": "No configured secret made this signature for this address and content.",
            })
        );
        house.assert_nothing_kept().await;
        let rejections = house.rejections(1 + forged.len()).await;
        assert_eq!(rejections.len(), 1 + forged.len());
        let missing = rejections.iter().filter(|rejection| rejection.code == "signature_missing");
        let causes: Vec<_> = missing.map(|rejection| rejection.cause.as_str()).collect();
        assert_eq!(causes, ["no signature header"]);
        for rejection in &rejections {
            assert_eq!(rejection.endpoint, sample.endpoint);
            for private in ["4155550100", "Hello", "evt_1", "invoice", "x-filler-value"] {
                assert!(!rejection.whole.contains(private), "{private} in {}", rejection.whole);
            }
        }
        let forged = rejections.iter().filter(|rejection| rejection.code == "signature_mismatch");
        assert_eq!(forged.count(), rejections.len() - 1);
        house.close().await;
    }
}

/// Sends a good request with one thing changed at a time; gives the problems.
async fn refusals_of_forgeries(house: &House, sample: &Sample) -> Vec<Value> {
    let good = sample.signed().header("X-Filler", "x-filler-value");
    let (name, signature) = good
        .headers
        .iter()
        .find(|(name, _)| name.ends_with("Signature") || name.ends_with("-V3"))
        .cloned()
        .unwrap();
    let mut other_body = good.clone();
    other_body.body.extend(if sample.endpoint == "stripe" { " " } else { "&X=1" }.bytes());
    let mut other_path = good.clone();
    other_path.target.push_str("?x=1");
    let mut forgeries = vec![
        ("another body", other_body),
        ("no value", good.clone().replaced(&name, "")),
        ("shortened", good.clone().replaced(&name, &signature[..signature.len() - 1])),
        ("lengthened", good.clone().replaced(&name, format!("{signature}=a"))),
        ("twice", good.clone().header(&name, signature.clone())),
        ("other letters", good.clone().replaced(&name, signature.to_uppercase())),
    ];
    match sample.provider() {
        // Stripe signs no URL.
        "stripe" => {}
        provider => {
            forgeries.push(("another query", other_path));
            let origin = "https://elsewhere.example.com";
            if provider == "twilio" {
                let token = crate::house::TWILIO_TOKEN;
                forgeries.push(("another host", sample.ask.clone().by_twilio_with(token, origin)));
                forgeries.push(("another token", sample.ask.clone().by_twilio_with("other", ORIGIN)));
            } else {
                let nonce = "X-Plivo-Signature-V3-Nonce";
                forgeries.push(("another nonce", good.clone().replaced(nonce, "1")));
                forgeries.push(("no nonce", good.clone().without(nonce)));
            }
        }
    }
    let mut problems = Vec::new();
    for (case, forgery) in forgeries {
        if case == "twice" && sample.provider() == "plivo" {
            continue; // Plivo sends several
        }
        let reply = house.ask(&forgery).await;
        assert_eq!((reply.status, reply.code().as_str()), (401, "signature_mismatch"), "{case}");
        assert_eq!(reply.header("www-authenticate"), None, "Twilio would answer with credentials");
        problems.push(reply.problem_but_for_its_ids());
    }
    problems
}

#[tokio::test]
async fn a_stale_event_is_told_from_its_header_alone() {
    let house = House::open().await;
    let ask = |at| Ask::post("/webhooks/stripe").json(r#"{"id":"evt_1"}"#).by_stripe_at(at);
    for at in [NOW - 301, NOW + 301] {
        let genuine = house.ask(&ask(at)).await;
        let forged = house.ask(&ask(at).replaced("Stripe-Signature", format!("t={at},v1=00"))).await;
        assert_eq!((genuine.status, genuine.code().as_str()), (401, "timestamp_out_of_tolerance"));
        assert_eq!(
            genuine.problem_but_for_its_ids(),
            forged.problem_but_for_its_ids(),
            "whether it was genuine is not told"
        );
    }
    house.assert_nothing_kept().await;
    for (number, at) in [NOW - 300, NOW + 300].into_iter().enumerate() {
        let body = format!(r#"{{"id":"evt_in_time_{number}"}}"#);
        assert_eq!(house.ask(&Ask::post("/webhooks/stripe").json(body).by_stripe_at(at)).await.status, 200);
    }
    house.close().await;
}

#[tokio::test]
async fn another_account_is_refused_and_another_app_is_flagged() {
    let house = House::open().await;
    let call = |account, app| {
        let fields = [("CallSid", "CA1"), ("AccountSid", account), ("ApplicationSid", app)];
        Ask::post("/webhooks/twilio/voice").form(&fields).by_twilio()
    };
    let stranger = house.ask(&call("AC00000000000000000000000000000002", TWILIO_APP)).await;
    assert_eq!((stranger.status, stranger.code().as_str()), (401, "account_mismatch"));
    let fields = [("CallUUID", "u1"), ("AuthID", "MA0000000000000OTHER")];
    let stranger = house.ask(&Ask::post("/webhooks/plivo/answer").form(&fields).by_plivo()).await;
    assert_eq!((stranger.status, stranger.code().as_str()), (401, "account_mismatch"));
    house.assert_nothing_kept().await;

    let other_app = house.ask(&call(TWILIO_ACCOUNT, "AP00000000000000000000000000000002")).await;
    assert_eq!(other_app.status, 200);
    assert_eq!(house.event().await.flags, ["other_app"]);
    house.close().await;
}

#[tokio::test]
async fn every_configured_secret_and_origin_is_tried() {
    let old_token = "6f6c6420746f6b656e206f6c6420746f";
    let plan = Plan::new()
        .set("STRIPE_WEBHOOK_SECRET", "whsec_first,whsec_of_the_house_of_tests")
        .set("TWILIO_AUTH_TOKEN", format!("{},{old_token}", crate::house::TWILIO_TOKEN))
        .set("PUBLIC_URL", format!("{ORIGIN},https://second.example.com"));
    let house = House::build(plan).await;
    let event = Ask::post("/webhooks/stripe").json(r#"{"id":"evt_1"}"#).by_stripe();
    assert_eq!(house.ask(&event).await.status, 200);
    let call = Ask::post("/webhooks/twilio/voice").form(&[("CallSid", "CA1")]);
    let reply = house.ask(&call.by_twilio_with(old_token, "https://second.example.com:443")).await;
    let action = reply.attribute("Record", "action");
    assert!(action.starts_with("https://second.example.com/webhooks/twilio/voice?t="), "{action}");
    let answer = Ask::post("/webhooks/plivo/answer").form(&[("CallUUID", "u1")]);
    let main_account = answer.by_plivo_with("X-Plivo-Signature-MA-V3", crate::house::PLIVO_TOKEN, "7");
    let rotated = main_account.header("X-Plivo-Signature-V3", "AAAA, BBBB");
    assert_eq!(house.ask(&rotated).await.status, 200);
    let mut signed_by: Vec<_> = house.events().await.into_iter().map(|event| event.signed_by).collect();
    signed_by.sort(); // the clock stood still, so they have no order
    assert_eq!(signed_by, ["PLIVO_AUTH_TOKEN[0]", "STRIPE_WEBHOOK_SECRET[1]", "TWILIO_AUTH_TOKEN[1]"]);
    house.close().await;
}
