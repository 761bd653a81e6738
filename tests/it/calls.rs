//! A call from its first request to its goodbye, as a provider walks it through the documents that it is given.

use roxmltree::Node;

use crate::house::{House, ORIGIN, PLIVO_TOKEN};
use crate::wire::{Ask, Reply};

/// How a provider's documents are written.
struct Carrier {
    path: &'static str,
    id: &'static str,
    says: &'static str,
    informs: &'static str,
    informed: &'static str,
    sign: fn(Ask) -> Ask,
}

const CARRIERS: [Carrier; 2] = [
    Carrier {
        path: "/webhooks/twilio/voice",
        id: "CallSid",
        says: "Say",
        informs: "recordingStatusCallback",
        informed: "/webhooks/twilio/status",
        sign: Ask::by_twilio,
    },
    Carrier {
        path: "/webhooks/plivo/answer",
        id: "CallUUID",
        says: "Speak",
        informs: "callbackUrl",
        informed: "/webhooks/plivo/hangup",
        sign: Ask::by_plivo,
    },
];

const SORRY: &str = "Sorry, we cannot take your call right now. Please leave a message after the tone.";
const GREETING: &str = "You have reached this number. Please leave a message after the tone.";

impl Carrier {
    /// A signed request to a path, or to a URL of an earlier answer.
    async fn ask(&self, house: &House, url: &str, fields: &[(&str, &str)]) -> Reply {
        let target = url.strip_prefix(ORIGIN).unwrap_or(url);
        house.ask(&(self.sign)(Ask::post(target).form(fields))).await
    }

    /// What the caller hears first.
    fn words(&self, reply: &Reply) -> String {
        let document = reply.xml();
        let first = document.root_element().children().find(Node::is_element).unwrap();
        assert_eq!(first.tag_name().name(), self.says, "{reply:?}");
        first.text().unwrap().to_owned()
    }

    /// Asserts that it is the voice message after an apology.
    fn assert_safe(&self, reply: &Reply) {
        assert_eq!(self.words(reply), SORRY);
        assert_eq!(reply.verbs(), [self.says, "Record", "Redirect"]);
    }
}

#[tokio::test]
async fn a_call_is_greeted_recorded_and_ended() {
    for carrier in CARRIERS {
        let house = House::open().await;
        let call = [(carrier.id, "call-1"), ("From", "+14155550100"), ("To", "+14155550199")];
        let greeting = carrier.ask(&house, carrier.path, &call).await;
        assert_eq!(carrier.words(&greeting), GREETING);
        let action = greeting.attribute("Record", "action");
        let (path, token) = action.strip_prefix(ORIGIN).unwrap().split_once("?t=").unwrap();
        assert_eq!((path, token.len()), (carrier.path, 56));
        let document = greeting.xml();
        let redirect = document.descendants().find(|node| node.has_tag_name("Redirect")).unwrap();
        assert_eq!(redirect.text(), Some(action.as_str()), "silence leads on, too");

        let recorded =
            [&call[..], &[("RecordingUrl", "https://api.example.com/1"), ("Digits", "#")]].concat();
        let goodbye = carrier.ask(&house, &action, &recorded).await;
        assert_eq!(goodbye.verbs(), [carrier.says, "Hangup"]);
        assert_eq!(carrier.words(&goodbye), "Thank you. Goodbye.");
        assert_eq!(carrier.ask(&house, &action, &recorded).await.body, goodbye.body, "asked again");

        let ready = greeting.attribute("Record", carrier.informs);
        assert!(ready.starts_with(&format!("{ORIGIN}{}?t=", carrier.informed)), "{ready}");
        let told = [
            (carrier.id, "call-1"),
            ("RecordingSid", "RE1"),
            ("RecordingStatus", "completed"),
            ("RecordingID", "r1"),
        ];
        assert_eq!(carrier.ask(&house, &ready, &told).await.verbs(), Vec::<String>::new());

        let kinds: Vec<_> = house.events().await.into_iter().map(|event| event.kind).collect();
        assert_eq!(kinds.len(), 3, "{kinds:?}");
        assert!(kinds.iter().any(|kind| kind.ends_with(".recording")), "{kinds:?}");
        house.close().await;
    }
}

#[tokio::test]
async fn a_token_that_cannot_be_believed_leads_to_the_safe_document() {
    for carrier in CARRIERS {
        let house = House::open().await;
        let action =
            carrier.ask(&house, carrier.path, &[(carrier.id, "call-1")]).await.attribute("Record", "action");
        let (path, token) = action.split_once("?t=").unwrap();
        let flipped = format!("{}{}", &token[..55], if token.ends_with('A') { 'B' } else { 'A' });
        for (case, url, call) in [
            ("of another call", action.clone(), "call-2"),
            ("of no call", action.clone(), ""),
            ("forged", format!("{path}?t={flipped}"), "call-1"),
            ("malformed", format!("{path}?t=7"), "call-1"),
        ] {
            let reply = carrier.ask(&house, &url, &[(carrier.id, call)]).await;
            assert_eq!(carrier.words(&reply), SORRY, "{case}");
        }
        house.clock.advance(std::time::Duration::from_secs(6 * 3600 + 1));
        let reply = carrier.ask(&house, &action, &[(carrier.id, "call-1")]).await;
        carrier.assert_safe(&reply);
        // What the safe document leads to is a goodbye, so that it cannot loop.
        let next = reply.attribute("Record", "action");
        let goodbye = carrier.ask(&house, &next, &[(carrier.id, "call-1")]).await;
        assert_eq!(goodbye.verbs(), [carrier.says, "Hangup"]);
        house.close().await;
    }
}

#[tokio::test]
async fn the_fallback_request_is_its_own_event_and_gets_the_safe_document() {
    let house = House::open().await;
    let [twilio, _] = CARRIERS;
    let call = [("CallSid", "CA1"), ("From", "+14155550100")];
    let greeting = twilio.ask(&house, twilio.path, &call).await;
    let failed = [
        &call[..],
        &[("ErrorCode", "11200"), ("ErrorUrl", "https://line.example.com/webhooks/twilio/voice")],
    ]
    .concat();
    let fallback = twilio.ask(&house, twilio.path, &failed).await;
    twilio.assert_safe(&fallback);
    assert_ne!(fallback.attribute("Record", "action"), greeting.attribute("Record", "action"));
    let mut ids: Vec<_> = house.events().await.into_iter().map(|event| event.external_id).collect();
    ids.sort();
    assert_eq!(ids, ["CA1:voice-fallback:", "CA1:voice:"]);
    house.close().await;
}

#[tokio::test]
async fn a_recorded_request_of_one_provider_is_worth_nothing_at_the_other() {
    let house = House::open().await;
    let ask = Ask::post("/webhooks/plivo/answer").form(&[("CallUUID", "u1")]).by_twilio();
    assert_eq!(house.ask(&ask).await.code(), "signature_missing", "Twilio's header is nothing to Plivo");
    let ask = Ask::post("/webhooks/twilio/voice").form(&[("CallSid", "CA1")]);
    let ask = ask.by_plivo_with("X-Twilio-Signature", PLIVO_TOKEN, "1");
    assert_eq!(house.ask(&ask).await.code(), "signature_mismatch");
    house.assert_nothing_kept().await;
    house.close().await;
}
