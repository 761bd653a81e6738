//! Texts, as threads: all between one line and one person.

use axum::{
    extract::{Path, RawQuery, State as Extract},
    response::Response,
};
use chrono::{DateTime, Utc};
use maud::{Markup, html};
use serde_json::{Value, json};
use sqlx::types::Json;

use super::{
    events, icons, lists,
    page::{self, Section},
    parts::{self, Row, Tone, fact, pill},
    payload,
    visitor::{Look, Visitor},
    words,
};
use crate::http::{api::detail, error::Error, state::State};

const PATH: &str = "/console/messages";

/// The texts of a thread, the newest first.
const THREAD_SQL: &str = "
SELECT to_jsonb(t) FROM messages t
WHERE contact IS NOT DISTINCT FROM $1 AND line IS NOT DISTINCT FROM $2 ORDER BY id DESC LIMIT 200";

/// Whether the person wants texts of that line.
const OPT_OUT_SQL: &str = "
SELECT opted_out, suspected, reason, changed_at FROM opt_outs WHERE contact = $1 AND line = $2 ORDER BY changed_at DESC LIMIT 1";

/// `GET /console/messages`.
pub(super) async fn list(
    Extract(state): Extract<State>,
    RawQuery(query): RawQuery,
    visitor: Visitor,
) -> Result<Response, Error> {
    let listed = lists::read(&state, &visitor, "messages", PATH, query.as_deref()).await?;
    let body = html! {
        (parts::head("Messages", &html! { "Texts in and out. Each opens the thread that it belongs to." }, &events::live(&listed)))
        div.filters {
            (listed.choice("direction", "Direction", &[("inbound", "In"), ("outbound", "Out")]))
            (listed.more(&[("contact", "Contact", "+1…"), ("line", "Line", "+1…"), ("status", "Status", "undelivered"), ("provider", "Provider", "plivo")]))
        }
        (listed.chips())
        @if listed.rows.is_empty() {
            (listed.empty(&icons::messages(), "No text yet", &html! { "Text a number that points here, or try it: " code.command { "smartline send twilio sms" } (parts::copy("smartline send twilio sms", "Copy the command")) }))
            table #rows hidden { tbody {} }
        } @else {
            div.scroll { table.rows #rows {
                caption.hidden { "Texts, newest first" }
                thead { tr { th scope="col" { "Time" } th scope="col" { "With" } th scope="col" { "Line" } th scope="col" { "Text" } th scope="col" { "Delivery" } th scope="col" { "By" } } }
                tbody { @for row in &listed.rows {
                    @let (tone, word) = words::delivery(row.text("status"));
                    tr data-id=(row.text("id")) data-version=(row.text("changed_at")) {
                        td.time { @if let Some(at) = row.time("received_at").or(row.time("changed_at")) { (parts::when(&visitor, at)) } }
                        td.what { a.open href={ (PATH) "/" (row.text("id")) } { (direction(row)) (row.some("contact").unwrap_or("unknown")) } @if row.truth("simulated") { " " span.chip.dev { "test" } } }
                        td.about { (row.some("line").unwrap_or("–")) }
                        td { @if row.some("body").is_some() { span.masked { "•••" } } @else { span.none { "–" } } @if let Some(segments) = row.number("segments") { " " small { (parts::counted(segments, "segment", "segments")) } } }
                        td { (pill(tone, &word)) }
                        td.from { (parts::provider(row.text("provider"))) }
                    }
                } }
            } }
        }
        (listed.foot())
    };
    Ok(page::page(&visitor, Section::Messages, "Messages", &body))
}

fn direction(row: &Row) -> Markup {
    html! {
        @if row.text("direction") == "outbound" { span.direction title="out" { (icons::outgoing()) span.hidden { "to " } } }
        @else { span.direction title="in" { (icons::incoming()) span.hidden { "from " } } }
    }
}

/// `GET /console/messages/{id}`: the thread of a text. By POST with people's data.
pub(super) async fn show(
    Extract(state): Extract<State>,
    Path(name): Path<String>,
    look: Look,
) -> Result<Response, Error> {
    let page = page_of(&state, &look.visitor, &name, look.reveals).await?;
    look.note(&state, &name, json!({ "thread": true })).await?;
    Ok(page)
}

type OptOut = (bool, bool, String, DateTime<Utc>);

async fn page_of(state: &State, visitor: &Visitor, name: &str, revealed: bool) -> Result<Response, Error> {
    let resource = lists::resource("messages")?;
    visitor.needs(resource.scope)?;
    let one = Row(detail::find(state, resource, name).await?);
    let (contact, line) = (one.some("contact"), one.some("line"));
    let thread: Vec<Json<Value>> =
        sqlx::query_scalar(THREAD_SQL).bind(contact).bind(line).fetch_all(&state.db).await?;
    let opt_out: Option<OptOut> =
        sqlx::query_as(OPT_OUT_SQL).bind(contact).bind(line).fetch_optional(&state.db).await?;
    let thread: Vec<Row> = thread.into_iter().rev().map(|row| Row(resource.shown(row.0, revealed))).collect();
    let one = Row(resource.shown(one.0, revealed));
    let (contact, line) = (one.some("contact").unwrap_or("unknown"), one.some("line").unwrap_or("unknown"));
    let body = html! {
        (parts::crumbs("Messages", PATH))
        div.head {
            div {
                h1 { "Thread with " (payload::safe(contact)) }
                p.about { (parts::counted(i64::try_from(thread.len()).unwrap_or(0), "text", "texts")) " on the line " (payload::safe(line)) "." }
            }
            div.actions {
                (page::reveal(visitor, &format!("{PATH}/{}", one.text("id")), revealed))
            }
        }
        @if let Some((out, suspected, reason, _)) = &opt_out {
            @if *out { p.notice.warn { (icons::alert()) span { "Wants no texts of this line (" (reason) "). Nothing is sent to them." } } }
            @else if *suspected { p.notice.warn { (icons::alert()) span { "May not want texts any more: read what they wrote." } } }
        }
        div.columns {
            section.card.thread aria-label="Thread" {
                ol.bubbles { @for row in &thread { (bubble(visitor, row, row.text("id") == one.text("id"))) } }
            }
            section.card aria-labelledby="facts" {
                div.card-head { h2 #facts { "This text" } }
                dl.facts {
                    (fact("Id", &parts::id(one.text("id")), None))
                    (fact("Provider's id", &parts::id(one.text("external_id")), None))
                    (fact("From", &html! { (payload::safe(one.text("from_number"))) }, one.source("from_number")))
                    (fact("To", &html! { (payload::safe(one.text("to_number"))) }, one.source("to_number")))
                    @let (tone, word) = words::delivery(one.text("status"));
                    (fact("Delivery", &pill(tone, &word), one.source("status")))
                    @if let Some(code) = one.some("error_code") { (fact("Error", &html! { code { (code) } }, one.source("error_code"))) }
                    @if let Some(segments) = one.number("segments") { (fact("Segments", &html! { (segments) }, one.source("segments"))) }
                    @if let Some(at) = one.time("received_at") { (fact("Received", &parts::when(visitor, at), one.source("body"))) }
                    @if let Some(at) = one.time("changed_at") { (fact("Last word", &parts::when(visitor, at), None)) }
                }
                p.hint { "The mark beside a value leads to the event that set it." }
            }
        }
    };
    Ok(page::page(visitor, Section::Messages, "Thread", &body))
}

fn bubble(visitor: &Visitor, row: &Row, chosen: bool) -> Markup {
    let (tone, word) = words::delivery(row.text("status"));
    let out = row.text("direction") == "outbound";
    html! {
        li.bubble.out[out].chosen[chosen] aria-current=[chosen.then_some("true")] {
            p.said {
                @match row.some("body") {
                    Some("(masked)") => span.masked { "•••••••• masked" },
                    Some(body) => (payload::safe(body)),
                    None => span.none { @if out { "Our text; its words are not told back" } @else { "No words" } },
                }
            }
            p.hint { @if let Some(at) = row.time("received_at").or(row.time("changed_at")) { (parts::time(visitor, at)) } @if tone != Tone::Good || out { " · " (word) } " · " a href={ (PATH) "/" (row.text("id")) } { "details" } }
        }
    }
}
