//! What is owed to the outside: texts, ends of calls and files, why each waits or was not done, and every try.

use axum::{
    extract::{Path, RawQuery, State as Extract},
    response::Response,
};
use chrono::{DateTime, Utc};
use maud::{Markup, html};
use serde_json::json;
use uuid::Uuid;

use super::{
    events,
    flash::Flash,
    icons, lists,
    page::{self, Section, token},
    parts::{self, Row, Tone, fact, pill},
    payload,
    visitor::{Look, Posted, Visitor, see_other},
    words,
};
use crate::{
    access::Scope,
    domain::id::OwedId,
    http::{api::detail, error::Error, state::State},
    outbox::queue,
};

const PATH: &str = "/console/outbox";

/// `GET /console/outbox`.
pub(super) async fn list(
    Extract(state): Extract<State>,
    RawQuery(query): RawQuery,
    visitor: Visitor,
) -> Result<Response, Error> {
    let listed = lists::read(&state, &visitor, "outbox", PATH, query.as_deref()).await?;
    let about = html! { "What is owed to the outside, each thing once: texts, ends of calls, recordings and pictures." };
    let body = html! {
        (parts::head("Outbox", &about, &events::live(&listed)))
        div.filters {
            (listed.choice("state", "State", &[("waiting", "Waiting"), ("done", "Done"), ("refused", "Held back"), ("dead", "Failed"), ("cancelled", "Cancelled")]))
            (listed.more(&[("kind", "Kind", "text"), ("reason", "Reason of a text", "missed"), ("line", "Line", "+1…"), ("contact", "Contact", "+1…"), ("provider", "Provider", "twilio")]))
        }
        (listed.chips())
        @if listed.rows.is_empty() {
            (listed.empty(&icons::outbox(), "Nothing was ever owed", &html! { "A text that a flow sends, a notice of a voicemail or a recording to be fetched shows here, and what became of it." }))
            table #rows hidden { tbody {} }
        } @else {
            div.scroll { table.rows #rows {
                caption.hidden { "What is owed, newest first" }
                thead { tr { th scope="col" { "Since" } th scope="col" { "What" } th scope="col" { "To" } th scope="col" { "State" } th scope="col" { "Why" } th scope="col" { "By" } } }
                tbody { @for row in &listed.rows { (line(&visitor, row)) } }
            } }
        }
        (listed.foot())
    };
    Ok(page::page(&visitor, Section::Outbox, "Outbox", &body))
}

fn line(visitor: &Visitor, row: &Row) -> Markup {
    let (tone, word) = words::owed_state(row);
    html! {
        tr data-id=(row.text("id")) {
            td.time { @if let Some(at) = owed_at(row) { (parts::when(visitor, at)) } }
            td.what { a.open href={ (PATH) "/" (row.text("id")) } { (words::owed(row)) } }
            td.about { (row.some("contact").unwrap_or("–")) }
            td { (pill(tone, word)) }
            td { @if let Some(why) = row.some("why") { code.kind title=(words::owed_why(row)) { (why) } } @else { span.none { "–" } } }
            td.from { (parts::provider(row.text("provider"))) }
        }
    }
}

/// Since when it is owed: its id says so.
fn owed_at(row: &Row) -> Option<DateTime<Utc>> {
    row.text("id").parse().ok().map(OwedId::time)
}

/// `GET /console/outbox/{id}`; by POST with people's data.
pub(super) async fn show(
    Extract(state): Extract<State>,
    Path(name): Path<String>,
    look: Look,
) -> Result<Response, Error> {
    let page = page_of(&state, &look.visitor, &name, look.reveals).await?;
    look.note(&state, &name, json!({})).await?;
    Ok(page)
}

async fn page_of(state: &State, visitor: &Visitor, name: &str, revealed: bool) -> Result<Response, Error> {
    let resource = lists::resource("outbox")?;
    visitor.needs(resource.scope)?;
    let row = Row(resource.shown(detail::find(state, resource, name).await?, revealed));
    let tries: Vec<Row> =
        detail::attempts(state, owed(row.text("id"))?.uuid()).await?.into_iter().map(Row).collect();
    let (tone, word) = words::owed_state(&row);
    let title = words::owed(&row);
    let body = html! {
        (parts::crumbs("Outbox", PATH))
        div.head {
            div {
                h1 { (title) }
                p.about { (words::owed_why(&row)) }
                p.tags { (parts::provider(row.text("provider"))) (pill(tone, word)) @if let Some(at) = owed_at(&row) { (parts::when(visitor, at)) } }
            }
            div.actions {
                (page::reveal(visitor, &format!("{PATH}/{}", row.text("id")), revealed))
                (deeds(visitor, &row))
            }
        }
        div.columns {
            div {
                @if let Some(text) = row.0["owed"]["body"].as_str() {
                    section.card aria-labelledby="words" {
                        div.card-head { h2 #words { "What it says" } }
                        ol.bubbles { li.bubble.out { p.said { (payload::safe(text)) } } }
                    }
                }
                section.card aria-labelledby="tries" {
                    div.card-head { h2 #tries { "Tries" } span.count { (tries.len()) } }
                    @if tries.is_empty() { p.hint { "It was not tried yet: every rule is asked first." } }
                    ol.timeline { @for each in &tries { (attempt(visitor, each)) } }
                }
            }
            (facts(visitor, &row))
        }
    };
    Ok(page::page(visitor, Section::Outbox, title, &body))
}

fn owed(name: &str) -> Result<OwedId, Error> {
    name.parse().map_err(|_| Error::NotFound("no such owed".to_owned()))
}

/// What may be done about it.
fn deeds(visitor: &Visitor, row: &Row) -> Markup {
    let form = |deed: &str, word: &str, title: &str, class: &str| {
        html! {
            form method="post" action={ (PATH) "/" (row.text("id")) "/" (deed) } data-once {
                (token(visitor))
                button.(class) type="submit" title=(title) { (word) }
            }
        }
    };
    html! {
        @if visitor.may(Scope::LinesWrite) {
            @match row.text("state") {
                "waiting" if row.some("doubt_since").is_none() => (form("cancel", "Cancel", "It is not done. It may be tried again later.", "danger")),
                "dead" | "refused" | "cancelled" => (form("retry", "Try again", "Every rule is asked again; a text may be sent.", "primary")),
                _ => {}
            }
        }
    }
}

fn attempt(visitor: &Visitor, row: &Row) -> Markup {
    let (tone, word) = match row.some("outcome") {
        Some("done") => (Tone::Good, "Done"),
        Some("found") => (Tone::Good, "Found in the provider's list: it was sent"),
        Some("refused") => (Tone::Bad, "The provider refused it"),
        Some("busy") => (Tone::Warn, "The provider asked to wait"),
        Some("in_doubt") => (Tone::Warn, "Nobody knows whether it was taken"),
        Some("dead") => (Tone::Bad, "Given up"),
        Some(_) => (Tone::Warn, "It could not be done"),
        None => (Tone::Wait, "Under way, or cut off"),
    };
    html! {
        li {
            span class={ "dot " (tone.class()) } { (tone.icon()) }
            div {
                p { (word) @if let Some(status) = row.number("status") { " " code { (status) } } @if let Some(code) = row.some("code") { " " code { (code) } } }
                p.hint { @if let Some(at) = row.time("began_at") { (parts::when(visitor, at)) @if let Some(end) = row.time("ended_at") { ", took " (parts::took(end - at)) } } }
            }
        }
    }
}

fn facts(visitor: &Visitor, row: &Row) -> Markup {
    html! {
        section.card aria-labelledby="facts" {
            div.card-head { h2 #facts { "What is known" } }
            dl.facts {
                (fact("Id", &parts::id(row.text("id")), None))
                (fact("Key", &parts::id(row.text("key")), None))
                (fact("Kind", &html! { code { (row.text("kind")) } }, None))
                @for (name, column) in [("Reason", "reason"), ("From", "line"), ("To", "contact"), ("Why", "why")] {
                    @if let Some(value) = row.some(column) { (fact(name, &html! { (payload::safe(value)) }, None)) }
                }
                @if let Some(id) = row.some("provider_id") { (fact("Provider's id", &html! { a href={ "/console/search?q=" (id) } { code { (id) } } }, None)) }
                @if let (Some(at), "waiting") = (row.time("due_at"), row.text("state")) { (fact("Due", &parts::when(visitor, at), None)) }
                @if let Some(at) = row.time("doubt_since") { (fact("In doubt since", &parts::when(visitor, at), None)) }
                @if let Some(at) = row.time("settled_at") { (fact("Settled", &parts::when(visitor, at), None)) }
            }
            @if let Some(call) = row.text("key").split(':').find(|part| part.starts_with("CA") || Uuid::parse_str(part).is_ok()) {
                p.links { a href={ "/console/search?q=" (call) } { "The call" } }
            }
        }
    }
}

/// `POST /console/outbox/{id}/retry`: every rule is asked again.
pub(super) async fn retry(
    Extract(state): Extract<State>,
    Path(name): Path<String>,
    posted: Posted,
) -> Result<Response, Error> {
    change(&state, &name, &posted.visitor, true).await
}

/// `POST /console/outbox/{id}/cancel`: what waits and cannot have been done.
pub(super) async fn cancel(
    Extract(state): Extract<State>,
    Path(name): Path<String>,
    posted: Posted,
) -> Result<Response, Error> {
    change(&state, &name, &posted.visitor, false).await
}

async fn change(state: &State, name: &str, visitor: &Visitor, again: bool) -> Result<Response, Error> {
    visitor.needs(Scope::LinesWrite)?;
    let owed = owed(name)?.uuid();
    let mut transaction = state.db.begin().await?;
    let (changed, action, flash) = if again {
        (queue::retry(&mut *transaction, &[owed], visitor.now).await?, "outbox.retry", Flash::OwedAgain)
    } else {
        (queue::cancel(&mut *transaction, &[owed], visitor.now).await?, "outbox.cancel", Flash::OwedCancelled)
    };
    if changed > 0 {
        visitor.audit(&mut *transaction, action, name, json!({ "changed": changed })).await?;
    }
    transaction.commit().await?;
    let flash = if changed > 0 { flash } else { Flash::NothingChanged };
    Ok(flash.on(visitor.way, see_other(&format!("{PATH}/{name}"))))
}
