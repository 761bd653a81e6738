//! `/webhooks/stripe`: kept, then 200, whatever the event's type or API version. What cannot be kept is answered 503:
//! Stripe sends it again for days.

use axum::{extract::State as Extract, response::Response};

use super::keep;
use crate::{
    http::{error::Error, state::State},
    provider::{Endpoint, Verified, stripe::Stripe},
};

/// Takes an event.
pub(in crate::http) async fn event(
    Extract(state): Extract<State>,
    delivery: Verified<Stripe>,
) -> Result<Response, Error> {
    let received = || keep::usual(Endpoint::Stripe);
    let work = keep::keep(&state, &delivery, received(), received(), None);
    let (answer, outcome) = keep::within(state.limits.answer, work).await?;
    Ok(keep::respond(answer, outcome))
}
