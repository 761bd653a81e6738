//! `/webhooks/twilio/{voice,status,sms}`.

use axum::{extract::Request, response::Response};
use serde_json::Value;

use super::carrier::{self, Carrier};
use crate::{
    calls,
    domain::{phone::Phone, verb::Verb},
    http::{error::Error, state::State, verified::admit},
    lines::{
        Call, Message,
        desk::Told,
        engine::{Attestation, Directive},
        token::TokenKeys,
    },
    provider::{
        Endpoint, Params, Provider, Verified,
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
            handed_back: relayed(params),
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

/// How an agent that was spoken to by relay gave the call back. Whom it wants rung stands in what it hands over, written as a
/// directive is: `{"do": "ring", "target": "owner"}`.
///
/// Source: Twilio docs, "`ConversationRelay`", the request to the `action` of `Connect`.
fn relayed(params: &Params) -> Option<Directive> {
    let status = params.get("SessionStatus")?;
    let handed = params.get("HandoffData").and_then(|data| serde_json::from_str::<Value>(data).ok());
    let handed = handed.unwrap_or_default();
    let person = handed.get("target").and_then(Value::as_str).filter(|_| handed["do"] == "ring");
    Some(match (person, status) {
        (Some(person), _) => Directive::Ring(person.to_owned()),
        (None, "ended" | "completed") => Directive::Done,
        (None, _) => Directive::Failed,
    })
}

/// A call comes in or goes on.
///
/// # Errors
/// When it is refused.
pub(in crate::http) async fn voice(state: &State, request: Request) -> Result<Response, Error> {
    let delivery = admit::<Twilio>(state, Endpoint::TwilioVoice, request).await?;
    Ok(carrier::answer_call(state, &delivery).await)
}

/// What became of a call, a recording or a text.
///
/// # Errors
/// When it is refused, or cannot be kept.
pub(in crate::http) async fn status(state: &State, request: Request) -> Result<Response, Error> {
    let delivery = admit::<Twilio>(state, Endpoint::TwilioStatus, request).await?;
    carrier::note(state, &delivery).await
}

/// A text comes in.
///
/// # Errors
/// When it is refused, or cannot be kept.
pub(in crate::http) async fn sms(state: &State, request: Request) -> Result<Response, Error> {
    let delivery = admit::<Twilio>(state, Endpoint::TwilioSms, request).await?;
    carrier::answer_text(state, &delivery).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relay_is_over_as_its_session_says() {
        let owner = || Directive::Ring("owner".to_owned());
        for (form, expected) in [
            ("CallStatus=in-progress", None),
            ("SessionStatus=ended&SessionDuration=25", Some(Directive::Done)),
            ("SessionStatus=completed", Some(Directive::Done)),
            ("SessionStatus=failed&ErrorCode=64105", Some(Directive::Failed)),
            ("SessionStatus=unheard-of", Some(Directive::Failed)),
            (r#"SessionStatus=ended&HandoffData={"do":"ring","target":"owner"}"#, Some(owner())),
            (r#"SessionStatus=ended&HandoffData={"do":"dance","target":"owner"}"#, Some(Directive::Done)),
            (r#"SessionStatus=ended&HandoffData={"do":"ring","target":7}"#, Some(Directive::Done)),
            ("SessionStatus=ended&HandoffData=[[[", Some(Directive::Done)),
            ("SessionStatus=ended&HandoffData=7", Some(Directive::Done)),
        ] {
            assert_eq!(relayed(&Params::from_form(form.as_bytes())), expected, "{form}");
        }
    }
}
