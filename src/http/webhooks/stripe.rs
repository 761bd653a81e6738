//! `/webhooks/stripe`: kept, then 200, whatever the event's type or API version. What cannot be kept is answered 503:
//! Stripe sends it again for days.

use axum::{extract::Request, response::Response};

use super::keep;
use crate::{
    http::{error::Error, state::State, verified::admit},
    provider::{Endpoint, stripe::Stripe},
};

/// Takes an event.
///
/// # Errors
/// When it is refused, or cannot be kept.
pub(in crate::http) async fn event(state: &State, request: Request) -> Result<Response, Error> {
    let delivery = admit::<Stripe>(state, Endpoint::Stripe, request).await?;
    let received = || keep::usual(Endpoint::Stripe);
    let work = keep::keep(state, &delivery, received(), received(), None);
    let (answer, outcome) = keep::within(state.limits.answer, work).await?;
    Ok(keep::respond(answer, outcome))
}
