//! Whether a request is genuine, and what names its event.

use std::time::{SystemTime, UNIX_EPOCH};

use hyper::HeaderMap;
use subtle::ConstantTimeEq as _;

use crate::line::{
    Kind, ORIGIN, PLIVO_TOKEN, STRIPE_SECRET, TWILIO_TOKEN,
    sign::{self, Fields},
};

/// Largest accepted age of a Stripe request either way: 300 s, as in the official libraries.
const TOLERANCE: u64 = 300;

/// The fields of a genuine request, empty for Stripe; `None` for any other.
pub(super) fn check<'b>(kind: Kind, headers: &HeaderMap, body: &'b [u8]) -> Option<Fields<'b>> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let url = || format!("{ORIGIN}{}", kind.path());
    match kind {
        Kind::Stripe => stripe(header("stripe-signature")?, body).then(Vec::new),
        Kind::TwilioVoice | Kind::TwilioStatus | Kind::TwilioSms => {
            let fields = sign::fields(body);
            let expected = sign::twilio(TWILIO_TOKEN, &url(), fields.clone());
            same(&expected, header("x-twilio-signature")?).then_some(fields)
        }
        Kind::PlivoAnswer | Kind::PlivoHangup => {
            let fields = sign::fields(body);
            let nonce = header("x-plivo-signature-v3-nonce")?;
            let expected = sign::plivo(PLIVO_TOKEN, &url(), fields.clone(), nonce);
            let given = header("x-plivo-signature-v3")?;
            given.split(',').any(|given| same(&expected, given.trim())).then_some(fields)
        }
    }
}

fn stripe(header: &str, body: &[u8]) -> bool {
    let elements = || header.split(',').filter_map(|element| element.trim().split_once('='));
    let Some((_, time)) = elements().find(|(name, _)| *name == "t") else { return false };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    if time.parse::<u64>().is_ok_and(|time| now.abs_diff(time) <= TOLERANCE) {
        let expected = sign::stripe(STRIPE_SECRET, time, body);
        return elements().any(|(name, given)| name == "v1" && same(&expected, given));
    }
    false
}

fn same(expected: &str, given: &str) -> bool {
    expected.as_bytes().ct_eq(given.as_bytes()).into()
}

/// The name of the provider.
pub(super) fn provider(kind: Kind) -> &'static str {
    match kind {
        Kind::Stripe => "stripe",
        Kind::TwilioVoice | Kind::TwilioStatus | Kind::TwilioSms => "twilio",
        Kind::PlivoAnswer | Kind::PlivoHangup => "plivo",
    }
}

/// What makes the event the same when it is sent again; `None` where the request names nothing.
pub(super) fn external_id(kind: Kind, fields: &Fields<'_>, body: &[u8]) -> Option<String> {
    /// The only member that is read.
    #[derive(serde::Deserialize)]
    struct Event {
        id: String,
    }
    let field =
        |wanted: &str| fields.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_ref());
    match kind {
        Kind::Stripe => serde_json::from_slice::<Event>(body).ok().map(|event| event.id),
        Kind::TwilioVoice => Some(format!("{}:voice", field("CallSid")?)),
        Kind::TwilioStatus => Some(format!(
            "{}:{}:{}",
            field("CallSid")?,
            field("CallStatus")?,
            field("SequenceNumber").unwrap_or_default()
        )),
        Kind::TwilioSms => Some(field("MessageSid")?.to_owned()),
        Kind::PlivoAnswer => Some(format!("{}:answer", field("CallUUID")?)),
        Kind::PlivoHangup => Some(format!("{}:hangup", field("CallUUID")?)),
    }
}
