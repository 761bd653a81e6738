//! Samples of one seed belong together, those of two do not, and all have the providers' shapes.

use super::*;

fn story(seed: &str, fresh: u128) -> Story {
    Story {
        seed: seed.into(),
        fresh: Uuid::from_u128(fresh),
        mark: Mark::None,
        at: DateTime::from_timestamp(1_760_000_000, 0).unwrap(),
        twilio_account: None,
        plivo_account: None,
    }
}

fn event(seed: &str, kind: &str) -> Value {
    let Sample::Json(event) = story(seed, 1).stripe(kind) else { unreachable!() };
    event
}

fn field(story: &Story, endpoint: Endpoint, name: &str) -> Option<String> {
    let Sample::Form { fields, .. } = story.callback(endpoint) else { unreachable!() };
    fields.into_iter().find(|(key, _)| key == name).map(|(_, value)| value)
}

#[test]
fn stripe_events_tell_one_story() {
    let [session, created, updated, deleted, paid, failed] = STRIPE_TYPES.map(|kind| event("ada", kind));
    let text = |event: &Value, pointer: &str| event.pointer(pointer).unwrap().as_str().unwrap().to_owned();
    let customer = text(&session, "/data/object/customer");
    assert_eq!((customer.len(), &customer[..4]), (18, "cus_"));
    for event in [&created, &updated, &deleted, &paid, &failed] {
        assert_eq!(text(event, "/data/object/customer"), customer);
    }
    let subscription = text(&session, "/data/object/subscription");
    for event in [&created, &updated, &deleted] {
        assert_eq!(text(event, "/data/object/id"), subscription);
        assert!(event.pointer("/data/object/items/data/0/current_period_end").is_some());
        assert!(event.pointer("/data/object/current_period_end").is_none(), "basil has it on the items");
    }
    for invoice in [&paid, &failed] {
        assert_eq!(text(invoice, "/data/object/parent/subscription_details/subscription"), subscription);
    }
    assert_eq!(text(&created, "/data/object/latest_invoice"), text(&paid, "/data/object/id"));
    assert_eq!(text(&updated, "/data/object/latest_invoice"), text(&failed, "/data/object/id"));
    assert_eq!(text(&updated, "/data/previous_attributes/latest_invoice"), text(&paid, "/data/object/id"));
    let status = |event| text(event, "/data/object/status");
    assert_eq!(
        [&session, &created, &updated, &deleted, &paid, &failed].map(status),
        ["complete", "active", "past_due", "canceled", "paid", "open"]
    );
    assert_ne!(event("eve", STRIPE_TYPES[0])["data"]["object"]["customer"], customer.as_str());
}

#[test]
fn an_event_is_new_though_its_story_is_not() {
    let at = |fresh| {
        let Sample::Json(event) = story("ada", fresh).stripe(STRIPE_TYPES[0]) else { unreachable!() };
        event["id"].as_str().unwrap().to_owned()
    };
    assert_ne!(at(1), at(2));
    assert_eq!(at(1), at(1));
    assert!(at(1).starts_with("evt_1") && at(1).len() == 28, "{}", at(1));
}

#[test]
fn callbacks_of_one_seed_tell_of_one_call() {
    let ada = story("ada", 1);
    let call = field(&ada, Endpoint::TwilioVoice, "CallSid").unwrap();
    assert_eq!((call.len(), &call[..2]), (34, "CA"));
    assert_eq!(field(&ada, Endpoint::TwilioStatus, "CallSid").as_ref(), Some(&call));
    assert_ne!(field(&story("eve", 1), Endpoint::TwilioVoice, "CallSid"), Some(call));
    let call = field(&ada, Endpoint::PlivoAnswer, "CallUUID").unwrap();
    assert_eq!(Uuid::parse_str(&call).unwrap().get_version_num(), 4);
    assert_eq!(field(&ada, Endpoint::PlivoHangup, "CallUUID"), Some(call));
    assert_eq!(
        field(&ada, Endpoint::TwilioVoice, "From").unwrap().trim_start_matches('+'),
        field(&ada, Endpoint::PlivoSms, "From").unwrap()
    );
}

#[test]
fn numbers_are_fiction() {
    for seed in 0..500 {
        let number = story(&seed.to_string(), 1).caller();
        let (exchange, last) = (&number[5..10], number[10..].parse::<u8>());
        assert!(number.len() == 12 && number.starts_with("+1") && exchange == "55501", "{number}");
        assert!(last.is_ok() && number != LINE, "{number}");
    }
}

#[test]
fn smoke_shows_in_every_id() {
    let smoke = Story { mark: Mark::Smoke, ..story("run", 1) };
    for (endpoint, name, start) in [
        (Endpoint::TwilioVoice, "CallSid", "CA736d6f6b65"),
        (Endpoint::TwilioStatus, "CallSid", "CA736d6f6b65"),
        (Endpoint::TwilioSms, "MessageSid", "SM736d6f6b65"),
        (Endpoint::PlivoAnswer, "CallUUID", "736d6f6b-65"),
        (Endpoint::PlivoHangup, "CallUUID", "736d6f6b-65"),
        (Endpoint::PlivoSms, "MessageUUID", "736d6f6b-65"),
    ] {
        let id = field(&smoke, endpoint, name).unwrap();
        assert!(id.starts_with(start), "{endpoint}: {id}");
        assert_eq!(field(&smoke, endpoint, "AccountSid"), None, "{endpoint}");
        assert_eq!(field(&smoke, endpoint, "ParentAuthID"), None, "{endpoint}");
    }
    let Sample::Json(probe) = smoke.callback(Endpoint::Stripe) else { unreachable!() };
    assert!(probe["id"].as_str().unwrap().starts_with("evt_1smoke"), "{probe}");
    assert_eq!(probe["type"], "smartline.smoke");
}

#[test]
fn the_known_account_is_named() {
    let known = Story {
        twilio_account: Some("AC1".into()),
        plivo_account: Some("MA1".into()),
        mark: Mark::Smoke,
        ..story("run", 1)
    };
    assert_eq!(field(&known, Endpoint::TwilioVoice, "AccountSid").as_deref(), Some("AC1"));
    assert_eq!(field(&known, Endpoint::PlivoSms, "ParentAuthID").as_deref(), Some("MA1"));
}
