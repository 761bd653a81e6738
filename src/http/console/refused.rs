//! Requests that were refused: why, in a sentence, and what would mend it.

use axum::{
    extract::{Path, RawQuery, State as Extract},
    response::Response,
};
use maud::{Markup, html};

use super::{
    events, icons, lists,
    page::{self, Section},
    parts::{self, Row, Tone, fact, pill},
    payload,
    visitor::Visitor,
    words,
};
use crate::{
    access::Scope,
    http::{api::detail, error::Error, problem::Code, state::State},
    provider::explain::{self, Told},
};

const PATH: &str = "/console/refused";

/// `GET /console/refused`.
pub(super) async fn list(
    Extract(state): Extract<State>,
    RawQuery(query): RawQuery,
    visitor: Visitor,
) -> Result<Response, Error> {
    let listed = lists::read(&state, &visitor, "rejections", PATH, query.as_deref()).await?;
    let body = html! {
        (parts::head("Refused", &html! { "Requests that were not taken, and why. A sample: at most 20 a minute of each kind. Bodies are never kept." }, &events::live(&listed)))
        div.filters {
            (listed.choice("code", "Reason", &[
                ("signature_missing", "No signature"), ("signature_mismatch", "Wrong signature"),
                ("timestamp_out_of_tolerance", "Too old"), ("account_mismatch", "Other account"), ("not_found", "Wrong path"),
            ]))
            (listed.more(&[("endpoint", "Endpoint", "twilio/voice"), ("code", "Code", "signature_mismatch"), ("created[gte]", "Since", "2026-11-26T12:00:00Z")]))
        }
        (listed.chips())
        @if listed.rows.is_empty() {
            (listed.empty(&icons::refused(), "Nothing was refused", &html! { "Whatever came was genuine. Forged, unsigned and outdated requests would show here, each with its reason." }))
            table #rows hidden { tbody {} }
        } @else {
            div.scroll { table.rows #rows {
                caption.hidden { "Refused requests, newest first" }
                thead { tr { th scope="col" { "Time" } th scope="col" { "Why" } th scope="col" { "Endpoint" } th scope="col" { "Answer" } } }
                tbody { @for row in &listed.rows {
                    tr data-id=(row.text("id")) {
                        td.time { @if let Some(at) = row.time("at") { (parts::when(&visitor, at)) } }
                        td.what { a.open href={ (PATH) "/" (row.text("id")) } { (words::refusal(row.text("code"), row.text("cause"), row.text("endpoint")).0) } " " code.kind { (row.text("code")) }
                            @if let Some(told) = explain::told(row.text("cause")).filter(Told::is_found) { " " small.found { (payload::safe(&parts::capital(told.found))) "." } }
                        }
                        td.from { (parts::provider(row.text("endpoint").split('/').next().unwrap_or_default())) @if let Some((_, end)) = row.text("endpoint").split_once('/') { " " code { (end) } } }
                        td { (pill(Tone::Bad, &Code::named(row.text("code")).entry().status.to_string())) }
                    }
                } }
            } }
        }
        (listed.foot())
    };
    Ok(page::page(&visitor, Section::Refused, "Refused", &body))
}

/// `GET /console/refused/{id}`.
pub(super) async fn show(
    Extract(state): Extract<State>,
    Path(name): Path<String>,
    visitor: Visitor,
) -> Result<Response, Error> {
    visitor.needs(Scope::Read)?;
    let resource = lists::resource("rejections")?;
    // Its headers were masked before they were kept; the address is somebody's.
    let row = Row(resource.shown(detail::find(&state, resource, &name).await?, true));
    let (code, written, endpoint) = (row.text("code"), row.text("cause"), row.text("endpoint"));
    let told = explain::told(written);
    let cause = told.map_or(written, |told| told.cause);
    let (sentence, fix) = words::refusal(code, cause, endpoint);
    let entry = Code::named(code).entry();
    let body = html! {
        (parts::crumbs("Refused", PATH))
        div.head { div {
            h1 { (entry.title) }
            p.about { (sentence) }
            p.tags { (parts::provider(endpoint.split('/').next().unwrap_or_default())) (pill(Tone::Bad, &format!("{} {code}", entry.status))) @if let Some(at) = row.time("at") { (parts::when(&visitor, at)) } }
        } }
        div.columns {
            div {
                @if let Some(told) = &told { (finding(told)) }
                section.card aria-labelledby="why" {
                    div.card-head { h2 #why { "Why" } }
                    dl.facts.wide { (fact("Exact cause", &html! { strong { (payload::safe(cause)) } }, None)) @if !told.is_some_and(|told| told.is_found()) { (fact("What would mend it", &html! { (fix) }, None)) } (fact("What the sender was told", &html! { (entry.detail) }, None)) }
                }
                section.card aria-labelledby="headers" {
                    div.card-head { h2 #headers { "Headers" } (pill(Tone::Plain, "Masked before they were kept")) }
                    div.scroll tabindex="0" role="region" aria-label="Header fields" { table.fields { thead.hidden { tr { th scope="col" { "Name" } th scope="col" { "Value" } } } tbody {
                        @for pair in row.0["headers"].as_array().into_iter().flatten() {
                            tr { th scope="row" { (payload::safe(pair[0].as_str().unwrap_or_default())) } td { (payload::safe(pair[1].as_str().unwrap_or_default())) } }
                        }
                    } } }
                }
            }
            div {
                section.card aria-labelledby="summary" {
                    div.card-head { h2 #summary { "Summary" } }
                    dl.facts {
                        (fact("Reference", &parts::id(row.text("id")), None))
                        (fact("Request", &html! { code { (row.text("method")) " /webhooks/" (endpoint) } }, None))
                        @if visitor.may(Scope::PiiRead) { (fact("From", &html! { code { (row.text("client")) } }, None)) }
                        @if let Some(at) = row.time("at") { (fact("When", &parts::when(&visitor, at), None)) }
                    }
                    p.hint { "The sender has this reference in its answer; the provider's log shows it. Nothing else of the request was kept." }
                }
            }
        }
    };
    Ok(page::page(&visitor, Section::Refused, entry.title, &body))
}

/// What was found when the signature was tried in other ways.
fn finding(told: &Told<'_>) -> Markup {
    let (class, title, icon) = if told.is_found() {
        ("found", "The one change that would have matched", icons::key())
    } else {
        ("open", "Nothing near it would have matched", icons::search())
    };
    html! {
        section class={ "card finding " (class) } aria-labelledby="finding" {
            (icon)
            div {
                h2 #finding { (title) }
                p.found { (payload::safe(&parts::capital(told.found))) "." }
                p { (payload::safe(&parts::capital(told.fix))) "." }
            }
        }
    }
}
