//! The editor of a flow: a form for each part of its draft, the same draft as text, and what is done to whole steps. All of it
//! works without script; every form says which text it was made of, so that nobody writes over another's work unseen.

mod form;
mod picture;

pub(super) use self::{
    form::{is_at, problem},
    picture::{draw, way_word},
};

use axum::{
    extract::{Path, State as Extract},
    http::StatusCode,
    response::Response,
};
use maud::{Markup, html};
use serde_json::json;

use self::form::{Form, places};
use super::{
    assets::{EDITOR_SCRIPT, EDITOR_STYLE},
    flash::Flash,
    icons,
    page::{self, Section, token},
    parts, payload,
    visitor::{Posted, Visitor, see_other},
};
use crate::{
    access::Scope,
    http::{error::Error, state::State},
    lines::{
        document::{
            Flow,
            check::{Findings, check},
            edit::{self, comments, leads, reading},
            fields::{KINDS, kind},
            forms::{Part, filled, holds, swapped, with},
            read::{Fault, read},
            write::{Change as Difference, changes},
        },
        draft::{self, Change, Done, Draft},
        engine::Start,
        line::Asked,
        simulate::{self, Shown},
    },
    provider::{Params, Provider},
};

/// Where flows are.
pub(super) const PATH: &str = "/console/flows";

pub(super) fn asked(visitor: &Visitor) -> Asked<'_> {
    Asked { by: &visitor.signed.caller.name, at: visitor.now }
}

/// What the pages of a flow load besides.
pub(super) fn loads() -> Markup {
    html! { link rel="stylesheet" href=(EDITOR_STYLE.path()); script src=(EDITOR_SCRIPT.path()) defer {} }
}

/// The draft, for somebody who may see the numbers that stand in it; that it was shown is written down.
pub(super) async fn open(state: &State, visitor: &Visitor, name: &str) -> Result<Draft, Error> {
    visitor.needs(Scope::Read)?;
    visitor.needs(Scope::PiiRead)?;
    let mut db = state.db.acquire().await?;
    let draft = draft::find(&mut db, name).await?;
    visitor.audit(&mut *db, "pii.reveal", name, json!({ "flow": name })).await?;
    Ok(draft)
}

/// Reads the last part of a form's path: `start`, `people`, `hours.office`, `steps.menu`.
///
/// # Errors
/// 404 for anything else.
fn part_of(text: &str) -> Result<Part<'_>, Error> {
    Ok(match text.split_once('.') {
        None if text == "start" => Part::Start,
        None if text == "people" => Part::People,
        None if text == "providers" => Part::Providers,
        Some(("hours", name)) => Part::Hours(name),
        Some(("steps", name)) => Part::Step(name),
        _ => return Err(missing()),
    })
}

fn missing() -> Error {
    Error::NotFound("the flow has no such part".to_owned())
}

/// What became of a form that was sent.
#[derive(Default)]
struct Tried<'a> {
    /// What was typed; none shows what is kept.
    typed: Option<&'a Params>,
    faults: Vec<Fault>,
    /// Where another has changed the draft since the form was opened: what keeping this would change of theirs.
    clash: Option<Vec<String>>,
}

/// `GET /console/flows/{name}/edit/{part}`.
pub(super) async fn show(
    Extract(state): Extract<State>,
    Path((name, part)): Path<(String, String)>,
    visitor: Visitor,
) -> Result<Response, Error> {
    let draft = open(&state, &visitor, &name).await?;
    let Ok(flow) = draft.flow() else { return Ok(see_other(&format!("{PATH}/{name}/text"))) };
    part_page(&visitor, &draft, &flow, part_of(&part)?, &Tried::default())
}

/// `POST /console/flows/{name}/edit/{part}`: keeps it in the draft, or shows each fault at its field.
pub(super) async fn save(
    Extract(state): Extract<State>,
    Path((name, part)): Path<(String, String)>,
    posted: Posted,
) -> Result<Response, Error> {
    let Posted { visitor, params } = posted;
    visitor.needs(Scope::LinesWrite)?;
    let draft = open(&state, &visitor, &name).await?;
    let Ok(flow) = draft.flow() else { return Ok(see_other(&format!("{PATH}/{name}/text"))) };
    let part = part_of(&part)?;
    let up = params.get("up").and_then(|row| row.parse::<usize>().ok()).filter(|row| *row > 0);
    let params = up.map_or_else(|| params.clone(), |row| swapped(&params, "when", row - 1, row));
    let typed = |faults| Tried { typed: Some(&params), faults, clash: None };
    if params.get("more").is_some() {
        return part_page(&visitor, &draft, &flow, part, &typed(Vec::new()));
    }
    let done = match (part, params.get("remove")) {
        (Part::Hours(hours), Some(_)) => Ok((edit::without_hours(&flow, hours), None)),
        _ => with(&flow, part, &params).and_then(edit::grown),
    };
    let (changed, grown) = match done {
        Ok(done) => done,
        Err(faults) => return part_page(&visitor, &draft, &flow, part, &typed(faults)),
    };
    let seen = params.get("seen").unwrap_or_default();
    let mut db = state.db.acquire().await?;
    let kept = draft::change(&mut db, &name, seen, Change::Flow(&changed), asked(&visitor)).await?;
    drop(db);
    match kept {
        Done::Kept => {
            let to = match (grown, params.get("remove")) {
                (Some(step), _) => format!("{PATH}/{name}/edit/steps.{step}"),
                (None, Some(_)) => format!("{PATH}/{name}"),
                (None, None) => format!("{PATH}/{name}/edit/{}", part.place()),
            };
            Ok(Flash::DraftKept.on(visitor.way, see_other(&to)))
        }
        Done::Clash(theirs) => {
            // Both would write this part: theirs is kept, and mine stands in the form.
            let now = theirs.flow().unwrap_or_else(|_| flow.clone());
            let told = match with(&now, part, &params) {
                Ok(mine) => changes(&now, &mine).iter().map(Difference::told).collect(),
                Err(faults) => faults.iter().map(Fault::to_string).collect(),
            };
            let tried = Tried { typed: Some(&params), faults: Vec::new(), clash: Some(told) };
            part_page(&visitor, &theirs, &now, part, &tried)
        }
    }
}

/// Who changed a draft last.
fn changer(draft: &Draft) -> &str {
    draft.changed.as_ref().map_or("somebody", |(_, by)| by)
}

fn clash_notice(visitor: &Visitor, draft: &Draft, told: &[String]) -> Markup {
    html! {
        div #clash role="alert" {
            p.notice.bad { (icons::alert()) span {
                "Nothing was kept: " strong { (changer(draft)) } " has changed this draft since you opened it"
                @if let Some((at, _)) = &draft.changed { ", " (parts::when(visitor, *at)) } ". "
                "What you typed stands below. Saving again puts it over theirs."
            } }
            @if told.is_empty() { p.hint { "Both say the same." } }
            @else { p.hint { "What saving again would change: − is theirs, + is yours." } @for told in told { pre.payload tabindex="0" { (payload::safe(told)) } } }
        }
    }
}

fn part_page(
    visitor: &Visitor,
    draft: &Draft,
    flow: &Flow,
    part: Part<'_>,
    tried: &Tried<'_>,
) -> Result<Response, Error> {
    let fields = part.fields(flow).ok_or_else(missing)?;
    let kept = filled(flow, part).ok_or_else(missing)?;
    let may = visitor.may(Scope::LinesWrite);
    let place = part.place();
    let path = format!("{PATH}/{}", draft.name);
    // What the text cannot be read with is told of it alone; what it says is checked as a whole.
    let Findings { faults, warnings, notes } = check(flow);
    let refused = !tried.faults.is_empty();
    let faults = if refused { &tried.faults } else { &faults };
    let here: Vec<&Fault> = faults.iter().filter(|fault| is_at(&fault.place, &place)).collect();
    let form = Form { flow, typed: tried.typed.unwrap_or(&kept), faults, may };
    let status = match (&tried.clash, refused) {
        (Some(_), _) => StatusCode::CONFLICT,
        (None, true) => StatusCode::UNPROCESSABLE_ENTITY,
        (None, false) => StatusCode::OK,
    };
    let (title, about) = titles(flow, part);
    let body = html! {
        (loads())
        (parts::crumbs(&draft.name, &path))
        (parts::head(&title, &html! { (about) }, &html! {
            @if let (Part::Step(name), true) = (part, may) { a.button href={ (path) "/steps/" (name) } { "Rename, move, delete" } }
            a.button href={ (path) "/text" } { "As text" }
        }))
        @if let Some(told) = &tried.clash { (clash_notice(visitor, draft, told)) }
        @if refused { p.notice.bad role="alert" { (icons::bad()) span { "Nothing was kept: " (parts::counted(i64::try_from(here.len()).unwrap_or(0), "fault", "faults")) ", each at its field." } } }
        @else if !here.is_empty() { p.notice.warn { (icons::alert()) span { "Kept in the draft. Before it can be a version: " (parts::counted(i64::try_from(here.len()).unwrap_or(0), "fault", "faults")) ", each at its field." } } }
        @for fault in &here { @if fault.place == place && !part.is_field() { p.notice.bad { (icons::bad()) span { "This part " (payload::safe(&fault.problem)) "." } } } }
        @for warning in warnings.iter().filter(|warning| is_at(&warning.place, &place)) { p.notice.warn { (icons::alert()) span {
            code { (warning.place[place.len()..].trim_start_matches('.')) } " " (payload::safe(&warning.problem)) "."
        } } }
        @for note in notes.iter().filter(|note| is_at(&note.place, &place)) { p.notice { (icons::info()) span { "As a text it is " (payload::safe(&note.problem)) "." } } }
        (losses(draft, flow, part))
        div.columns {
            section.card aria-labelledby="fields" {
                div.card-head { h2 #fields { "What it does" } @if !may { (parts::pill(parts::Tone::Plain, "To be read only")) } }
                form.editor method="post" action={ (path) "/edit/" (place) } data-editor novalidate {
                    (token(visitor))
                    input type="hidden" name="seen" value=(draft.seen());
                    // What Enter presses.
                    @if may { button type="submit" hidden { "Save the draft" } }
                    (form.fields(&place, fields))
                    @if may { div.actions {
                        button.primary type="submit" { "Save the draft" }
                        @if let Part::Hours(_) = part { button.danger type="submit" name="remove" value="yes" { "Delete these hours" } }
                        a.button href=(path) { "Back to the flow" }
                    } }
                }
            }
            div {
                @if let Part::Step(name) = part { (leads_card(flow, &path, name)) }
                @if matches!(part, Part::Step(_)) { (places_card(flow)) }
                (steps_card(flow, &path, part))
            }
        }
        @if let Part::Step(name) = part { (heard(visitor, flow, name)) }
    };
    Ok(page::page_as(visitor, status, Section::Lines, &title, &body))
}

fn titles(flow: &Flow, part: Part<'_>) -> (String, &'static str) {
    match part {
        Part::Start => ("Where it begins".to_owned(), "The first step of each kind of conversation."),
        Part::Providers => ("Carriers".to_owned(), "Whose lines may follow this flow."),
        Part::People => ("People".to_owned(), "Whom this flow may ring, by name."),
        Part::Hours(name) => (format!("Hours: {name}"), "Steps that decide look at them by this name."),
        Part::Step(name) => {
            let kind = flow.steps.get(name).and_then(|step| kind(step.kind()));
            (format!("Step: {name}"), kind.map_or("", |kind| kind.about))
        }
    }
}

/// What saving a form would lose.
fn losses(draft: &Draft, flow: &Flow, part: Part<'_>) -> Markup {
    let comments = comments(&draft.text);
    html! {
        @if comments > 0 { p.notice.warn { (icons::alert()) span {
            "The text has " (parts::counted(i64::try_from(comments).unwrap_or(0), "comment", "comments"))
            ". A form writes the whole text anew, without them: copy what you want to keep from " a href={ (PATH) "/" (draft.name) "/text" } { "the text" } " first."
        } } }
        @if !holds(flow, part) { p.notice.warn { (icons::alert()) span {
            "Something here fits into no form, such as a blank before a word. Saving would lose it; change it as " a href={ (PATH) "/" (draft.name) "/text" } { "text" } " instead."
        } } }
    }
}

fn leads_card(flow: &Flow, path: &str, name: &str) -> Markup {
    let leads = leads(flow, name);
    html! {
        section.card aria-labelledby="leads" {
            div.card-head { h2 #leads { "What leads here" } span.count { (leads.len()) } }
            @if leads.is_empty() { p.hint { "Nothing yet." } }
            ul.brief { @for lead in &leads { li { (place_link(path, &lead.place)) } } }
        }
    }
}

/// A place of the document, with the way to its field.
pub(super) fn place_link(path: &str, place: &str) -> Markup {
    let mut names = place.splitn(3, '.');
    let (first, second, rest) = (names.next().unwrap_or_default(), names.next(), names.next());
    let first = first.split('[').next().unwrap_or_default();
    let part = match (first, second) {
        ("steps" | "hours", Some(name)) => Some(format!("{first}.{name}")),
        ("start" | "people" | "providers", _) => Some(first.to_owned()),
        _ => None,
    };
    let field = if part.as_deref() == Some("start") { second } else { rest };
    let anchor = field
        .and_then(|field| field.split(['.', '[']).next())
        .map_or_else(String::new, |field| format!("#{field}"));
    html! { @match part {
        Some(part) => { a href={ (path) "/edit/" (part) (anchor) } { code { (payload::safe(place)) } } }
        None => { code { (payload::safe(place)) } }
    } }
}

fn places_card(flow: &Flow) -> Markup {
    html! {
        section.card aria-labelledby="places" {
            div.card-head { h2 #places { "Places in words" } }
            p.hint { "They are filled in when it is said. What stands behind | is said where nothing is known: {caller.name|there}." }
            ul.chips { @for place in places(flow) { li { button.chip type="button" data-insert={ "{" (place) "}" } disabled { "{" (place) "}" } } } }
        }
    }
}

/// The other parts, to go from one to the next.
fn steps_card(flow: &Flow, path: &str, part: Part<'_>) -> Markup {
    html! {
        section.card aria-labelledby="others" {
            div.card-head { h2 #others { "Steps" } span.count { (flow.steps.len()) } }
            ol.brief { @for name in reading(flow) { li {
                a href={ (path) "/edit/steps." (name) } aria-current=[(part == Part::Step(name)).then_some("true")] { (name) }
                span.when { (flow.steps.get(name).map_or("", |step| step.kind())) }
            } } }
        }
    }
}

/// What a step comes to on both carriers: a conversation that begins with it.
fn heard(visitor: &Visitor, flow: &Flow, name: &str) -> Markup {
    let caller = simulate::caller(simulate::CALLER);
    let carrier = flow.carrier(None).unwrap_or(Provider::Twilio);
    let (start, shown) = simulate::begun(flow, name, simulate::line(), caller, carrier, visitor.now);
    let told = match start {
        Start::Call => "What a carrier is told when a call comes to this step, up to where it waits.",
        Start::Text => "The answer to a text that comes to this step.",
        Start::Missed => "What is done after a missed call that comes to this step.",
    };
    html! {
        section.card aria-labelledby="heard" {
            div.card-head { h2 #heard { "What it comes to" } }
            p.hint { (told) }
            @if let Some(cause) = shown.cause { p.notice.warn { (icons::alert()) span { "It cannot be followed to its end: " (cause) "." } } }
            ul.verbs { @for heard in shown.told() { li { (payload::safe(&heard)) } } }
            (documents(&shown))
        }
    }
}

/// Both documents, side by side.
pub(super) fn documents(shown: &Shown) -> Markup {
    html! {
        div.columns.even {
            @for (carrier, document) in shown.documents() {
                div { p.hint { (carrier.title()) } pre.payload tabindex="0" { (payload::safe(&indented(document))) } }
            }
        }
    }
}

/// A document with each element on a line of its own; one that holds nothing but words stays on one.
fn indented(document: &str) -> String {
    let (mut lines, mut depth) = (Vec::new(), 0_usize);
    for piece in document.split_inclusive('>').collect::<Vec<_>>() {
        let tag = &piece[piece.find('<').unwrap_or(0)..];
        let closes = tag.starts_with("</");
        if closes {
            depth = depth.saturating_sub(1);
        }
        let after_words = closes && !piece.starts_with('<');
        let empty = closes && lines.last().is_some_and(|(_, line): &(usize, String)| opens(line, tag));
        match lines.last_mut() {
            Some((_, line)) if after_words || empty => line.push_str(piece),
            _ => lines.push((depth, piece.to_owned())),
        }
        if !closes && !tag.ends_with("/>") && !tag.starts_with("<?") {
            depth += 1;
        }
    }
    lines.iter().map(|(depth, line)| format!("{}{line}", "  ".repeat(*depth))).collect::<Vec<_>>().join("\n")
}

/// Whether a line is the beginning of the element that a tag ends.
fn opens(line: &str, end: &str) -> bool {
    let name = end.trim_start_matches("</").trim_end_matches('>');
    line.strip_prefix('<')
        .and_then(|rest| rest.strip_prefix(name))
        .is_some_and(|rest| rest.starts_with([' ', '>']))
        && line.matches('<').count() == 1
}

/// `GET /console/flows/{name}/text`.
pub(super) async fn text(
    Extract(state): Extract<State>,
    Path(name): Path<String>,
    visitor: Visitor,
) -> Result<Response, Error> {
    let draft = open(&state, &visitor, &name).await?;
    Ok(text_page(&visitor, &draft, None, &draft.flow().err().unwrap_or_default()))
}

/// `POST /console/flows/{name}/text`: keeps the text as the draft, faults or not.
pub(super) async fn save_text(
    Extract(state): Extract<State>,
    Path(name): Path<String>,
    posted: Posted,
) -> Result<Response, Error> {
    let Posted { visitor, params } = posted;
    visitor.needs(Scope::LinesWrite)?;
    visitor.needs(Scope::PiiRead)?;
    let text = params.get("toml").unwrap_or_default().replace("\r\n", "\n");
    let seen = params.get("seen").unwrap_or_default();
    let mut db = state.db.acquire().await?;
    let done = draft::change(&mut db, &name, seen, Change::Text(&text), asked(&visitor)).await?;
    let now = draft::find(&mut db, &name).await?;
    drop(db);
    match done {
        Done::Clash(theirs) => Ok(text_page(&visitor, &theirs, Some(&text), &[])),
        Done::Kept => Ok(match now.flow() {
            Err(faults) if !faults.is_empty() => text_page(&visitor, &now, None, &faults),
            _ => Flash::DraftKept.on(visitor.way, see_other(&format!("{PATH}/{name}/text"))),
        }),
    }
}

/// The draft as text: with its faults, or with what was typed where another's text is kept.
pub(super) fn text_page(visitor: &Visitor, draft: &Draft, mine: Option<&str>, faults: &[Fault]) -> Response {
    let may = visitor.may(Scope::LinesWrite);
    let path = format!("{PATH}/{}", draft.name);
    let clash = mine.is_some() && faults.is_empty();
    let told = match (mine.map(read), draft.flow()) {
        (Some(Ok(mine)), Ok(theirs)) => changes(&theirs, &mine).iter().map(Difference::told).collect(),
        _ => vec!["One of the two cannot be read, so what differs cannot be told.".to_owned()],
    };
    let body = html! {
        (loads())
        (parts::crumbs(&draft.name, &path))
        (parts::head("As text", &html! { "The same draft as the forms change, in TOML." }, &html! { a.button href=(path) { "Steps and forms" } }))
        @if clash { (clash_notice(visitor, draft, &told)) }
        section.card aria-labelledby="text" {
            div.card-head { h2 #text { "The document" } }
            @if !faults.is_empty() { div #faults role="alert" {
                p.notice.bad { (icons::bad()) span { @if mine.is_some() { "No version was made." } @else { "It is kept as it stands, and the forms cannot read it yet." } } }
                ul { @for fault in faults { li { @if !fault.place.is_empty() { code { (payload::safe(&fault.place)) } ": " } (payload::safe(&fault.problem)) } } }
            } }
            form method="post" action={ (path) "/text" } data-editor {
                (token(visitor))
                input type="hidden" name="seen" value=(draft.seen());
                label { span { "TOML. Comments stay in the draft until a form or a version is saved; neither keeps them." } textarea name="toml" rows="28" spellcheck="false" readonly[!may] aria-describedby=[(!faults.is_empty()).then_some("faults")] { "\n" (mine.unwrap_or(&draft.text)) } }
                @if may { div.actions {
                    button.primary type="submit" { "Save the draft" }
                    button type="submit" formaction=(path) { "Save as a new version" }
                } }
            }
        }
    };
    let status = match (clash, faults.is_empty()) {
        (true, _) => StatusCode::CONFLICT,
        (false, false) => StatusCode::UNPROCESSABLE_ENTITY,
        (false, true) => StatusCode::OK,
    };
    page::page_as(visitor, status, Section::Lines, "Flow as text", &body)
}

/// `POST /console/flows/{name}/draft`: goes a change back, or to the newest version.
pub(super) async fn turn_back(
    Extract(state): Extract<State>,
    Path(name): Path<String>,
    posted: Posted,
) -> Result<Response, Error> {
    let Posted { visitor, params } = posted;
    let change = match params.get("which") {
        Some("discard") => Change::Discard,
        _ => Change::Undo,
    };
    settle(&state, &visitor, &name, &params, change, "").await
}

/// Changes the draft and goes on to a page of the flow, or tells that another has changed it.
pub(super) async fn settle(
    state: &State,
    visitor: &Visitor,
    name: &str,
    params: &Params,
    change: Change<'_>,
    to: &str,
) -> Result<Response, Error> {
    visitor.needs(Scope::LinesWrite)?;
    visitor.needs(Scope::PiiRead)?;
    let mut db = state.db.acquire().await?;
    let seen = params.get("seen").unwrap_or_default();
    match draft::change(&mut db, name, seen, change, asked(visitor)).await? {
        Done::Kept => Ok(Flash::DraftKept.on(visitor.way, see_other(&format!("{PATH}/{name}{to}")))),
        Done::Clash(theirs) => {
            let why = format!(
                "nothing was changed: {} has changed this draft since you opened it; look at it again",
                changer(&theirs)
            );
            Err(Error::InTheWay(why))
        }
    }
}

/// `GET /console/flows/{name}/steps/{step}`: what would become of the ways that lead to it.
pub(super) async fn arrange(
    Extract(state): Extract<State>,
    Path((name, step)): Path<(String, String)>,
    visitor: Visitor,
) -> Result<Response, Error> {
    let draft = open(&state, &visitor, &name).await?;
    let Ok(flow) = draft.flow() else { return Ok(see_other(&format!("{PATH}/{name}/text"))) };
    arrange_page(&visitor, &draft, &flow, &step, &Params::from_query(""), &[])
}

/// `POST /console/flows/{name}/steps/{step}`: renames, copies, moves or deletes it.
pub(super) async fn rearrange(
    Extract(state): Extract<State>,
    Path((name, step)): Path<(String, String)>,
    posted: Posted,
) -> Result<Response, Error> {
    let Posted { visitor, params } = posted;
    visitor.needs(Scope::LinesWrite)?;
    let draft = open(&state, &visitor, &name).await?;
    let Ok(flow) = draft.flow() else { return Ok(see_other(&format!("{PATH}/{name}/text"))) };
    if !flow.steps.contains_key(&step) {
        return Err(missing());
    }
    let given = |name: &str| params.get(name).unwrap_or_default().trim();
    let done = match given("which") {
        "rename" => edit::rename(&flow, &step, given("name"))
            .map(|flow| (flow, format!("/edit/steps.{}", given("name")))),
        "duplicate" => {
            edit::duplicate(&flow, &step).map(|(flow, copy)| (flow, format!("/edit/steps.{copy}")))
        }
        "move" => {
            edit::put_behind(&flow, &step, given("behind")).map(|flow| (flow, format!("/edit/steps.{step}")))
        }
        "delete" => {
            let instead = Some(given("instead")).filter(|instead| flow.steps.contains_key(*instead));
            edit::take_out(&flow, &step, instead).map(|flow| (flow, String::new()))
        }
        _ => return Err(Error::Parameter("which".to_owned(), "it is nothing that can be done".to_owned())),
    };
    match done {
        Ok((flow, to)) => settle(&state, &visitor, &name, &params, Change::Flow(&flow), &to).await,
        Err(faults) => arrange_page(&visitor, &draft, &flow, &step, &params, &faults),
    }
}

fn arrange_page(
    visitor: &Visitor,
    draft: &Draft,
    flow: &Flow,
    step: &str,
    typed: &Params,
    faults: &[Fault],
) -> Result<Response, Error> {
    if !flow.steps.contains_key(step) {
        return Err(missing());
    }
    visitor.needs(Scope::LinesWrite)?;
    let path = format!("{PATH}/{}", draft.name);
    let here = format!("{path}/steps/{step}");
    let leads = leads(flow, step);
    let others: Vec<&str> = reading(flow).into_iter().filter(|other| *other != step).collect();
    let tried = |which: &str| typed.get("which") == Some(which);
    let wrong = |which: &str| html! { @if tried(which) { @for fault in faults { div.wrong { p { (icons::bad()) span { (payload::safe(&fault.to_string())) "." } } } } } };
    let form = |which: &str, body: Markup| {
        html! {
            form.stack method="post" action=(here) {
                (token(visitor)) input type="hidden" name="seen" value=(draft.seen());
                (body) (wrong(which))
            }
        }
    };
    let press = |which: &str, class: Option<&str>, word: &str| html! { button type="submit" name="which" value=(which) class=[class] { (word) } };
    let body = html! {
        (loads())
        (parts::crumbs(step, &format!("{path}/edit/steps.{step}")))
        (parts::head(&format!("Step: {step}"), &html! { "Give it another name, copy it, move it, or delete it." }, &html! {}))
        @if !faults.is_empty() { p.notice.bad role="alert" { (icons::bad()) span { "Nothing was changed." } } }
        div.columns {
            div {
                section.card aria-labelledby="rename" {
                    div.card-head { h2 #rename { "Rename" } }
                    (form("rename", html! {
                        label { span { "Another name; the ways that lead to it follow" } input name="name" value=(typed.get("name").unwrap_or(step)) required autocomplete="off" spellcheck="false"; }
                        (press("rename", None, "Rename"))
                    }))
                }
                section.card aria-labelledby="copy" {
                    div.card-head { h2 #copy { "Duplicate" } }
                    (form("duplicate", html! { p.hint { "A second step like this one. Nothing leads to it yet." } (press("duplicate", None, "Duplicate")) }))
                }
                section.card aria-labelledby="move" {
                    div.card-head { h2 #move { "Move" } }
                    (form("move", html! {
                        label { span { "Put it behind" } select name="behind" { @for other in &others { option value=(other) selected[typed.get("behind") == Some(*other)] { (other) } } } }
                        p.hint { "What leads here then leads to what follows it now." }
                        (press("move", None, "Move"))
                    }))
                }
                section.card aria-labelledby="delete" {
                    div.card-head { h2 #delete { "Delete" } }
                    (form("delete", html! {
                        @if !leads.is_empty() { label { span { "What leads here then leads to" } select name="instead" {
                            option value="" { "Nothing; I mend it myself" }
                            @for other in &others { option value=(other) { (other) } }
                        } } }
                        (press("delete", Some("danger"), "Delete the step"))
                    }))
                }
            }
            section.card aria-labelledby="leads" {
                div.card-head { h2 #leads { "Ways that lead here" } span.count { (leads.len()) } }
                @if leads.is_empty() { p.hint { "None: nothing else changes when it is deleted." } }
                @else { p.hint { "When it is deleted and they lead to nothing, the conversation ends there; what is marked must lead somewhere, and is a fault until it does." } }
                ul.brief { @for lead in &leads { li { (place_link(&path, &lead.place)) @if lead.needed { (parts::pill(parts::Tone::Warn, "Needed")) } } } }
            }
        }
    };
    let status = if faults.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    Ok(page::page_as(visitor, status, Section::Lines, "Step", &body))
}

/// What may be added: kinds of steps for a form.
pub(super) fn kinds() -> Markup {
    html! { @for kind in &KINDS { option value=(kind.name) { (kind.title) } } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_shown_an_element_a_line() {
        for (document, expected) in [
            ("<Response/>", "<Response/>"),
            ("<Response></Response>", "<Response></Response>"),
            (
                "<Response><Gather input=\"dtmf\"><Say>Press 1 &gt; 0</Say></Gather><Hangup/></Response>",
                "<Response>\n  <Gather input=\"dtmf\">\n    <Say>Press 1 &gt; 0</Say>\n  </Gather>\n  <Hangup/>\n</Response>",
            ),
            ("", ""),
        ] {
            assert_eq!(indented(document), expected);
        }
    }

    #[test]
    fn a_place_leads_to_its_form() {
        for (place, to) in [
            ("steps.menu.choose.1", "/x/edit/steps.menu#choose"),
            ("steps.in.when[0].if.open", "/x/edit/steps.in#when"),
            ("steps.menu", "/x/edit/steps.menu\""),
            ("start.call", "/x/edit/start#call"),
            ("hours.office.open.mon", "/x/edit/hours.office#open"),
            ("people.ada", "/x/edit/people"),
            ("providers[1]", "/x/edit/providers"),
        ] {
            let link = place_link("/x", place).into_string();
            assert!(link.contains(&format!("href=\"{to}")), "{link}");
        }
        assert!(!place_link("/x", "line 2, column 3").into_string().contains("href"));
    }
}
