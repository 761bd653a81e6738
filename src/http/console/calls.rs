//! Calls, and the story of each: every event that told of it, in order.

use std::collections::HashMap;

use axum::{
    extract::{Path, RawQuery, State as Extract},
    response::Response,
};
use maud::{Markup, html};
use serde_json::json;
use uuid::Uuid;

use super::{
    events, icons, lists,
    page::{self, Section},
    parts::{self, Row, Tone, fact, pill},
    payload,
    visitor::{Look, Visitor},
    words,
};
use crate::{
    domain::id,
    http::{
        api::detail::{self, Moment},
        error::Error,
        state::State,
    },
    lines::desk::why,
};

/// What was answered, where it was not the usual.
const ANSWERS_SQL: &str = "SELECT id, answer FROM events WHERE id = ANY ($1) AND answer IS NOT NULL";

const PATH: &str = "/console/calls";

/// `GET /console/calls`.
pub(super) async fn list(
    Extract(state): Extract<State>,
    RawQuery(query): RawQuery,
    visitor: Visitor,
) -> Result<Response, Error> {
    let listed = lists::read(&state, &visitor, "calls", PATH, query.as_deref()).await?;
    let body = html! {
        (parts::head("Calls", &html! { "One row a call, whichever callbacks came and in whichever order." }, &events::live(&listed)))
        div.filters {
            (listed.choice("outcome", "Outcome", &[("answered", "Answered"), ("voicemail", "Voicemail"), ("missed", "Missed"), ("abandoned", "Abandoned"), ("failed", "Failed")]))
            (listed.more(&[("number", "Number", "+1…"), ("line", "Line", "+1…"), ("status", "Status", "in-progress"), ("provider", "Provider", "twilio")]))
        }
        (listed.chips())
        @if listed.rows.is_empty() {
            (listed.empty(&icons::calls(), "No call yet", &html! { "The first call to a number that points here shows up at once. To try it: " code.command { "smartline send twilio voice" } (parts::copy("smartline send twilio voice", "Copy the command")) }))
            table #rows hidden { tbody {} }
        } @else {
            div.scroll { table.rows #rows {
                caption.hidden { "Calls, newest first" }
                thead { tr { th scope="col" { "Started" } th scope="col" { "Caller" } th scope="col" { "Line" } th scope="col" { "Outcome" } th.num scope="col" { "Length" } th scope="col" { "By" } } }
                tbody { @for row in &listed.rows { (line(&visitor, row)) } }
            } }
        }
        (listed.foot())
    };
    Ok(page::page(&visitor, Section::Calls, "Calls", &body))
}

fn line(visitor: &Visitor, row: &Row) -> Markup {
    let (tone, word) = words::outcome(row);
    html! {
        tr data-id=(row.text("id")) data-version=(row.text("last_seen_at")) {
            td.time { @if let Some(at) = row.time("started_at").or(row.time("last_seen_at")) { (parts::when(visitor, at)) } }
            td.what { a.open href={ (PATH) "/" (row.text("id")) } { (direction(row)) (row.some("from_number").unwrap_or("unknown")) } @if row.truth("simulated") { " " span.chip.dev { "test" } } }
            td.about { (row.some("to_number").unwrap_or("–")) }
            td { (pill(tone, word)) }
            td.num { @if let Some(seconds) = row.number("duration_s") { (parts::duration(seconds)) } @else { "–" } }
            td.from { (parts::provider(row.text("provider"))) }
        }
    }
}

fn direction(row: &Row) -> Markup {
    html! {
        @if row.text("direction") == "outbound" { span.direction title="outbound" { (icons::outgoing()) span.hidden { "outbound: " } } }
        @else { span.direction title="inbound" { (icons::incoming()) span.hidden { "inbound: " } } }
    }
}

/// `GET /console/calls/{id}`; by POST with people's data.
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
    let resource = lists::resource("calls")?;
    visitor.needs(resource.scope)?;
    let row = detail::find(state, resource, name).await?;
    let moments = detail::moments(state, row["key"].as_str().unwrap_or_default()).await?;
    let ids: Vec<Uuid> = moments.iter().map(|moment| moment.event_id).collect();
    let answers: Vec<(Uuid, Vec<u8>)> = sqlx::query_as(ANSWERS_SQL).bind(ids).fetch_all(&state.db).await?;
    let answers: HashMap<Uuid, Vec<u8>> = answers.into_iter().collect();
    let mut db = state.db.acquire().await?;
    let decisions = why::of_call(&mut db, row["external_id"].as_str().unwrap_or_default()).await?;
    let row = Row(resource.shown(row, revealed));
    let (tone, word) = words::outcome(&row);
    let from = row.some("from_number").unwrap_or("unknown");
    let body = html! {
        (parts::crumbs("Calls", PATH))
        div.head {
            div {
                h1 { "Call from " (payload::safe(from)) }
                p.about { (sentence(&row)) }
                p.tags { (parts::provider(row.text("provider"))) (pill(tone, word)) @if row.truth("simulated") { span.chip.dev { "test" } } @if let Some(at) = row.time("started_at") { (parts::when(visitor, at)) } }
            }
            div.actions {
                (page::reveal(visitor, &format!("{PATH}/{}", row.text("id")), revealed))
            }
        }
        div.columns {
            div {
                section.card aria-labelledby="timeline" {
                    div.card-head { h2 #timeline { "Timeline" } span.count { (moments.len()) } }
                    (timeline(visitor, &row, &moments, &answers, revealed))
                }
                (grounds(&decisions))
            }
            (facts(visitor, &row))
        }
    };
    Ok(page::page(visitor, Section::Calls, "Call", &body))
}

fn sentence(row: &Row) -> String {
    let length = row
        .number("duration_s")
        .map(|seconds| format!(" after {}", parts::duration(seconds)))
        .unwrap_or_default();
    let end = match row.some("outcome") {
        None => return "It is going on, as far as was heard.".to_owned(),
        Some("answered") => format!("It was answered, and ended{length}."),
        Some("voicemail") => format!("The caller left a message, and hung up{length}."),
        Some("missed") => format!("Nobody took it, and no message was left; it ended{length}."),
        Some("abandoned") => format!("The caller hung up before anything came of it{length}."),
        Some("rejected") => "It was turned away.".to_owned(),
        Some("failed") => "It could not be connected.".to_owned(),
        Some(_) if row.truth("closed_by_sweeper") => {
            "Nothing was heard of it for six hours, so it was closed.".to_owned()
        }
        Some(other) => format!("It ended as {other}{length}."),
    };
    match row.some("cause") {
        Some(cause) => format!("{end} Cause: {cause}."),
        None => end,
    }
}

fn timeline(
    visitor: &Visitor,
    row: &Row,
    moments: &[Moment],
    answers: &HashMap<Uuid, Vec<u8>>,
    revealed: bool,
) -> Markup {
    let first = moments.first().map(|moment| moment.at);
    html! {
        @if moments.is_empty() { p.hint { "Nothing told of it yet." } }
        ol.timeline {
            @for moment in moments {
                li {
                    span class={ "dot " (tone_of(&moment.what).class()) } { (tone_of(&moment.what).icon()) }
                    div {
                        p { a href={ "/console/events/" (id::shown("event_", moment.event_id)) } { (words::kind(&moment.kind)) } " " code { (told(&moment.what)) } }
                        p.hint { (parts::time(visitor, moment.at)) @if let Some(first) = first.filter(|first| *first < moment.at) { " · " (parts::span(moment.at - first)) " in" } }
                        @if let Some(answer) = answers.get(&moment.event_id) {
                            @let text = String::from_utf8_lossy(answer);
                            (payload::outline(&text))
                            @if revealed { pre.payload tabindex="0" { (payload::safe(&text)) } }
                        }
                    }
                }
            }
            @if !row.truth("ended") { li.open-end { span.dot.wait { (icons::wait()) } div { p { "Going on" } p.hint { "The end has not been told yet." } } } }
        }
    }
}

/// Why the call went as it did: each guard and test with what it saw.
fn grounds(decisions: &[why::Decided]) -> Markup {
    let checks = decisions.iter().flat_map(|decided| {
        let guards = decided
            .decision
            .guards
            .iter()
            .map(|guard| (guard.passed, &guard.guard, String::new(), &guard.saw));
        let tests = decided
            .decision
            .tests
            .iter()
            .map(|test| (test.holds, &test.step, format!(": {}", test.test), &test.saw));
        guards.chain(tests).collect::<Vec<_>>()
    });
    let checks: Vec<_> = checks.collect();
    html! {
        @if !checks.is_empty() {
            section.card aria-labelledby="why" {
                div.card-head { h2 #why { "Why" } span.count { (checks.len()) } }
                ul.checks.pairs {
                    @for (held, name, test, saw) in &checks {
                        @let tone = if *held { Tone::Good } else { Tone::Plain };
                        li {
                            span class={ "dot " (tone.class()) } { (tone.icon()) }
                            div { (name) (test) p.hint { (saw) } }
                        }
                    }
                }
            }
        }
    }
}

/// Status and step, once where both are the same.
fn told(what: &str) -> &str {
    match what.split_once(' ') {
        Some((status, step)) if status == step => status,
        _ => what,
    }
}

fn tone_of(what: &str) -> Tone {
    match what.split(' ').next().unwrap_or_default() {
        "completed" => Tone::Good,
        "busy" | "failed" | "no-answer" | "canceled" | "rejected" | "timeout" => Tone::Warn,
        _ => Tone::Wait,
    }
}

fn facts(visitor: &Visitor, row: &Row) -> Markup {
    let text = |name: &str, column: &str, source: &str| {
        row.some(column).map(|value| fact(name, &html! { (payload::safe(value)) }, row.source(source)))
    };
    let seconds = |name: &str, column: &str, source: &str| {
        row.number(column).map(|value| fact(name, &html! { (parts::duration(value)) }, row.source(source)))
    };
    html! {
        section.card aria-labelledby="facts" {
            div.card-head { h2 #facts { "What is known" } }
            dl.facts {
                (fact("Id", &parts::id(row.text("id")), None))
                (fact("Provider's id", &parts::id(row.text("external_id")), None))
                @for item in [
                    text("From", "from_number", "from_number"), text("To", "to_number", "to_number"), text("Direction", "direction", "direction"),
                    text("Status", "status", "status"), text("Outcome", "outcome", "status"), text("Cause", "cause", "cause"),
                    text("Hung up by", "hung_up_by", "cause"), text("Dialled leg", "dialled", "dialled"),
                    seconds("Length", "duration_s", "duration_s"), seconds("Billed", "billed_s", "duration_s"),
                    seconds("Recording", "recording_s", "recording"), text("Recording at", "recording_url", "recording"), text("Said", "transcription", "transcription"),
                ].into_iter().flatten() { (item) }
                @for (name, column) in [("Started", "started_at"), ("Answered", "answered_at"), ("Ended", "ended_at"), ("Last heard of", "last_seen_at")] {
                    @if let Some(at) = row.time(column) { (fact(name, &parts::when(visitor, at), None)) }
                }
            }
            p.hint { "The mark beside a value leads to the event that set it." }
        }
    }
}
