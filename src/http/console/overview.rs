//! The first page: whether all is well, in one sentence, four figures and one picture.

use axum::{extract::State as Extract, response::Response};
use chrono::{DateTime, TimeDelta, Utc};
use maud::{Markup, html};
use uuid::Uuid;

use super::{
    chart::{self, Hour},
    events, icons,
    page::{self, Section},
    parts::{self, Tone, pill},
    tally::{self, Tally},
    visitor::Visitor,
    words,
};
use crate::{
    access::Scope,
    calls, db,
    http::{
        api::stats::{self, Standing},
        error::Error,
        state::State,
    },
    provider::{Endpoint, Provider},
};

/// Refusals by the hour since `$1`. The table is bounded.
const REFUSED_SQL: &str = "
SELECT floor(extract(epoch FROM at) / 3600)::bigint, code LIKE 'signature%', count(*) FROM rejections
WHERE at >= $1 AND endpoint <> 'metrics' GROUP BY 1, 2";

const CALLS_SQL: &str = "
SELECT (SELECT count(*) FROM (SELECT FROM calls WHERE id >= uuid_floor($1) AND NOT simulated LIMIT 100001) one) AS now,
       (SELECT count(*) FROM (SELECT FROM calls WHERE id >= uuid_floor($2) AND id < uuid_floor($1) AND NOT simulated LIMIT 100001) one) AS before";

const TROUBLE_SQL: &str = "
SELECT (SELECT count(*) FROM (SELECT FROM subscriptions WHERE status IN ('past_due', 'unpaid') LIMIT 1001) one) AS owed,
       (SELECT count(*) FROM (SELECT FROM calls WHERE NOT ended AND NOT simulated AND last_seen_at < $1 LIMIT 1001) one) AS stuck,
       (SELECT count(*) FROM rejections WHERE at >= $2 AND code LIKE 'signature%') AS forged,
       (SELECT event_id FROM event_work WHERE dead_at IS NULL ORDER BY event_id LIMIT 1) AS oldest";

/// After how long a waiting event is late.
const LATE: TimeDelta = TimeDelta::minutes(2);

/// After how long without a word a call that goes on is odd.
const STUCK: TimeDelta = TimeDelta::hours(1);

/// Signature failures within an hour that are worth a look.
const FORGERIES: i64 = 5;

/// What may need somebody.
#[derive(Debug, sqlx::FromRow)]
struct Trouble {
    owed: i64,
    stuck: i64,
    forged: i64,
    oldest: Option<Uuid>,
}

/// A line of the list of what needs attention.
struct Need {
    tone: Tone,
    text: String,
    path: String,
}

/// `GET /console`.
pub(super) async fn overview(Extract(state): Extract<State>, visitor: Visitor) -> Result<Response, Error> {
    let now = visitor.now;
    let (day, before) = (now - TimeDelta::hours(24), now - TimeDelta::hours(48));
    let counting = async {
        let mut tally = state.console.tally.lock().await;
        tally.look(&state.db, now).await?;
        Ok::<Tally, sqlx::Error>(tally.clone())
    };
    let tally = counting.await?;
    let refused: Vec<(i64, bool, i64)> =
        sqlx::query_as(REFUSED_SQL).bind(before).fetch_all(&state.db).await?;
    let calls: (i64, i64) = sqlx::query_as(CALLS_SQL).bind(day).bind(before).fetch_one(&state.db).await?;
    let standing = stats::standing(&state).await?;
    let trouble: Trouble = sqlx::query_as(TROUBLE_SQL)
        .bind(now - STUCK)
        .bind(now - TimeDelta::hours(1))
        .fetch_one(&state.db)
        .await?;
    let latest = events::latest(&state, 8).await?;
    let hours = hours(&tally, &refused, now);
    let needs = needs(&state, &visitor, &standing, &trouble);
    let period = |from: i64, to: i64| {
        let [signed, unsigned] = tally.sum(from, to);
        let refused: i64 = refused.iter().filter(|row| (from..to).contains(&row.0)).map(|row| row.2).sum();
        (signed + unsigned, signed, refused)
    };
    let this = tally::hour(now);
    let (today, yesterday) = (period(this - 23, this + 1), period(this - 47, this - 23));
    let speeds = state.metrics.acknowledged_within(now, &[0.5, 0.95, 0.99]);
    let body = html! {
        (page::flagged(state.presence.state() == db::State::Ready && !state.intake.is_away()))
        (parts::head("Overview", &sentence(&needs, today.0, today.2), &html! {}))
        section.figures-row aria-label="The last 24 hours" {
            (figure("Requests", &parts::number(today.0 + today.2), &change(today.0 + today.2, yesterday.0 + yesterday.2), "/console/events"))
            (figure("Verified", &share(today), &html! { (parts::number(today.2)) " refused" }, "/console/refused"))
            (figure("Calls", &parts::number(calls.0), &change(calls.0, calls.1), "/console/calls"))
            (figure("Waiting", &parts::number(standing.waiting), &html! { @if standing.dead > 0 { (parts::number(standing.dead)) " given up" } @else { "nothing given up" } }, "/console/dead-letters"))
        }
        div.split {
            section.card aria-labelledby="traffic" {
                div.card-head { h2 #traffic { "Requests by the hour" } (chart::legend()) }
                p.summary { (chart::summary(&hours)) @if !tally.is_whole() { " Still counting: older hours follow." } }
                (chart::bars(&visitor, &hours))
                @if let Some(speeds) = &speeds {
                    p.speeds {
                        "Answered since the start:"
                        @for (share, seconds) in ["half", "95\u{2009}%", "99\u{2009}%"].iter().zip(speeds) { span { (share) " within " strong { (milliseconds(*seconds)) " ms" } } }
                    }
                }
                (chart::table(&visitor, &hours))
            }
            section.card aria-labelledby="needs" {
                div.card-head { h2 #needs { "Needs attention" } @if !needs.is_empty() { span.count { (needs.len()) } } }
                @if needs.is_empty() {
                    div.calm { (icons::ok()) p { "Nothing does. Whatever came was verified, kept and worked on." } }
                } @else {
                    ul.needs { @for need in &needs { li { a href=(need.path) { span class={ "dot " (need.tone.class()) } { (need.tone.icon()) } span { (need.text) } (icons::arrow()) } } } }
                }
            }
        }
        div.split {
            section.card aria-labelledby="latest" {
                div.card-head { h2 #latest { "Latest events" } a href="/console/events" { "All events" } }
                @if latest.is_empty() { (events::nothing_yet(&visitor)) } @else { (events::brief(&visitor, &latest)) }
            }
            section.card aria-labelledby="endpoints" {
                div.card-head { h2 #endpoints { "Endpoints" } a href="/console/setup" { "Setup" } }
                (endpoints(&state, &visitor, &tally))
            }
        }
    };
    Ok(page::page(&visitor, Section::Overview, "Overview", &body))
}

/// The last 24 hours, the present one last.
fn hours(tally: &Tally, refused: &[(i64, bool, i64)], now: DateTime<Utc>) -> Vec<Hour> {
    let this = tally::hour(now);
    let of = |hour: i64| Hour {
        at: hour,
        kept: Provider::ALL.map(|provider| tally.of(hour, provider)),
        refused: refused.iter().filter(|row| row.0 == hour).map(|row| row.2).sum(),
    };
    (this - 23..=this).map(of).collect()
}

/// Whether all is well, in a sentence.
fn sentence(needs: &[Need], kept: i64, refused: i64) -> Markup {
    html! {
        @if needs.iter().any(|need| need.tone == Tone::Bad) { (pill(Tone::Bad, "Needs you")) " " }
        @else if !needs.is_empty() { (pill(Tone::Warn, "Worth a look")) " " }
        @else { (pill(Tone::Good, "All well")) " " }
        @if kept + refused == 0 { "No request has come in the last 24 hours." }
        @else { (parts::counted(kept, "request", "requests")) " kept in the last 24 hours, " @if refused == 0 { "none refused." } @else { (parts::number(refused)) " refused." } }
    }
}

fn figure(name: &str, value: &str, about: &Markup, path: &str) -> Markup {
    html! { a.figure href=(path) { span.name { (name) } strong { (value) } small { (about) } } }
}

/// `2.5` for 0.0025.
fn milliseconds(seconds: f64) -> f64 {
    (seconds * 10_000.0).round() / 10.0
}

fn change(now: i64, before: i64) -> Markup {
    html! {
        @if before == 0 { "none the day before" }
        @else {
            @let percent = (now - before) * 100 / before;
            @if percent == 0 { "as the day before" }
            @else if percent > 0 { "▲ " (percent.min(9999)) "\u{2009}% on the day before" }
            @else { "▼ " (-percent) "\u{2009}% on the day before" }
        }
    }
}

/// Of all requests, how many were proven genuine; cut, so that 100 % means all.
fn share((kept, signed, refused): (i64, i64, i64)) -> String {
    match (kept + refused, signed) {
        (0, _) => "–".to_owned(),
        (all, signed) => {
            let permille = signed * 1000 / all;
            if permille % 10 == 0 {
                format!("{}\u{2009}%", permille / 10)
            } else {
                format!("{}.{}\u{2009}%", permille / 10, permille % 10)
            }
        }
    }
}

fn needs(state: &State, visitor: &Visitor, standing: &Standing, trouble: &Trouble) -> Vec<Need> {
    let mut needs = Vec::new();
    let mut add = |tone, text, path: &str| needs.push(Need { tone, text, path: path.to_owned() });
    if standing.dead > 0 {
        add(
            Tone::Bad,
            format!("{} given up after ten tries", parts::counted(standing.dead, "event", "events")),
            "/console/dead-letters",
        );
    }
    let oldest = trouble.oldest.map(|id| crate::domain::id::EventId::from(id).time());
    if let Some(oldest) = oldest.filter(|oldest| visitor.now - *oldest > LATE) {
        add(
            Tone::Bad,
            format!("The oldest event waits since {}", parts::span(visitor.now - oldest)),
            "/console/events",
        );
    }
    if trouble.forged >= FORGERIES {
        add(Tone::Warn, format!("{} signature failures within an hour", trouble.forged), "/console/refused");
    }
    if trouble.owed > 0 && visitor.may(Scope::BillingRead) {
        add(
            Tone::Warn,
            format!("{} overdue", parts::counted(trouble.owed, "subscription is", "subscriptions are")),
            "/console/accounts?view=owing",
        );
    }
    if trouble.stuck > 0 {
        let hours = calls::SILENT.as_secs() / 3600;
        add(
            Tone::Warn,
            format!(
                "{} without a word for an hour; closed after {hours}",
                parts::counted(trouble.stuck, "call", "calls")
            ),
            "/console/calls",
        );
    }
    for provider in Provider::ALL {
        let missing = state.providers.missing(provider);
        if !missing.is_empty() {
            let name = parts::capital(provider.name());
            add(Tone::Wait, format!("{name} is not configured: its endpoints answer 503"), "/console/setup");
        }
    }
    needs
}

/// The seven endpoints and when something last came to each.
fn endpoints(state: &State, visitor: &Visitor, tally: &Tally) -> Markup {
    html! {
        ul.endpoints {
            @for endpoint in Endpoint::ALL {
                @let last = tally.last(endpoint);
                @let able = state.providers.missing(endpoint.provider()).is_empty();
                li {
                    span class={ "dot " (if !able { "quiet" } else if last.is_some() { "ok" } else { "wait" }) } {
                        (if !able { icons::dash() } else if last.is_some() { icons::ok() } else { icons::wait() })
                    }
                    span.name { (words::endpoint(endpoint)) }
                    span.said {
                        @if let Some(at) = last { (parts::ago(visitor.now, at)) } @else if able { "quiet for two days" } @else { "not configured" }
                    }
                }
            }
        }
    }
}
