//! Lives that are made up after the providers' documented state machines.

use serde_json::{Value, json};

use super::super::random::Random;
use crate::house::{PLIVO_ACCOUNT, TWILIO_ACCOUNT, TWILIO_APP};
use crate::logs::now;
use crate::wire::Ask;

/// When the first of them begins, in Unix seconds.
const START: u64 = 1_794_000_000;

/// A thing that a provider tells of.
#[derive(Clone)]
pub(super) enum Event {
    Stripe(Value),
    /// An endpoint of Twilio and its form.
    Twilio(&'static str, Form),
    /// The same of Plivo.
    Plivo(&'static str, Form),
}

type Form = Vec<(&'static str, String)>;

impl Event {
    /// The request, signed now.
    pub(super) fn ask(&self) -> Ask {
        match self {
            Self::Stripe(event) => Ask::post("/webhooks/stripe").json(event.to_string()).by_stripe_at(now()),
            Self::Twilio(path, fields) => {
                Ask::post(&format!("/webhooks/twilio/{path}")).form(&borrowed(fields)).by_twilio()
            }
            Self::Plivo(path, fields) => {
                Ask::post(&format!("/webhooks/plivo/{path}")).form(&borrowed(fields)).by_plivo()
            }
        }
    }
}

/// So many lives of customers, of calls and of texts.
pub(super) fn lives(number: u64, random: &mut Random) -> Vec<Vec<Event>> {
    let kinds = [customer, call, text];
    (0..number).flat_map(|number| kinds.map(|kind| kind(number, random))).collect()
}

/// Where Stripe's state machine may go from a status. Source: Stripe docs, "How subscriptions work", statuses.
fn next(status: &str) -> &'static [&'static str] {
    match status {
        "" => &["incomplete", "trialing", "active"],
        "incomplete" => &["active", "incomplete_expired"],
        "trialing" => &["active", "paused", "past_due", "canceled"],
        "active" => &["active", "active", "past_due", "canceled"],
        "past_due" => &["active", "unpaid", "canceled"],
        "unpaid" | "paused" => &["active", "canceled"],
        _ => &[],
    }
}

/// A customer: checkout, a subscription's walk through its states, and the invoices that come with it.
fn customer(number: u64, random: &mut Random) -> Vec<Event> {
    let mut events = Vec::new();
    let mut second = START + number;
    let mut tell = |second: u64, kind: &str, object: Value| {
        let id = format!("evt_{number}_{}", events.len());
        events.push(Event::Stripe(json!({
            "id": id, "object": "event", "type": kind, "created": second, "livemode": number.is_multiple_of(2),
            "data": {"object": object},
        })));
    };
    let (customer, line) = (format!("cus_{number}"), number_of(number, 212));
    let details = json!({"email": format!("customer{number}@example.com"), "name": "Ada"});
    let session = json!({
        "id": format!("cs_{number}"), "object": "checkout.session", "customer": customer, "mode": "subscription",
        "payment_status": "paid", "customer_details": details, "metadata": {"line": line},
    });
    tell(second, "checkout.session.completed", session);
    let (mut status, mut bill) = ("", 0);
    for _ in 0..=random.below(12) {
        let Some(choice) = pick(next(status), random) else { break };
        let kind = match (status, choice) {
            ("", _) => "created",
            (_, "canceled") => "deleted",
            _ => "updated",
        };
        status = choice;
        // More than one change in a second is the rule at the beginning of a subscription.
        second += random.below(3);
        let mut subscription = json!({
            "id": format!("sub_{number}"), "object": "subscription", "customer": customer, "status": status,
            "items": {"data": [{"price": {"id": "price_1"}, "quantity": 1, "current_period_end": second + 2_592_000}]},
            "metadata": {"line": line},
        });
        if random.chance(300) {
            // As API versions before 2025-03-31 have it.
            subscription["current_period_end"] = json!(second + 2_592_000);
        }
        tell(second, &format!("customer.subscription.{kind}"), subscription);
        let (kind, state) = match status {
            "active" => ("invoice.payment_succeeded", "paid"),
            "past_due" | "incomplete" => ("invoice.payment_failed", "open"),
            _ => continue,
        };
        let parent = json!({"subscription_details": {"subscription": format!("sub_{number}")}});
        let invoice = json!({
            "id": format!("in_{number}_{bill}"), "object": "invoice", "customer": customer, "status": state,
            "amount_due": 1900, "amount_paid": if state == "paid" { 1900 } else { 0 }, "currency": "usd",
            "parent": parent,
        });
        tell(second, kind, invoice.clone());
        if state == "paid" {
            tell(second, "invoice.paid", invoice);
            bill += 1;
        }
    }
    events
}

/// A call by one of the two carriers, with some of the callbacks that may come.
fn call(number: u64, random: &mut Random) -> Vec<Event> {
    let end = pick(&["completed", "completed", "no-answer", "busy", "failed", "canceled"], random)
        .unwrap_or_default();
    let recorded = end == "completed" && random.chance(500);
    let (from, to, seconds) = (number_of(number, 415), number_of(number % 50, 646), random.below(300));
    if number.is_multiple_of(2) {
        let id = format!("CA{number:032}");
        let base = form(&[("CallSid", &id), ("AccountSid", TWILIO_ACCOUNT), ("From", &from), ("To", &to)]);
        let told =
            |path, more: &[(&'static str, &str)]| Event::Twilio(path, [base.clone(), form(more)].concat());
        let status = |sequence: &str, status: &str, more: &[(&'static str, &str)]| {
            let state = [("CallStatus", status), ("SequenceNumber", sequence), ("Direction", "inbound")];
            told("status", &[&state[..], more].concat())
        };
        let voice = [("CallStatus", "ringing"), ("Direction", "inbound"), ("ApplicationSid", TWILIO_APP)];
        let mut events = vec![told("voice", &voice), status("0", "ringing", &[])];
        if end == "completed" {
            events.push(status("1", "in-progress", &[]));
        }
        events.push(status("2", end, &[("CallDuration", &seconds.to_string())]));
        if recorded {
            let id = format!("RE{number:032}");
            let recording =
                [("RecordingSid", id.as_str()), ("RecordingStatus", "completed"), ("RecordingDuration", "7")];
            events.push(told("status", &recording));
        }
        events
    } else {
        let id = format!("00000000-0000-4000-8000-{number:012}");
        let base =
            form(&[("CallUUID", &id), ("AuthID", PLIVO_ACCOUNT), ("From", &from[1..]), ("To", &to[1..])]);
        let told =
            |path, more: &[(&'static str, &str)]| Event::Plivo(path, [base.clone(), form(more)].concat());
        let started = [("Event", "StartApp"), ("CallStatus", "ringing"), ("Direction", "inbound")];
        let seconds = seconds.to_string();
        let ended = [
            ("Event", "Hangup"),
            ("CallStatus", end),
            ("Direction", "inbound"),
            ("Duration", &seconds),
            ("HangupCauseName", "Normal Hangup"),
            ("HangupSource", "Caller"),
        ];
        let mut events = vec![told("answer", &started), told("hangup", &ended)];
        if recorded {
            let id = format!("rec-{number}");
            let recording = [("Event", "Record"), ("RecordingID", id.as_str()), ("RecordingDuration", "7")];
            events.push(told("hangup", &recording));
        }
        events
    }
}

/// A text that came in, or one that was sent and how far it came.
fn text(number: u64, random: &mut Random) -> Vec<Event> {
    let (contact, line) = (number_of(number, 718), number_of(number % 50, 646));
    let body =
        pick(&["Hello", "STOP", "When do you open?", "please stop texting me"], random).unwrap_or_default();
    let end = pick(&["delivered", "undelivered", "failed"], random).unwrap_or_default();
    let came = random.chance(500);
    if number.is_multiple_of(2) {
        let id = format!("SM{number:032}");
        let base = form(&[("MessageSid", &id), ("AccountSid", TWILIO_ACCOUNT)]);
        if came {
            let said = form(&[("From", &contact), ("To", &line), ("Body", body), ("NumSegments", "1")]);
            return vec![Event::Twilio("sms", [base, said].concat())];
        }
        let told = |status, more: &[(&'static str, &str)]| {
            let state = form(&[("From", &line), ("To", &contact), ("MessageStatus", status)]);
            Event::Twilio("status", [base.clone(), state, form(more)].concat())
        };
        let error: &[_] = if end == "delivered" { &[] } else { &[("ErrorCode", "30004")] };
        vec![told("queued", &[]), told("sent", &[]), told(end, error)]
    } else {
        let id = format!("00000000-0000-4000-9000-{number:012}");
        let base = form(&[("MessageUUID", &id), ("AuthID", PLIVO_ACCOUNT)]);
        if came {
            let said = form(&[("From", &contact[1..]), ("To", &line[1..]), ("Text", body), ("Units", "1")]);
            return vec![Event::Plivo("sms", [base, said].concat())];
        }
        let told = |status, more: &[(&'static str, &str)]| {
            let state = form(&[("From", &line[1..]), ("To", &contact[1..]), ("Status", status)]);
            Event::Plivo("sms", [base.clone(), state, form(more)].concat())
        };
        let error: &[_] = if end == "delivered" { &[] } else { &[("ErrorCode", "200")] };
        vec![told("queued", &[]), told("sent", &[]), told(end, error)]
    }
}

/// One of the numbers that are reserved for fiction: a hundred in each area, from this one on. Areas that do not exist are
/// used as well.
fn number_of(number: u64, area: u64) -> String {
    format!("+1{:03}55501{:02}", 200 + (area + number / 100) % 800, number % 100)
}

fn borrowed(form: &Form) -> Vec<(&str, &str)> {
    form.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

fn form(fields: &[(&'static str, &str)]) -> Form {
    fields.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()
}

fn pick<'a>(choices: &[&'a str], random: &mut Random) -> Option<&'a str> {
    let choice = random.below(choices.len().max(1) as u64);
    choices.get(usize::try_from(choice).unwrap()).copied()
}
