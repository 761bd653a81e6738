//! What lines can be pointed at: versions, what is different between two, an editor for the next, and what callers of one
//! would hear.

use axum::{
    extract::{Path, RawQuery, State as Extract},
    http::StatusCode,
    response::Response,
};
use maud::{Markup, html};
use serde_json::json;

use super::{
    flash::Flash,
    icons, lists,
    page::{self, Section, token},
    parts, payload,
    visitor::{Posted, Visitor, see_other},
};
use crate::{
    access::{self, Scope},
    domain::phone::Phone,
    http::{error::Error, state::State},
    lines::{
        document::{
            Flow,
            read::{Fault, read},
            write::changes,
        },
        engine::{Caller, Profile},
        line::Asked,
        manage::{self, Refused},
        simulate::{Input, Shown, Simulated},
        table::Stored,
    },
    provider::{Params, Provider},
};

const PATH: &str = "/console/flows";

/// Most inputs of a call that is tried.
const INPUTS: usize = 30;

/// `GET /console/flows`.
pub(super) async fn list(
    Extract(state): Extract<State>,
    RawQuery(query): RawQuery,
    visitor: Visitor,
) -> Result<Response, Error> {
    let listed = lists::read(&state, &visitor, "flows", PATH, query.as_deref()).await?;
    let body = html! {
        (parts::crumbs("Lines", "/console/lines"))
        (parts::head("Flows", &html! { "What lines can be pointed at. A version never changes; saving makes the next." }, &html! {}))
        @if listed.rows.is_empty() { (listed.empty(&icons::lines(), "No flow yet", &html! { "Give one a name, and write its first version." })) }
        @else {
            div.scroll { table.rows {
                caption.hidden { "Flows, newest first" }
                thead { tr { th scope="col" { "Name" } th.num scope="col" { "Versions" } th scope="col" { "Made" } } }
                tbody { @for row in &listed.rows { tr {
                    td.what { a.open href={ (PATH) "/" (row.text("name")) } { (row.text("name")) } }
                    td.num { (row.number("versions").unwrap_or(0)) }
                    td.time { @if let Some(at) = row.time("created_at") { (parts::when(&visitor, at)) } }
                } } }
            } }
        }
        (listed.foot())
        @if visitor.may(Scope::LinesWrite) { section.card aria-labelledby="new" {
            div.card-head { h2 #new { "A new flow" } }
            form.stack method="post" action=(PATH) { (token(&visitor))
                label { span { "Name" } input name="name" required pattern="[A-Za-z0-9_\\-]{1,40}" autocomplete="off" spellcheck="false"; }
                button type="submit" { "Make it" }
            }
        } }
    };
    Ok(page::page(&visitor, Section::Lines, "Flows", &body))
}

/// `POST /console/flows`: a name for a new one.
pub(super) async fn add(Extract(state): Extract<State>, posted: Posted) -> Result<Response, Error> {
    let Posted { visitor, params } = posted;
    visitor.needs(Scope::LinesWrite)?;
    let name = params.get("name").unwrap_or_default();
    let mut db = state.db.acquire().await?;
    manage::add_flow(&mut db, name, asked(&visitor)).await?;
    Ok(see_other(&format!("{PATH}/{name}")))
}

fn asked(visitor: &Visitor) -> Asked<'_> {
    Asked { by: &visitor.signed.caller.name, at: visitor.now }
}

/// `GET /console/flows/{name}`: a version of it, the newest unless a number is given.
pub(super) async fn show(
    Extract(state): Extract<State>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
    visitor: Visitor,
) -> Result<Response, Error> {
    visitor.needs(Scope::Read)?;
    let params = Params::from_query(query.as_deref().unwrap_or_default());
    page_of(&state, &visitor, &name, &params, None).await
}

/// `POST /console/flows/{name}`: keeps the text as a version, or shows each fault and its place.
pub(super) async fn save(
    Extract(state): Extract<State>,
    Path(name): Path<String>,
    posted: Posted,
) -> Result<Response, Error> {
    let Posted { visitor, params } = posted;
    visitor.needs(Scope::LinesWrite)?;
    let text = params.get("toml").unwrap_or_default().replace("\r\n", "\n");
    let done = match read(&text) {
        Ok(flow) => {
            let mut db = state.db.acquire().await?;
            manage::push(&mut db, &name, &flow, asked(&visitor)).await
        }
        Err(faults) => Err(Refused::Faults(faults)),
    };
    match done {
        Ok((version, ..)) => {
            let to = format!("{PATH}/{name}?number={}", version.number);
            Ok(Flash::FlowSaved.on(visitor.way, see_other(&to)))
        }
        Err(Refused::Faults(faults)) => {
            page_of(&state, &visitor, &name, &Params::from_query(""), Some((&text, &faults))).await
        }
        Err(refused) => Err(refused.into()),
    }
}

async fn page_of(
    state: &State,
    visitor: &Visitor,
    name: &str,
    params: &Params,
    tried: Option<(&str, &[Fault])>,
) -> Result<Response, Error> {
    let number = |name: &str| params.get(name).and_then(|text| text.parse::<i32>().ok());
    let mut db = state.db.acquire().await?;
    let versions = manage::versions(&mut db, name).await?;
    let version = match number("number") {
        Some(number) => Some(manage::version(&mut db, name, Some(number)).await?),
        None => match versions.first() {
            Some(newest) => Some(manage::version_of(&mut db, newest.id).await?),
            None => None,
        },
    };
    let with = match number("with") {
        Some(number) => Some(manage::version(&mut db, name, Some(number)).await?),
        None => None,
    };
    drop(db);
    // People's numbers may stand in the text.
    let people = visitor.may(Scope::PiiRead);
    if people && version.is_some() {
        let (by, detail) = (&visitor.signed.caller.name, json!({ "flow": name }));
        access::audit(&state.db, visitor.now, by, "pii.reveal", name, detail).await?;
    }
    let flow = version.as_ref().and_then(|version| read(&version.doc).ok());
    let body = html! {
        (parts::crumbs("Flows", PATH))
        (parts::head(name, &html! { @if let Some(version) = &version { "Version " (version.number) ", of " (parts::when(visitor, version.created_at)) ", by " (version.created_by) "." } @else { "It has no version yet." } }, &html! {}))
        div.columns {
            (editor(visitor, name, version.as_ref().filter(|_| people), tried))
            (version_card(visitor, name, version.as_ref(), &versions))
        }
        @if let (Some(with), Some(flow)) = (with.as_ref().and_then(|with| read(&with.doc).ok().map(|flow| (with.number, flow))), &flow) {
            section.card aria-labelledby="changes" {
                div.card-head { h2 #changes { "From " (with.0) " to this one" } }
                @for change in changes(&with.1, flow) { @if people { pre.payload tabindex="0" { (payload::safe(&change.told())) } } @else { p { code { (change.place) } } } }
            }
        }
        @if let (true, Some(flow), Some(version)) = (people, &flow, &version) { (trial(visitor, name, version.number, flow, params)) }
    };
    let status = if tried.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    Ok(page::page_as(visitor, status, Section::Lines, "Flow", &body))
}

fn editor(
    visitor: &Visitor,
    name: &str,
    version: Option<&Stored>,
    tried: Option<(&str, &[Fault])>,
) -> Markup {
    let may = visitor.may(Scope::LinesWrite);
    let text = tried.map_or_else(|| version.map_or("", |version| version.doc.as_str()), |(text, _)| text);
    html! {
        section.card aria-labelledby="text" {
            div.card-head { h2 #text { "The document" } }
            @if version.is_none() && tried.is_none() && !visitor.may(Scope::PiiRead) { p.hint { "People's numbers may stand in it: its text is shown with the scope pii:read." } }
            @if let Some((_, faults)) = tried { div #faults role="alert" { p.notice.bad { (icons::bad()) span { "Nothing was kept." } }
                ul { @for fault in faults { li { @if !fault.place.is_empty() { code { (fault.place) } ": " } (payload::safe(&fault.problem)) } } }
            } }
            form method="post" action={ (PATH) "/" (name) } { (token(visitor))
                label { span { "TOML" } textarea name="toml" rows="28" spellcheck="false" readonly[!may] aria-describedby=[tried.map(|_| "faults")] { "\n" (text) } }
                @if may { button.primary type="submit" { "Save as a new version" } }
            }
        }
    }
}

fn version_card(visitor: &Visitor, name: &str, shown: Option<&Stored>, versions: &[Stored]) -> Markup {
    html! {
        section.card aria-labelledby="versions" {
            div.card-head { h2 #versions { "Versions" } span.count { (versions.len()) } }
            @if versions.is_empty() { p.hint { "None yet." } }
            ol.timeline { @for version in versions.iter().take(50) { li {
                span.dot { (icons::arrow()) }
                div {
                    p { a href={ (PATH) "/" (name) "?number=" (version.number) } { "Version " (version.number) } " · " (parts::counted(version.lines, "line", "lines")) }
                    p.hint { (parts::when(visitor, version.created_at)) " by " (version.created_by)
                        @if let Some(shown) = shown.filter(|shown| shown.number != version.number) { " · " a href={ (PATH) "/" (name) "?number=" (shown.number) "&with=" (version.number) "#changes" } { "Compare" } } }
                }
            } } }
        }
    }
}

/// What a caller does, as the address of the page has it.
fn input(text: &str) -> Option<Input> {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    let rest = rest.trim().to_owned();
    Some(match word {
        "press" => Input::Press(rest),
        "say" => Input::Say(rest),
        "wait" => Input::Wait,
        "answer" => Input::Answer,
        "message" => Input::Message,
        "hang-up" => Input::HangUp,
        _ => return None,
    })
}

/// A call that nobody makes: each step with both documents. Nothing is sent and nothing is kept.
fn trial(visitor: &Visitor, name: &str, number: i32, flow: &Flow, params: &Params) -> Markup {
    let given = params.get("do").unwrap_or_default();
    let caller = Caller {
        number: Some(Phone::read("+14155550100")),
        seen: Some(0),
        calls_today: Some(0),
        ..Caller::default()
    };
    let profile = Profile::bare(Phone::read("+14155550199"));
    let mut call =
        Simulated::new(flow, profile, caller, flow.carrier(None).unwrap_or(Provider::Twilio), visitor.now);
    let mut steps: Vec<(String, Shown)> = vec![("The call comes in".to_owned(), call.call())];
    let mut stuck = None;
    for line in given.lines().map(str::trim).filter(|line| !line.is_empty()).take(INPUTS) {
        let Some(shown) = input(line).and_then(|input| call.go_on(&input)) else {
            stuck = (line != "hang-up").then_some(line);
            break;
        };
        steps.push((line.to_owned(), shown));
    }
    html! {
        section.card aria-labelledby="trial" {
            div.card-head { h2 #trial { "What callers hear" } @if call.is_over() { (parts::pill(parts::Tone::Plain, "Over")) } }
            form.stack action={ (PATH) "/" (name) "#trial" } {
                input type="hidden" name="number" value=(number);
                label { span { "What the caller does, a line each: press 1, say hello, wait, answer, message, hang-up" } textarea name="do" rows="4" spellcheck="false" { "\n" (given) } }
                button type="submit" { "Walk through it" }
            }
            @if let Some(line) = stuck { p.notice.warn { (icons::alert()) span { "That cannot happen there: " (payload::safe(line)) } } }
            ol { @for (what, shown) in &steps { li {
                p { strong { (payload::safe(what)) } " " @for step in &shown.path { span.chip { (step) } " " } }
                @for heard in &shown.heard { p { (payload::safe(heard)) } }
                div.columns.even {
                    @for (carrier, document) in shown.documents() { div { p.hint { (carrier.title()) } pre.payload tabindex="0" { (payload::safe(document)) } } }
                }
            } } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_caller_does_is_read_line_by_line() {
        assert_eq!(input("press 12"), Some(Input::Press("12".to_owned())));
        assert_eq!(input("say good day"), Some(Input::Say("good day".to_owned())));
        assert_eq!(input("wait"), Some(Input::Wait));
        assert_eq!(input("dance"), None);
    }
}
