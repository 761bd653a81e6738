//! `/webhooks/plivo/{answer,hangup,sms}`.

use axum::{extract::Request, response::Response};

use super::carrier::{self, Carrier};
use crate::{
    domain::{phone::Phone, verb::Verb},
    http::{error::Error, state::State, verified::admit},
    lines::{Call, Message, desk::Told, engine::Attestation, token::TokenKeys},
    provider::{
        Endpoint, Provider, Verified,
        plivo::{Plivo, is_delivery_report, xml},
    },
};

impl Carrier for Plivo {
    fn call(delivery: &Verified<Self>) -> Call {
        let params = delivery.message();
        let text = |name: &str| params.first_of(&[name]).map(str::to_owned);
        let number = |name: &str| Phone::read(params.get(name).unwrap_or_default());
        let id = params.get("CallUUID").unwrap_or_default();
        Call {
            provider: Provider::Plivo,
            id: id.to_owned(),
            parent: params
                .first_of(&["ALegUUID", "DialALegUUID"])
                .filter(|leg| *leg != id)
                .map(str::to_owned),
            token: delivery.received().token(),
            fallback: false, // Plivo's fallback request looks like the first one
            from: number("From"),
            to: number("To"),
            outbound: params.get("Direction").is_some_and(|direction| direction == "outbound"),
            forwarded_from: params.first_of(&["ForwardedFrom"]).map(Phone::read),
            name: text("CallerName").filter(|name| name.chars().any(char::is_alphabetic)),
            attestation: Attestation::read(
                None,
                params.first_of(&["STIRVerification"]),
                params.first_of(&["STIRAttestation"]),
            ),
            digits: text("Digits"),
            speech: text("Speech"),
            taken: params.first_of(&["DialStatus"]).map(|status| matches!(status, "completed" | "answer")),
            dial_seconds: params
                .first_of(&["DialBLegDuration", "DialDuration"])
                .and_then(|seconds| seconds.parse().ok()),
            handed_back: None, // Plivo has no relay
            simulated: delivery.is_simulated(),
        }
    }

    fn message(delivery: &Verified<Self>) -> Message {
        let params = delivery.message();
        Message {
            provider: Provider::Plivo,
            id: params.get("MessageUUID").unwrap_or_default().to_owned(),
            from: Phone::read(params.get("From").unwrap_or_default()),
            to: Phone::read(params.get("To").unwrap_or_default()),
            body: params.first_of(&["Text", "Body"]).unwrap_or_default().to_owned(),
            handled: params.first_of(&["MessageIntent"]).is_some(),
        }
    }

    fn told(delivery: &Verified<Self>) -> Option<(String, Told)> {
        let params = delivery.message();
        let call = params.first_of(&["CallUUID"])?.to_owned();
        match params.get("Event").map(str::to_ascii_lowercase).as_deref() {
            Some("startstream") => Some((call, Told::Streams)),
            Some("hangup") => Some((call, Told::Over)),
            _ => None,
        }
    }

    fn keys(state: &State) -> &TokenKeys {
        &state.token_keys.plivo
    }

    fn render(verbs: &[Verb], origin: &str) -> Option<String> {
        xml::render(verbs, origin).ok()
    }
}

/// A call comes in or goes on.
///
/// # Errors
/// When it is refused.
pub(in crate::http) async fn answer(state: &State, request: Request) -> Result<Response, Error> {
    let delivery = admit::<Plivo>(state, Endpoint::PlivoAnswer, request).await?;
    Ok(carrier::answer_call(state, &delivery).await)
}

/// What became of a call or a recording.
///
/// # Errors
/// When it is refused, or cannot be kept.
pub(in crate::http) async fn hangup(state: &State, request: Request) -> Result<Response, Error> {
    let delivery = admit::<Plivo>(state, Endpoint::PlivoHangup, request).await?;
    carrier::note(state, &delivery).await
}

/// A text comes in, or what became of one.
///
/// # Errors
/// When it is refused, or cannot be kept.
pub(in crate::http) async fn sms(state: &State, request: Request) -> Result<Response, Error> {
    let delivery = admit::<Plivo>(state, Endpoint::PlivoSms, request).await?;
    if is_delivery_report(delivery.message()) {
        carrier::note(state, &delivery).await
    } else {
        carrier::answer_text(state, &delivery).await
    }
}
