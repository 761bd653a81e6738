//! A step as a whole: another name, a copy, another place, or its end, and what becomes of the ways that lead to it.

use axum::{
    extract::{Path, State as Extract},
    http::StatusCode,
    response::Response,
};
use maud::{Markup, html};

use super::{PATH, loads, missing, open, place_link, settle};
use crate::{
    access::Scope,
    http::{
        console::{
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
            Flow,
            edit::{self, leads, reading},
            read::Fault,
        },
        draft::{Change, Draft},
    },
    provider::Params,
};

/// `GET /console/flows/{name}/steps/{step}`: what would become of the ways that lead to it.
pub(in super::super) async fn arrange(
    Extract(state): Extract<State>,
    Path((name, step)): Path<(String, String)>,
    visitor: Visitor,
) -> Result<Response, Error> {
    let draft = open(&state, &visitor, &name).await?;
    let Ok(flow) = draft.flow() else { return Ok(see_other(&format!("{PATH}/{name}/text"))) };
    arrange_page(&visitor, &draft, &flow, &step, &Params::from_query(""), &[])
}

/// `POST /console/flows/{name}/steps/{step}`: renames, copies, moves or deletes it.
pub(in super::super) async fn rearrange(
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
    let wrong = |which: &str| html! { @if tried(which) { @for fault in faults { div.wrong { p { (icons::bad()) span { (payload::told(&fault.to_string())) "." } } } } } };
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
