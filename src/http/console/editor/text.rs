//! The draft as text: the same as the forms change.

use axum::{
    extract::{Path, State as Extract},
    http::StatusCode,
    response::Response,
};
use maud::html;

use super::{PATH, asked, clash_notice, loads, open};
use crate::{
    access::Scope,
    http::{
        console::{
            flash::Flash,
            icons,
            page::{self, Section, token},
            parts, payload,
            visitor::{Posted, Visitor, see_other},
        },
        error::Error,
        state::State,
    },
    lines::{
        document::{
            read::{Fault, read},
            write::{Change as Difference, changes},
        },
        draft::{self, Change, Done, Draft},
    },
};

/// `GET /console/flows/{name}/text`.
pub(in super::super) async fn text(
    Extract(state): Extract<State>,
    Path(name): Path<String>,
    visitor: Visitor,
) -> Result<Response, Error> {
    let draft = open(&state, &visitor, &name).await?;
    Ok(text_page(&visitor, &draft, None, &draft.flow().err().unwrap_or_default()))
}

/// `POST /console/flows/{name}/text`: keeps the text as the draft, faults or not.
pub(in super::super) async fn save_text(
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
pub(in super::super) fn text_page(
    visitor: &Visitor,
    draft: &Draft,
    mine: Option<&str>,
    faults: &[Fault],
) -> Response {
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
                ul { @for fault in faults { li { @if !fault.place.is_empty() { code { (payload::safe(&fault.place)) } ": " } (payload::told(&fault.problem)) } } }
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
