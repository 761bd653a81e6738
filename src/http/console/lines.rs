//! Lines as this service has them in memory.

use axum::{extract::State as Extract, response::Response};
use maud::{Markup, html};
use uuid::Uuid;

use super::{
    icons,
    page::{self, Section},
    parts::{self, Tone, pill},
    visitor::Visitor,
};
use crate::{
    access::Scope,
    billing::entitlement::Standing,
    domain::{id::EventId, phone::Phone},
    http::{api::masks::mask_number, error::Error, state::State},
    lines::{
        document::Flow,
        line::{Line, State as LineState},
        simulate::default_flow,
    },
};

pub(super) const PATH: &str = "/console/lines";

/// When a call last came to each of these numbers.
const LAST_SQL: &str = "
SELECT number, (SELECT id FROM calls WHERE line = number ORDER BY line DESC, id DESC LIMIT 1) FROM unnest($1::text[]) number";

/// `GET /console/lines`.
pub(super) async fn list(Extract(state): Extract<State>, visitor: Visitor) -> Result<Response, Error> {
    visitor.needs(Scope::Read)?;
    let mut lines = state.lines.all();
    lines.sort_by(|a, b| (&a.name, a.number.as_str()).cmp(&(&b.name, b.number.as_str())));
    let numbers: Vec<&str> = lines.iter().map(|line| line.number.as_str()).collect();
    let last: Vec<(String, Option<Uuid>)> =
        sqlx::query_as(LAST_SQL).bind(numbers).fetch_all(&state.db).await?;
    let last = |line: &Line| last.iter().find(|(number, _)| number == line.number.as_str())?.1;
    let about = html! { "Our numbers, as this service answers them now. Open one to call or text it from here. Every other number does what is built in." };
    let command = "smartline line add --help";
    let body = html! {
        (parts::head("Lines", &about, &html! { a.button href="/console/flows" { "Flows" } }))
        @if lines.is_empty() {
            (parts::empty(&icons::calls(), "No line yet", &html! { "Calls are answered all the same: with a voicemail. To set a number up: " code.command { (command) } (parts::copy(command, "Copy the command")) }))
        } @else {
            div.scroll { table.rows {
                caption.hidden { "Lines by name" }
                thead { tr { th scope="col" { "Name" } th scope="col" { "Number" } th scope="col" { "Flow" } th scope="col" { "Account" } th scope="col" { "Last call" } th scope="col" { "By" } } }
                tbody { @for line in &lines { (row(&state, &visitor, line, last(line))) } }
            } }
        }
    };
    Ok(page::page(&visitor, Section::Lines, "Lines", &body))
}

fn row(state: &State, visitor: &Visitor, line: &Line, last: Option<Uuid>) -> Markup {
    let (tone, word) = standing(state, visitor, line);
    html! {
        tr {
            td.what { a.open href={ (PATH) "/" (line.id) } { (line.name) } }
            td.about { (masked(&line.number)) }
            td { (flow_of(state, line).1) }
            td { (pill(tone, word)) }
            td.time { @if let Some(call) = last { (parts::when(visitor, EventId::from(call).time())) } @else { span.none { "none yet" } } }
            td.from { (parts::provider(line.provider.name())) }
        }
    }
}

/// Whether it may be used now.
pub(super) fn standing(state: &State, visitor: &Visitor, line: &Line) -> (Tone, &'static str) {
    if line.state == LineState::Off {
        return (Tone::Plain, "Switched off");
    }
    match state.lines.standing(line, visitor.now).map(|standing| standing.entitlement.standing) {
        None => (Tone::Good, "Not billed"),
        Some(Standing::Active) => (Tone::Good, "Paid"),
        Some(Standing::Grace) => (Tone::Warn, "In grace"),
        Some(Standing::Suspended) => (Tone::Bad, "Suspended"),
        Some(Standing::None) => (Tone::Plain, "No subscription"),
    }
}

/// The flow that calls begin with now, and its name for people.
pub(super) fn flow_of(state: &State, line: &Line) -> (Flow, String) {
    match line.flow_version.and_then(|id| state.lines.version(id)) {
        Some(version) => (version.flow.clone(), format!("{} {}", version.name, version.number)),
        None => (default_flow().clone(), "built in".to_owned()),
    }
}

pub(super) fn masked(number: &Phone) -> String {
    mask_number(&number.as_str().into()).as_str().unwrap_or_default().to_owned()
}
