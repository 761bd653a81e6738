//! What the six kinds of request say. Numbers come from the ranges that are set aside for fiction.

use super::{Kind, ORIGIN, PLIVO_ACCOUNT, PLIVO_TOKEN, STRIPE_SECRET, TWILIO_ACCOUNT, TWILIO_TOKEN, sign};

/// Stripe's events, in the shape of API versions since 2025-03-31.basil, indented as Stripe indents them: 3.1, 3.5 and
/// 1.7 kB.
const STRIPE: [&str; 3] = [
    include_str!("stripe_subscription.json"),
    include_str!("stripe_invoice.json"),
    include_str!("stripe_session.json"),
];

/// A request before it is put on the wire.
#[derive(Clone, Debug)]
pub struct Message {
    /// What it is about.
    pub kind: Kind,
    /// The headers that carry its signature.
    pub signature: Vec<(&'static str, String)>,
    /// JSON from Stripe, else a form.
    pub body: String,
}

/// The request with this number, signed at `at`, seconds since 1970. One number makes one event, whenever it is made.
#[must_use]
pub fn message(kind: Kind, number: u64, at: u64) -> Message {
    let (signature, body) = match kind {
        Kind::Stripe => {
            let body = stripe(number, at);
            let code = sign::stripe(STRIPE_SECRET, &at.to_string(), body.as_bytes());
            (vec![("Stripe-Signature", format!("t={at},v1={code}"))], body)
        }
        Kind::TwilioVoice | Kind::TwilioStatus | Kind::TwilioSms => {
            let body = form(&twilio(kind, number));
            let code = sign::twilio(TWILIO_TOKEN, &url(kind), sign::fields(body.as_bytes()));
            (vec![("X-Twilio-Signature", code)], body)
        }
        Kind::PlivoAnswer | Kind::PlivoHangup => {
            let body = form(&plivo(kind, number));
            let nonce = format!("{:020}", mixed(number ^ 5));
            let code = sign::plivo(PLIVO_TOKEN, &url(kind), sign::fields(body.as_bytes()), &nonce);
            (vec![("X-Plivo-Signature-V3", code), ("X-Plivo-Signature-V3-Nonce", nonce)], body)
        }
    };
    Message { kind, signature, body }
}

fn url(kind: Kind) -> String {
    format!("{ORIGIN}{}", kind.path())
}

fn stripe(number: u64, at: u64) -> String {
    let template = STRIPE[usize::try_from(mixed(number) % 3).unwrap_or(0)];
    let (id, customer) = (id(number), id(number ^ 7));
    let mut body = template.replace("%EVENT%", &id[..23]).replace("%OBJECT%", &id[9..]);
    body = body.replace("%CUSTOMER%", &customer[..14]);
    body.replace("%CREATED%", &at.to_string())
}

/// Any number of the range but the line's own, which gets no answer to a text.
fn caller(number: u64) -> String {
    format!("1415555{:04}", 101 + number % 99)
}

type Form = Vec<(&'static str, String)>;

fn twilio(kind: Kind, number: u64) -> Form {
    let caller = format!("+{}", caller(number));
    let line = "+14155550100".to_owned();
    let text = str::to_owned;
    let mut fields = vec![
        ("AccountSid", text(TWILIO_ACCOUNT)),
        ("ApiVersion", text("2010-04-01")),
        ("From", caller.clone()),
        ("To", line.clone()),
    ];
    match kind {
        Kind::TwilioSms => {
            let sid = format!("SM{}", id(number));
            fields.extend([
                ("ToCountry", text("US")),
                ("SmsMessageSid", sid.clone()),
                ("NumMedia", text("0")),
                ("SmsSid", sid.clone()),
                ("SmsStatus", text("received")),
                ("Body", text("Are you open on Saturday? I would like to come by with two friends.")),
                ("NumSegments", text("1")),
                ("MessageSid", sid),
            ]);
            fields.extend(place(["FromCity", "FromState", "FromZip", "FromCountry"]));
        }
        Kind::TwilioStatus => fields.extend([
            ("CallSid", format!("CA{}", id(number))),
            ("CallStatus", text("completed")),
            ("Direction", text("inbound")),
            ("Caller", caller),
            ("Called", line),
            ("CallDuration", text("42")),
            ("Duration", text("1")),
            ("SequenceNumber", text("0")),
            ("Timestamp", text("Thu, 09 Oct 2025 08:53:20 +0000")),
            ("CallbackSource", text("call-progress-events")),
        ]),
        _ => {
            fields.extend([
                ("CallSid", format!("CA{}", id(number))),
                ("CallStatus", text("ringing")),
                ("Direction", text("inbound")),
                ("Caller", caller),
                ("Called", line),
                ("StirVerstat", text("TN-Validation-Passed-A")),
            ]);
            fields.extend(place(["CallerCity", "CallerState", "CallerZip", "CallerCountry"]));
            fields.extend(place(["CalledCity", "CalledState", "CalledZip", "CalledCountry"]));
            fields.extend(place(["FromCity", "FromState", "FromZip", "FromCountry"]));
            fields.extend(place(["ToCity", "ToState", "ToZip", "ToCountry"]));
        }
    }
    fields
}

fn place(names: [&'static str; 4]) -> impl Iterator<Item = (&'static str, String)> {
    names.into_iter().zip(["SAN FRANCISCO", "CA", "94105", "US"].map(str::to_owned))
}

fn plivo(kind: Kind, number: u64) -> Form {
    let id = id(number);
    let uuid = format!("{}-{}-{}-{}-{}", &id[..8], &id[8..12], &id[12..16], &id[16..20], &id[20..]);
    let text = str::to_owned;
    let mut fields = vec![
        ("BillRate", text("0.0055")),
        ("CallUUID", uuid),
        ("Direction", text("inbound")),
        ("From", caller(number)),
        ("ParentAuthID", text(PLIVO_ACCOUNT)),
        ("RouteType", text("local")),
        ("SessionStart", text("2025-10-09 08:53:20.123456")),
        ("To", text("14155550100")),
    ];
    if kind == Kind::PlivoAnswer {
        fields.extend([("CallStatus", text("ringing")), ("Event", text("StartApp"))]);
    } else {
        fields.extend([
            ("CallStatus", text("completed")),
            ("Event", text("Hangup")),
            ("HangupCause", text("NORMAL_CLEARING")),
            ("HangupCauseName", text("Normal Hangup")),
            ("HangupCauseCode", text("4000")),
            ("HangupSource", text("Caller")),
            ("Duration", text("42")),
            ("BillDuration", text("60")),
            ("TotalCost", text("0.00550")),
            ("StartTime", text("2025-10-09 08:53:20")),
            ("AnswerTime", text("2025-10-09 08:53:23")),
            ("EndTime", text("2025-10-09 08:54:05")),
        ]);
    }
    fields
}

fn form(fields: &Form) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

/// 32 hexadecimal digits that look as random as a provider's ids: indexes must not be filled in order.
fn id(number: u64) -> String {
    format!("{:016x}{:016x}", mixed(number), mixed(!number))
}

/// A fixed permutation of all numbers without any order left in it (the finisher of `SplitMix64`).
fn mixed(number: u64) -> u64 {
    let mut value = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_body_is_filled_in_and_of_real_size() {
        for number in 0..60 {
            let kind = Kind::of(number);
            let body = message(kind, number, 1_760_000_000).body;
            let sizes = if kind == Kind::Stripe { 1_500..3_600 } else { 200..1_200 };
            assert!(sizes.contains(&body.len()), "{kind:?}: {} bytes", body.len());
            if kind == Kind::Stripe {
                let json: serde_json::Value = serde_json::from_str(&body).unwrap();
                assert_eq!(json["id"].as_str().unwrap().len(), 28);
            }
            assert!(kind != Kind::Stripe || !body.contains('%'), "{body}");
        }
    }
}
