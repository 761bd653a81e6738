//! The editor of a flow: a form for each part of its draft, here; the same draft as `text`; and what is done to whole steps, in
//! `arrange`. All of it works without script; every form says which text it was made of, so that nobody writes over another's
//! work unseen.

mod arrange;
mod form;
mod heard;
mod picture;
mod text;

pub(super) use self::{
    arrange::{arrange, rearrange},
    form::{is_at, problem},
    heard::documents,
    picture::{draw, way_word},
    text::{save_text, text, text_page},
};

use axum::{
    extract::{Path, State as Extract},
    http::StatusCode,
    response::Response,
};
use maud::{Markup, html};
use serde_json::json;

use self::{
    form::{Form, places},
    heard::heard,
};
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
            fields::{KINDS, Takes, kind},
            forms::{Part, filled, holds, swapped, with},
            read::Fault,
            write::{Change as Difference, changes},
        },
        draft::{self, Change, Done, Draft},
        line::Asked,
    },
    provider::Params,
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
        @for fault in &here { @if fault.place == place && !part.is_field() { p.notice.bad { (icons::bad()) span { "This part " (payload::told(&fault.problem)) "." } } } }
        @for warning in warnings.iter().filter(|warning| is_at(&warning.place, &place)) { p.notice.warn { (icons::alert()) span {
            code { (warning.place[place.len()..].trim_start_matches('.')) } " " (payload::told(&warning.problem)) "."
        } } }
        @for note in notes.iter().filter(|note| is_at(&note.place, &place)) { p.notice { (icons::info()) span { "As a text it is " (payload::told(&note.problem)) "." } } }
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
                @if fields.iter().any(|field| matches!(field.takes, Takes::Words { .. })) { (places_card(flow)) }
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

/// What may be added: kinds of steps for a form.
pub(super) fn kinds() -> Markup {
    html! { @for kind in &KINDS { option value=(kind.name) { (kind.title) } } }
}

#[cfg(test)]
mod tests {
    use super::*;

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
