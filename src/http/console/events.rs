//! The list of events, newest first, with live rows.

use std::collections::HashMap;

use axum::{
    extract::{RawQuery, State as Extract},
    response::Response,
};
use chrono::{DateTime, TimeDelta, Utc};
use maud::{Markup, html};
use uuid::Uuid;

use super::{
    icons,
    lists::{self, Listed},
    page::{self, Section},
    parts::{self, Row, pill},
    visitor::Visitor,
    words,
};
use crate::{
    domain::id,
    http::{
        api::list::{self, Page},
        error::Error,
        state::State,
    },
};

const PATH: &str = "/console/events";

const WORK_SQL: &str = "SELECT event_id, attempts, dead_at FROM event_work WHERE event_id = ANY ($1)";

/// Where the work on each of these events stands; what is not among them is done.
///
/// # Errors
/// What the database raises.
pub(super) async fn states(state: &State, rows: &[Row]) -> sqlx::Result<HashMap<Uuid, &'static str>> {
    let ids: Vec<Uuid> = rows.iter().filter_map(|row| id::read("event_", row.text("id")).ok()).collect();
    let found: Vec<(Uuid, i32, Option<DateTime<Utc>>)> =
        sqlx::query_as(WORK_SQL).bind(ids).fetch_all(&state.db).await?;
    let word = |attempts, dead: Option<_>| match (attempts, dead) {
        (_, Some(_)) => "dead",
        (0, None) => "waiting",
        _ => "retrying",
    };
    Ok(found.into_iter().map(|(id, attempts, dead)| (id, word(attempts, dead))).collect())
}

/// `GET /console/events`.
pub(super) async fn list(
    Extract(state): Extract<State>,
    RawQuery(query): RawQuery,
    visitor: Visitor,
) -> Result<Response, Error> {
    let listed = lists::read(&state, &visitor, "events", PATH, query.as_deref()).await?;
    let states = states(&state, &listed.rows).await?;
    let since =
        |hours| (visitor.now - TimeDelta::hours(hours)).to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    let (hour, day) = (since(1), since(24));
    let body = html! {
        (parts::head("Events", &html! { "Every genuine request, kept once. The newest is at the top." }, &live(&listed)))
        div.filters {
            (listed.choice("provider", "Provider", &[("stripe", "Stripe"), ("twilio", "Twilio"), ("plivo", "Plivo")]))
            (listed.choice("created[gte]", "Since", &[(&hour, "Last hour"), (&day, "Last day")]))
            (listed.more(&[
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
            (table(&visitor, &listed.rows, &states))
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

fn table(visitor: &Visitor, rows: &[Row], states: &HashMap<Uuid, &'static str>) -> Markup {
    html! {
        div.scroll {
            table.rows #rows {
                caption.hidden { "Events, newest first" }
                thead { tr {
                    th scope="col" { "Time" } th scope="col" { "What" } th scope="col" { "From" }
                    th scope="col" { "About" } th scope="col" { "Signature" } th scope="col" { "Work" }
                } }
                tbody { @for row in rows { (line(visitor, row, states)) } }
            }
        }
    }
}

fn line(visitor: &Visitor, row: &Row, states: &HashMap<Uuid, &'static str>) -> Markup {
    let name = row.text("id");
    let work = id::read("event_", name).ok().and_then(|id| states.get(&id).copied()).unwrap_or("done");
    let (trust, trusted) = words::trust(row.text("signed_by"));
    let (tone, worked) = words::work(work);
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
    let resource = lists::resource("events")?;
    let page = Page::read(resource, &format!("limit={most}"))?;
    let found = list::find(state, resource, &page).await?;
    Ok(found.rows.into_iter().map(|row| Row(resource.shown(row, false))).collect())
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
