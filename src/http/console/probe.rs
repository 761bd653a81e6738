//! A probe: a request as its provider would make it, signed with a secret of ours and given to our own endpoints. All is
//! tried but the way here; it is labelled as made up, so that no figure counts it and nothing is sent for it.

use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};
use chrono::{DateTime, Utc};

use crate::{
    domain::id::RequestId,
    http::{hook, state::State, verified::OurPhone},
    provider::Endpoint,
    samples::{Mark, Story, request::Draft},
};

/// Sends one to an endpoint, and gives the status of its answer; `None` where there is nothing to sign with.
pub(super) async fn send(state: &State, endpoint: Endpoint, now: DateTime<Utc>) -> Option<StatusCode> {
    let secrets = state.providers.secrets();
    let secret = secrets.of(endpoint.provider()).first()?;
    let origin = state.origins.first().map_or("http://127.0.0.1", String::as_str);
    let fresh = RequestId::new(now).uuid();
    let story = Story {
        seed: fresh.to_string(),
        fresh,
        mark: Mark::Smoke,
        at: now,
        twilio_account: state.providers.twilio.as_ref().and_then(|twilio| twilio.accounts.first().cloned()),
        plivo_account: state.providers.plivo.as_ref().and_then(|plivo| plivo.accounts.first().cloned()),
    };
    let sample = story.callback(endpoint);
    let draft = Draft::new(endpoint, origin, sample.format(), sample.body());
    let signature = draft.sign(secret, now, &fresh.simple().to_string()).ok()?;
    let mut request = Request::post(draft.path_and_query())
        .header(header::CONTENT_TYPE, draft.content_type())
        .header(header::CONTENT_LENGTH, draft.body.len());
    for (name, value) in signature {
        request = request.header(name, value);
    }
    let request = request.extension(OurPhone).body(Body::from(draft.body)).ok()?;
    Some(hook(state, endpoint, request).await.status())
}
