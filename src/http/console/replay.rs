//! Dead letters by their cause, and having events worked on again: one, or all that match, with their number told first.

use std::time::{Duration, Instant};

use axum::{
    extract::{Path, RawQuery, State as Extract},
    response::Response,
};
use chrono::{DateTime, Utc};
use maud::{Markup, html};
use serde_json::json;
use uuid::Uuid;

use super::{
    flash::Flash,
    icons, lists,
    page::{self, Section, token},
    parts::{self, Row, Tone, pill},
    payload,
    visitor::{Posted, Visitor, see_other},
    words,
};
use crate::{
    access::{
        Scope,
        answers::{Known, Once},
    },
    domain::id,
    http::{api::detail, error::Error, state::State},
    inbox::replay::{self, Bulk, Filter, Stage},
    provider::Params,
};

const PATH: &str = "/console/dead-letters";
const REPLAYS: &str = "/console/replays";

/// Most events that one press puts back; the page says how many are left.
const PRESS: usize = 10_000;

/// Events of one statement.
const STEP: i64 = 1000;

/// Events that one statement looks at, to count those that match.
const LOOK: i64 = 10_000;

/// Longest time that a page spends on counting.
const PATIENCE: Duration = Duration::from_millis(40);

const GROUPS_SQL: &str = "
SELECT event.provider, event.kind, coalesce(left(work.error, 300), '') AS error, count(*) AS count,
       max(work.dead_at) AS latest, min(event.id::text)::uuid AS example
FROM event_work work JOIN events event ON event.id = work.event_id
WHERE work.dead_at IS NOT NULL
GROUP BY 1, 2, 3 ORDER BY 4 DESC, 5 DESC LIMIT 100";

/// Dead letters of one cause.
#[derive(Debug, sqlx::FromRow)]
struct Group {
    provider: String,
    kind: String,
    error: String,
    count: i64,
    latest: DateTime<Utc>,
    example: Uuid,
}

/// `GET /console/dead-letters`.
pub(super) async fn list(Extract(state): Extract<State>, visitor: Visitor) -> Result<Response, Error> {
    visitor.needs(Scope::Read)?;
    let groups: Vec<Group> = sqlx::query_as(GROUPS_SQL).fetch_all(&state.db).await?;
    let body = html! {
        (parts::head("Dead letters", &html! { "Events that could not be worked on in ten tries. They are kept, and can be replayed once the cause is mended." }, &html! {
            @if visitor.may(Scope::EventsReplay) { a.button href="/console/replay" { (icons::replay()) "Replay by filter" } }
        }))
        @if groups.is_empty() {
            (parts::empty(&icons::ok(), "Nothing was given up", &html! { "Every event that came was worked on, or is about to be." }))
        } @else {
            ul.causes { @for group in &groups { (cause(&visitor, group)) } }
        }
    };
    Ok(page::page(&visitor, Section::DeadLetters, "Dead letters", &body))
}

fn cause(visitor: &Visitor, group: &Group) -> Markup {
    html! {
        li.card {
            div.card-head {
                h2 { (words::kind(&group.kind)) " " code.kind { (group.kind) } }
                (pill(Tone::Bad, &parts::counted(group.count, "event", "events")))
            }
            p.tags { (parts::provider(&group.provider)) span { "last " (parts::when(visitor, group.latest)) } }
            @if visitor.may(Scope::PiiRead) { pre.payload.error tabindex="0" { (payload::safe(&group.error)) } } @else { p.hint { "The cause may name people's data, and is shown with the scope pii:read." } }
            p.links {
                a href={ "/console/events/" (id::shown("event_", group.example)) } { "An example" }
                @if visitor.may(Scope::EventsReplay) { " · " a href={ "/console/replay?dead=yes&provider=" (group.provider) "&type=" (group.kind) } { "Replay these" } }
            }
        }
    }
}

/// The events that a form or query names.
///
/// # Errors
/// 400 for a time that is none.
fn filter(params: &Params) -> Result<Filter, Error> {
    let text = |name: &str| params.first_of(&[name]).map(|text| text.replace('\0', ""));
    let time = |name: &str| match params.first_of(&[name]) {
        None => Ok(None),
        Some(text) => {
            let read = DateTime::parse_from_rfc3339(text).map(|at| at.to_utc()).ok().or_else(|| {
                // As a browser's own field writes it, in UTC.
                chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M").ok().map(|at| at.and_utc())
            });
            read.map(Some).ok_or_else(|| Error::Parameter(name.to_owned(), "it is no time".to_owned()))
        }
    };
    Ok(Filter {
        since: time("since")?,
        until: time("until")?,
        provider: text("provider"),
        kind: text("type"),
        subject: text("subject"),
        dead: text("dead").is_some(),
    })
}

/// The ids that match, as many as one press takes and one more.
async fn matching(state: &State, filter: &Filter) -> sqlx::Result<Vec<Uuid>> {
    let mut found = Vec::new();
    while found.len() <= PRESS {
        let after = found.last().copied().unwrap_or_default();
        let next = filter.find(&state.db, after, STEP).await?;
        let end = i64::try_from(next.len()).unwrap_or(0) < STEP;
        found.extend(next);
        if end {
            break;
        }
    }
    Ok(found)
}

/// How many match, up to one more than one press takes, and whether that is all: as far as a page can look.
async fn counted(state: &State, filter: &Filter) -> sqlx::Result<(usize, bool)> {
    if filter.dead {
        return Ok((matching(state, filter).await?.len(), true));
    }
    let started = Instant::now();
    let (mut count, mut after) = (0, Uuid::nil());
    loop {
        let (found, next) = filter.look(&state.db, after, LOOK).await?;
        count += found.len();
        match next {
            None => return Ok((count, true)),
            Some(_) if count > PRESS => return Ok((count, true)),
            Some(_) if started.elapsed() > PATIENCE => return Ok((count, false)),
            Some(next) => after = next,
        }
    }
}

/// `GET /console/replay`: what would be replayed.
pub(super) async fn plan(
    Extract(state): Extract<State>,
    RawQuery(query): RawQuery,
    visitor: Visitor,
) -> Result<Response, Error> {
    visitor.needs(Scope::EventsReplay)?;
    let params = Params::from_query(query.as_deref().unwrap_or_default());
    let asked = !params.is_empty();
    let filter = filter(&params)?;
    let (found, whole) = if asked { counted(&state, &filter).await? } else { (0, true) };
    let number = parts::number(i64::try_from(found.min(PRESS)).unwrap_or(0));
    let value = |name: &str| params.get(name).unwrap_or_default().to_owned();
    let before = lists::few(&state, "replays", "limit=10").await?;
    let body = html! {
        (parts::crumbs("Dead letters", PATH))
        (parts::head("Replay by filter", &html! { "Has the tables made anew from kept events. That changes tables alone: nobody is called, texted or charged again." }, &html! {}))
        div.columns {
            section.card aria-labelledby="which" {
                div.card-head { h2 #which { "Which events" } }
                form.stack action="/console/replay" {
                    label { span { "Provider" } select name="provider" { option value="" { "Any" } @for name in ["stripe", "twilio", "plivo"] { option value=(name) selected[value("provider") == name] { (parts::capital(name)) } } } }
                    label { span { "Type" } input name="type" value=(value("type")) placeholder="invoice.payment_failed" spellcheck="false"; }
                    label { span { "About" } input name="subject" value=(value("subject")) placeholder="CA… or cus_…" spellcheck="false"; }
                    label { span { "Since, in UTC" } input type="datetime-local" name="since" value=(value("since")); }
                    label { span { "Before, in UTC" } input type="datetime-local" name="until" value=(value("until")); }
                    label.check { input type="checkbox" name="dead" value="yes" checked[filter.dead]; span { "Only those that were given up" } }
                    button type="submit" { "Count them" }
                }
            }
            section.card aria-labelledby="then" {
                div.card-head { h2 #then { "Then" } }
                @if !asked { p.hint { "Say which events, and their number shows here before anything happens." } }
                @else if found == 0 && whole { p { "No event matches." } }
                @else {
                    p.big { @if found == 0 { "None so far" } @else { @if found > PRESS { "More than " } @else if !whole { "At least " } (number) } }
                    p { @if found == 1 { "event matches." } @else { "events match." } @if !whole { " There are too many events to count them all here; a press looks at all of them." } @if found > PRESS { " One press replays the oldest 10\u{2009}000; press again for the rest." } }
                    form method="post" action="/console/replay" data-once {
                        (token(&visitor))
                        input type="hidden" name="once" value=(Uuid::new_v4().simple());
                        @for name in ["provider", "type", "subject", "since", "until", "dead"] { @if !value(name).is_empty() { input type="hidden" name=(name) value=(value(name)); } }
                        button.primary type="submit" { (icons::replay()) "Replay " @if found == 1 && whole { "it" } @else { "them" } }
                    }
                }
            }
        }
        (lately(&visitor, &before))
    };
    Ok(page::page(&visitor, Section::DeadLetters, "Replay by filter", &body))
}

/// `POST /console/replay`: does it.
pub(super) async fn many(Extract(state): Extract<State>, posted: Posted) -> Result<Response, Error> {
    let Posted { visitor, params } = posted;
    visitor.needs(Scope::EventsReplay)?;
    let filter = filter(&params)?;
    let Some(once) = first(&state, &visitor, &params).await? else {
        return Ok(Flash::AlreadyReplayed.on(visitor.way, see_other(PATH)));
    };
    let mut found = matching(&state, &filter).await?;
    found.truncate(PRESS);
    if found.is_empty() {
        return Ok(Flash::NothingChanged.on(visitor.way, see_other(PATH)));
    }
    let told = json!({
        "provider": filter.provider, "type": filter.kind, "dead": filter.dead, "since": filter.since,
        "until": filter.until,
    });
    let actor = visitor.signed.caller.name.as_str();
    let mut bulk = Bulk::begin(&state.db, found, replay::RATE, (actor, "filter", told), visitor.now).await?;
    let reached = bulk.step(&mut *state.db.acquire().await?, visitor.now).await?;
    state.intake.wake_worker();
    once.answered(&state.db, 303, &[]).await?;
    if reached != Stage::Running {
        return Ok(Flash::Replayed(bulk.replayed()).on(visitor.way, see_other(PATH)));
    }
    let page = format!("{REPLAYS}/{}", id::shown("replay_", bulk.id()));
    state.go_on_replaying(bulk);
    Ok(see_other(&page))
}

/// `GET /console/replays/{id}`: how far a replay is.
pub(super) async fn progress(
    Extract(state): Extract<State>,
    Path(name): Path<String>,
    visitor: Visitor,
) -> Result<Response, Error> {
    let resource = lists::resource("replays")?;
    visitor.needs(resource.scope)?;
    let row = Row(resource.shown(detail::find(&state, resource, &name).await?, false));
    let (done, all) = (row.number("replayed").unwrap_or_default(), row.number("found").unwrap_or_default());
    let (tone, word) = stage_of(&row);
    let is_running = row.text("status") == "running";
    let body = html! {
        (parts::crumbs("Replay by filter", "/console/replay"))
        section #replay data-moving[is_running] {
            div.head {
                div {
                    h1 { "Replay" }
                    p.about { @match row.text("status") {
                        "running" => { "Events are put back step by step, so that what comes in meanwhile does not wait behind them." }
                        "stopped" => { "It was stopped by " code { (row.text("stopped_by")) } ". What is back in the queue is worked on; the rest is as it was." }
                        _ => { "All of them are back in the queue." }
                    } }
                    p.tags { (pill(tone, word)) @if let Some(at) = row.time("began_at") { (parts::when(&visitor, at)) } span { "by " code { (row.text("actor")) } } }
                }
                @if is_running { div.actions {
                    form method="post" action={ (REPLAYS) "/" (row.text("id")) "/stop" } data-once { (token(&visitor)) button.danger type="submit" { (icons::bad()) "Stop" } }
                } }
            }
            section.card aria-label="Progress" {
                p.big { (parts::number(done)) small { " of " (parts::number(all)) } }
                progress value=(done) max=(all.max(1)) aria-label="Events that are back in the queue" {}
                p.hint { @if let Some(at) = row.time("changed_at") { "Last step " (parts::when(&visitor, at)) } }
            }
        }
    };
    Ok(page::page(&visitor, Section::DeadLetters, "Replay", &body))
}

fn stage_of(row: &Row) -> (Tone, &'static str) {
    match row.text("status") {
        "running" => (Tone::Wait, "Going on"),
        "stopped" => (Tone::Warn, "Stopped"),
        _ => (Tone::Good, "Done"),
    }
}

/// `POST /console/replays/{id}/stop`: no further step is done.
pub(super) async fn stop(
    Extract(state): Extract<State>,
    Path(name): Path<String>,
    posted: Posted,
) -> Result<Response, Error> {
    let visitor = posted.visitor;
    visitor.needs(Scope::EventsReplay)?;
    let replay = id::read("replay_", &name).map_err(|_| Error::NotFound("no such replay".to_owned()))?;
    let stopped = replay::stop(&state.db, replay, &visitor.signed.caller.name, visitor.now).await?;
    let flash = if stopped { Flash::ReplayStopped } else { Flash::NothingChanged };
    Ok(flash.on(visitor.way, see_other(&format!("{REPLAYS}/{name}"))))
}

/// Replays of late, and how far each is.
fn lately(visitor: &Visitor, rows: &[Row]) -> Markup {
    html! {
        @if !rows.is_empty() {
            section.card aria-labelledby="lately" {
                div.card-head { h2 #lately { "Lately" } }
                div.scroll tabindex="0" role="region" aria-label="Table of replays" { table.rows.inner {
                    thead { tr { th scope="col" { "Begun" } th scope="col" { "Who" } th.num scope="col" { "Events" } th scope="col" { "State" } } }
                    tbody { @for row in rows {
                        @let (tone, word) = stage_of(row);
                        tr {
                            td.time { a href={ (REPLAYS) "/" (row.text("id")) } { @if let Some(at) = row.time("began_at") { (parts::time(visitor, at)) } } }
                            td { code { (row.text("actor")) } }
                            td.num { (parts::number(row.number("replayed").unwrap_or_default())) " of " (parts::number(row.number("found").unwrap_or_default())) }
                            td { (pill(tone, word)) }
                        }
                    } }
                } }
            }
        }
    }
}

/// `POST /console/events/{id}/replay`.
pub(super) async fn one(
    Extract(state): Extract<State>,
    Path(name): Path<String>,
    posted: Posted,
) -> Result<Response, Error> {
    let Posted { visitor, params } = posted;
    visitor.needs(Scope::EventsReplay)?;
    let event =
        replay::named(&state.db, &name).await?.ok_or_else(|| Error::NotFound("no such event".to_owned()))?;
    let shown = id::shown("event_", event);
    let back = see_other(&format!("/console/events/{shown}"));
    let Some(once) = first(&state, &visitor, &params).await? else {
        return Ok(Flash::AlreadyReplayed.on(visitor.way, back));
    };
    let mut transaction = state.db.begin().await?;
    let count = replay::rearm(&mut transaction, &[event], visitor.now).await?;
    if count == 0 {
        return Err(Error::NotFound("no such event".to_owned()));
    }
    let detail = json!({ "events": 1 });
    visitor.audit(&mut *transaction, "events.replay", &shown, detail).await?;
    transaction.commit().await?;
    state.intake.wake_worker();
    once.answered(&state.db, 303, &[]).await?;
    Ok(Flash::Replayed(count).on(visitor.way, back))
}

/// Claims a form, so that a second press of its button changes nothing; `None` where it came before.
async fn first(state: &State, visitor: &Visitor, params: &Params) -> Result<Option<Once>, Error> {
    let key = params.get("once").unwrap_or_default().to_owned();
    if key.is_empty() || key.len() > 64 || key.contains('\0') {
        return Err(Error::Parameter("once".to_owned(), "it is missing".to_owned()));
    }
    let owner = visitor.signed.session.to_string();
    let once = Once { owner, key, digest: [0; 32], at: visitor.now };
    Ok((once.claim(&state.db).await? == Known::New).then_some(once))
}
