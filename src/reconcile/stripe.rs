//! Stripe's list of events. Each row is what the webhook's body would have been.
//!
//! Source: Stripe docs, "List all events", "Pagination".

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    page::{Page, Told, What, address},
    remote::Failure,
    window::Window,
};
use crate::provider::{Endpoint, Recovered, stripe::object::TYPES};

/// Most events of a page.
const PAGE: &str = "100";

#[derive(Deserialize)]
struct Events<'b> {
    #[serde(borrow)]
    data: Vec<&'b RawValue>,
    has_more: bool,
}

/// Path and query of the page that follows this event. The list begins with the newest.
pub(super) fn page_after(window: Window, event: Option<&str>) -> String {
    let (since, until) = (window.since.timestamp().to_string(), window.until.timestamp().to_string());
    let mut query = vec![("limit", PAGE), ("created[gte]", &since), ("created[lt]", &until)];
    query.extend(TYPES.map(|kind| ("types[]", kind)));
    query.extend(event.map(|event| ("starting_after", event)));
    address("/v1/events", &query)
}

/// Reads a page.
///
/// # Errors
/// [`Failure::Unreadable`] when it is no list of events.
pub(super) fn read(window: Window, body: &Bytes, now: DateTime<Utc>) -> Result<Page, Failure> {
    let events: Events<'_> =
        serde_json::from_slice(body).map_err(|_| Failure::Unreadable("it is no list of events"))?;
    let told: Vec<Told> = events
        .data
        .iter()
        .map(|event| {
            let body = Bytes::copy_from_slice(event.get().as_bytes());
            let event = Recovered::new(Endpoint::Stripe, body, now, None);
            Told { id: event.envelope().identity.external_id.clone(), what: What::Event, event }
        })
        .collect();
    let last = told.last().filter(|_| events.has_more);
    let next = last.map(|last| page_after(window, Some(&last.id)));
    Ok(Page { rows: told.len(), told, next })
}
