//! Lines as this service has them in memory, what each says, and a phone to try it without a carrier: the whole call stands
//! in the address, so that it can be gone back in, and sent to a colleague.

use std::sync::Arc;

use axum::{
    extract::{Path, RawQuery, State as Extract},
    response::Response,
};
use maud::{Markup, html};
use uuid::Uuid;

use super::{
    icons,
    page::{self, Section},
    parts::{self, Tone, fact, pill},
    visitor::Visitor,
};
use crate::{
    access::Scope,
    billing::entitlement::Standing,
    domain::{id::EventId, phone::Phone},
    http::{api::masks::mask_number, error::Error, state::State},
    lines::{
        desk::profile,
        document::Flow,
        engine::Caller,
        line::{Line, State as LineState},
        simulate::{Input, Shown, Simulated, Waits, default_flow},
    },
};

const PATH: &str = "/console/lines";

/// When a call last came to each of these numbers.
const LAST_SQL: &str = "
SELECT number, (SELECT id FROM calls WHERE line = number ORDER BY line DESC, id DESC LIMIT 1) FROM unnest($1::text[]) number";

/// Who seems to call. From the numbers that are set aside for fiction.
const CALLER: &str = "+14155550100";

/// Most things that are done in one tried call.
const INPUTS: usize = 60;

/// `GET /console/lines`.
pub(super) async fn list(Extract(state): Extract<State>, visitor: Visitor) -> Result<Response, Error> {
    visitor.needs(Scope::Read)?;
    let mut lines = state.lines.all();
    lines.sort_by(|a, b| (&a.name, a.number.as_str()).cmp(&(&b.name, b.number.as_str())));
    let numbers: Vec<&str> = lines.iter().map(|line| line.number.as_str()).collect();
    let last: Vec<(String, Option<Uuid>)> =
        sqlx::query_as(LAST_SQL).bind(numbers).fetch_all(&state.db).await?;
    let last = |line: &Line| last.iter().find(|(number, _)| number == line.number.as_str())?.1;
    let about =
        html! { "Our numbers, as this service answers them now. Every other number does what is built in." };
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
fn standing(state: &State, visitor: &Visitor, line: &Line) -> (Tone, &'static str) {
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
fn flow_of(state: &State, line: &Line) -> (Flow, String) {
    match line.flow_version.and_then(|id| state.lines.version(id)) {
        Some(version) => (version.flow.clone(), format!("{} {}", version.name, version.number)),
        None => (default_flow().clone(), "built in".to_owned()),
    }
}

fn masked(number: &Phone) -> String {
    mask_number(&number.as_str().into()).as_str().unwrap_or_default().to_owned()
}

/// `GET /console/lines/{id}`: what it says, and the phone. Each `do` of the query is something that the caller does.
pub(super) async fn show(
    Extract(state): Extract<State>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
    visitor: Visitor,
) -> Result<Response, Error> {
    visitor.needs(Scope::Read)?;
    let line = state.lines.all().into_iter().find(|line| line.id.to_string() == name);
    let line: Arc<Line> = line.ok_or_else(|| Error::NotFound("no such line".to_owned()))?;
    let (flow, flow_name) = flow_of(&state, &line);
    let (tone, word) = standing(&state, &visitor, &line);
    let done = doings(query.as_deref().unwrap_or_default());
    let body = html! {
        (parts::crumbs("Lines", PATH))
        p.links { a href={ (PATH) "/" (line.id) "/settings" } { "Settings, publications and contacts" } }
        div.head {
            div {
                h1 { (line.name) }
                p.tags { (parts::provider(line.provider.name())) (pill(tone, word)) span { (masked(&line.number)) } }
            }
        }
        div.columns {
            section.card aria-labelledby="phone" {
                div.card-head { h2 #phone { "Call this line" } }
                @if visitor.may(Scope::PiiRead) { (phone(&visitor, &line, &flow, &done)) }
                @else { p { "The phone shows whom the line rings, so it needs the scope " code { "pii:read" } "." } }
            }
            div {
                section.card aria-labelledby="facts" {
                    div.card-head { h2 #facts { "Summary" } }
                    dl.facts {
                        (fact("Flow", &html! { (flow_name) }, None))
                        (fact("Zone", &html! { (line.zone.name()) }, None))
                        (fact("Language", &html! { (line.language) }, None))
                        (fact("Texts by itself", &html! { @if line.settings.a2p { "registered" } @else { "not registered: no text-back" } }, None))
                        (fact("Recording", &html! { @if line.settings.record_calls { "conversations" } @else { "messages alone" } }, None))
                        (fact("Emergencies", &html! { "cannot be called" }, None))
                    }
                }
                section.card aria-labelledby="steps" {
                    div.card-head { h2 #steps { "Steps" } span.count { (flow.steps.len()) } }
                    dl.facts {
                        @for (name, step) in &flow.steps { (fact(name, &html! { (step.kind()) (ways(step)) }, None)) }
                    }
                }
            }
        }
    };
    Ok(page::page(&visitor, Section::Lines, &line.name, &body))
}

fn ways(step: &crate::lines::document::Step) -> String {
    let ways: Vec<String> = step.edges().iter().map(|edge| format!("{} → {}", edge.field, edge.to)).collect();
    if ways.is_empty() { String::new() } else { format!(": {}", ways.join(", ")) }
}

/// What the caller did, as the query tells: `do=press:1`, `do=say:hello`, `do=wait`.
fn doings(query: &str) -> Vec<(String, Input)> {
    let given =
        form_urlencoded::parse(query.as_bytes()).filter(|(name, text)| name == "do" && text.len() <= 200);
    let done = given.filter_map(|(_, text)| {
        let input = match text.split_once(':').unwrap_or((text.as_ref(), "")) {
            ("press", keys) if !keys.is_empty() => Input::Press(keys.to_owned()),
            ("say", words) if !words.trim().is_empty() => Input::Say(words.to_owned()),
            ("wait" | "say", _) => Input::Wait,
            ("answer", _) => Input::Answer,
            ("message", _) => Input::Message,
            ("agent", words) => Input::Agent(words.to_owned()),
            ("hangup", _) => Input::HangUp,
            _ => return None,
        };
        Some((text.into_owned(), input))
    });
    done.take(INPUTS).collect()
}

/// The call so far, and what may be done next.
fn phone(visitor: &Visitor, line: &Line, flow: &Flow, done: &[(String, Input)]) -> Markup {
    let caller = Caller {
        number: Some(Phone::read(CALLER)),
        seen: Some(0),
        calls_today: Some(0),
        ..Caller::default()
    };
    let profile = profile(Some(line), &line.number);
    let mut call = Simulated::new(flow, profile, caller, line.provider, visitor.now);
    let mut heard = vec![(None, call.call())];
    let mut hung_up = false;
    for (text, input) in done {
        match call.go_on(input) {
            Some(shown) => heard.push((Some(text.as_str()), shown)),
            None => hung_up |= *input == Input::HangUp,
        }
    }
    let waits = heard.last().map_or(Waits::Nothing, |(_, shown)| shown.waits);
    let here = format!("{PATH}/{}", line.id);
    html! {
        p.hint { "The flow is walked by the engine that answers real calls. Nothing is sent, and nothing is kept." }
        ol.timeline { @for (did, shown) in &heard { (moment(*did, shown)) } }
        @if call.is_over() || hung_up {
            p { "The call is over. " a href=(here) { "Call again" } }
        } @else {
            form.filters method="get" action=(here) {
                @for (text, _) in done { input type="hidden" name="do" value=(text); }
                @match waits {
                    Waits::Answer => {
                        @for key in ["1", "2", "3", "4", "5", "6", "7", "8", "9", "*", "0", "#"] { button type="submit" name="do" value={ "press:" (key) } aria-label={ "Press " (key) } { (key) } }
                        button type="submit" name="do" value="wait" { "Stay silent" }
                    }
                    Waits::Ring => {
                        button type="submit" name="do" value="answer" { "They answer" }
                        button type="submit" name="do" value="wait" { "Nobody answers" }
                    }
                    Waits::Message => { button type="submit" name="do" value="message" { "Leave a message" } }
                    Waits::Agent => {
                        button type="submit" name="do" value="answer" { "The agent is done" }
                        button type="submit" name="do" value="wait" { "The agent fails" }
                    }
                    Waits::Nothing => {}
                }
                button type="submit" name="do" value="hangup" { "Hang up" }
            }
            @if waits == Waits::Answer {
                form.filters method="get" action=(here) {
                    @for (text, _) in done { input type="hidden" name="do" value=(text); }
                    label { "Say " input type="text" name="do" value="say:" maxlength="200" autocomplete="off"; }
                    button type="submit" { "Say it" }
                }
            }
        }
    }
}

fn moment(did: Option<&str>, shown: &Shown) -> Markup {
    html! {
        li {
            span class={ "dot " (Tone::Wait.class()) } { (icons::calls()) }
            div {
                @if let Some(did) = did { p { strong { (deed(did)) } } }
                @for line in &shown.heard { p { (line) } }
                @for test in &shown.tests { p.hint { (test.step) ": " (test.test) @if test.holds { " holds" } @else { " does not hold" } " (" (test.saw) ")" } }
                details { summary { "Both documents" }
                    h3 { "Twilio" } pre.payload tabindex="0" { (shown.twilio) }
                    h3 { "Plivo" } pre.payload tabindex="0" { (shown.plivo) }
                }
            }
        }
    }
}

/// What the caller did, in words.
fn deed(text: &str) -> String {
    match text.split_once(':').unwrap_or((text, "")) {
        ("press", keys) => format!("Caller presses {keys}"),
        ("say", words) if !words.trim().is_empty() => format!("Caller says “{words}”"),
        ("wait" | "say", _) => "Nothing happens".to_owned(),
        ("answer", _) => "Answered".to_owned(),
        ("message", _) => "Caller leaves a message".to_owned(),
        _ => "Caller hangs up".to_owned(),
    }
}
