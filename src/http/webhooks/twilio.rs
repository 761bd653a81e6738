//! `/webhooks/twilio/{voice,status,sms}`.

use axum::{extract::State as Extract, response::Response};

use super::carrier::{self, Carrier};
use crate::{
    domain::{phone::Phone, verb::Verb},
    http::{error::Error, state::State},
    lines::{Call, Message, token::TokenKeys},
    provider::{
        Verified,
        twilio::{Twilio, twiml},
    },
};

impl Carrier for Twilio {
    fn call(delivery: &Verified<Self>) -> Call {
        let params = delivery.message();
        Call {
            id: params.get("CallSid").unwrap_or_default().to_owned(),
            token: delivery.received().token(),
            fallback: params.get("ErrorUrl").is_some(),
        }
    }

    fn message(delivery: &Verified<Self>) -> Message {
        let params = delivery.message();
        Message {
            id: params.first_of(&["MessageSid", "SmsSid", "SmsMessageSid"]).unwrap_or_default().to_owned(),
            from: Phone::read(params.get("From").unwrap_or_default()),
            to: Phone::read(params.get("To").unwrap_or_default()),
            body: params.get("Body").unwrap_or_default().to_owned(),
            handled: params.first_of(&["OptOutType"]).is_some(),
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
