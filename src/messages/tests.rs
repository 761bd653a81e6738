use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::{
    inbox::kept::testing::form,
    provider::Endpoint::{self, PlivoSms, TwilioSms, TwilioStatus},
};

/// The rows of one text, and of what its contact wants, after these events.
fn rows(events: &[Kept]) -> (Message, Option<OptOut>) {
    let (mut message, mut opt_out) = (None, None);
    for event in events {
        let told = Told::read(event).unwrap();
        let known: Message = message.take().unwrap_or_else(|| Message::new(&told, event));
        message = Some(known.after(&told, event));
        opt_out = OptOut::after(opt_out.as_ref(), &told, event).or(opt_out);
    }
    (message.unwrap(), opt_out)
}

fn inbound(endpoint: Endpoint, number: u128, second: i64, body: &str, more: &[(&str, &str)]) -> Kept {
    let (id, body_name) =
        if endpoint == TwilioSms { ("MessageSid", "Body") } else { ("MessageUUID", "Text") };
    let id_of = format!("SM{number}");
    let base = [(id, id_of.as_str()), ("From", "+14155550100"), ("To", "+14155550199"), (body_name, body)];
    form(endpoint, number, second, &[&base[..], more].concat())
}

fn report(number: u128, second: i64, status: &str, more: &[(&str, &str)]) -> Kept {
    let base =
        [("MessageSid", "SM1"), ("From", "+14155550199"), ("To", "+14155550100"), ("MessageStatus", status)];
    form(TwilioStatus, number, second, &[&base[..], more].concat())
}

#[test]
fn a_text_with_pictures() {
    let media = [
        ("NumMedia", "2"),
        ("NumSegments", "1"),
        ("MediaUrl0", "https://a.example/0"),
        ("MediaContentType0", "image/png"),
        ("MediaUrl1", "https://a.example/1"),
    ];
    let (message, opt_out) = rows(&[inbound(TwilioSms, 1, 0, "Look", &media)]);
    assert_eq!(
        (message.status.as_str(), message.is_final, message.direction.as_deref()),
        ("received", true, Some("inbound"))
    );
    assert_eq!((message.body.as_deref(), message.segments), (Some("Look"), Some(1)));
    assert_eq!(
        (message.line.as_deref(), message.contact.as_deref()),
        (Some("+14155550199"), Some("+14155550100"))
    );
    let urls: Vec<_> =
        message.media.iter().map(|media| (media.url.as_str(), media.media_type.as_deref())).collect();
    assert_eq!(urls, [("https://a.example/0", Some("image/png")), ("https://a.example/1", None)]);
    assert_eq!(opt_out, None);
    for first in [0, 1] {
        let names = [format!("Media{first}"), format!("Media{}", first + 1)];
        let media = [(names[0].as_str(), "https://b.example/0"), (&names[1], "https://b.example/1")];
        assert_eq!(
            rows(&[inbound(PlivoSms, 1, 0, "Look", &media)]).0.media.len(),
            2,
            "Plivo counts from {first}"
        );
    }
}

#[test]
fn a_delivery_goes_forward_only() {
    for (statuses, expected, is_final) in [
        (vec!["delivered", "sent", "queued"], "delivered", true),
        (vec!["queued", "sending"], "sending", false),
        (vec!["failed", "sent"], "failed", true),
        (vec!["read", "delivered"], "read", true),
        (vec!["sent", "wafting"], "wafting", false),
    ] {
        let events: Vec<_> =
            (1..).zip(&statuses).map(|(number, status)| report(number, 0, status, &[])).collect();
        let (message, _) = rows(&events);
        assert_eq!((message.status.as_str(), message.is_final), (expected, is_final), "{statuses:?}");
        assert_eq!(
            (message.direction.as_deref(), message.contact.as_deref()),
            (Some("outbound"), Some("+14155550100"))
        );
    }
}

#[test]
fn the_newest_word_counts() {
    let words = |words: &[&str]| -> Vec<Kept> {
        (1..)
            .zip(0..)
            .zip(words)
            .map(|((number, second), body)| inbound(TwilioSms, number, second, body, &[]))
            .collect()
    };
    for (statement, said, opted_out, suspected) in [
        (1, vec!["Stop!"], true, false),
        (4, vec!["stop", "START"], false, false),
        (4, vec!["stop", "start", "unsubscribe"], true, false),
        (4, vec!["yes"], false, false),
        (4, vec!["stop", "help", "hello"], true, false),
        (5, vec!["please stop texting me"], false, true),
        (5, vec!["please stop texting me", "start"], false, false),
        (5, vec!["stop", "take me off your list"], true, true),
    ] {
        let events = words(&said);
        for events in [events.clone(), events.into_iter().rev().collect()] {
            let ledger = rows(&events).1.unwrap();
            assert_eq!(
                (ledger.opted_out, ledger.suspected),
                (opted_out, suspected),
                "statement {statement}: {said:?}"
            );
        }
    }
    assert_eq!(rows(&words(&["help"])).1, None);
}

#[test]
fn providers_say_it_as_well() {
    for (case, event, opted_out, reason) in [
        ("Twilio's flag", inbound(TwilioSms, 1, 0, "arrêt", &[("OptOutType", "STOP")]), true, "provider"),
        ("Plivo's flag", inbound(PlivoSms, 1, 0, "arrêt", &[("MessageIntent", "optout")]), true, "provider"),
        (
            "Plivo's other flag",
            inbound(PlivoSms, 1, 0, "oui", &[("MessageIntent", "optin")]),
            false,
            "provider",
        ),
        ("statement 7: 21610", report(1, 0, "failed", &[("ErrorCode", "21610")]), true, "error"),
        ("statement 7: 30004", report(1, 0, "undelivered", &[("ErrorCode", "30004")]), true, "error"),
        (
            "statement 7: 200",
            form(
                PlivoSms,
                1,
                0,
                &[
                    ("MessageUUID", "m1"),
                    ("From", "14155550199"),
                    ("To", "14155550100"),
                    ("Status", "failed"),
                    ("ErrorCode", "200"),
                ],
            ),
            true,
            "error",
        ),
    ] {
        let ledger = rows(&[event]).1.unwrap();
        assert_eq!((ledger.opted_out, ledger.reason.as_str()), (opted_out, reason), "{case}");
        assert!(ledger.key.ends_with(":+14155550199:+14155550100"), "{case}: {}", ledger.key);
        assert_eq!(ledger.sources["opted_out"], Uuid::from_u128(1));
    }
    assert_eq!(rows(&[report(1, 0, "failed", &[("ErrorCode", "30003")])]).1, None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn every_order_ends_in_the_same_rows(
        steps in prop::collection::vec((0..60_i64, 0..12_usize, any::<bool>()), 1..10),
        order in prop::collection::vec(any::<prop::sample::Index>(), 0..30),
    ) {
        const WORDS: [&str; 12] = ["queued", "sent", "delivered", "failed", "odd", "", "stop", "start", "do not text me", "hi\0", "read", "yes"];
        let events: Vec<Kept> = (1..).zip(&steps).map(|(number, (second, word, incoming))| {
            let mut event = if *incoming {
                let fields = [("MessageSid", "SM1"), ("From", "+14155550100"), ("To", "+14155550199"), ("Body", WORDS[*word])];
                form(TwilioSms, number, *second, &fields)
            } else {
                let code = if *word % 2 == 0 { "21610" } else { "30003" };
                report(number, *second, WORDS[*word], &[("ErrorCode", code)])
            };
            event.external_id = format!("SM1:{number}");
            event
        }).collect();
        let mut shuffled: Vec<Kept> = order.iter().map(|index| index.get(&events).clone()).collect();
        shuffled.extend(events.iter().rev().cloned());
        let found = rows(&shuffled);
        prop_assert_eq!(&found, &rows(&events));
        prop_assert!(!format!("{found:?}").contains("\\0"), "PostgreSQL has no place for NUL");
    }
}
