//! `/webhooks/twilio/{voice,status,sms}`.

use axum::{extract::State as Extract, response::Response};

use super::carrier::{self, Carrier};
use crate::{
    calls,
    domain::{phone::Phone, verb::Verb},
    http::{error::Error, state::State},
    lines::{Call, Message, desk::Told, engine::Attestation, token::TokenKeys},
    provider::{
        Provider, Verified,
        twilio::{Twilio, twiml},
    },
};

impl Carrier for Twilio {
    fn call(delivery: &Verified<Self>) -> Call {
        let params = delivery.message();
        let text = |name: &str| params.first_of(&[name]).map(str::to_owned);
        let number = |name: &str| Phone::read(params.get(name).unwrap_or_default());
        // A leg that was hung up on before it was bridged has `completed`, too.
        let bridged = params.get("DialBridged").is_none_or(|bridged| bridged != "false");
        Call {
            provider: Provider::Twilio,
            id: params.get("CallSid").unwrap_or_default().to_owned(),
            parent: text("ParentCallSid"),
            token: delivery.received().token(),
            fallback: params.get("ErrorUrl").is_some(),
            from: number("From"),
            to: number("To"),
            outbound: params.get("Direction").is_some_and(|direction| direction.starts_with("outbound")),
            forwarded_from: params.first_of(&["ForwardedFrom"]).map(Phone::read),
            name: text("CallerName"),
            attestation: Attestation::read(params.get("StirVerstat"), None, None),
            digits: text("Digits"),
            speech: text("SpeechResult"),
            taken: params
                .first_of(&["DialCallStatus"])
                .map(|status| matches!(status, "completed" | "answered") && bridged),
            dial_seconds: params.get("DialCallDuration").and_then(|seconds| seconds.parse().ok()),
            simulated: delivery.is_simulated(),
        }
    }

    fn message(delivery: &Verified<Self>) -> Message {
        let params = delivery.message();
        Message {
            provider: Provider::Twilio,
            id: params.first_of(&["MessageSid", "SmsSid", "SmsMessageSid"]).unwrap_or_default().to_owned(),
            from: Phone::read(params.get("From").unwrap_or_default()),
            to: Phone::read(params.get("To").unwrap_or_default()),
            body: params.get("Body").unwrap_or_default().to_owned(),
            handled: params.first_of(&["OptOutType"]).is_some(),
        }
    }

    fn told(delivery: &Verified<Self>) -> Option<(String, Told)> {
        let params = delivery.message();
        let call = params.first_of(&["CallSid"])?.to_owned();
        match (params.get("StreamEvent"), delivery.envelope().kind.as_str()) {
            (Some("stream-started"), _) => Some((call, Told::Streams)),
            (None, "twilio.call.status") => {
                let status = params.get("CallStatus").unwrap_or_default().to_ascii_lowercase();
                calls::is_over(&status).then_some((call, Told::Over))
            }
            _ => None,
        }
    }

    fn keys(state: &State) -> &TokenKeys {
        &state.token_keys.twilio
    }

    fn render(verbs: &[Verb], origin: &str) -> Option<String> {
        twiml::render(verbs, origin).ok()
    }
}

/// A call comes in or goes on.
pub(in crate::http) async fn voice(Extract(state): Extract<State>, delivery: Verified<Twilio>) -> Response {
    carrier::answer_call(&state, &delivery).await
}

/// What became of a call, a recording or a text.
pub(in crate::http) async fn status(
    Extract(state): Extract<State>,
    delivery: Verified<Twilio>,
) -> Result<Response, Error> {
    carrier::note(&state, &delivery).await
}

/// A text comes in.
pub(in crate::http) async fn sms(
    Extract(state): Extract<State>,
    delivery: Verified<Twilio>,
) -> Result<Response, Error> {
    carrier::answer_text(&state, &delivery).await
}
