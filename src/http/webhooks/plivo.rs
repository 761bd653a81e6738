//! `/webhooks/plivo/{answer,hangup,sms}`.

use axum::{extract::State as Extract, response::Response};

use super::carrier::{self, Carrier};
use crate::{
    domain::{phone::Phone, verb::Verb},
    http::{error::Error, state::State},
    lines::{Call, Message, token::TokenKeys},
    provider::{
        Verified,
        plivo::{Plivo, is_delivery_report, xml},
    },
};

impl Carrier for Plivo {
    fn call(delivery: &Verified<Self>) -> Call {
        let params = delivery.message();
        Call {
            id: params.get("CallUUID").unwrap_or_default().to_owned(),
            token: delivery.received().token(),
            fallback: false, // Plivo's fallback request looks like the first one
        }
    }

    fn message(delivery: &Verified<Self>) -> Message {
        let params = delivery.message();
        Message {
            id: params.get("MessageUUID").unwrap_or_default().to_owned(),
            from: Phone::read(params.get("From").unwrap_or_default()),
            to: Phone::read(params.get("To").unwrap_or_default()),
            body: params.first_of(&["Text", "Body"]).unwrap_or_default().to_owned(),
            handled: params.first_of(&["MessageIntent"]).is_some(),
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
pub(in crate::http) async fn answer(Extract(state): Extract<State>, delivery: Verified<Plivo>) -> Response {
    carrier::answer_call(&state, &delivery).await
}

/// What became of a call or a recording.
pub(in crate::http) async fn hangup(
    Extract(state): Extract<State>,
    delivery: Verified<Plivo>,
) -> Result<Response, Error> {
    carrier::note(&state, &delivery).await
}

/// A text comes in, or what became of one.
pub(in crate::http) async fn sms(
    Extract(state): Extract<State>,
    delivery: Verified<Plivo>,
) -> Result<Response, Error> {
    if is_delivery_report(delivery.message()) {
        carrier::note(&state, &delivery).await
    } else {
        carrier::answer_text(&state, &delivery).await
    }
}
