//! The list of events, newest first, with live rows.

use axum::{
    extract::{RawQuery, State as Extract},
    response::Response,
};
use chrono::TimeDelta;
use maud::{Markup, html};

use super::{
    icons,
    lists::{self, Listed},
    page::{self, Section},
    parts::{self, Row, pill},
    visitor::Visitor,
    words,
};
use crate::http::{error::Error, state::State};

const PATH: &str = "/console/events";

/// `GET /console/events`.
pub(super) async fn list(
    Extract(state): Extract<State>,
    RawQuery(query): RawQuery,
    visitor: Visitor,
) -> Result<Response, Error> {
    let listed = lists::read(&state, &visitor, "events", PATH, query.as_deref()).await?;
    let since =
        |hours| (visitor.now - TimeDelta::hours(hours)).to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    let (hour, day) = (since(1), since(24));
    let body = html! {
        (parts::head("Events", &html! { "Every genuine request, kept once. The newest is at the top." }, &live(&listed)))
        div.filters {
            (listed.choice("provider", "Provider", &[("stripe", "Stripe"), ("twilio", "Twilio"), ("plivo", "Plivo")]))
            (listed.choice("created[gte]", "Since", &[(&hour, "Last hour"), (&day, "Last day")]))
            (listed.choice("status", "Work", &[("dead", "Given up"), ("retrying", "Retrying"), ("waiting", "Waiting")]))
            (listed.more(&[
                ("text", "Text in the body", "needs pii:read"),
                ("number", "Number", "+1…"),
                ("type", "Type", "invoice.payment_failed"),
                ("endpoint", "Endpoint", "twilio/voice"),
                ("subject", "About", "CA… or cus_…"),
                ("created[lt]", "Before", "2026-11-26T12:00:00Z"),
            ]))
        }
        (listed.chips())
        @if listed.rows.is_empty() {
            (listed.empty(&icons::events(), "No event yet", &how_to_send(&visitor)))
            table #rows hidden { tbody {} }
        } @else {
            (table(&visitor, &listed.rows))
        }
        (listed.foot())
    };
    Ok(page::page(&visitor, Section::Events, "Events", &body))
}

/// The switch of live rows, where the newest rows are shown.
pub(super) fn live(listed: &Listed) -> Markup {
    html! {
        @if listed.is_newest() {
            button.live type="button" data-live aria-pressed="true" aria-keyshortcuts="l" hidden { i aria-hidden="true" {} span { "Live" } }
            button.fresh type="button" data-fresh hidden { "0 new" }
        }
    }
}

fn table(visitor: &Visitor, rows: &[Row]) -> Markup {
    html! {
        div.scroll {
            table.rows #rows {
                caption.hidden { "Events, newest first" }
                thead { tr {
                    th scope="col" { "Time" } th scope="col" { "What" } th scope="col" { "From" }
                    th scope="col" { "About" } th scope="col" { "Signature" } th scope="col" { "Work" }
                } }
                tbody { @for row in rows { (line(visitor, row)) } }
            }
        }
    }
}

fn line(visitor: &Visitor, row: &Row) -> Markup {
    let name = row.text("id");
    let (trust, trusted) = words::trust(row.text("signed_by"));
    let (tone, worked) = words::work(row.text("status"));
    html! {
        tr data-id=(name) {
            td.time { @if let Some(at) = row.time("received_at") { (parts::when(visitor, at)) } }
            td.what { a.open href={ (PATH) "/" (name) } { (words::kind(row.text("type"))) } " " code.kind { (row.text("type")) } }
            td.from { (parts::provider(row.text("provider"))) }
            td.about { @if let Some(subject) = row.some("subject") { code { (subject) } } @else { span.none { "–" } } }
            td.trust { (pill(trust, trusted)) }
            td.work { (pill(tone, worked)) }
        }
    }
}

/// The newest events.
///
/// # Errors
/// What the database raises.
pub(super) async fn latest(state: &State, most: usize) -> Result<Vec<Row>, Error> {
    lists::few(state, "events", &format!("limit={most}")).await
}

/// The newest events about a call, a text or a customer.
///
/// # Errors
/// What the database raises.
pub(super) async fn about(state: &State, subject: &str, most: usize) -> Result<Vec<Row>, Error> {
    let subject: String = form_urlencoded::byte_serialize(subject.as_bytes()).collect();
    lists::few(state, "events", &format!("limit={most}&subject={subject}")).await
}

/// A few events in little room.
pub(super) fn brief(visitor: &Visitor, rows: &[Row]) -> Markup {
    html! {
        ul.brief #brief {
            @for row in rows {
                li data-id=(row.text("id")) {
                    span.when { @if let Some(at) = row.time("received_at") { (parts::time(visitor, at)) } }
                    a href={ (PATH) "/" (row.text("id")) } { (words::kind(row.text("type"))) }
                    (parts::provider(row.text("provider")))
                    span class={ "dot " (words::trust(row.text("signed_by")).0.class()) } title=(words::trust(row.text("signed_by")).1) {
                        (words::trust(row.text("signed_by")).0.icon()) span.hidden { (words::trust(row.text("signed_by")).1) }
                    }
                }
            }
        }
    }
}

/// What to do where nothing has come yet.
pub(super) fn nothing_yet(visitor: &Visitor) -> Markup {
    parts::empty(&icons::events(), "No event yet", &how_to_send(visitor))
}

fn how_to_send(visitor: &Visitor) -> Markup {
    html! {
        @if visitor.dev {
            "Send a first one from another terminal: " code.command { "smartline send twilio voice" } (parts::copy("smartline send twilio voice", "Copy the command"))
        } @else {
            "Point a provider at this service: " a href="/console/setup" { "Setup" } " has the addresses. Then "
            code.command { "smartline smoke" } " tries each of them."
        }
    }
}
