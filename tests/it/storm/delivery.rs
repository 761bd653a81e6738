//! What the providers send in a storm: each delivery has a number, and everything about it follows from that number.

use crate::house::{PLIVO_ACCOUNT, TWILIO_ACCOUNT, TWILIO_APP};
use crate::wire::{Ask, Reply};

/// The endpoints, in turn.
pub(super) const ENDPOINTS: [&str; 7] =
    ["stripe", "twilio/voice", "twilio/status", "twilio/sms", "plivo/answer", "plivo/hangup", "plivo/sms"];

const FROM: &str = "+14155550100";
const TO: &str = "+14155550199";

/// Digits of the number at the end of each id.
const DIGITS: usize = 12;

/// An event of a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Delivery(pub(super) usize);

/// What an answer promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// That the event is kept.
    Acknowledged,
    /// Nothing; the provider is to send it again.
    Refused,
    /// Nothing; the caller hears the safe document, or the sender of a text nothing.
    Safe,
    /// It should not have been given.
    Odd,
}

impl Delivery {
    pub(super) fn endpoint(self) -> &'static str {
        ENDPOINTS[self.0 % ENDPOINTS.len()]
    }

    /// Whether a person waits for the answer.
    pub(super) fn is_call(self) -> bool {
        matches!(self.endpoint(), "twilio/voice" | "plivo/answer")
    }

    /// The delivery that a row of `events` came from, as far as its id tells.
    pub(super) fn of_external_id(external_id: &str) -> Option<Self> {
        let id = external_id.split(':').next()?;
        let digits = id.get(id.len().checked_sub(DIGITS)?..)?;
        digits.parse().ok().map(Self)
    }

    /// The request, signed at that second. Plivo's texts alternate between its two versions.
    pub(super) fn ask(self, at: i64) -> Ask {
        let number = self.0;
        let ask = Ask::post(&format!("/webhooks/{}", self.endpoint()));
        let call = format!("CA{number:032}");
        let text = format!("SM{number:032}");
        let plivo = format!("00000000-0000-0000-0000-{number:012}");
        match self.endpoint() {
            "stripe" => ask.json(stripe_event(number)).by_stripe_at(at),
            "twilio/voice" => {
                let state = [("CallStatus", "ringing"), ("ApplicationSid", TWILIO_APP)];
                ask.form(&[&twilio("CallSid", &call)[..], &state].concat()).by_twilio()
            }
            "twilio/status" => {
                let state = [("CallStatus", "completed"), ("SequenceNumber", "2"), ("CallDuration", "42")];
                ask.form(&[&twilio("CallSid", &call)[..], &state].concat()).by_twilio()
            }
            "twilio/sms" => {
                ask.form(&[&twilio("MessageSid", &text)[..], &[("Body", "Hello")]].concat()).by_twilio()
            }
            "plivo/answer" => ask.form(&called("CallUUID", &plivo)).by_plivo(),
            "plivo/hangup" => {
                let state = [("Event", "Hangup"), ("CallStatus", "completed"), ("Duration", "42")];
                ask.form(&[&called("CallUUID", &plivo)[..], &state].concat()).by_plivo()
            }
            _ => {
                let ask = ask.form(&[&called("MessageUUID", &plivo)[..], &[("Text", "Hello")]].concat());
                if number.is_multiple_of(2) {
                    ask.by_plivo()
                } else {
                    ask.by_plivo_v2("X-Plivo-Signature-V2", &number.to_string())
                }
            }
        }
    }

    /// Reads an answer to this delivery.
    pub(super) fn verdict(self, reply: &Reply) -> Verdict {
        let body = reply.text();
        let empty = body.ends_with("<Response/>");
        match (reply.status, self.endpoint()) {
            (503, _) if !self.is_call() && reply.header("retry-after").is_some() => Verdict::Refused,
            (200, "stripe") if body == r#"{"received":true}"# => Verdict::Acknowledged,
            // Silence is an answer, too, where the text is kept: to one that is answered later, or too many.
            (200, "twilio/sms" | "plivo/sms") if empty && reply.header("x-smartline-event").is_none() => {
                Verdict::Safe
            }
            (200, "twilio/status" | "plivo/hangup" | "twilio/sms" | "plivo/sms") if empty => {
                Verdict::Acknowledged
            }
            (200, "twilio/sms" | "plivo/sms") if body.contains("</Message>") => Verdict::Acknowledged,
            (200, "twilio/voice" | "plivo/answer") if body.contains("Sorry") => Verdict::Safe,
            (200, "twilio/voice" | "plivo/answer") if body.contains("<Record") => Verdict::Acknowledged,
            _ => Verdict::Odd,
        }
    }
}

fn stripe_event(number: usize) -> String {
    format!(
        r#"{{"id":"evt_{number:012}","object":"event","type":"invoice.paid","created":1794743990,
             "data":{{"object":{{"id":"in_{number}","customer":"cus_{number}","amount_paid":1900,"currency":"usd"}}}}}}"#
    )
}

fn twilio<'a>(name: &'a str, id: &'a str) -> [(&'a str, &'a str); 4] {
    [(name, id), ("AccountSid", TWILIO_ACCOUNT), ("From", FROM), ("To", TO)]
}

fn called<'a>(name: &'a str, id: &'a str) -> [(&'a str, &'a str); 4] {
    [(name, id), ("AuthID", PLIVO_ACCOUNT), ("From", FROM), ("To", TO)]
}

#[test]
fn the_number_is_found_again_in_any_external_id() {
    for external_id in [
        "evt_000000000042",
        "CA00000000000000000000000000000042:voice:",
        "00000000-0000-0000-0000-000000000042:plivo.hangup:Event=Hangup:CallStatus=completed:",
    ] {
        assert_eq!(Delivery::of_external_id(external_id), Some(Delivery(42)), "{external_id}");
    }
    for external_id in ["", "evt_1", "digest:00", "CA1:voice:"] {
        assert_eq!(Delivery::of_external_id(external_id), None, "{external_id}");
    }
}
