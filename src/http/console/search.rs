//! Whatever id or number is pasted: straight to what it names.

use axum::{
    extract::{RawQuery, State as Extract},
    response::Response,
};
use maud::html;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::{
    icons, lists,
    page::{self, Section},
    parts,
    visitor::{Visitor, see_other},
};
use crate::{
    domain::{id, phone::Phone},
    http::{api::detail, error::Error, state::State},
    provider::Params,
};

/// Beginnings of ids, the resource that they belong to, and the page of one.
const OWN: [(&str, &str); 10] = [
    ("event_", "/console/events/"),
    ("req_", "/console/refused/"),
    ("call_", "/console/calls/"),
    ("msg_", "/console/messages/"),
    ("account_", "/console/accounts/"),
    ("outbox_", "/console/outbox/"),
    ("line_", "/console/lines/"),
    ("replay_", "/console/replays/"),
    ("key_", "/console/settings#"),
    ("session_", "/console/settings#"),
];

/// Where a provider's id may lead, in this order.
const THEIRS: [(&str, &str); 5] = [
    ("events", "/console/events/"),
    ("calls", "/console/calls/"),
    ("messages", "/console/messages/"),
    ("accounts", "/console/accounts/"),
    ("outbox", "/console/outbox/"),
];

/// `GET /console/search`.
pub(super) async fn search(
    Extract(state): Extract<State>,
    RawQuery(query): RawQuery,
    visitor: Visitor,
) -> Result<Response, Error> {
    let params = Params::from_query(query.as_deref().unwrap_or_default());
    let word = params.get("q").unwrap_or_default().trim().to_owned();
    if let Some(place) = place(&state, &visitor, &word).await? {
        return Ok(see_other(&place));
    }
    let body = html! {
        (parts::head("Search", &html! { "By id or number." }, &html! {}))
        @if word.is_empty() {
            (parts::empty(&icons::search(), "What are you looking for?", &html! { "Paste an id of ours or of a provider (event_…, CA…, SM…, evt_…, cus_…), a reference (req_…) or a phone number." }))
        } @else {
            (parts::empty(&icons::search(), "Nothing has this name", &html! { "Neither an event, a call, a text nor an account is called " code { (word) } ". Ids must be whole; what retention has removed is gone." }))
        }
    };
    Ok(page::page(&visitor, Section::Elsewhere, "Search", &body))
}

/// The page of what has this name.
async fn place(state: &State, visitor: &Visitor, word: &str) -> Result<Option<String>, Error> {
    for (prefix, path) in OWN {
        if id::read(prefix, word).is_ok() {
            return Ok(Some(format!("{path}{word}")));
        }
    }
    for (prefix, resource) in [
        ("subscription_", "subscriptions"),
        ("invoice_", "invoices"),
        ("sub_", "subscriptions"),
        ("in_", "invoices"),
    ] {
        if word.starts_with(prefix) {
            return account_of(state, visitor, resource, word).await;
        }
    }
    let phone = Phone::read(word);
    if phone.is_full_number() {
        let number = utf8_percent_encode(phone.as_str(), NON_ALPHANUMERIC).to_string();
        let calls =
            lists::read(state, visitor, "calls", "/console/calls", Some(&format!("number={number}"))).await?;
        let list = if calls.rows.is_empty() { "messages" } else { "calls" };
        return Ok(Some(format!("/console/{list}?number={number}")));
    }
    if word.is_empty() || word.len() > 200 {
        return Ok(None);
    }
    for (name, path) in THEIRS {
        let resource = lists::resource(name)?;
        if !visitor.may(resource.scope) {
            continue;
        }
        match detail::find(state, resource, word).await {
            Ok(row) => return Ok(Some(format!("{path}{}", shown(resource.prefix, &row)))),
            Err(Error::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// The account that a subscription or an invoice belongs to.
async fn account_of(
    state: &State,
    visitor: &Visitor,
    name: &str,
    word: &str,
) -> Result<Option<String>, Error> {
    let resource = lists::resource(name)?;
    visitor.needs(resource.scope)?;
    let row = match detail::find(state, resource, word).await {
        Ok(row) => row,
        Err(Error::NotFound(_)) => return Ok(None),
        Err(error) => return Err(error),
    };
    let accounts = lists::resource("accounts")?;
    let Some(key) = row["account"].as_str() else { return Ok(None) };
    match detail::find(state, accounts, key).await {
        Ok(row) => Ok(Some(format!("/console/accounts/{}", shown(accounts.prefix, &row)))),
        Err(Error::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

fn shown(prefix: &str, row: &Value) -> String {
    let id = row["id"].as_str().and_then(|id| uuid::Uuid::parse_str(id).ok()).unwrap_or_default();
    id::shown(prefix, id)
}
