//! Two processes of the service answer one call, or the calls of one line.

use serde_json::json;

use super::{Carrier, Stage, number, stage::plain};
use crate::house::ORIGIN;
use crate::wire::{Ask, Reply};

/// Two agents after each other; both may have the same person rung.
const AGENTS: &str = r#"
schema = 1
start = { call = "first" }
[people]
ada = "+14155550142"
[steps.first]
do = "agent"
url = "wss://agent.example/s"
mode = "stream"
may_ring = ["ada"]
done = "bye"
failed = "second"
[steps.second]
do = "agent"
url = "wss://agent.example/s"
mode = "stream"
may_ring = ["ada"]
done = "bye"
failed = "vm"
[steps.bye]
do = "end"
text = "Goodbye from us."
[steps.vm]
do = "voicemail"
text = "Please leave a message after the tone."
"#;

/// A call, its fields as the carrier sends them.
struct Call {
    carrier: Carrier,
    id: String,
}

impl Call {
    fn new(carrier: Carrier) -> Self {
        Self { carrier, id: carrier.id("CA") }
    }

    /// A request of it, with more fields.
    fn asks(&self, path: &str, more: &[(&'static str, &str)]) -> Ask {
        let id = if self.carrier == Carrier::Twilio { "CallSid" } else { "CallUUID" };
        let mut fields = vec![
            (id, self.id.clone()),
            ("From", self.carrier.number("+14155550100")),
            ("To", self.carrier.number(number(self.carrier))),
            ("CallStatus", "in-progress".to_owned()),
            ("Direction", "inbound".to_owned()),
        ];
        fields.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
        self.carrier.signed(path, &fields)
    }

    /// The stream has begun.
    fn streams(&self, document: &Reply) -> Ask {
        match self.carrier {
            Carrier::Twilio => self.asks(
                &local(&document.attribute("Stream", "statusCallback")),
                &[("StreamEvent", "stream-started")],
            ),
            Carrier::Plivo => self.asks(
                &local(&document.attribute("Stream", "statusCallbackUrl")),
                &[("Event", "StartStream")],
            ),
        }
    }

    /// The agent wants Ada rung.
    fn wishes(&self, capability: &str) -> Ask {
        Ask::post(&format!("/api/v1/calls/{}/directive", self.id))
            .header("Authorization", format!("Bearer {capability}"))
            .json(json!({ "do": "ring", "target": "ada" }).to_string())
    }
}

fn local(url: &str) -> String {
    url.replace(ORIGIN, "")
}

/// The capability that a document hands to the agent.
fn capability(document: &Reply) -> String {
    let (_, rest) =
        document.text().split_once("wss://agent.example/s/").expect("an agent is handed the call");
    rest[..32].to_owned()
}

/// Where the call goes on when the agent is done.
fn way_back(document: &Reply) -> String {
    let (_, rest) = document.text().split_once("<Redirect method=\"POST\">").expect("the call comes back");
    local(rest.split_once('<').unwrap().0)
}

#[tokio::test]
async fn an_agents_wish_is_found_by_whichever_process_is_asked_and_done_once() {
    let stage = Stage::open(Some(AGENTS), plain()).await;
    let house = &stage.house;
    let other = house.replica().await;
    for carrier in Carrier::ALL {
        let call = Call::new(carrier);
        // Handed over and wished for here; given back there.
        let first = house.ask(&call.asks(carrier.calls(), &[])).await;
        house.ask(&call.streams(&first)).await;
        assert_eq!(house.ask(&call.wishes(&capability(&first))).await.status, 202);
        let ring = other.ask(&call.asks(&way_back(&first), &[])).await;
        assert!(ring.text().contains("<Dial") && ring.text().contains("4155550142"), "{}", ring.text());

        // Ada does not answer, so that a second agent gets the call; it never begins.
        let missed = if carrier == Carrier::Twilio {
            ("DialCallStatus", "no-answer")
        } else {
            ("DialStatus", "no-answer")
        };
        let second = house.ask(&call.asks(&local(&ring.attribute("Dial", "action")), &[missed])).await;
        assert_ne!(capability(&second), capability(&first));
        assert_eq!(
            other.ask(&call.wishes(&capability(&first))).await.status,
            202,
            "a late word of the first one"
        );
        let asks = call.asks(&way_back(&second), &[]);
        let end = other.ask(&asks).await;
        assert!(end.text().contains("Please leave a message"), "{}", end.text());
        assert_eq!(house.ask(&asks).await.body, end.body, "asked again, elsewhere");
    }
    other.close().await;
    stage.close().await;
}

#[tokio::test]
async fn the_calls_of_a_day_are_counted_over_all_processes_and_a_restart() {
    let stage = Stage::open(None, json!({ "daily_calls": 3, "forward": "+14155550142" })).await;
    let house = &stage.house;
    let other = house.replica().await;
    let calls = |carrier: Carrier| Call::new(carrier).asks(carrier.calls(), &[]);
    let rings = |reply: &Reply| reply.text().contains("<Dial");
    for carrier in Carrier::ALL {
        assert!(rings(&house.ask(&calls(carrier)).await));
        assert!(rings(&other.ask(&calls(carrier)).await));
    }
    // Each tells what it had; each then knows of both.
    for app in [&house.app, &other.app, &house.app] {
        app.share_days().await.unwrap();
    }
    other.close().await;
    for carrier in Carrier::ALL {
        assert!(rings(&house.ask(&calls(carrier)).await), "the third of the day");
        assert!(!rings(&house.ask(&calls(carrier)).await), "the fourth");
    }
    // What was counted last is told as well before it stops.
    house.app.share_days().await.unwrap();
    let restarted = house.replica().await;
    restarted.app.share_days().await.unwrap();
    for carrier in Carrier::ALL {
        assert!(!rings(&restarted.ask(&calls(carrier)).await), "after a restart");
    }
    house.clock.advance(std::time::Duration::from_hours(24));
    for carrier in Carrier::ALL {
        assert!(rings(&restarted.ask(&calls(carrier)).await), "another day");
    }
    restarted.close().await;
    stage.close().await;
}
